// The last pass: directories get their attributes now that nothing is made in them any more, and files their flags. It
// goes through the image's pages again instead of keeping a list of directories.

import { ByteWriter, viewOf } from "../base/bytes.ts";
import { ENTRY_DIRECTORY, ENTRY_FILE, PART_FILE_FLAGS, PART_STORED_ATTRIBUTES, readEntryBody } from "../formats/entry.ts";
import { isWithin } from "../model/path-order.ts";
import { HoldfastError } from "../base/errors.ts";
import type { SegmentLocation } from "../repository/repository.ts";
import { attributePlaces } from "./content-planner.ts";
import type { EntryStream } from "./entry-stream.ts";
import type { WantedPath } from "./image-selection.ts";
import type { RunContext } from "./run-context.ts";
import type { RunSettings } from "./run-settings.ts";
import type { TargetDirectories } from "./target-directories.ts";
import { TASK_DIRECTORIES, TASK_FLAGS, writeDirectory, writeDirectoryAttributes, writeEntryRecord } from "./tasks.ts";
import type { DirectoryAttributesRecord } from "./tasks.ts";

export interface AttributePassParts {
  readonly context: RunContext;
  readonly settings: RunSettings;
  readonly directories: TargetDirectories;
  /** Whether the target itself gets the attributes of the image's root: when this run made it, or when it is the root. */
  readonly includesTarget: boolean;
}

const TASK_RECORDS = 256;
const TASKS_WAITING = 8;
const NO_PLACES: readonly SegmentLocation[] = [];

export async function restoreAttributes(parts: AttributePassParts, wanted: readonly WantedPath[]): Promise<void> {
  await new AttributePass(parts).run(wanted);
}

class AttributePass {
  readonly #parts: AttributePassParts;
  /** Directories on the way to the present entry: they are dealt with when everything in them has been. */
  readonly #open: DirectoryAttributesRecord[] = [];
  readonly #directories = new ByteWriter(64 * 1024);
  readonly #flags = new ByteWriter(4096);
  #records = 0;

  constructor(parts: AttributePassParts) {
    this.#parts = parts;
  }

  async run(wanted: readonly WantedPath[]): Promise<void> {
    const { context } = this.#parts;
    const stream = context.stream(wanted);
    while (await stream.nextPage()) {
      while (stream.next()) {
        this.#visit(stream);
        if (this.#records >= TASK_RECORDS) await this.#dispatch();
      }
      await context.turn(() => stream.pathCopy);
    }
    while (this.#open.length > 0) this.#leave();
    await this.#dispatch();
    await context.below(0);
  }

  #visit(stream: EntryStream): void {
    for (let top = this.#open.at(-1); top !== undefined; top = this.#open.at(-1)) {
      if (isWithin(stream.path, stream.pathLength, top.path, top.path.length)) break;
      this.#leave();
    }
    if (stream.kind === ENTRY_DIRECTORY) this.#enter(stream);
    else if (stream.kind === ENTRY_FILE && (viewOf(stream.body).getUint32(4, true) & PART_FILE_FLAGS) !== 0)
      this.#addFlags(stream);
  }

  #enter(stream: EntryStream): void {
    const { directories, settings, includesTarget } = this.#parts;
    const { position, pathLength } = stream;
    if (directories.failed.has(position)) return;
    const isMade = pathLength === 0 ? includesTarget : directories.made.has(position);
    // What was there stays as it is on the way to a selected path, and when nothing is to be overwritten.
    const isLeftAlone = pathLength === 0 || !stream.isSelected || settings.overwrite === "never";
    if (!isMade && isLeftAlone) return;
    const body = new Uint8Array(stream.body);
    this.#open.push({
      path: stream.pathCopy,
      body,
      existed: !isMade && !this.#parts.context.holdsTemporaryNames,
      attributes: this.#attributesOf(body),
    });
  }

  #attributesOf(body: Uint8Array): readonly SegmentLocation[] {
    if ((viewOf(body).getUint32(4, true) & PART_STORED_ATTRIBUTES) === 0) return NO_PLACES;
    try {
      return attributePlaces(this.#parts.context, readEntryBody(body));
    } catch (error) {
      // The thread that decodes it tells what is wrong.
      if (!(error instanceof HoldfastError)) throw error;
      return NO_PLACES;
    }
  }

  #leave(): void {
    const directory = this.#open.pop();
    if (directory === undefined) return;
    if (this.#directories.length === 0) this.#directories.u8(TASK_DIRECTORIES);
    writeDirectoryAttributes(this.#directories, directory);
    this.#records++;
  }

  #addFlags(stream: EntryStream): void {
    const { context } = this.#parts;
    if (context.notRestored.has(stream.position) || !stream.isSelected) return;
    if (this.#flags.length === 0) this.#flags.u8(TASK_FLAGS);
    const { path, pathLength, nameStart, position, body } = stream;
    writeDirectory(this.#flags, path.subarray(0, Math.max(0, nameStart - 1)));
    const name = path.subarray(nameStart, pathLength);
    writeEntryRecord(this.#flags, { position, name, body, offsetInBlock: undefined, pieces: undefined, attributes: NO_PLACES });
    this.#records++;
  }

  /** Who may not do everything goes one step at a time: a directory can become one that he may not pass. */
  async #dispatch(): Promise<void> {
    const { context, settings } = this.#parts;
    this.#records = 0;
    for (const writer of [this.#flags, this.#directories]) {
      if (writer.length === 0) continue;
      context.parts.pool.addOne(context.task(writer.take()));
      await context.below(settings.userId === 0 ? TASKS_WAITING : 0);
    }
  }
}
