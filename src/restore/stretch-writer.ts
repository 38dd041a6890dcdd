// Serves the tasks about large files, which several threads fill at once: "part" writes a stretch into the file that lies
// under its temporary name, "finish" gives it attributes, time and name when all stretches are there.

import type { ByteReader } from "../base/bytes.ts";
import { readEntryBody } from "../formats/entry.ts";
import { FileTreeError, newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileHandle, StatBuffer } from "../platform/file-tree.ts";
import { BadPlace } from "./block-cache.ts";
import { codeOfFailure } from "./entry-writer.ts";
import { joinPath } from "./entry-path.ts";
import type { EntryWriter, EntryWriterParts } from "./entry-writer.ts";
import { PIECE_BYTES, readPieces, readRecords, readStagedFile } from "./tasks.ts";
import type { EntryRecord, StagedFile } from "./tasks.ts";

export class StretchWriter {
  readonly #parts: EntryWriterParts;
  readonly #entries: EntryWriter;
  readonly #stat: StatBuffer = newStatBuffer();

  constructor(parts: EntryWriterParts, entries: EntryWriter) {
    this.#parts = parts;
    this.#entries = entries;
  }

  /** Pieces that cannot be read come back to be planned again; a failure of the file itself is a problem under its temporary name. */
  async writePart(reader: ByteReader): Promise<void> {
    const { tree, blocks, results, directories } = this.#parts;
    const staged = readStagedFile(reader);
    let handle: FileHandle | undefined;
    try {
      const directory = directories.open(staged.directory, staged.directory.length);
      handle = this.#open(directory, staged);
      for (const { location, position, fingerprint } of readPieces(reader, reader.remaining / PIECE_BYTES)) {
        try {
          if (!blocks.holds(location)) await blocks.load(location);
          tree.write(handle, blocks.segment(location, location.offset, location.length, fingerprint), position);
          results.totals.bytesDone += location.length;
        } catch (error) {
          if (!(error instanceof BadPlace)) throw error;
          this.#entries.noteBadPlace(error);
          results.pieceAgain(position, location.length, fingerprint);
        }
      }
      const written = handle;
      handle = undefined;
      tree.close(written);
    } catch (error) {
      results.problem(joinPath(staged.directory, staged.name), "write", codeOfFailure(error));
    } finally {
      if (handle !== undefined) tree.close(handle);
    }
  }

  async finish(reader: ByteReader): Promise<void> {
    const { results } = this.#parts;
    const staged = readStagedFile(reader);
    const [record] = readRecords(reader);
    if (record?.tag !== "entry") return reader.invalid("no entry to finish");
    try {
      await this.#finish(staged, record.entry);
    } catch (error) {
      results.problem(joinPath(staged.directory, record.entry.name), "restore", codeOfFailure(error));
      results.notRestored(record.entry.position);
      results.totals.filesDone++;
    }
  }

  async #finish(staged: StagedFile, entry: EntryRecord): Promise<void> {
    const { directories, files, results, subject } = this.#parts;
    subject.directory = staged.directory;
    subject.name = entry.name;
    const body = readEntryBody(entry.body);
    const attributes = await this.#entries.attributesOf(entry.attributes, body);
    const directory = directories.open(staged.directory, staged.directory.length);
    const handle = this.#open(directory, staged);
    const { userId, groupId, mode } = this.#stat;
    const file = { handle, name: staged.name, present: { userId, groupId, mode }, isOpen: true };
    try {
      files.complete(directory, file, entry.name, body, attributes);
    } catch (error) {
      files.abandon(directory, file);
      throw error;
    }
    results.totals.filesDone++;
    results.totals.restoredFiles++;
    results.totals.restoredBytes += body.sizeBytes;
  }

  /** The very file that was begun: whoever may write to the directory could have put another, even one from elsewhere, in its place. */
  #open(directory: DirectoryHandle, staged: StagedFile): FileHandle {
    const { tree } = this.#parts;
    const stat = this.#stat;
    const handle = tree.openFileForWritingAt(directory, staged.name);
    tree.statHandle(handle, stat);
    const isSame =
      stat.inodeLow === staged.inodeLow &&
      stat.inodeHigh === staged.inodeHigh &&
      stat.deviceMajor === staged.deviceMajor &&
      stat.deviceMinor === staged.deviceMinor;
    if (isSame) return handle;
    tree.close(handle);
    throw new FileTreeError("ESTALE", "write to");
  }
}
