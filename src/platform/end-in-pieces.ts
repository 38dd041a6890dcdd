import type { Writable } from "node:stream";

const PIECE_BYTES = 256 * 1024;

/**
 * Writes all of `body` and ends the stream. Piece by piece: TLS would encrypt a large one as a whole before its first byte leaves,
 * which costs memory and time. Returns early when the stream breaks; whoever owns it hears of that.
 */
export async function endInPieces(stream: Writable, body: Uint8Array): Promise<void> {
  for (let start = 0; start < body.length; start += PIECE_BYTES) {
    if (stream.destroyed) return;
    if (!stream.write(body.subarray(start, start + PIECE_BYTES))) await drained(stream);
  }
  stream.end();
}

function drained(stream: Writable): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const settle = (): void => {
    stream.off("drain", settle).off("close", settle);
    resolve();
  };
  if (stream.destroyed) return Promise.resolve();
  stream.on("drain", settle).on("close", settle);
  return promise;
}
