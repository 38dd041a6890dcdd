// An open index run: its pages, read and opened one at a time. The file stays open while the reader lives, so that
// on most systems a run that another process merges away stays readable until this one opens the index again.

import { assert } from "../../base/assert.ts";
import { hexOf } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import {
  decodeRunHeader,
  decodeRunTrailer,
  layoutOfRun,
  pagePosition,
  recordsInPage,
  requireRepository,
  RUN_HEADER_BYTES,
  RUN_NAME_BYTES,
  RUN_PAGE_BYTES,
  RUN_PAGE_TAG_BYTES,
  RUN_TRAILER_BYTES,
  sealOfTrailer,
} from "../../formats/index-run.ts";
import type { RunCounts, RunLayout, SectionLayout, SectionName } from "../../formats/index-run.ts";
import type { Files, OpenFile } from "../../platform/files.ts";
import { describeRun, runPath, runVanished } from "./run-directory.ts";
import type { IndexLocation, RunName } from "./run-directory.ts";
import { RunSeal } from "./run-seal.ts";

/** What another thread needs to open the same run without deriving or checking anything again. */
export interface SharedRunIdentity {
  readonly name: RunName;
  readonly header: Uint8Array;
  readonly key: Uint8Array;
  readonly counts: RunCounts;
}

export class RunReader {
  readonly name: RunName;
  readonly counts: RunCounts;
  readonly layout: RunLayout;
  readonly #files: Files;
  readonly #path: string;
  readonly #file: OpenFile;
  readonly #seal: RunSeal;
  readonly #stored = new Uint8Array(RUN_PAGE_BYTES + RUN_PAGE_TAG_BYTES);

  private constructor(files: Files, path: string, file: OpenFile, name: RunName, seal: RunSeal, counts: RunCounts) {
    this.name = name;
    this.counts = counts;
    this.layout = layoutOfRun(counts);
    this.#files = files;
    this.#path = path;
    this.#file = file;
    this.#seal = seal;
  }

  /** Undefined when there is no such run (any more). Checks the header, the trailer, the length and the key. */
  static open({ files, directory, indexKey, repositoryId }: IndexLocation, name: RunName): RunReader | undefined {
    const path = runPath(directory, name);
    const file = files.open(path);
    if (file === undefined) return undefined;
    try {
      const what = describeRun(name);
      const size = file.sizeBytes();
      if (size < RUN_HEADER_BYTES + RUN_TRAILER_BYTES) throw tooShort(what, size);
      const headerBytes = readUpTo(file, 0, Math.min(size, RUN_HEADER_BYTES + RUN_TRAILER_BYTES));
      const header = decodeRunHeader(headerBytes, what);
      requireRepository(header, repositoryId, what);
      const trailer = readUpTo(file, size - RUN_TRAILER_BYTES, RUN_TRAILER_BYTES);
      const counts = decodeRunTrailer(trailer, size, what);
      const seal = RunSeal.derive(indexKey, repositoryId, header.salt, headerBytes.slice(0, RUN_HEADER_BYTES));
      const sealed = sealOfTrailer(trailer);
      seal.checkTrailer(sealed.plain, sealed.seal, what);
      return new RunReader(files, path, file, name, seal, counts);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Opens in another thread what `identity()` describes. Undefined when the file is gone. */
  static reopen(files: Files, directory: string, { name, header, key, counts }: SharedRunIdentity): RunReader | undefined {
    const path = runPath(directory, name);
    const file = files.open(path);
    if (file === undefined) return undefined;
    return new RunReader(files, path, file, name, new RunSeal(key, header), counts);
  }

  identity(): SharedRunIdentity {
    return { name: this.name, header: this.#seal.header, key: this.#seal.key, counts: this.counts };
  }

  section(name: SectionName): SectionLayout {
    return this.layout.sections[name];
  }

  /** The plain bytes of a page, in memory of their own. Throws `runVanished` when the file cannot be read because it is gone. */
  readPage(section: SectionLayout, page: number): Uint8Array {
    assert(page >= 0 && page < section.pages, "a page that is read lies in its section");
    const length = recordsInPage(section, page) * section.recordBytes + RUN_PAGE_TAG_BYTES;
    const stored = this.#stored.subarray(0, length);
    let count: number;
    try {
      count = this.#file.read(stored, pagePosition(section, page));
    } catch (error) {
      // On a network file system a removed file can no longer be read although it is open.
      if (this.#files.information(this.#path) === undefined) throw runVanished(this.name, error);
      throw error;
    }
    if (count !== length) {
      if (this.#files.information(this.#path) === undefined) throw runVanished(this.name);
      throw new HoldfastError("FORMAT_TRUNCATED", {
        message: `Cannot read ${describeRun(this.name)}: it ended while it was in use`,
        hint: "Something other than Holdfast changed it. Rebuild the index from the containers.",
      });
    }
    return this.#seal.openPage(section.number, page, stored, describeRun(this.name));
  }

  /** Calls `use` with one page after the other. */
  forEachPage(name: SectionName, use: (plain: Uint8Array, page: number) => void): void {
    const section = this.section(name);
    for (let page = 0; page < section.pages; page++) use(this.readPage(section, page), page);
  }

  /** The runs whose place this one takes. */
  superseded(): RunName[] {
    const names: RunName[] = [];
    this.forEachPage("superseded", (plain) => {
      for (let at = 0; at < plain.length; at += RUN_NAME_BYTES) {
        names.push(hexOf(plain.subarray(at, at + RUN_NAME_BYTES)) as RunName);
      }
    });
    return names;
  }

  close(): void {
    this.#file.close();
  }
}

function readUpTo(file: OpenFile, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, file.read(bytes, position));
}

function tooShort(what: string, size: number): HoldfastError {
  return new HoldfastError("FORMAT_TRUNCATED", {
    message: `Cannot read ${what}: it has ${size} bytes, header and trailer alone have ${RUN_HEADER_BYTES + RUN_TRAILER_BYTES}`,
    context: { size },
    hint: "The file is damaged. Rebuild the index from the containers with `holdfast rebuild-index`.",
  });
}
