// Serves the tasks "files": creates what the records describe, in their order. A block is read when the first of its files
// needs it, so resuming an interrupted restore reads nothing of what is there already; and a file is created only with content
// whose fingerprint was right, except for the first of a block, which is removed again.

import { ByteReader } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { ENTRY_FILE, readAttributes, readEntryBody } from "../formats/entry.ts";
import type { EntryAttribute, EntryBody } from "../formats/entry.ts";
import { FileTreeError, newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileTree, StatBuffer } from "../platform/file-tree.ts";
import type { SegmentLocation } from "../repository/repository.ts";
import type { AttributeSetter } from "./attributes.ts";
import { BadPlace } from "./block-cache.ts";
import type { BlockCache } from "./block-cache.ts";
import type { DirectoryNote, FileMaker, NewFile } from "./file-maker.ts";
import { joinPath } from "./entry-path.ts";
import { judge } from "./in-the-way.ts";
import type { DirectoryPath } from "./directory-path.ts";
import type { OtherMaker } from "./other-maker.ts";
import type { ResultWriter } from "./results.ts";
import type { RunSettings } from "./run-settings.ts";
import { readRecords } from "./tasks.ts";
import type { EntryRecord } from "./tasks.ts";

/** What is being worked on, for those who tell of refusals. */
export class Subject {
  directory: Uint8Array = new Uint8Array(0);
  name: Uint8Array | undefined;

  get path(): Uint8Array {
    return this.name === undefined ? this.directory : joinPath(this.directory, this.name);
  }
}

export interface EntryWriterParts {
  readonly tree: FileTree;
  readonly settings: RunSettings;
  readonly setter: AttributeSetter;
  readonly directories: DirectoryPath<DirectoryNote>;
  readonly files: FileMaker;
  readonly others: OtherMaker;
  readonly blocks: BlockCache;
  readonly results: ResultWriter;
  readonly subject: Subject;
  /** Hears of what had to give way in the subject's directory. */
  readonly onRemoved: (path: Uint8Array) => void;
}

type Outcome = "restored" | "replaced" | "same" | "keep";

interface BegunFile {
  readonly file: NewFile;
  readonly replaces: boolean;
}

const NO_ATTRIBUTES: readonly EntryAttribute[] = [];

export class EntryWriter {
  readonly #parts: EntryWriterParts;
  readonly #stat: StatBuffer = newStatBuffer();
  #block: SegmentLocation | undefined;

  constructor(parts: EntryWriterParts) {
    this.#parts = parts;
  }

  async serve(reader: ByteReader): Promise<void> {
    const { subject } = this.#parts;
    for (const record of readRecords(reader)) {
      if (record.tag === "directory") subject.directory = record.path;
      else if (record.tag === "block") this.#block = record.location;
      else if (record.tag === "entry") await this.#entry(record.entry);
      else reader.invalid(`a record "${record.tag}" among files`);
    }
  }

