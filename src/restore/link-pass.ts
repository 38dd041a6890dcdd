// The second pass, only for images with hard links: every further name of a file becomes a link to the first. Where that does not work,
// the content is restored once more under the further name.

import { ENTRY_DIRECTORY, ENTRY_FILE, PART_HARD_LINK, readEntryBody } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import { viewOf } from "../base/bytes.ts";
import { nameStartOf } from "../model/path-order.ts";
import { KIND_DIRECTORY, KIND_FILE, newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileTree } from "../platform/file-tree.ts";
import { isSameTime } from "./attributes.ts";
import type { ContentPlanner, EntryToPlan } from "./content-planner.ts";
import { DirectoryPath } from "./directory-path.ts";
import { codeOfFailure } from "./entry-writer.ts";
import { LinkGroups } from "./hard-links.ts";
import type { WantedPath } from "./image-selection.ts";
import { openUnlessPlanned, replaceDirectory } from "./in-the-way.ts";
import { joinPath } from "./entry-path.ts";
import type { Rehearsal } from "./rehearsal.ts";
import type { RunContext } from "./run-context.ts";
import type { RunSettings } from "./run-settings.ts";

export interface LinkPassParts {
  readonly context: RunContext;
  readonly tree: FileTree;
  /** Undefined when a dry run has no target yet. */
  readonly root: DirectoryHandle | undefined;
  readonly settings: RunSettings;
  readonly planner: ContentPlanner;
  readonly temporaryName: () => Uint8Array;
  /** Of a dry run. */
  readonly rehearsal?: Rehearsal;
}

type LinkOutcome = "linked" | "replaced" | "same" | "keep" | "copy";

/** Where the first name is; "planned" when a dry run would have made it by now. */
type FirstName = { readonly directory: DirectoryHandle; readonly name: Uint8Array } | "planned";

const ENTRIES_PER_TURN = 512;

export async function restoreLinks(parts: LinkPassParts, wanted: readonly WantedPath[]): Promise<void> {
  const pass = new LinkPass(parts);
  try {
    await pass.run(wanted);
  } finally {
    pass.close();
  }
}

/** Whether an entry may have further names, seen without decoding it. */
export function mayHaveLinks(kind: number, body: Uint8Array): boolean {
  return kind !== ENTRY_DIRECTORY && (viewOf(body).getUint32(4, true) & PART_HARD_LINK) !== 0;
}

class LinkPass {
  readonly #parts: LinkPassParts;
  readonly #groups = new LinkGroups(true);
  readonly #firsts: DirectoryPath | undefined;
  readonly #others: DirectoryPath | undefined;
  readonly #first = newStatBuffer();
  readonly #found = newStatBuffer();
  readonly #plannedFirsts = new Set<string>();

  constructor(parts: LinkPassParts) {
    this.#parts = parts;
    const { tree, root } = parts;
    this.#firsts = root === undefined ? undefined : new DirectoryPath(tree, root);
    this.#others = root === undefined ? undefined : new DirectoryPath(tree, root);
  }

  close(): void {
    this.#firsts?.close();
    this.#others?.close();
  }

  async run(wanted: readonly WantedPath[]): Promise<void> {
    const { context, planner } = this.#parts;
    const stream = context.stream(wanted);
    let untilTurn = ENTRIES_PER_TURN;
    while (await stream.nextPage()) {
      while (stream.next()) {
        if (!mayHaveLinks(stream.kind, stream.body)) continue;
        const { path, pathLength, position, body: bytes } = stream;
        await this.#visit({ path, pathLength, position, body: bytes });
        if (--untilTurn > 0) continue;
        untilTurn = ENTRIES_PER_TURN;
        await context.turn(() => stream.pathCopy);
      }
      await planner.dispatchIfFull();
    }
    await planner.finish();
  }

