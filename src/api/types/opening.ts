// How a repository is opened.

/** Where the passphrase comes from; called only when a repository really has to be unlocked. */
export type PassphraseSource = () => Promise<string> | string;

export interface OpenOptions {
  /** A directory; or `https://HOST:PORT/` for a server that this user is a client of. */
  readonly repository: string;
  readonly passphrase: PassphraseSource;
  /** Where track logs are kept; the platform's cache directory unless given. */
  readonly cacheDirectory?: string;
  /** Worker threads; as many as there are processors unless given. */
  readonly threads?: number;
  /** Start them while the passphrase becomes a key: for who is going to back up, restore or verify. Without it they start when needed. */
  readonly startThreads?: boolean;
  /** Hears of damage that is passed by, such as an image record that cannot be read. */
  readonly onNotice?: (notice: string) => void;
}

export interface CreateOptions extends OpenOptions {
  /** Label of the first key slot. */
  readonly keyLabel?: string;
}
