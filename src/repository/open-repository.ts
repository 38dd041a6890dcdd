// Opening a repository: find out what lies at the path, unlock the keys, look at the volumes. Nothing is written, so a
// repository on a read-only medium opens like any other.

import { HoldfastError, hasCode, messageOf } from "../base/errors.ts";
import { REPOSITORY_RECORD_BYTES, decodeRepositoryRecord } from "../formats/repository-record.ts";
import type { RepositoryRecord } from "../formats/repository-record.ts";
import type { TrailRecord } from "../formats/trail-record.ts";
import { isTemporaryName, openDirectoryVolume } from "../media/media.ts";
import type { DirectoryVolume } from "../media/media.ts";
import type { Files } from "../platform/files.ts";
import { KeyRing } from "./key-ring.ts";
import { unlockKeySlots } from "./key-slots.ts";
import type { UnlockedKey } from "./key-slots.ts";
import { repositoryLayout } from "./layout.ts";
import type { RepositoryLayout } from "./layout.ts";
import { readTrails } from "./trails.ts";
import { notRecognised } from "./what-is-it.ts";

export interface OpenRepositoryOptions {
  readonly files: Files;
  /** Absolute. */
  readonly path: string;
  /** Asked once, and only when there is a repository to open. */
  readonly passphrase: () => Promise<string> | string;
}

export interface OpenedRepository {
  /** 16 bytes. */
  readonly id: Uint8Array;
  readonly createdAtMs: number;
  readonly layout: RepositoryLayout;
  readonly keyRing: KeyRing;
  /** For adding and changing key slots. */
  readonly unlocked: UnlockedKey;
  readonly trails: readonly TrailRecord[];
  /** Those that could be opened. For writing, take `volume.writable(session.temporaryNames)`. */
  readonly volumes: readonly DirectoryVolume[];
  /** The first volume of the first backup trail. */
  readonly defaultVolume: DirectoryVolume;
  /** Damage that did not prevent opening: key slots, trail records, other volumes. To be shown, not swallowed. */
  readonly problems: readonly HoldfastError[];
}

/**
 * REPOSITORY_MISSING, REPOSITORY_NOT_RECOGNISED, REPOSITORY_TOO_NEW, REPOSITORY_DAMAGED, PERMISSION_DENIED,
 * WRONG_PASSPHRASE, and for the default volume VOLUME_UNAVAILABLE, VOLUME_LABEL_MISMATCH or FORMAT_….
 */
export async function openRepository(options: OpenRepositoryOptions): Promise<OpenedRepository> {
  const { files } = options;
  const layout = repositoryLayout(options.path);
  const record = readRepositoryRecord(files, layout);
  const place = { files, layout, repositoryId: record.id };
  const unlocked = await unlockKeySlots(place, await options.passphrase());
  const keyRing = KeyRing.derive(unlocked.masterKey, record.id);
  const { trails, problems: trailProblems } = readTrails({ files, layout, keyRing });
  const missing = trails.length === 0 && trailProblems.length === 0 ? [trailMissing(layout)] : [];
  const { volumes, problems: volumeProblems } = openVolumes(files, layout, record.id);
  return {
    id: record.id,
    createdAtMs: record.createdAtMs,
    layout,
    keyRing,
    unlocked,
    trails,
    volumes,
    defaultVolume: chooseDefault(layout, trails, volumes, volumeProblems),
    problems: [...unlocked.unusable.map((slot) => slot.problem), ...trailProblems, ...missing, ...volumeProblems],
  };
}

/** The volumes are found without it, but not which of them backups are written to. */
function trailMissing(layout: RepositoryLayout): HoldfastError {
  return new HoldfastError("REPOSITORY_DAMAGED", {
    message: `The repository "${layout.root}" has no backup trail: there is no record in "${layout.trails}"`,
    context: { path: layout.trails },
    hint: "Copy the directory from a copy of the repository; until then the first volume is used.",
  });
}

