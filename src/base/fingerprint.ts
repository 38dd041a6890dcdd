import type { Brand } from "./brand.ts";

/** The 32 bytes of a keyed BLAKE3-256. Equal fingerprints mean equal bytes of one kind in one deduplication domain. */
export type Fingerprint = Brand<Uint8Array, "Fingerprint">;

export const FINGERPRINT_BYTES = 32;
