// The central index as it is used: fingerprint -> locations, over all runs that are not superseded.
//
// A CentralIndex shows the runs that existed when it was opened or last refreshed. Runs written since are not seen,
// which costs a segment stored twice and never one lost; runs merged away since stay readable where the system keeps
// an open file alive, and elsewhere a lookup throws (`isRunVanished`) rather than answer "absent".

import { assert } from "../../base/assert.ts";
import { hexOf } from "../../base/bytes.ts";
import type { BlockIdentity } from "../../formats/block.ts";
import { CONTAINER_RECORD_BYTES } from "../../formats/index-run.ts";
import type { ContainerName, VolumeId } from "../../media/volume.ts";
import type { Files } from "../../platform/files.ts";
import { IndexRun } from "./index-run.ts";
import { LocationBuffer } from "./location.ts";
import type { SegmentLocation } from "./location.ts";
import { openLiveRuns } from "./live-runs.ts";
import type { ContainerSet } from "./merged-sections.ts";
import { PageCache } from "./page-cache.ts";
import { runVanished } from "./run-directory.ts";
import type { IndexLocation, RunName } from "./run-directory.ts";
import { RunReader } from "./run-reader.ts";
import type { SharedRunIdentity } from "./run-reader.ts";
import { RunTables } from "./run-tables.ts";

export interface CentralIndexOptions extends IndexLocation {
  /** Bytes of opened pages kept in memory, in each thread that uses the index. */
  readonly cacheBytes?: number;
}

/** Goes to a worker thread by postMessage or workerData; the tables go by reference. Holds keys: never write it anywhere. */
export interface SharedCentralIndex {
  readonly directory: string;
  readonly cacheBytes: number;
  readonly excluded: readonly string[];
  readonly runs: readonly (SharedRunIdentity & { readonly tables: SharedArrayBuffer })[];
}

export interface ContainerReference {
  readonly volumeId: VolumeId;
  readonly container: ContainerName;
}

const DEFAULT_CACHE_BYTES = 16 * 1024 * 1024;

export class CentralIndex {
  readonly #location: IndexLocation | undefined;
  readonly #directory: string;
  readonly #cacheBytes: number;
  readonly #cache: PageCache;
  readonly #scratch = new LocationBuffer();
  #runs: readonly IndexRun[] = [];
  #excluded: ContainerSet = new Set();

  private constructor(location: IndexLocation | undefined, directory: string, cacheBytes: number) {
    this.#location = location;
    this.#directory = directory;
    this.#cacheBytes = cacheBytes;
    this.#cache = new PageCache(cacheBytes);
  }

  /** Opens all runs of the directory. A run that is damaged or foreign is an error here, not an absence later. */
  static open(options: CentralIndexOptions): CentralIndex {
    const index = new CentralIndex(options, options.directory, options.cacheBytes ?? DEFAULT_CACHE_BYTES);
    index.refresh();
    return index;
  }

