// The hot path from plain bytes to sealed blocks and back: cut, fingerprint, compress, seal. Everything here is
// synchronous, allocates little, and belongs to one thread; pipelines are built of it elsewhere.

export { createFingerprinter, Fingerprinter, FINGERPRINT_KEY_BYTES, type BlakeModule, type LoadBlake } from "./fingerprint.ts";
export { BlockIdentifier } from "./identity.ts";
export { releaseNow, uninitializedBytes } from "./release.ts";
export { BlockSealer, openRecord, SEAL_OVERHEAD_BYTES, sealRecord, type BlockSealerOptions } from "./seal.ts";
export { Cutter, DEFAULT_WINDOW_BYTES } from "./cutter.ts";
export { CUTTING_KEY_BYTES, DEFAULT_CUT_SIZES, FINE_CUT_SIZES, type CutSizes } from "./cutter-parameters.ts";
export { BlockCompressor, decompressBlock, type CompressedBlock, type CompressionLevel } from "./compress.ts";
export { compressFrame, decompressFrame } from "./zstd-frame.ts";
