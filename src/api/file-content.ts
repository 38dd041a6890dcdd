// The content of a file, piece by piece.

import { textOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";
import { LocationBuffer, isRunVanished, segmentsOf } from "../repository/repository.ts";
import type { CentralIndex, PageSource, SegmentReader } from "../repository/repository.ts";
import { absolutePathOf } from "./listed-entry.ts";
import type { RawEntry } from "./listed-entry.ts";

/** What an opened repository offers to whoever reads content. */
export interface ContentSource {
  readonly reader: PageSource & Pick<SegmentReader, "load">;
  readonly index: Pick<CentralIndex, "locate">;
}

/** Exactly `body.sizeBytes` bytes, or REPOSITORY_DAMAGED before the first byte too many and after the last of too few. */
export async function* contentOf(source: ContentSource, { path, body }: RawEntry): AsyncGenerator<Uint8Array> {
  let left = body.sizeBytes;
  for await (const piece of piecesOf(source, body)) {
    left -= piece.length;
    if (left < 0) break;
    yield piece;
  }
  if (left === 0) return;
  throw new HoldfastError("REPOSITORY_DAMAGED", {
    message: `The content of "${textOf(absolutePathOf(path))}" is not ${body.sizeBytes} bytes long, as its entry says`,
    hint: "Run `holdfast verify`.",
  });
}

const ZEROS = new Uint8Array(256 * 1024);

/** Segments asked for before they are needed, so that a slow volume is kept busy while the reader of the stream is. */
const AHEAD = 4;

async function* piecesOf(source: ContentSource, content: Parameters<typeof segmentsOf>[1]): AsyncGenerator<Uint8Array> {
  const ahead = new ReadAhead(source);
  const waiting: (Promise<Uint8Array> | number)[] = [];
  for await (const references of segmentsOf(source.reader, content)) {
    for (const reference of references) {
      waiting.push(reference.kind === "hole" ? reference.length : ahead.load(reference));
      if (waiting.length > AHEAD) yield* bytesOf(waiting.shift());
    }
  }
  while (waiting.length > 0) yield* bytesOf(waiting.shift());
}

async function* bytesOf(waiting: Promise<Uint8Array> | number | undefined): AsyncGenerator<Uint8Array> {
  if (typeof waiting !== "number") {
    if (waiting !== undefined) yield await waiting;
    return;
  }
  for (let left = waiting; left > 0; left -= ZEROS.length) yield left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS;
}

/** Segments of one block are loaded one after the other: the first brings the block, and the others find it there. */
class ReadAhead {
  readonly #source: ContentSource;
  readonly #place = new LocationBuffer();
  /** The last load of each block that is not done yet. */
  readonly #underWay = new Map<string, Promise<unknown>>();

  constructor(source: ContentSource) {
    this.#source = source;
  }

  load({ fingerprint }: Extract<SegmentReference, { kind: "data" }>): Promise<Uint8Array> {
    const { reader, index } = this.#source;
    const block = blockOf(index, fingerprint, this.#place);
    const load = (): Promise<Uint8Array> => reader.load("data", fingerprint);
    const loading = this.#underWay.get(block)?.then(load) ?? load();
    // Whoever comes to this segment hears of a failure; until then, and if nobody comes, it is no unhandled one.
    const done = loading
      .catch(() => undefined)
      .finally(() => {
        if (this.#underWay.get(block) === done) this.#underWay.delete(block);
      });
    this.#underWay.set(block, done);
    return loading;
  }
}

/** Names the block by its place in the index as it is now; empty when the index does not know the segment yet. */
function blockOf(index: ContentSource["index"], fingerprint: Uint8Array, place: LocationBuffer): string {
  try {
    return index.locate(fingerprint, place) ? `${place.run} ${place.block}` : "";
  } catch (error) {
    if (isRunVanished(error)) return "";
    throw error;
  }
}
