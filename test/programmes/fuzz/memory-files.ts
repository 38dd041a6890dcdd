// Files and a volume in memory that hold what is under test. Only what readers and merges of ours call is there.

import { HoldfastError } from "../../../src/base/errors.ts";
import type { ContainerName, Volume, VolumeId } from "../../../src/media/media.ts";
import type { Files, OpenFile } from "../../../src/platform/files.ts";

export class MemoryFiles implements Files {
  readonly #files = new Map<string, Uint8Array>();

  set(path: string, bytes: Uint8Array): void {
    this.#files.set(path, bytes);
  }

  clear(): void {
    this.#files.clear();
  }

  open(path: string): OpenFile | undefined {
    return this.#files.has(path) ? this.#handle(path) : undefined;
  }

  freeBytes(): undefined {
    return undefined;
  }

  create(path: string): OpenFile {
    this.#files.set(path, new Uint8Array(0));
    return this.#handle(path);
  }

  #handle(path: string): OpenFile {
    const bytes = (): Uint8Array => this.#files.get(path) ?? new Uint8Array(0);
    return {
      read: (into, position) => {
        // What a system call does with such a position.
        if (position < 0) throw new HoldfastError("REPOSITORY_READ_FAILED", { message: `Cannot read ${path} at ${position}` });
        const part = bytes().subarray(position, position + into.length);
        into.set(part);
        return part.length;
      },
      write: (added, position) => {
        const grown = new Uint8Array(Math.max(bytes().length, position + added.length));
        grown.set(bytes());
        grown.set(added, position);
        this.#files.set(path, grown);
      },
      sizeBytes: () => bytes().length,
      sync: async () => undefined,
      syncNow: () => undefined,
      close: () => undefined,
    };
  }

  read(path: string, limitBytes: number): Uint8Array | undefined {
    const bytes = this.#files.get(path);
    if (bytes === undefined || bytes.length <= limitBytes) return bytes;
    throw new HoldfastError("REPOSITORY_READ_FAILED", { message: `Cannot read ${path}: it is larger than ${limitBytes} bytes` });
  }

  information(path: string): ReturnType<Files["information"]> {
    const bytes = this.#files.get(path);
    return bytes === undefined ? undefined : { kind: "file", sizeBytes: bytes.length, modifiedMs: 0 };
  }

  list(directory: string): readonly string[] {
    const prefix = `${directory}/`;
    return [...this.#files.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  }

  rename(from: string, to: string): void {
    this.#files.set(to, this.#files.get(from) ?? new Uint8Array(0));
    this.#files.delete(from);
  }

  remove(path: string): boolean {
    return this.#files.delete(path);
  }

  link(from: string, to: string): boolean {
    if (this.#files.has(to)) return false;
    this.#files.set(to, this.#files.get(from) ?? new Uint8Array(0));
    return true;
  }

  makeDirectory(): void {}
  syncDirectory(): void {}
  removeEmptyDirectory(): boolean {
    return false;
  }
}

/** A volume with one container of any name. */
export function volumeOf(container: Uint8Array): Volume {
  const volume: Partial<Volume> = {
    id: "a1".repeat(16) as VolumeId,
    name: "main",
    containerSize: async () => container.length,
    readContainer: async (name: ContainerName, offset: number, length: number) => {
      const bytes = container.slice(offset, offset + length);
      if (bytes.length === length) return bytes;
      throw new HoldfastError("REPOSITORY_DAMAGED", { message: `Cannot read container ${name} of volume "main": it ends early` });
    },
  };
  return volume as Volume;
}
