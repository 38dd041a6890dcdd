// The deciding half of a dry run: looks at the target with the rules of the run that writes (in-the-way.ts,
// file-maker.ts) and counts what that run would do. What only shows when something is written - a full disk, a missing permission - is not
// foreseen, nor is what the attributes say that are stored outside of their entries.

import { ENTRY_FILE, readEntryBody } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import { nameStartOf } from "../model/path-order.ts";
import { newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileTree } from "../platform/file-tree.ts";
import { AttributeSetter } from "./attributes.ts";
import type { EntryToPlan } from "./content-planner.ts";
import { DirectoryPath } from "./directory-path.ts";
import { joinPath } from "./entry-path.ts";
import { codeOfFailure } from "./entry-writer.ts";
import { FileMaker } from "./file-maker.ts";
import type { DirectoryNote } from "./file-maker.ts";
import { judge, openUnlessPlanned } from "./in-the-way.ts";
import type { Verdict } from "./in-the-way.ts";
import { PositionSet } from "./position-set.ts";
import type { RunContext } from "./run-context.ts";
import type { RunSettings } from "./run-settings.ts";

export interface RehearsalParts {
  readonly context: RunContext;
  readonly tree: FileTree;
  readonly settings: RunSettings;
  /** Of the target; undefined when there is none yet, and so nothing in the way. */
  readonly root: DirectoryHandle | undefined;
}

export class Rehearsal {
  /** Entries that would be written. */
  readonly planned = new PositionSet();
  readonly #parts: RehearsalParts;
  readonly #setter: AttributeSetter;
  readonly #stat = newStatBuffer();
  readonly #ways: DirectoryPath<DirectoryNote> | undefined;
  readonly #files: FileMaker | undefined;

  constructor(parts: RehearsalParts) {
    const { tree, settings, root } = parts;
    this.#parts = parts;
    this.#setter = new AttributeSetter(tree, settings.owners, () => undefined);
    this.#ways = root === undefined ? undefined : new DirectoryPath<DirectoryNote>(tree, root);
    if (this.#ways === undefined) return;
    const setter = this.#setter;
    this.#files = new FileMaker({ tree, setter, settings, directories: this.#ways, temporaryName: () => new Uint8Array(0) });
  }

  close(): void {
    this.#ways?.close();
  }

  /** Counts what would become of an entry that is no directory; whether it would be written, and so must be read. */
  visit(entry: EntryToPlan): boolean {
    const { context } = this.#parts;
    const { counts } = context.parts;
    const path = entry.path.slice(0, entry.pathLength);
    let body: EntryBody;
    let verdict: Verdict;
    try {
      body = readEntryBody(entry.body);
      verdict = this.#judge(path, body);
    } catch (error) {
      context.fail(path, entry.position, codeOfFailure(error));
      return false;
    }
    const isFile = body.kind === ENTRY_FILE;
    if (isFile) counts.filesDone++;
    counts.bytesDone += body.sizeBytes;
    if (verdict === "same") counts.skippedUnchanged++;
    if (verdict === "keep") {
      counts.skippedExisting++;
      context.notRestored.add(entry.position);
    }
    if (verdict === "same" || verdict === "keep") return false;
    this.planned.add(entry.position);
    if (!isFile) {
      counts.restoredOthers++;
      return true;
    }
    if (verdict === "replace") counts.replacedFiles++;
    counts.restoredFiles++;
    counts.restoredBytes += body.sizeBytes;
    return true;
  }

  #judge(path: Uint8Array, body: EntryBody): Verdict {
    const { context, tree, settings } = this.#parts;
    if (this.#ways === undefined || this.#files === undefined) return "absent";
    const nameStart = nameStartOf(path, path.length);
    const name = path.subarray(nameStart);
    const directoryPath = path.subarray(0, Math.max(0, nameStart - 1));
    const directory = openUnlessPlanned(this.#ways, settings, directoryPath, directoryPath.length);
    if (directory === undefined) return "absent";
    const onRemoved = (below: Uint8Array): void => context.noteRemoved(joinPath(directoryPath, below));
    const verdict = judge({ tree, settings, setter: this.#setter, onRemoved }, directory, name, body, this.#stat);
    if (verdict !== "same" || body.kind !== ENTRY_FILE || body.storedAttributes !== undefined) return verdict;
    return this.#files.adjust(directory, name, body, body.attributes ?? []) ? "same" : "replace";
  }
}
