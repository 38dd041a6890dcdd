// Gives the memory of large buffers back at once.
//
// zlib and crypto put every result into new memory outside the JavaScript heap. The collector sees only small
// wrappers and lets some 50–100 MB of dead results pile up in each worker. Moving a buffer's memory into an empty one
// (`ArrayBuffer.prototype.transfer`) frees it without waiting: measured over 4 GB, the resident size of an encrypting
// worker stayed at 60 MB instead of 150–180 MB, and encryption became faster because the same memory, still in
// the processor's cache, is used again for the next piece.

/**
 * Memory of this size or more is never part of the pool from which Node cuts small Buffers. Freeing that would empty other
 * people's Buffers (newer versions of Node refuse it).
 */
export const OWN_MEMORY_BYTES = 2 * Buffer.poolSize;

/** Frees the memory behind `buffer`, which nobody may use afterwards. Memory that others may share is left alone. */
export function releaseNow(buffer: Uint8Array): void {
  const memory = buffer.buffer;
  if (!(memory instanceof ArrayBuffer) || memory.detached) return;
  // A Buffer cut from the pool never covers all of it.
  if (memory.byteLength !== buffer.byteLength && memory.byteLength < OWN_MEMORY_BYTES) return;
  try {
    memory.transfer(0);
  } catch {
    // Memory that may not be moved is left to the collector: this saves memory, and must not fail a backup.
  }
}

/** Memory that is not cleared first: for callers that fill all of it. */
export function uninitializedBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer, 0, length);
}
