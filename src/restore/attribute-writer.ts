// Serves the last tasks of a run: "directories" sets what directories have, when nothing will be made in them any more, and
// "flags" sets the flags of files.

import type { ByteReader } from "../base/bytes.ts";
import { readEntryBody } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import { newStatBuffer } from "../platform/file-tree.ts";
import type { StatBuffer } from "../platform/file-tree.ts";
import { isSameTime } from "./attributes.ts";
import { removeLeftovers } from "./in-the-way.ts";
import { codeOfFailure } from "./entry-writer.ts";
import { joinPath } from "./entry-path.ts";
import type { EntryWriter, EntryWriterParts } from "./entry-writer.ts";
import { readRecords } from "./tasks.ts";
import type { DirectoryAttributesRecord, EntryRecord } from "./tasks.ts";

export class AttributeWriter {
  readonly #parts: EntryWriterParts;
  readonly #entries: EntryWriter;
  readonly #stat: StatBuffer = newStatBuffer();

  constructor(parts: EntryWriterParts, entries: EntryWriter) {
    this.#parts = parts;
    this.#entries = entries;
  }

  /** Directories come after those that lie in them: one may become unreadable to us by what is set. */
  async setDirectories(reader: ByteReader): Promise<void> {
    for (const record of readRecords(reader)) {
      if (record.tag !== "attributes") reader.invalid(`a record "${record.tag}" among directories`);
      else await this.#setDirectory(record.directory);
    }
  }

  async #setDirectory(record: DirectoryAttributesRecord): Promise<void> {
    const { tree, setter, directories, results, subject } = this.#parts;
    const { path } = record;
    subject.directory = path;
    subject.name = undefined;
    try {
      const body = readEntryBody(record.body);
      const attributes = await this.#entries.attributesOf(record.attributes, body);
      const handle = directories.open(path, path.length);
      if (record.existed) {
        removeLeftovers(tree, handle, (name, code) => results.problem(joinPath(path, name), "remove leftover", code));
      }
      const stat = this.#stat;
      tree.statHandle(handle, stat);
      const { fileFlags } = stat;
      setter.apply(handle, body, attributes, stat, false);
      if (!isSameTime(stat, body.modified, tree.capabilities.nanosecondTimes)) setter.setTime(handle, body.modified);
      if (fileFlags !== (body.fileFlags ?? 0)) setter.setFlags(handle, body.fileFlags ?? 0);
    } catch (error) {
      results.problem(path, "set attributes", codeOfFailure(error));
    }
  }

  setFlags(reader: ByteReader): void {
    const { results, subject } = this.#parts;
    for (const record of readRecords(reader)) {
      if (record.tag === "directory") subject.directory = record.path;
      else if (record.tag !== "entry") reader.invalid(`a record "${record.tag}" among flags`);
      else {
        subject.name = record.entry.name;
        try {
          this.#setFileFlags(subject.directory, record.entry, readEntryBody(record.entry.body));
        } catch (error) {
          results.problem(subject.path, "set file flags", codeOfFailure(error));
        }
      }
    }
  }

  /** Only on a file that is, by all we can see, the one that was restored. */
  #setFileFlags(path: Uint8Array, entry: EntryRecord, body: EntryBody): void {
    const { tree, setter, directories } = this.#parts;
    const handle = tree.openFileAt(directories.open(path, path.length), entry.name);
    try {
      const stat = this.#stat;
      tree.statHandle(handle, stat);
      const isRestored =
        stat.kind === body.kind &&
        stat.sizeBytes === body.sizeBytes &&
        isSameTime(stat, body.modified, tree.capabilities.nanosecondTimes);
      const isElsewhere = stat.linkCount > 1 && body.hardLink === undefined;
      if (isRestored && !isElsewhere && stat.fileFlags !== body.fileFlags) setter.setFlags(handle, body.fileFlags ?? 0);
    } finally {
      tree.close(handle);
    }
  }
}