  /** Opens in a worker thread what `share()` described. Throws `runVanished` when a run was merged away meanwhile. */
  static fromShared(files: Files, shared: SharedCentralIndex): CentralIndex {
    const index = new CentralIndex(undefined, shared.directory, shared.cacheBytes);
    const runs: IndexRun[] = [];
    try {
      for (const { tables, ...identity } of shared.runs) {
        const reader = RunReader.reopen(files, shared.directory, identity);
        if (reader === undefined) throw runVanished(identity.name);
        runs.push(new IndexRun(reader, new RunTables(tables, identity.counts), index.#cache));
      }
    } catch (error) {
      for (const run of runs) run.close();
      throw error;
    }
    index.#runs = runs;
    index.exclude(shared.excluded);
    return index;
  }

  share(): SharedCentralIndex {
    const runs = this.#runs.map((run) => ({ ...run.reader.identity(), tables: run.tables.memory }));
    return { directory: this.#directory, cacheBytes: this.#cacheBytes, excluded: [...this.#excluded], runs };
  }

  /**
   * From now on `has` answers as if these containers (`containerKey`) did not exist: they are condemned, and nobody may count on what
   * they hold. For reading they are still there. Adds to what was excluded before.
   */
  exclude(containers: Iterable<string>): void {
    const before = this.#excluded.size;
    this.#excluded = new Set([...this.#excluded, ...containers]);
    if (this.#excluded.size > before) for (const run of this.#runs) run.exclude(this.#excluded);
  }

  /**
   * Looks at the directory again: opens new runs, closes those gone or superseded. True when anything changed; then
   * ordinals and earlier `share()`s are out of date. Only where `open` was called; a worker gets a new `share()`.
   */
  refresh(): boolean {
    assert(this.#location !== undefined, "an index is refreshed where it was opened, and shared anew");
    const before = new Map(this.#runs.map((run) => [run.name, run]));
    const { readers } = openLiveRuns(this.#location, new Map(this.#runs.map((run) => [run.name, run.reader])));
    const opened: IndexRun[] = [];
    try {
      for (const reader of readers) {
        if (before.has(reader.name)) continue;
        const run = new IndexRun(reader, RunTables.load(reader), this.#cache);
        if (this.#excluded.size > 0) run.exclude(this.#excluded);
        opened.push(run);
      }
    } catch (error) {
      for (const reader of readers) if (!before.has(reader.name)) reader.close();
      throw error;
    }
    const live = new Set(readers.map((reader) => reader.name));
    const gone = this.#runs.filter((run) => !live.has(run.name));
    if (opened.length === 0 && gone.length === 0) return false;
    // The largest first: what is present is most likely there.
    this.#runs = [...this.#runs.filter((run) => live.has(run.name)), ...opened].sort(
      (a, b) => b.reader.counts.segments - a.reader.counts.segments || (a.name < b.name ? -1 : 1),
    );
    for (const run of gone) run.close();
    return true;
  }

  /** Whether a writer may leave the segment out. `at`: where in `fingerprint` its 32 bytes begin, for packed arrays. */
  has(fingerprint: Uint8Array, at = 0): boolean {
    for (const run of this.#runs) if (run.isCounted(fingerprint, at)) return true;
    return false;
  }

  /** The first location found, into a buffer of the caller; false when there is none. */
  locate(fingerprint: Uint8Array, into: LocationBuffer, at = 0): boolean {
    const runs = this.#runs;
    for (let run = 0; run < runs.length; run++) {
      const position = runs[run]!.find(fingerprint, at);
      if (position < 0) continue;
      runs[run]!.readLocation(position, into);
      into.run = run;
      return true;
    }
    return false;
  }

  find(fingerprint: Uint8Array, at = 0): SegmentLocation | undefined {
    return this.locate(fingerprint, this.#scratch, at) ? this.#locationOf(this.#scratch) : undefined;
  }

  /** Every place where the segment is stored, each once; copies on several volumes give several. */
  findAll(fingerprint: Uint8Array, at = 0): SegmentLocation[] {
    const found: SegmentLocation[] = [];
    this.#runs.forEach((run, ordinal) => {
      let position = run.find(fingerprint, at);
      if (position < 0) return;
      for (; run.hasAt(position, fingerprint, at); position++) {
        run.readLocation(position, this.#scratch);
        this.#scratch.run = ordinal;
        const location = this.#locationOf(this.#scratch);
        if (!found.some((other) => isSamePlace(other, location))) found.push(location);
      }
    });
    return found;
  }

  /** The names behind the ordinals of a location. */
  containerOf({ run, container }: { readonly run: number; readonly container: number }): ContainerReference {
    const record = this.#runs[run]?.tables.containers.slice(
      container * CONTAINER_RECORD_BYTES,
      (container + 1) * CONTAINER_RECORD_BYTES,
    );
    assert(record?.length === CONTAINER_RECORD_BYTES, "a location's ordinals come from this index as it is now");
    return { volumeId: hexOf(record.subarray(0, 16)) as VolumeId, container: hexOf(record.subarray(16)) as ContainerName };
  }

  /** All containers the index knows, some perhaps more than once: to find those it does not know yet. */
  *containers(): IterableIterator<ContainerReference> {
    for (let run = 0; run < this.#runs.length; run++) {
      const count = this.#runs[run]!.reader.counts.containers;
      for (let container = 0; container < count; container++) yield this.containerOf({ run, container });
    }
  }

  get runs(): readonly { readonly name: RunName; readonly segments: number; readonly fileBytes: number }[] {
    return this.#runs.map(({ name, reader }) => ({ name, segments: reader.counts.segments, fileBytes: reader.layout.fileBytes }));
  }

  /** Records, so a segment with two locations counts twice. */
  get segmentCount(): number {
    return this.#runs.reduce((sum, run) => sum + run.reader.counts.segments, 0);
  }

  /** Bytes of tables shared by all threads, and of this thread's cached pages. */
  get memoryBytes(): { readonly shared: number; readonly thread: number } {
    let shared = 0;
    let thread = this.#cache.memoryBytes;
    for (const run of this.#runs) {
      shared += run.tables.memory.byteLength;
      thread += run.cacheSlots.byteLength;
    }
    return { shared, thread };
  }

  close(): void {
    for (const run of this.#runs) run.close();
    this.#runs = [];
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #locationOf(buffer: LocationBuffer): SegmentLocation {
    const { blockOffset, storedLength, plainLength, offset, length } = buffer;
    const identity = buffer.identity.slice() as BlockIdentity;
    return { ...this.containerOf(buffer), blockOffset, storedLength, plainLength, identity, offset, length };
  }
}

function isSamePlace(a: SegmentLocation, b: SegmentLocation): boolean {
  return a.container === b.container && a.volumeId === b.volumeId && a.blockOffset === b.blockOffset && a.offset === b.offset;
}
