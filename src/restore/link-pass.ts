// The second pass, only for images with hard links: every further name of a file becomes a link to the first. Where that does not work,
// the content is restored once more under the further name.

import { ENTRY_DIRECTORY, ENTRY_FILE, PART_HARD_LINK, readEntryBody } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import { viewOf } from "../base/bytes.ts";
import { nameStartOf } from "../model/path-order.ts";
import { FileTreeError, KIND_DIRECTORY, KIND_FILE, newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileTree } from "../platform/file-tree.ts";
import { isSameTime } from "./attributes.ts";
import type { ContentPlanner, EntryToPlan } from "./content-planner.ts";
import { DirectoryPath } from "./directory-path.ts";
import { codeOfFailure } from "./entry-writer.ts";
import { LinkGroups } from "./hard-links.ts";
import type { WantedPath } from "./image-selection.ts";
import { clearTheWay } from "./in-the-way.ts";
import type { RunContext } from "./run-context.ts";
import type { RunSettings } from "./run-settings.ts";

export interface LinkPassParts {
  readonly context: RunContext;
  readonly tree: FileTree;
  readonly root: DirectoryHandle;
  readonly settings: RunSettings;
  readonly planner: ContentPlanner;
  readonly temporaryName: () => Uint8Array;
}

type LinkOutcome = "linked" | "same" | "keep" | "copy";

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
  readonly #firsts: DirectoryPath;
  readonly #others: DirectoryPath;
  readonly #first = newStatBuffer();
  readonly #found = newStatBuffer();

  constructor(parts: LinkPassParts) {
    this.#parts = parts;
    this.#firsts = new DirectoryPath(parts.tree, parts.root);
    this.#others = new DirectoryPath(parts.tree, parts.root);
  }

  close(): void {
    this.#firsts.close();
    this.#others.close();
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
    if (firstName === undefined) return;
    const { counts } = context.parts;
    try {
      const outcome = this.#link(firstName, path, body);
      if (outcome === "copy") {
        counts.bytes += body.sizeBytes;
        return await planner.add(entry, body);
      }
      const isFile = body.kind === ENTRY_FILE;
      if (outcome === "linked" && isFile) counts.restoredFiles++;
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
    const { tree, settings } = this.#parts;
    const nameStart = nameStartOf(path, path.length);
    const name = path.subarray(nameStart);
    const directory = this.#others.open(path, Math.max(0, nameStart - 1));
    const first = this.#findFirst(firstPath, body);
    const isThere = tree.statAt(directory, name, this.#found);
    if (isThere && first !== undefined && isSameEntry(this.#first, this.#found)) return "same";
    if (isThere && settings.overwrite === "never") return "keep";
    if (first === undefined) return "copy";
    if (isThere && this.#found.kind === KIND_DIRECTORY) {
      if (!settings.clearsTheWay) throw new FileTreeError("TARGET_CONFLICT", "replace directory");
      clearTheWay(tree, directory, name);
    }
    const isReplaced = isThere && this.#found.kind !== KIND_DIRECTORY;
    const made = isReplaced ? this.#parts.temporaryName() : name;
    try {
      tree.makeLinkAt(first.directory, first.name, directory, made);
    } catch (error) {
      // No links on this file system, or no more to this file.
      this.#parts.context.parts.problems.addKind(path, "make hard link, restored a copy", codeOfFailure(error));
      return "copy";
    }
    if (isReplaced) tree.renameAt(directory, made, directory, name);
    return "linked";
  }

  /** Undefined when the first name is not the file that the image has: it could not be restored, or was left as it is. */
  #findFirst(path: Uint8Array, body: EntryBody): { readonly directory: DirectoryHandle; readonly name: Uint8Array } | undefined {
    const { tree } = this.#parts;
    const nameStart = nameStartOf(path, path.length);
    const name = path.subarray(nameStart);
    try {
      const directory = this.#firsts.open(path, Math.max(0, nameStart - 1));
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

function isSameEntry(a: ReturnType<typeof newStatBuffer>, b: ReturnType<typeof newStatBuffer>): boolean {
  return (
    a.inodeLow === b.inodeLow && a.inodeHigh === b.inodeHigh && a.deviceMajor === b.deviceMajor && a.deviceMinor === b.deviceMinor
  );
}
