// A collection from beginning to end, as one registered writer among others: first an earlier one that has not come to
// its end, then a new one.

import { HoldfastError, messageOf } from "../base/errors.ts";
import {
  condemn,
  containerKey,
  endSessionsOf,
  finishGeneration,
  giveUpReserve,
  isNoRoom,
  readGeneration,
  reserveBytes,
  tidyIndex,
} from "../repository/repository.ts";
import type { CollectionParts, CondemnOutcome, ContainerSet, FinishOutcome, Generation } from "../repository/repository.ts";
import { asJob } from "./job-history.ts";
import type { JobResult } from "./job-history.ts";
import type { Opened } from "./opened.ts";
import { refusalOf } from "./prune-refusal.ts";
import { inSessionOnFullDisk, makeReserve } from "./session.ts";
import type { WritingSession } from "./session.ts";
import type { PruneOptions, PruneReport } from "./types.ts";

const DEFAULT_MAX_UNUSED = 0.05;
/** So often we begin again when another collection was faster. */
const ATTEMPTS = 5;
/** On a full disk: so often we write anew what there is room for by then. Each time the index and all pages are read. */
const TURNS_ON_FULL_DISK = 8;
/** Of the room there is, so much is used. The rest is for the index. */
const USED_ROOM = 0.8;

/**
 * Removes what no image needs. Throws when anything of the repository is missing or cannot be read; nothing is removed
 * then. Interrupted at any point, the next one goes on.
 */
export async function runPrune(opened: Opened, options: PruneOptions): Promise<PruneReport> {
  const { maxUnused = DEFAULT_MAX_UNUSED } = options;
  if (!(maxUnused >= 0 && maxUnused <= 1)) {
    throw new HoldfastError("USAGE", { message: `The share that may stay unused is ${maxUnused}, allowed are 0 to 1` });
  }
  requireAllVolumes(opened);
  if (options.dryRun === true) {
    await opened.refresh();
    return new Prune(opened, options, LOOKING_ON, await knownDamaged(opened)).plan().catch(async (error: unknown) => {
      throw await refusalOf(opened, error, options.signal);
    });
  }
  const collect = async (session: WritingSession): Promise<PruneReport> =>
    new Prune(opened, options, session, await knownDamaged(opened)).run();
  const prune = (): Promise<PruneReport> =>
    inSessionOnFullDisk(opened, collect).catch(async (error: unknown) => {
      throw options.signal?.aborted === true ? interrupted(error) : await refusalOf(opened, error, options.signal);
    });
  return asJob(opened, "prune", prune, resultOf);
}

/** As far as the catalog remembers. */
async function knownDamaged(opened: Opened): Promise<ContainerSet> {
  const catalog = await opened.catalog();
  const damaged = new Set<string>();
  for (const { id } of opened.repository.volumes) {
    for (const [container, { result }] of catalog.checks(id)) if (result === "damaged") damaged.add(containerKey(id, container));
  }
  return damaged;
}

/** Images may lie on a volume that is not there, and need what lies on one that is. */
function requireAllVolumes({ services, repository }: Opened): void {
  const available = new Set<string>(repository.volumes.map(({ id }) => id));
  const wanted = repository.trails.flatMap(({ volumes }) => volumes);
  const { files } = services;
  const { volumes } = repository.layout;
  const directories = (files.list(volumes) ?? []).filter((name) => files.information(`${volumes}/${name}`)?.kind === "directory");
  if (wanted.every((id) => available.has(id)) && directories.length === available.size) return;
  throw new HoldfastError("VOLUME_UNAVAILABLE", {
    message: `Cannot tell what is still needed: a volume of the repository is not available`,
    retry: "later",
    context: { available: available.size, expected: Math.max(directories.length, new Set(wanted).size) },
    hint: "Nothing was removed. Mount all volumes and try again.",
  });
}

function resultOf(report: PruneReport): JobResult {
  const { removedContainers, removedBytes, waitingFor } = report;
  const waiting = waitingFor.length === 0 ? "" : `; waiting for ${waitingFor.length} writers`;
  return { outcome: "done", detail: `${removedContainers} containers of ${removedBytes} bytes removed${waiting}` };
}

function interrupted(cause: unknown): HoldfastError {
  return new HoldfastError("INTERRUPTED", {
    message: "The collection was interrupted",
    retry: "now",
    hint: "The repository is whole. The next `holdfast prune` goes on from here.",
    cause,
  });
}

function noRoom(cause: unknown): HoldfastError {
  return new HoldfastError("REPOSITORY_WRITE_FAILED", {
    message: `The disk is full, and there is nothing that could be removed without writing something else first: ${messageOf(cause)}`,
    retry: "later",
    context: { errno: "ENOSPC" },
    hint: "No image has lost anything. Forget more images (`holdfast forget`), so that whole containers are needed no more, or make room on the disk by other means; then try again.",
    cause,
  });
}

/** A dry run writes nothing, so it registers nothing. */
const LOOKING_ON: WritingSession = {
  id: "0000000000000000",
  temporaryNames: () => {
    throw new Error("Broken invariant: a dry run writes nothing");
  },
  requireNotEnded: () => undefined,
  close: () => undefined,
  condemned: new Set(),
  outstanding: undefined,
  takesInCondemned: false,
};

