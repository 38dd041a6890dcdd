// A repair from beginning to end (docs/design/repair.md). The order is what makes it safe to interrupt: what can be saved
// is durable and indexed, and it is noted that something was lost, before a damaged container is moved; only then is the index
// made anew. Nothing is deleted.

import { rebuildCatalog } from "../catalog/catalog.ts";
import { HoldfastError } from "../base/errors.ts";
import type { ContainerName } from "../media/media.ts";
import { LocationBuffer, Salvage, beginLossEpoch, containerKey, rebuildIndex } from "../repository/repository.ts";
import type { CentralIndex, ContainerContents, SalvagedContainer } from "../repository/repository.ts";
import { asJob } from "./job-history.ts";
import type { Opened } from "./opened.ts";
import { rebuildIndexFrom } from "./rebuild-index.ts";
import { contentsOfDamaged, examineContainers, withinReach } from "./repair-containers.ts";
import type { ContainersFound, DamagedContainer } from "./repair-containers.ts";
import { findLosses, lossesPlace } from "./repair-losses.ts";
import { repairDirectories, repairRecords } from "./repair-records.ts";
import {
  goneContainers,
  goneIn,
  requireNothingAtStake,
  setAsideUnreadableCollection,
  unreadableCollection,
} from "./repair-collection.ts";
import { inSessionOnFullDisk } from "./session.ts";
import type { WritingSession } from "./session.ts";
import { takeFromOther } from "./take-from-other.ts";
import type { RepairOptions, RepairReport, RepairedContainer } from "./types.ts";

/** Of a key of a container: its volume. */
const VOLUME_ID_DIGITS = 32;

/**
 * Never stops at damage. VOLUME_UNAVAILABLE, REPOSITORY_READ_FAILED and PERMISSION_DENIED when it cannot tell what is
 * damaged; then no container was moved.
 */
export function runRepair(opened: Opened, options: RepairOptions): Promise<RepairReport> {
  if (options.dryRun === true) return rehearse(opened, options);
  return asJob(
    opened,
    "repair",
    async () => {
      const records = setAsideUnreadableCollection(opened);
      const report = await inSessionOnFullDisk(opened, (session) => repair(opened, options, session), { rebuilds: true });
      return { ...report, damagedRecords: [...records, ...report.damagedRecords] };
    },
    ({ damagedContainers, missingContainers, lossCount }) => ({
      outcome: lossCount > 0 ? "partial" : "done",
      detail: `${damagedContainers.length} damaged and ${missingContainers.length} missing containers; ${lossCount} losses`,
    }),
  );
}

async function rehearse(opened: Opened, options: RepairOptions): Promise<RepairReport> {
  const records = unreadableCollection(opened)?.records ?? [];
  const report = await repair(opened, options, undefined);
  return { ...report, damagedRecords: [...records, ...report.damagedRecords] };
}

async function repair(opened: Opened, options: RepairOptions, session: WritingSession | undefined): Promise<RepairReport> {
  const { clock } = opened.services;
  const startedMs = clock.elapsedMs();
  const directories = session === undefined ? [] : repairDirectories(opened);
  const found = await examineContainers(opened, options, session === undefined ? goneContainers(opened) : goneIn(session));
  if (session !== undefined && found.damaged.length + found.missing.length > 0) {
    requireNothingAtStake(session, "Containers are damaged or missing");
  }
  const salvaged = await salvageContainers(opened, found, options, session);
  const damagedContainers = session === undefined ? salvaged : await replaceDamaged(opened, found, salvaged, session);
  const damagedRecords = [...directories, ...(await repairRecords(opened, session))];
  if (session !== undefined) await rebuildCatalog(await opened.catalog(), opened.catalogSource());
  const isHere = storedTest(opened, found, salvaged, session);
  const { has, ...taken } = await takeFromOther(opened, options, { session, isStored: isHere });
  const isStored = session !== undefined || isHere === undefined ? isHere : (of: Uint8Array) => isHere(of) || has(of);
  const hasAllRecords = damagedRecords.length === 0;
  const losses = await findLosses(opened, options, { session, isStored, hasAllRecords });
  const sum = (of: (container: Salvaged) => number): number => salvaged.reduce((total, container) => total + of(container), 0);
  return {
    isDryRun: session === undefined,
    containers: found.count,
    bytesRead: found.bytesRead,
    damagedContainers: damagedContainers.map(asReported),
    missingContainers: found.missing,
    damagedRecords,
    indexProblem: found.indexProblem,
    savedSegments: sum(({ outcome }) => outcome.savedSegments),
    savedBytes: sum(({ outcome }) => outcome.savedBytes),
    ...taken,
    ...losses,
    transients: found.transients,
    durationMs: clock.elapsedMs() - startedMs,
  };
}

interface Salvaged {
  readonly container: DamagedContainer;
  readonly outcome: SalvagedContainer;
  readonly contents: ContainerContents | undefined;
  readonly setAside?: string | undefined;
}

function asReported({ container, outcome, setAside }: Salvaged): RepairedContainer {
  const { savedSegments, safeSegments, lostSegments, isKnown } = outcome;
  const { volume, name, problem } = container;
  return { container: name, volume: volume.name, problem, savedSegments, safeSegments, lostSegments, isKnown, setAside };
}

