// Proves that what is stored can be restored: first the structure of the images, then, when asked for, the data of all
// containers or of those that were verified longest ago.

import type { ContainerName, Volume, VolumeId } from "../media/volume.ts";
import type { EntryTreeRoot, PageSource } from "../repository/repository.ts";
import { describeDamage, readContainers, resultOf, verificationInterrupted } from "./container-pass.ts";
import type { ContainerPlace, ContainerReport } from "./container-report.ts";
import type { RestoreThread, SegmentLookup } from "./parts.ts";
import { StructureCheck, keyOf } from "./structure-check.ts";

/** Remembers when containers were verified; losing it costs time. */
export interface ContainerAges {
  /** The last verification, at milliseconds since 1970; undefined when there was none. */
  lastCheck(volume: VolumeId, container: ContainerName): { readonly atMs: number; readonly isIntact: boolean } | undefined;
  /** Called once for each container that was to be read. */
  noteVerified(volume: VolumeId, container: ContainerName, result: "intact" | "damaged" | "missing"): void;
}

export interface VerifyParts {
  readonly source: PageSource;
  readonly index: SegmentLookup & { containers(): Iterable<ContainerPlace> };
  readonly volumes: readonly Volume[];
  /** Each with a ContainerVerifier behind it; not used when no data is read. */
  readonly threads: readonly RestoreThread[];
  readonly ages: ContainerAges;
}

export interface VerifyRunOptions {
  readonly images: readonly { readonly id: string; readonly root: EntryTreeRoot }[];
  /** The share of containers to read, 0 to 1; none unless given. */
  readonly readData?: number | undefined;
  readonly onProgress?:
    | ((progress: { readonly phase: "images" | "containers"; readonly done: number; readonly total: number }) => void)
    | undefined;
  readonly onDamage?: ((damage: RepositoryDamage) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One thing found wrong. */
export interface RepositoryDamage {
  /** What is damaged: "image …", "container …", or the name of another file of the repository. */
  readonly what: string;
  readonly problem: string;
  readonly code: string;
}

export interface VerifyOutcome {
  readonly images: number;
  /** Distinct ones: what images share is looked at once. */
  readonly entries: number;
  readonly segments: number;
  readonly containersChecked: number;
  readonly containers: number;
  readonly bytesRead: number;
  readonly damages: readonly RepositoryDamage[];
  /** What was found at the first reading and not at the second: no damage, but a sign of a faulty disk, cable or network. */
  readonly transients: readonly RepositoryDamage[];
}

type DamageListener = (what: string, problem: string, code: string) => void;

interface Listeners {
  readonly onDamage: DamageListener;
  readonly onTransient: DamageListener;
}

const PAGES_PER_TURN = 32;

export class VerifyRun {
  readonly #parts: VerifyParts;

  constructor(parts: VerifyParts) {
    this.#parts = parts;
  }

  /** Never stops at damage; throws INTERRUPTED, what a thread failed with, and when a volume cannot be listed. */
  async run(options: VerifyRunOptions): Promise<VerifyOutcome> {
    const damages = { images: [] as RepositoryDamage[], containers: [] as RepositoryDamage[] };
    const transients: RepositoryDamage[] = [];
    const onTransient: DamageListener = (what, problem, code) => transients.push({ what, problem, code });
    const listener =
      (list: RepositoryDamage[]): DamageListener =>
      (what, problem, code) => {
        const damage = { what, problem, code };
        list.push(damage);
        options.onDamage?.(damage);
      };
    const all = await this.#listContainers();
    const stop = new AbortController();
    const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
    // The threads read data while this one looks at the structure. Progress tells of one after the other.
    const progress = new DataProgress(options.onProgress);
    const reading = this.#readData(
      this.#chosen(all, options.readData ?? 0),
      { onDamage: listener(damages.containers), onTransient },
      progress,
      signal,
    );
    // Its failure is thrown below.
    reading.catch(() => undefined);
    let check: StructureCheck;
    try {
      check = await this.#checkStructure(options, all, { onDamage: listener(damages.images), onTransient });
    } catch (error) {
      stop.abort();
      await reading.catch(() => undefined);
      throw error;
    }
    progress.begin();
    const data = await reading;
    return {
      images: options.images.length,
      entries: check.entries,
      segments: check.segments,
      containersChecked: data.containers,
      containers: all.length,
      bytesRead: data.bytes,
      damages: [...damages.images, ...damages.containers],
      transients,
    };
  }

  async #checkStructure(
    { images, onProgress, signal }: VerifyRunOptions,
    all: readonly ContainerPlace[],
    listeners: Listeners,
  ): Promise<StructureCheck> {
    const { source, index, volumes } = this.#parts;
    let untilTurn = PAGES_PER_TURN;
    const turn = async (): Promise<void> => {
      if (--untilTurn > 0) return;
      untilTurn = PAGES_PER_TURN;
      // Pages of a local volume come without waiting: nobody else would ever get a turn, not even the signal to stop.
      await new Promise((resolve) => setImmediate(resolve));
      if (signal?.aborted === true) throw verificationInterrupted();
    };
    const check = new StructureCheck({
      source,
      index,
      volumes: new Map(volumes.map((volume) => [volume.id, volume])),
      ...listeners,
      turn,
    });
    for (const [done, { id, root }] of images.entries()) {
      onProgress?.({ phase: "images", done, total: images.length });
      if (signal?.aborted === true) throw verificationInterrupted();
      await check.checkImage(id, root);
    }
    await check.checkContainers();
    await check.checkOthers([...index.containers()], new Set(all.map(keyOf)));
    onProgress?.({ phase: "images", done: images.length, total: images.length });
    return check;
  }

