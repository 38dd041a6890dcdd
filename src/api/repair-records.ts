// The small files of a repository that cannot be read: told, and set aside where nobody stumbles over them again. What a
// newer program wrote, or what the disk or a permission keeps from us, is not damaged and stays.

import { HoldfastError, isDamage } from "../base/errors.ts";
import { directoriesOf, setAsideFile } from "../media/media.ts";
import { hexOf } from "../base/bytes.ts";
import { listImages, listKeySlots, publishTrail, readCheckpoints, readTrails } from "../repository/repository.ts";
import type { DamagedRecord, Session } from "../repository/repository.ts";
import type { Opened } from "./opened.ts";
import type { RepairedRecord } from "./types.ts";

/** `session`: of the repair; without one nothing is changed. */
export async function repairRecords(opened: Opened, session: Session | undefined): Promise<readonly RepairedRecord[]> {
  const records = [...(await volumeRecords(opened, session)), ...keySlots(opened, session), ...trails(opened, session)];
  if (session !== undefined) await replaceTrail(opened, session);
  return records;
}

/** A volume lacks a directory when somebody removed it: what was in it is gone, and without it nothing can be listed. */
export function repairDirectories({ services, repository }: Opened): readonly RepairedRecord[] {
  const { files } = services;
  return repository.volumes.flatMap((volume) =>
    directoriesOf(volume.path)
      .filter((directory) => files.information(directory) === undefined)
      .map((directory) => {
        files.makeDirectory(directory);
        const what = directory.slice(repository.layout.root.length + 1);
        return {
          what,
          problem: "the directory was missing; it is there again, empty",
          code: "REPOSITORY_DAMAGED",
          setAside: undefined,
        };
      }),
  );
}

async function volumeRecords(opened: Opened, session: Session | undefined): Promise<RepairedRecord[]> {
  const first = await damagedRecords(opened);
  if (first.length === 0) return [];
  // What fails once and succeeds the second time is not damaged.
  const again = await damagedRecords(opened);
  const found = again.filter((a) => first.some((b) => a.name === b.name && a.volume === b.volume));
  const repaired: RepairedRecord[] = [];
  for (const { area, name, volume: id, problem } of found) {
    const volume = opened.repository.volumes.find((candidate) => candidate.id === id);
    const moved = session !== undefined && isDamage(problem) ? await volume?.setAside(area, name) : undefined;
    repaired.push({ what: `${area}/${name}`, problem: problem.message, code: problem.code, setAside: moved });
  }
  return repaired;
}

async function damagedRecords({ places }: Opened): Promise<readonly DamagedRecord[]> {
  return [...(await listImages(places)).damaged, ...(await readCheckpoints(places)).damaged];
}

function keySlots(opened: Opened, session: Session | undefined): RepairedRecord[] {
  const { files } = opened.services;
  const { layout, id, unlocked } = opened.repository;
  const found = new Map<string, HoldfastError>();
  for (const slot of [...listKeySlots({ files, layout, repositoryId: id }).unusable, ...unlocked.unusable]) {
    if (slot.id !== unlocked.slotId) found.set(slot.id, slot.problem);
  }
  return [...found].flatMap(([name, problem]) => {
    const path = `${layout.keys}/${name}`;
    // Opened long ago, it may have been removed since.
    if (files.information(path) === undefined) return [];
    return [setAside(opened, session, { name: `keys/${name}`, path, problem })];
  });
}

function trails(opened: Opened, session: Session | undefined): RepairedRecord[] {
  const { layout } = opened.repository;
  const { problems, damaged } = readTrails(trailsPlace(opened));
  return damaged.map((name, i) => {
    const problem = problems[i] ?? new HoldfastError("REPOSITORY_DAMAGED", { message: `trails/${name} cannot be read` });
    return setAside(opened, session, { name: `trails/${name}`, path: `${layout.trails}/${name}`, problem });
  });
}

function setAside(
  { services, repository }: Opened,
  session: Session | undefined,
  { name, path, problem }: { readonly name: string; readonly path: string; readonly problem: HoldfastError },
): RepairedRecord {
  const directory = `${repository.layout.damaged}/${name.slice(0, name.indexOf("/"))}`;
  const isMoved = session !== undefined && isDamage(problem);
  const moved = isMoved ? setAsideFile(services.files, path, directory) : undefined;
  return { what: name, problem: problem.message, code: problem.code, setAside: moved };
}

/** Without any trail nobody knows where backups go: they go on going where they went without one. */
async function replaceTrail(opened: Opened, session: Session): Promise<void> {
  const place = trailsPlace(opened);
  const { trails: readable, problems } = readTrails(place);
  if (readable.length > 0 || problems.length > 0) return;
  const { clock, random } = opened.services;
  const { defaultVolume } = opened.repository;
  place.files.makeDirectory(place.layout.trails);
  await publishTrail(
    { ...place, random, temporaryNames: session.temporaryNames },
    {
      trail: hexOf(random.bytes(16)),
      generation: 1,
      kind: "backup",
      name: "main",
      volumes: [defaultVolume.id],
      madeAtMs: clock.now(),
    },
  );
}

function trailsPlace({ services, repository }: Opened) {
  return { files: services.files, layout: repository.layout, keyRing: repository.keyRing };
}
