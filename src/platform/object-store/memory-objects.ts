// An object store in memory, for tests of what is built on one.

import fs from "node:fs";
import { HoldfastError } from "../../base/errors.ts";
import type { Clock } from "../clock.ts";
import type {
  BlockingObjectStore,
  ByteRange,
  ObjectContent,
  ObjectInformation,
  ObjectPage,
  ObjectStore,
  PendingUpload,
  PutOptions,
  RequestCounts,
} from "./object-store.ts";

interface StoredObject {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly modifiedMs: ObjectInformation["modifiedMs"];
}

const PAGE_ENTRIES = 1_000;

export class MemoryObjects implements BlockingObjectStore {
  readonly #clock: Pick<Clock, "now">;
  readonly #objects = new Map<string, StoredObject>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  put(key: string, content: ObjectContent, { onlyIfAbsent = false }: PutOptions = {}): boolean {
    if (onlyIfAbsent && this.#objects.has(key)) return false;
    const bytes = content instanceof Uint8Array ? content : fs.readFileSync(content.path).subarray(0, content.sizeBytes);
    this.#objects.set(key, { bytes: Uint8Array.from(bytes), modifiedMs: this.#clock.now() });
    return true;
  }

  get(key: string, limitBytes: number): Uint8Array<ArrayBuffer> | undefined {
    const found = this.#objects.get(key);
    if (found === undefined || found.bytes.length <= limitBytes) return found?.bytes.slice();
    throw new HoldfastError("FORMAT_INVALID", {
      message: `${key} has ${found.bytes.length} bytes, expected at most ${limitBytes}`,
    });
  }

  getRange(key: string, { offset, length }: ByteRange): Uint8Array<ArrayBuffer> | undefined {
    return this.#objects.get(key)?.bytes.slice(offset, offset + length);
  }

  head(key: string): ObjectInformation | undefined {
    const found = this.#objects.get(key);
    return found && { sizeBytes: found.bytes.length, modifiedMs: found.modifiedMs };
  }

  list(
    prefix: string,
    { delimiter, after = "", limit = PAGE_ENTRIES }: { delimiter?: string; after?: string; limit?: number } = {},
  ): ObjectPage {
    const entries = new Map<string, number | undefined>();
    for (const key of [...this.#objects.keys()].filter((candidate) => candidate.startsWith(prefix)).toSorted()) {
      const end = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
      if (end >= 0) entries.set(key.slice(0, end + 1), undefined);
      else entries.set(key, this.#objects.get(key)?.bytes.length);
    }
    const following = [...entries].filter(([name]) => name > after);
    const page = following.slice(0, limit);
    return {
      objects: page.flatMap(([key, sizeBytes]) => (sizeBytes === undefined ? [] : [{ key, sizeBytes }])),
      prefixes: page.flatMap(([name, sizeBytes]) => (sizeBytes === undefined ? [name] : [])),
      ...(following.length > limit ? { next: page.at(-1)?.[0] ?? "" } : {}),
    };
  }

  levels(prefixes: readonly string[]): readonly (readonly string[])[] {
    return prefixes.map((prefix) => {
      const { objects, prefixes: below } = this.list(prefix, { delimiter: "/", limit: Number.POSITIVE_INFINITY });
      return [...objects.map(({ key }) => key), ...below];
    });
  }

  remove(key: string): void {
    this.#objects.delete(key);
  }

  copy(from: string, to: string): boolean {
    const found = this.#objects.get(from);
    if (found !== undefined) this.#objects.set(to, { ...found, modifiedMs: this.#clock.now() });
    return found !== undefined;
  }

  pendingUploads(): readonly PendingUpload[] {
    return [];
  }

  abortUpload(): void {
    // Nothing is put in parts here.
  }

  counts(): RequestCounts {
    return { put: 0, get: 0, head: 0, list: 0, copy: 0, delete: 0, retries: 0, sentBytes: 0, receivedBytes: 0 };
  }
}

/** The same store for who waits for promises. */
export function asynchronous(store: BlockingObjectStore): ObjectStore {
  return {
    put: async (...given) => store.put(...given),
    get: async (...given) => store.get(...given),
    getRange: async (...given) => store.getRange(...given),
    head: async (...given) => store.head(...given),
    list: async (...given) => store.list(...given),
    levels: async (...given) => store.levels(...given),
    remove: async (...given) => store.remove(...given),
    copy: async (...given) => store.copy(...given),
    pendingUploads: async (...given) => store.pendingUploads(...given),
    abortUpload: async (...given) => store.abortUpload(...given),
    counts: async () => store.counts(),
  };
}