/** What lies at the path, without any key. */
export function readRepositoryRecord(files: Files, layout: RepositoryLayout): RepositoryRecord {
  const found = files.information(layout.root);
  if (found === undefined) {
    throw new HoldfastError("REPOSITORY_MISSING", {
      message: `There is no repository at "${layout.root}": the path does not exist`,
      context: { path: layout.root },
      hint: "Check the path, mount the medium, or create a repository with `holdfast init`.",
    });
  }
  if (found.kind !== "directory" || files.information(layout.record)?.kind !== "file") {
    throw notRecognised(files, layout, found);
  }
  const bytes = readBeginning(files, layout.record, REPOSITORY_RECORD_BYTES * 2);
  if (bytes === undefined) throw notRecognised(files, layout, found);
  try {
    return decodeRepositoryRecord(bytes);
  } catch (error) {
    throw recordProblem(files, layout, error);
  }
}

// The file may be anything, of any size, so only its beginning is read.
function readBeginning(files: Files, path: string, limitBytes: number): Uint8Array | undefined {
  const file = files.open(path);
  if (file === undefined) return undefined;
  try {
    const bytes = new Uint8Array(limitBytes);
    return bytes.subarray(0, file.read(bytes, 0));
  } finally {
    file.close();
  }
}

function recordProblem(files: Files, layout: RepositoryLayout, error: unknown): unknown {
  if (hasCode(error, "FORMAT_MAGIC")) return notRecognised(files, layout, { kind: "directory" });
  if (hasCode(error, "FORMAT_VERSION", "FORMAT_RESERVED")) {
    return new HoldfastError("REPOSITORY_TOO_NEW", {
      message: `Cannot open the repository "${layout.root}": it is of a newer format. ${error.message}`,
      context: { path: layout.root },
      hint: "Use a newer version of Holdfast.",
      cause: error,
    });
  }
  if (hasCode(error, "FORMAT_TRUNCATED", "FORMAT_CHECKSUM", "FORMAT_INVALID")) {
    return new HoldfastError("REPOSITORY_DAMAGED", {
      message: `Cannot open the repository "${layout.root}": ${error.message}`,
      context: { path: layout.record },
      hint: `Bring back "${layout.record}" (64 bytes, it never changes) from a copy of the repository.`,
      cause: error,
    });
  }
  return error;
}

interface VolumesOpened {
  readonly volumes: readonly DirectoryVolume[];
  readonly problems: readonly HoldfastError[];
}

function openVolumes(files: Files, layout: RepositoryLayout, repositoryId: Uint8Array): VolumesOpened {
  const volumes: DirectoryVolume[] = [];
  const problems: HoldfastError[] = [];
  const names = files.list(layout.volumes) ?? [];
  for (const name of names.filter((candidate) => !isTemporaryName(candidate)).toSorted()) {
    const path = `${layout.volumes}/${name}`;
    try {
      if (files.information(path)?.kind === "directory") volumes.push(openDirectoryVolume({ files, path, repositoryId }));
    } catch (error) {
      // One volume that cannot be used must not hide the others.
      if (!(error instanceof HoldfastError)) throw error;
      problems.push(withPath(error, path));
    }
  }
  return { volumes, problems };
}

function withPath(error: HoldfastError, path: string): HoldfastError {
  if (error.message.includes(path)) return error;
  return new HoldfastError(error.code, {
    message: `Cannot open the volume at "${path}": ${messageOf(error)}`,
    retry: error.retry,
    context: { ...error.context, path },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error,
  });
}

function chooseDefault(
  layout: RepositoryLayout,
  trails: readonly TrailRecord[],
  volumes: readonly DirectoryVolume[],
  problems: readonly HoldfastError[],
): DirectoryVolume {
  const wanted = trails[0]?.volumes[0];
  // Without a trail record (damaged; reported) the first volume serves for reading.
  const volume = wanted === undefined ? volumes[0] : volumes.find((candidate) => candidate.id === wanted);
  if (volume !== undefined) return volume;
  throw (
    problems[0] ??
    new HoldfastError("VOLUME_UNAVAILABLE", {
      message: `Cannot open the repository "${layout.root}": its volume ${wanted ?? ""} is not among those under "${layout.volumes}"`,
      retry: "later",
      context: { path: layout.volumes, volume: wanted },
      hint: "Mount the volume that belongs there and try again.",
    })
  );
}