  async #listContainers(): Promise<readonly ContainerPlace[]> {
    const all: ContainerPlace[] = [];
    for (const volume of this.#parts.volumes) {
      for (const container of await volume.listContainers()) all.push({ volumeId: volume.id, container });
    }
    return all;
  }

  /**
   * Those never verified, then those verified longest ago; equal ones in the order of their names, which is as good as any.
   * What was found damaged is read again beside the share: it must neither be forgotten nor keep the others from their turn.
   */
  #chosen(all: readonly ContainerPlace[], share: number): readonly ContainerPlace[] {
    const { ages } = this.#parts;
    if (share <= 0) return [];
    const aged = all.map((place) => ({ place, check: ages.lastCheck(place.volumeId, place.container) }));
    const damaged = aged.filter(({ check }) => check?.isIntact === false);
    const others = aged
      .filter(({ check }) => check?.isIntact !== false)
      .map(({ place, check }) => ({ place, age: check?.atMs ?? -Infinity }));
    others.sort((a, b) => (a.age === b.age ? (a.place.container < b.place.container ? -1 : 1) : a.age - b.age));
    const count = Math.ceil(Math.min(1, share) * others.length);
    return [...damaged, ...others.slice(0, count)].map(({ place }) => place);
  }

  async #readData(
    chosen: readonly ContainerPlace[],
    { onDamage, onTransient }: Listeners,
    progress: DataProgress,
    signal: AbortSignal,
  ): Promise<{ readonly containers: number; readonly bytes: number }> {
    const { threads, ages, index } = this.#parts;
    let bytes = 0;
    const missing: { readonly place: ContainerPlace; readonly report: ContainerReport }[] = [];
    const tell = (place: ContainerPlace, report: ContainerReport): void => {
      const what = `container ${place.container}`;
      for (const damage of report.damages) onDamage(what, describeDamage(damage), damage.code);
      for (const damage of report.transients) onTransient(what, describeDamage(damage), damage.code);
      ages.noteVerified(place.volumeId, place.container, resultOf(report));
    };
    progress.total = chosen.length;
    await readContainers(
      threads,
      chosen,
      (place, report) => {
        bytes += report.bytesRead;
        if (resultOf(report) === "missing") missing.push({ place, report });
        else tell(place, report);
        progress.advance();
      },
      signal,
    );
    // A collection takes out of the index first what it removes.
    const named = new Set(missing.length === 0 ? [] : Array.from(index.containers(), keyOf));
    for (const { place, report } of missing) if (named.has(keyOf(place))) tell(place, report);
    return { containers: chosen.length, bytes };
  }
}

/** Counts from the beginning, tells only when it is its turn. */
class DataProgress {
  total = 0;
  #done = 0;
  #isTold = false;
  readonly #listener: VerifyRunOptions["onProgress"];

  constructor(listener: VerifyRunOptions["onProgress"]) {
    this.#listener = listener;
  }

  begin(): void {
    this.#isTold = true;
    this.#tell();
  }

  advance(): void {
    this.#done++;
    this.#tell();
  }

  #tell(): void {
    if (this.#isTold && this.total > 0) this.#listener?.({ phase: "containers", done: this.#done, total: this.total });
  }
}