  async #entry(entry: EntryRecord): Promise<void> {
    const { results, subject, directories } = this.#parts;
    subject.name = entry.name;
    try {
      const body = readEntryBody(entry.body);
      const directory = directories.open(subject.directory, subject.directory.length);
      const attributes = await this.attributesOf(entry.attributes, body);
      const outcome =
        body.kind === ENTRY_FILE
          ? await this.#file(directory, entry, body, attributes)
          : this.#other(directory, entry, body, attributes);
      this.#count(entry, body, outcome);
    } catch (error) {
      if (error instanceof BadPlace) {
        this.noteBadPlace(error);
        results.again(subject.path, entry.body, entry.position);
        return;
      }
      results.problem(subject.path, "restore", codeOfFailure(error));
      results.notRestored(entry.position);
      if (entry.body[0] === ENTRY_FILE) results.totals.filesDone++;
    }
  }

  #count(entry: EntryRecord, body: EntryBody, outcome: Outcome): void {
    const { totals } = this.#parts.results;
    if (body.kind === ENTRY_FILE) totals.filesDone++;
    totals.bytesDone += body.sizeBytes;
    if (outcome === "same") totals.skippedUnchanged++;
    if (outcome === "keep") {
      totals.skippedExisting++;
      this.#parts.results.notRestored(entry.position);
    }
    if (outcome === "same" || outcome === "keep") return;
    if (body.kind !== ENTRY_FILE) {
      totals.restoredOthers++;
      return;
    }
    if (outcome === "replaced") totals.replacedFiles++;
    totals.restoredFiles++;
    totals.restoredBytes += body.sizeBytes;
  }

  #other(directory: DirectoryHandle, entry: EntryRecord, body: EntryBody, attributes: readonly EntryAttribute[]): Outcome {
    const outcome = this.#parts.others.make(directory, entry.name, body, attributes);
    return outcome === "made" ? "restored" : outcome;
  }

  async #file(
    directory: DirectoryHandle,
    entry: EntryRecord,
    body: EntryBody,
    attributes: readonly EntryAttribute[],
  ): Promise<Outcome> {
    const { files, blocks } = this.#parts;
    const isSmall = entry.offsetInBlock !== undefined;
    // A damaged segment is found out before anything is made, when that costs nothing.
    const content = isSmall && this.#block !== undefined && blocks.holds(this.#block) ? this.#content(entry, body) : undefined;
    const begun = this.#begin(directory, entry, body, attributes);
    if (typeof begun === "string") return begun;
    const { file, replaces } = begun;
    try {
      if (isSmall) await this.#fillSmall(file, entry, body, content);
      else await this.#fill(file, entry, body);
      files.complete(directory, file, entry.name, body, attributes);
    } catch (error) {
      files.abandon(directory, file);
      throw error;
    }
    return replaces ? "replaced" : "restored";
  }

  #begin(
    directory: DirectoryHandle,
    entry: EntryRecord,
    body: EntryBody,
    attributes: readonly EntryAttribute[],
  ): BegunFile | "same" | "keep" {
    const { files } = this.#parts;
    const { name, pieces } = entry;
    const isStaged = pieces.length > 0;
    if (!isStaged) {
      try {
        return { file: files.create(directory, name, body), replaces: false };
      } catch (error) {
        if (!(error instanceof FileTreeError) || error.code !== "EEXIST") throw error;
      }
    }
    let verdict = judge(this.#parts, directory, name, body, this.#stat);
    if (verdict === "same" && !files.adjust(directory, name, body, attributes)) verdict = "replace";
    if (verdict === "same" || verdict === "keep") return verdict;
    const replaces = verdict === "replace";
    const file = isStaged || replaces ? files.createStaged(directory, body) : files.create(directory, name, body);
    return { file, replaces };
  }

  async #fillSmall(file: NewFile, entry: EntryRecord, body: EntryBody, content: Uint8Array | undefined): Promise<void> {
    const { tree, blocks } = this.#parts;
    if (content === undefined && this.#block !== undefined) await blocks.load(this.#block);
    tree.write(file.handle, content ?? this.#content(entry, body), 0);
  }

  async #fill(file: NewFile, entry: EntryRecord, body: EntryBody): Promise<void> {
    const { tree, blocks } = this.#parts;
    let written = 0;
    for (const { location } of entry.pieces) written += location.length;
    // What is not written is a hole.
    if (written < body.sizeBytes) tree.setSize(file.handle, body.sizeBytes);
    for (const { location, position, fingerprint } of entry.pieces) {
      if (!blocks.holds(location)) await blocks.load(location);
      tree.write(file.handle, blocks.segment(location, location.offset, location.length, fingerprint), position);
    }
  }

  /** The only segment of a small file, checked. */
  #content(entry: EntryRecord, body: EntryBody): Uint8Array {
    const reference = body.segments?.[0];
    if (reference?.kind !== "data" || this.#block === undefined) throw new FileTreeError("FORMAT_INVALID", "find content");
    return this.#parts.blocks.segment(this.#block, entry.offsetInBlock ?? 0, reference.length, reference.fingerprint);
  }

  /** Those in the body, or read from where they are stored. Without them the entry is still worth having. */
  async attributesOf(places: readonly SegmentLocation[], body: EntryBody): Promise<readonly EntryAttribute[]> {
    if (body.attributes !== undefined) return body.attributes;
    const reference = body.storedAttributes;
    if (reference?.kind !== "data") return NO_ATTRIBUTES;
    const { blocks, results, subject } = this.#parts;
    try {
      const bytes = await blocks.anyCopy(places, reference.fingerprint);
      const reader = new ByteReader(bytes, "stored attributes");
      return readAttributes(reader);
    } catch (error) {
      if (!(error instanceof BadPlace) && !(error instanceof HoldfastError)) throw error;
      results.problem(subject.path, "read extended attributes", error.code);
      return NO_ATTRIBUTES;
    }
  }

  noteBadPlace({ location, code, isWholeBlock }: BadPlace): void {
    if (isWholeBlock) this.#parts.results.badBlock(location, code);
    else this.#parts.results.badSegment(location, code);
  }
}

/** The code of what the target or the entry itself failed with; anything else is thrown on. */
export function codeOfFailure(error: unknown): string {
  if (error instanceof FileTreeError || error instanceof HoldfastError) return error.code;
  throw error;
}
