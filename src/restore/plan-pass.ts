// The first pass: makes the directories and plans everything else. Of a dry run it is all there is.

import { viewOf } from "../base/bytes.ts";
import { ENTRY_DIRECTORY, ENTRY_FILE, readEntryBody } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import type { ContentPlanner } from "./content-planner.ts";
import type { EntryStream } from "./entry-stream.ts";
import { codeOfFailure } from "./entry-writer.ts";
import { LinkGroups } from "./hard-links.ts";
import type { WantedPath } from "./image-selection.ts";
import { mayHaveLinks } from "./link-pass.ts";
import type { RunContext } from "./run-context.ts";
import { isTemporaryName } from "./run-settings.ts";
import type { TargetDirectories } from "./target-directories.ts";

const ENTRIES_PER_TURN = 256;

/** Without directories, as when a dry run has no target yet, all would have to be made. */
export class PlanPass {
  /** The image has files with several names, of which only the first has been planned. */
  hasLinks = false;
  readonly #context: RunContext;
  readonly #planner: ContentPlanner;
  readonly #directories: TargetDirectories | undefined;
  readonly #groups = new LinkGroups(false);

  constructor(context: RunContext, planner: ContentPlanner, directories: TargetDirectories | undefined) {
    this.#context = context;
    this.#planner = planner;
    this.#directories = directories;
  }

  async run(wanted: readonly WantedPath[]): Promise<void> {
    const stream = this.#context.stream(wanted, true);
    let untilTurn = ENTRIES_PER_TURN;
    while (await stream.nextPage()) {
      while (stream.next()) {
        const needsMore = this.#visit(stream);
        if (needsMore !== undefined) await needsMore;
        if (--untilTurn > 0) continue;
        untilTurn = ENTRIES_PER_TURN;
        await this.#planner.dispatchIfFull();
        await this.#context.turn(() => stream.pathCopy);
      }
    }
    await this.#planner.finish();
  }

  /** Most entries need no waiting. */
  #visit(stream: EntryStream): Promise<void> | undefined {
    const { path, pathLength, body, position, kind } = stream;
    const { counts } = this.#context.parts;
    try {
      this.#directories?.follow(path, pathLength, stream.nameStart);
      if (kind === ENTRY_DIRECTORY) {
        counts.directories++;
        const isMade = this.#directories?.make(path, pathLength, stream.nameStart, position) ?? pathLength > 0;
        if (isMade) counts.madeDirectories++;
        return undefined;
      }
    } catch (error) {
      this.#context.fail(stream.pathCopy, position, codeOfFailure(error));
      return undefined;
    }
    if (isTemporaryName(path.subarray(stream.nameStart, pathLength))) this.#context.holdsTemporaryNames = true;
    const entry = { path, pathLength, body, position };
    if (kind === ENTRY_FILE) counts.files++;
    else counts.others++;
    if (this.#planner.addSimple(entry)) {
      counts.bytes += simpleSize(body);
      return undefined;
    }
    let decoded: EntryBody;
    try {
      decoded = readEntryBody(body);
    } catch (error) {
      this.#context.fail(stream.pathCopy, position, codeOfFailure(error));
      return undefined;
    }
    if (mayHaveLinks(kind, body) && this.#groups.firstNameOf(decoded, () => path) !== undefined) {
      this.hasLinks = true;
      return undefined;
    }
    counts.bytes += decoded.sizeBytes;
    return this.#planner.add(entry, decoded);
  }
}

/** A file of one inline segment is smaller than 4 GiB. */
function simpleSize(body: Uint8Array): number {
  return viewOf(body).getUint32(48, true);
}
