// What test/fixtures/golden/<version>/manifest.json says of the repository beside it.

export interface GoldenManifest {
  readonly version: string;
  readonly passphrase: string;
  /** Below it lies in the images what `entries` describe. */
  readonly source: string;
  /** All directories of the repository: some are empty, and not kept by everything that keeps files. */
  readonly directories: readonly string[];
  readonly images: readonly { readonly id: string; readonly tags: readonly string[]; readonly entries: readonly string[] }[];
}
