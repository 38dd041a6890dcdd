// The first half of a repair, which changes nothing: reads every container and finds out which are damaged, which are missing,
// and what the damaged ones held.

import type { CheckResult } from "../catalog/catalog.ts";
import { HoldfastError, isKeptBack, messageOf } from "../base/errors.ts";
import type { ContainerName, DirectoryVolume } from "../media/media.ts";
import { containerKey, contentsKnownToIndex } from "../repository/repository.ts";
import type { CentralIndex, ContainerContents, ContainerReference, ContainerSet, Salvage } from "../repository/repository.ts";
import { describeDamage, readContainers, resultOf } from "../restore/restore.ts";
import type { Opened } from "./opened.ts";
import type { Damage, RepairOptions } from "./types.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface DamagedContainer {
  readonly volume: DirectoryVolume;
  readonly name: ContainerName;
  readonly problem: string;
  /** Whether the system gave all its bytes, whatever they were. */
  readonly isReadable: boolean;
}

export interface ContainersFound {
  readonly count: number;
  readonly bytesRead: number;
  readonly intact: ReadonlySet<string>;
  readonly damaged: readonly DamagedContainer[];
  /** Named by the index, on no volume. */
  readonly missing: readonly string[];
  readonly transients: readonly Damage[];
  /** The index, unless it cannot be read, and then why. */
  readonly index: CentralIndex | undefined;
  readonly indexProblem: string | undefined;
}

/** Reads all but what is condemned: that goes at any moment, and nothing may come back under its name. VOLUME_UNAVAILABLE, REPOSITORY_READ_FAILED or PERMISSION_DENIED when what is there cannot be told from what is not. */
export async function examineContainers(
  opened: Opened,
  options: RepairOptions,
  condemned: ContainerSet,
): Promise<ContainersFound> {
  const { repository } = opened;
  const { index, indexProblem } = openIndexUnlessDamaged(opened);
  // The index first: a container is published before the run that names it.
  const isCondemned = ({ volumeId, container }: ContainerReference): boolean => condemned.has(containerKey(volumeId, container));
  const namedBy = (from: CentralIndex): ContainerReference[] => [...from.containers()].filter((one) => !isCondemned(one));
  const known = index === undefined ? [] : namedBy(index);
  requireVolumes(opened, known);
  const volumes = new Map(repository.volumes.map((volume) => [volume.id, volume]));
  const places: ContainerReference[] = [];
  for (const volume of repository.volumes) {
    const names = await volume.listContainers();
    places.push(...names.map((container) => ({ volumeId: volume.id, container })).filter((place) => !isCondemned(place)));
  }
  const listed = new Set(places.map(({ volumeId, container }) => containerKey(volumeId, container)));
  const missingOf = (references: readonly ContainerReference[]): ReadonlySet<string> =>
    new Set(
      references
        .filter(({ volumeId, container }) => !listed.has(containerKey(volumeId, container)))
        .map(({ container }) => container),
    );
  // Whoever removed a container rightly has told the index before.
  const isStale = missingOf(known).size > 0 && index?.refresh() === true;
  const missing = missingOf(isStale ? namedBy(index) : known);

  const intact = new Set<string>();
  const damaged: DamagedContainer[] = [];
  const transients: Damage[] = [];
  const checks: { volume: DirectoryVolume; container: ContainerName; result: CheckResult }[] = [];
  let bytesRead = 0;
  let done = 0;
  await using pool = new WorkerPool(opened.spareThreads, opened.threadCount, { ...opened.workerSetup(), role: "verify" });
  await readContainers(
    pool.threads,
    places,
    ({ volumeId, container }, report) => {
      bytesRead += report.bytesRead;
      for (const damage of report.transients) {
        transients.push({ what: `container ${container}`, problem: describeDamage(damage), code: damage.code });
      }
      const result = resultOf(report);
      const volume = volumes.get(volumeId);
      const [worst] = report.damages;
      if (volume !== undefined) checks.push({ volume, container, result });
      if (worst === undefined) intact.add(containerKey(volumeId, container));
      // Removed since it was listed: whoever did that knew why.
      else if (result === "damaged" && volume !== undefined) {
        const more = report.damages.length > 1 ? `, and ${report.damages.length - 1} more` : "";
        const isReadable = !report.damages.some(({ code }) => code === "REPOSITORY_READ_FAILED" || code === "PERMISSION_DENIED");
        damaged.push({ volume, name: container, problem: `${describeDamage(worst)}${more}`, isReadable });
      }
      options.onProgress?.({ phase: "containers", done: ++done, total: places.length });
    },
    options.signal,
  );
  for (const container of damaged) await requireSomeReading(container);
  await noteChecks(opened, checks);
  damaged.sort((a, b) => (a.name < b.name ? -1 : 1));
  const outcome = { count: places.length, bytesRead, intact, damaged, transients, index, indexProblem };
  return { ...outcome, missing: [...missing].sort() };
}