/** Saves what can be read of the damaged containers: durable and in the index when the promise resolves. */
async function salvageContainers(
  opened: Opened,
  found: ContainersFound,
  options: RepairOptions,
  session: WritingSession | undefined,
): Promise<Salvaged[]> {
  if (found.damaged.length === 0) return [];
  const { services, repository, fingerprinters } = opened;
  // Those of an earlier repair that was interrupted: what they hold need not be saved again.
  if (session !== undefined && found.index !== undefined) await indexUnknown(opened, found, found.index, session);
  const written: ContainerContents[] = [];
  const salvage = new Salvage({
    keyRing: repository.keyRing,
    random: services.random,
    loadBlake: services.loadBlake,
    fingerprinters,
    target: session === undefined ? undefined : repository.defaultVolume.writable(session.temporaryNames),
    isSafe: (fingerprint) => isIn(found.index, fingerprint, found.intact),
    onContainer: (contents) => written.push(contents),
  });
  try {
    const contents = await contentsOfDamaged(opened, found.damaged, salvage);
    const salvaged: Salvaged[] = [];
    for (const container of found.damaged) {
      if (options.signal?.aborted === true) throw interrupted();
      options.onProgress?.({ phase: "salvage", done: salvaged.length, total: found.damaged.length });
      const known = contents.get(container);
      const outcome = await withinReach(container, () => salvage.save(container, known));
      salvaged.push({ container, outcome, contents: known });
    }
    await salvage.flush();
    if (session !== undefined) await addToIndex(opened, written, session);
    return salvaged;
  } finally {
    salvage.discard();
  }
}

async function indexUnknown(opened: Opened, found: ContainersFound, index: CentralIndex, session: WritingSession): Promise<void> {
  const known = new Set([...index.containers()].map(({ volumeId, container }) => containerKey(volumeId, container)));
  const unknown = [...found.intact].filter((key) => !known.has(key));
  if (unknown.length === 0) return;
  const volumes = new Map<string, Opened["repository"]["defaultVolume"]>(
    opened.repository.volumes.map((volume) => [volume.id, volume]),
  );
  const reader = opened.containerReader();
  const contents: ContainerContents[] = [];
  for (const key of unknown) {
    const [volumeId, name] = [key.slice(0, VOLUME_ID_DIGITS), key.slice(VOLUME_ID_DIGITS)];
    const volume = volumes.get(volumeId);
    if (volume !== undefined) contents.push(await reader.readDirectory(volume, name as ContainerName));
  }
  await addToIndex(opened, contents, session);
}

async function addToIndex(opened: Opened, contents: readonly ContainerContents[], session: WritingSession): Promise<void> {
  if (contents.length === 0) return;
  const { random } = opened.services;
  const containers = (async function* () {
    yield* contents;
  })();
  const fence = (): void => session.requireNotEnded();
  await rebuildIndex({ ...opened.indexLocation, random, session: session.id, fence, containers });
  refreshLeniently(opened);
}

/** A damaged run keeps the index from being opened until it is made anew, which comes. */
function refreshLeniently(opened: Opened): void {
  try {
    opened.refreshIndex();
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
  }
}

/** Moves the damaged containers out of the way and makes an index without them and without those that are missing. */
async function replaceDamaged(
  opened: Opened,
  found: ContainersFound,
  salvaged: readonly Salvaged[],
  session: WritingSession,
): Promise<Salvaged[]> {
  const isSomethingLost = found.missing.length > 0 || found.indexProblem !== undefined || salvaged.length > 0;
  // Before the index forgets: from here on nobody takes an image for whole that was not looked at since.
  if (isSomethingLost) await beginLossEpoch(lossesPlace(opened, session), []);
  const replaced: Salvaged[] = [];
  for (const one of salvaged) {
    const { volume, name } = one.container;
    replaced.push({ ...one, setAside: await volume.setAside("containers", name) });
  }
  await rebuildIndexFrom(opened, session);
  const catalog = await opened.catalog();
  for (const { container } of replaced) catalog.removeChecks(container.volume.id, [container.name]);
  return replaced;
}

/** Whether a segment is stored: after a repair as the index has it, in a dry run as the index would have it. */
function storedTest(
  opened: Opened,
  found: ContainersFound,
  salvaged: readonly Salvaged[],
  session: WritingSession | undefined,
): ((fingerprint: Uint8Array) => boolean) | undefined {
  if (session !== undefined) {
    // As a reader has it: a writer does not count on what is condemned, but images may lean on it until it is gone.
    const place = new LocationBuffer();
    return (fingerprint) => opened.index.locate(fingerprint, place);
  }
  const { index } = found;
  if (index === undefined) return undefined;
  const saved = new Set(salvaged.flatMap(({ outcome }) => outcome.readable));
  return (fingerprint) => isIn(index, fingerprint, found.intact) || saved.has(Buffer.from(fingerprint).toString("latin1"));
}

/** A copy in a container that was read and found whole. */
function isIn(index: CentralIndex | undefined, fingerprint: Uint8Array, intact: ReadonlySet<string>): boolean {
  if (index === undefined) return false;
  try {
    return index.findAll(fingerprint).some(({ volumeId, container }) => intact.has(containerKey(volumeId, container)));
  } catch (error) {
    // A page of the index that cannot be read proves nothing.
    if (error instanceof HoldfastError) return false;
    throw error;
  }
}

function interrupted(): HoldfastError {
  return new HoldfastError("INTERRUPTED", {
    message: "The repair was interrupted",
    retry: "now",
    hint: "What was saved so far is kept. Run it again to go on.",
  });
}