class Prune {
  readonly #opened: Opened;
  readonly #options: PruneOptions;
  readonly #parts: CollectionParts;
  readonly #startedMs: number;
  #report: Omit<PruneReport, "outcome" | "durationMs">;
  #lackingRoom = 0;

  constructor(opened: Opened, options: PruneOptions, session: WritingSession, damaged: ContainerSet) {
    const { services, repository } = opened;
    const { files, random, clock, host, loadBlake } = services;
    const { layout, keyRing, defaultVolume } = repository;
    this.#opened = opened;
    this.#options = options;
    this.#startedMs = services.clock.elapsedMs();
    const volumes = repository.volumes.map((volume) => volume.writable(session.temporaryNames));
    const reader = opened.containerReader();
    this.#parts = {
      files,
      layout,
      keyRing,
      random,
      clock,
      host,
      session,
      volumes,
      target: defaultVolume.writable(session.temporaryNames),
      index: { ...opened.indexLocation, random, session: session.id, fence: () => session.requireNotEnded() },
      source: opened.reader,
      fingerprinters: opened.fingerprinters,
      loadBlake,
      knownDamaged: damaged,
      readContents: (volume, name) => reader.readDirectory(volume, name),
      segmentsInMemory: options.segmentsInMemory,
      signal: options.signal,
      onProgress: (phase, done, total) => options.onProgress?.({ phase, done, total }),
      onWritten: (storedBytes) => {
        const { writtenContainers, writtenBytes } = this.#report;
        this.#report = {
          ...this.#report,
          writtenContainers: writtenContainers + 1,
          writtenBytes: writtenBytes + storedBytes,
        };
      },
    };
    this.#report = { ...NOTHING };
  }

  /** What a run would do. An earlier collection that has not come to its end is reported, not finished. */
  async plan(): Promise<PruneReport> {
    const planned = await condemn(this.#parts, { maxUnused: this.#maxUnused, dryRun: true, after: 0 });
    this.#takePlan(planned);
    const { deadContainers, rewrittenContainers, deadBytes, rewrittenBytes, rewrittenLiveBytes } = planned;
    this.#report = {
      ...this.#report,
      removedContainers: deadContainers + rewrittenContainers,
      removedBytes: deadBytes + rewrittenBytes,
      writtenBytes: rewrittenLiveBytes,
    };
    return this.#done("planned");
  }

  async run(): Promise<PruneReport> {
    const { host, session } = this.#parts;
    endSessionsOf(this.#parts, host, this.#options.assumeDead ?? [], session.id);
    let report: PruneReport;
    try {
      report = await this.#collect(undefined);
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      return this.#collectOnFullDisk(error);
    }
    await this.#keepReserve();
    return report;
  }

  /**
   * First what can be removed without writing anything anew, with the room of the reserve; that makes room for the rest, a part
   * at a time.
   */
  async #collectOnFullDisk(first: unknown): Promise<PruneReport> {
    // Containers that were written and could not be used: they go again.
    let inVain = this.#report.writtenBytes;
    const reserved = reserveBytes(this.#parts);
    giveUpReserve(this.#parts);
    let report = await this.#collectWithoutRoom();
    await this.#keepReserve();
    for (let turn = 0; turn < TURNS_ON_FULL_DISK && report.outcome !== "waiting" && this.#lackingRoom > 0; turn++) {
      const { removedContainers, removedBytes, writtenBytes } = this.#report;
      const free = removedBytes - (writtenBytes - inVain) + reserved - reserveBytes(this.#parts);
      const room = Math.floor(free * USED_ROOM);
      if (room <= 0) break;
      try {
        report = await this.#collect(room);
      } catch (error) {
        if (!isNoRoom(error)) throw error;
        // Somebody else has taken it.
        inVain += this.#report.writtenBytes - writtenBytes;
        report = await this.#collectWithoutRoom();
        break;
      }
      if (this.#report.removedContainers === removedContainers) break;
    }
    if (report.outcome === "waiting" || this.#lackingRoom === 0) return report;
    if (this.#report.removedBytes <= inVain) throw noRoom(first);
    this.#options.onNotice?.(
      `There was no room to write ${this.#lackingRoom} more containers anew, in which much is unused. Run prune again when there is.`,
    );
    return this.#done("done");
  }

  async #collectWithoutRoom(): Promise<PruneReport> {
    try {
      return await this.#collect(0);
    } catch (error) {
      throw isNoRoom(error) ? noRoom(error) : error;
    }
  }

  async #keepReserve(): Promise<void> {
    const problem = await makeReserve(this.#opened, this.#parts.session);
    if (problem !== undefined) this.#options.onNotice?.(problem);
  }

  /** `room`: no more bytes are written anew. */
  async #collect(room: number | undefined): Promise<PruneReport> {
    let generation = readGeneration(this.#parts);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (generation?.isFinished === false) {
        const outcome = await this.#finish(generation, false);
        if (outcome.kind === "waiting") return this.#waiting(outcome);
      }
      const after = generation?.number ?? 0;
      const outcome = await condemn(this.#parts, { maxUnused: this.#maxUnused, dryRun: false, after, room });
      this.#takePlan(outcome);
      if (outcome.kind === "nothing") return this.#done(this.#report.removedContainers > 0 ? "done" : "nothing");
      generation = readGeneration(this.#parts);
      if (outcome.kind === "overtaken" || generation?.number !== after + 1) continue;
      if (!generation.isFinished) {
        const finished = await this.#finish(generation, true);
        if (finished.kind === "waiting") return this.#waiting(finished);
      }
      return this.#done("done");
    }
    throw new HoldfastError("REPOSITORY_WRITE_FAILED", {
      message: `Other collections were faster ${ATTEMPTS} times`,
      retry: "later",
      hint: "They do the same work. Nothing is left undone that the next run would not do.",
    });
  }

  get #maxUnused(): number {
    return this.#options.maxUnused ?? DEFAULT_MAX_UNUSED;
  }

  async #finish(generation: Generation, isFresh: boolean): Promise<FinishOutcome> {
    const outcome = await this.#finishUnlessOver(generation, isFresh);
    if (outcome.kind === "waiting") return outcome;
    this.#opened.refreshIndex();
    await this.#tidy();
    const { removedContainers, removedBytes, rescuedSegments } = this.#report;
    this.#report = {
      ...this.#report,
      removedContainers: removedContainers + outcome.removedContainers,
      removedBytes: removedBytes + outcome.removedBytes,
      rescuedSegments: rescuedSegments + outcome.rescuedSegments,
      finishedEarlier: this.#report.finishedEarlier || !isFresh,
    };
    return outcome;
  }

  /** What another collection that finishes the same generation takes out of the index, or removes, looks like damage. */
  async #finishUnlessOver(generation: Generation, isFresh: boolean): Promise<FinishOutcome> {
    for (let attempt = 1; ; attempt++) {
      const current = this.#asItIsNow(generation);
      try {
        return await finishGeneration(this.#parts, current, isFresh);
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error;
        if (this.#isOver(generation)) {
          return { kind: "finished", removedContainers: 0, removedBytes: 0, rescuedSegments: 0 };
        }
        // What another collection moves or removes shows in the index, or in how far the generation has come.
        const hasChanged = this.#opened.index.refresh() || this.#asItIsNow(generation).isReleased !== current.isReleased;
        if (error.code !== "SEGMENT_MISSING" || attempt === ATTEMPTS || !hasChanged) throw error;
      }
    }
  }

  /** Another collection may have come further with it. */
  #asItIsNow(generation: Generation): Generation {
    const now = readGeneration(this.#parts);
    return now?.number === generation.number ? now : generation;
  }

  #isOver({ number }: Generation): boolean {
    const now = readGeneration(this.#parts);
    return now !== undefined && (now.number > number || (now.number === number && now.isFinished));
  }

  /** The containers are gone; a failure to keep the index small must not make that a failure. */
  async #tidy(): Promise<void> {
    try {
      await tidyIndex(this.#parts.index);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#options.onNotice?.(`The index could not be tidied: ${error.message}`);
    }
  }

  #takePlan(outcome: CondemnOutcome): void {
    const { liveBytes, storedBytes, unusedBytes } = outcome;
    this.#lackingRoom = outcome.lackingRoom;
    this.#report = { ...this.#report, liveBytes, storedBytes, unusedBytes };
    // It is made again.
    if (outcome.kind === "overtaken") return;
    const { deadContainers, deadBytes, rewrittenContainers, rewrittenBytes } = this.#report;
    this.#report = {
      ...this.#report,
      deadContainers: deadContainers + outcome.deadContainers,
      deadBytes: deadBytes + outcome.deadBytes,
      rewrittenContainers: rewrittenContainers + outcome.rewrittenContainers,
      rewrittenBytes: rewrittenBytes + outcome.rewrittenBytes,
    };
  }

  #waiting(outcome: Extract<FinishOutcome, { kind: "waiting" }>): PruneReport {
    const waitingFor = outcome.sessions.map(({ session, writer }) => ({
      session,
      host: writer?.host,
      processId: writer?.processId,
      startedAtMs: writer?.startedAtMs,
    }));
    this.#report = { ...this.#report, waitingFor };
    return this.#done("waiting");
  }

  #done(outcome: PruneReport["outcome"]): PruneReport {
    return { outcome, ...this.#report, durationMs: this.#opened.services.clock.elapsedMs() - this.#startedMs };
  }
}

const NOTHING: Omit<PruneReport, "outcome" | "durationMs"> = {
  storedBytes: 0,
  liveBytes: 0,
  unusedBytes: 0,
  deadContainers: 0,
  deadBytes: 0,
  rewrittenContainers: 0,
  rewrittenBytes: 0,
  writtenContainers: 0,
  writtenBytes: 0,
  rescuedSegments: 0,
  removedContainers: 0,
  removedBytes: 0,
  finishedEarlier: false,
  waitingFor: [],
};