  async #visit(entry: EntryToPlan): Promise<void> {
    const { context, planner } = this.#parts;
    const path = entry.path.subarray(0, entry.pathLength);
    let body: EntryBody;
    try {
      body = readEntryBody(entry.body);
    } catch (error) {
      // The first pass has told of it.
      codeOfFailure(error);
      return;
    }
    const firstName = this.#groups.firstNameOf(body, () => path.slice());
    if (firstName === undefined) {
      if (this.#parts.rehearsal?.planned.has(entry.position) === true) this.#plannedFirsts.add(keyOf(path));
      return;
    }
    const { counts } = context.parts;
    try {
      const outcome = this.#link(firstName, path, body);
      if (outcome === "copy") {
        counts.bytes += body.sizeBytes;
        return await planner.add(entry, body);
      }
      const isFile = body.kind === ENTRY_FILE;
      if (outcome === "linked" || outcome === "replaced") {
        if (isFile) counts.restoredFiles++;
        else counts.restoredOthers++;
      }
      if (outcome === "replaced" && isFile) counts.replacedFiles++;
      if (outcome === "same" && isFile) counts.skippedUnchanged++;
      if (outcome === "keep") {
        counts.skippedExisting++;
        context.notRestored.add(entry.position);
      }
      if (isFile) counts.filesDone++;
    } catch (error) {
      context.fail(path, entry.position, codeOfFailure(error));
    }
  }

  #link(firstPath: Uint8Array, path: Uint8Array, body: EntryBody): LinkOutcome {
    const { context, tree, settings } = this.#parts;
    const nameStart = nameStartOf(path, path.length);
    const name = path.subarray(nameStart);
    const directoryPath = path.subarray(0, Math.max(0, nameStart - 1));
    const ways = this.#others;
    const directory = ways && openUnlessPlanned(ways, settings, directoryPath, directoryPath.length);
    const first = this.#plannedFirsts.has(keyOf(firstPath)) ? "planned" : this.#findFirst(firstPath, body);
    const isThere = directory !== undefined && tree.statAt(directory, name, this.#found);
    if (isThere && first !== undefined && first !== "planned" && isSameEntry(this.#first, this.#found)) return "same";
    if (isThere && settings.overwrite === "never") return "keep";
    if (first === undefined) return "copy";
    if (isThere && this.#found.kind === KIND_DIRECTORY) {
      const onRemoved = (below: Uint8Array): void => context.noteRemoved(joinPath(directoryPath, below));
      replaceDirectory({ tree, settings, onRemoved }, directory, name);
    }
    const isReplaced = isThere && this.#found.kind !== KIND_DIRECTORY;
    if (directory === undefined || first === "planned" || settings.isDryRun) return isReplaced ? "replaced" : "linked";
    const made = isReplaced ? this.#parts.temporaryName() : name;
    try {
      tree.makeLinkAt(first.directory, first.name, directory, made);
    } catch (error) {
      // No links on this file system, or no more to this file.
      context.parts.problems.add(path, "make hard link, restored a copy", codeOfFailure(error));
      return "copy";
    }
    if (isReplaced) tree.renameAt(directory, made, directory, name);
    return isReplaced ? "replaced" : "linked";
  }

  /** Undefined when the first name is not the file that the image has: it could not be restored, or was left as it is. */
  #findFirst(path: Uint8Array, body: EntryBody): FirstName | undefined {
    const { tree } = this.#parts;
    const nameStart = nameStartOf(path, path.length);
    const name = path.subarray(nameStart);
    try {
      const directory = this.#firsts?.open(path, Math.max(0, nameStart - 1));
      if (directory === undefined) return undefined;
      const stat = this.#first;
      if (!tree.statAt(directory, name, stat)) return undefined;
      const isRestored =
        // The kinds of entries and of what is on disk have equal numbers.
        stat.kind === body.kind &&
        (stat.kind !== KIND_FILE || stat.sizeBytes === body.sizeBytes) &&
        isSameTime(stat, body.modified, tree.capabilities.nanosecondTimes);
      return isRestored ? { directory, name } : undefined;
    } catch (error) {
      codeOfFailure(error);
      return undefined;
    }
  }
}

function keyOf(path: Uint8Array): string {
  return Buffer.from(path).toString("latin1");
}

function isSameEntry(a: ReturnType<typeof newStatBuffer>, b: ReturnType<typeof newStatBuffer>): boolean {
  return (
    a.inodeLow === b.inodeLow && a.inodeHigh === b.inodeHigh && a.deviceMajor === b.deviceMajor && a.deviceMinor === b.deviceMinor
  );
}