/** What each damaged container held: as it says itself, or as the index has it. REPOSITORY_READ_FAILED, PERMISSION_DENIED when that cannot be read. */
export async function contentsOfDamaged(
  opened: Opened,
  damaged: readonly DamagedContainer[],
  salvage: Salvage,
): Promise<ReadonlyMap<DamagedContainer, ContainerContents>> {
  const contents = new Map<DamagedContainer, ContainerContents>();
  const unreadable: DamagedContainer[] = [];
  for (const container of damaged) {
    const directory = await withinReach(container, () => salvage.directoryOf(container));
    if (directory === undefined) unreadable.push(container);
    else contents.set(container, directory);
  }
  const wanted = unreadable.map(({ volume, name }) => ({ volumeId: volume.id, container: name }));
  for (const known of knownToIndex(opened, wanted)) {
    const container = unreadable.find(({ volume, name }) => volume.id === known.volumeId && name === known.name);
    if (container !== undefined) contents.set(container, known);
  }
  return contents;
}

function knownToIndex(opened: Opened, wanted: readonly ContainerReference[]): readonly ContainerContents[] {
  try {
    return contentsKnownToIndex(opened.indexLocation, wanted);
  } catch (error) {
    throw outOfReach(error, "the index cannot be read", INDEX_BEYOND_RESCUE);
  }
}

/** What the system keeps from us is tried once more. */
function openIndexUnlessDamaged(opened: Opened): {
  readonly index: CentralIndex | undefined;
  readonly indexProblem: string | undefined;
} {
  for (let isLast = false; ; isLast = true) {
    try {
      opened.index.refresh();
      return { index: opened.index, indexProblem: undefined };
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      if (!isKeptBack(error)) return { index: undefined, indexProblem: messageOf(error) };
      if (isLast) throw outOfReach(error, "the index cannot be read", INDEX_BEYOND_RESCUE);
    }
  }
}

/** An index made anew would forget what lies on a volume that is not here. */
function requireVolumes(
  { repository }: Opened,
  known: readonly { readonly volumeId: string; readonly container: string }[],
): void {
  const available = new Set<string>(repository.volumes.map(({ id }) => id));
  const elsewhere = known.find(({ volumeId }) => !available.has(volumeId));
  if (elsewhere === undefined) return;
  throw new HoldfastError("VOLUME_UNAVAILABLE", {
    message: `Cannot repair: the volume ${elsewhere.volumeId}, which holds container ${elsewhere.container}, is not available`,
    retry: "later",
    context: { volume: elsewhere.volumeId },
    hint: "Mount the volume and try again. Nothing was changed.",
  });
}

/** A container that gives nothing at all is more likely out of reach than damaged, and so may be all the others. */
async function requireSomeReading({ volume, name }: DamagedContainer): Promise<void> {
  try {
    await volume.readContainer(name, 0, 1);
  } catch (error) {
    if (isKeptBack(error)) throw outOfReach(error, `not a byte of container ${name} can be read`, CONTAINER_BEYOND_RESCUE);
  }
}

/** For what reads a container that has been looked at. */
export async function withinReach<T>({ name }: DamagedContainer, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw outOfReach(error, `container ${name} could be read a moment ago`, CONTAINER_BEYOND_RESCUE);
  }
}

const CONTAINER_BEYOND_RESCUE = "If this one container is beyond rescue, move it away.";
const INDEX_BEYOND_RESCUE =
  "If this one run of the index is beyond rescue, move it away: what it alone knows of damaged containers is then lost.";

/** What the system cannot read may be whole: a failure of the disk or the mount ends the repair before anything is given up. */
function outOfReach(error: unknown, problem: string, hint: string): unknown {
  if (!isKeptBack(error)) return error;
  return new HoldfastError(error.code, {
    message: `Cannot repair: ${problem}: ${error.message}`,
    retry: "later",
    context: error.context,
    hint: `Look at the disk, the mount and the permissions. ${hint} No container was moved.`,
    cause: error,
  });
}

/** A repair verifies as much as a verification does. */
async function noteChecks(
  opened: Opened,
  checks: readonly { readonly volume: DirectoryVolume; readonly container: ContainerName; readonly result: CheckResult }[],
): Promise<void> {
  const catalog = await opened.catalog();
  const checkedAtMs = opened.services.clock.now();
  try {
    catalog.recordChecks(checks.map(({ volume, container, result }) => ({ volume: volume.id, container, checkedAtMs, result })));
  } catch (error) {
    // The catalog is made anew below; ages that are forgotten cost time.
    if (!(error instanceof HoldfastError)) throw error;
  }
}
