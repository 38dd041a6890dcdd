// Making a repository. The order is what makes it safe (docs/design/durability.md): directories, volume label, trail,
// key slot, and last the repository record, each durable before the next. Cut off anywhere, there is either no
// repository yet, and the next attempt clears the remains, or a complete one.

import { assert } from "../base/assert.ts";
import { hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { MASTER_KEY_BYTES } from "../formats/key-slot.ts";
import type { KdfParameters } from "../formats/key-slot.ts";
import { REPOSITORY_ID_BYTES, encodeRepositoryRecord } from "../formats/repository-record.ts";
import { VOLUME_ID_BYTES } from "../formats/volume-label.ts";
import { createDirectoryVolume, publishExclusively, temporaryNames } from "../media/media.ts";
import type { Clock } from "../platform/clock.ts";
import type { Files } from "../platform/files.ts";
import type { Random } from "../platform/random.ts";
import { requireExclusiveNames } from "./exclusive-names.ts";
import { clearHalfMade } from "./half-made.ts";
import { KeyRing } from "./key-ring.ts";
import { addKeySlot, requirePassphrase } from "./key-slots.ts";
import { MAIN_VOLUME, directoriesOfLayout, repositoryLayout } from "./layout.ts";
import type { RepositoryLayout } from "./layout.ts";
import { publishTrail } from "./trails.ts";

const TRAIL_ID_BYTES = 16;

export interface CreateRepositoryOptions {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  /** Absolute. The directory may be missing, empty, or hold what an interrupted attempt left. */
  readonly path: string;
  /** Asked for when the place has been found usable. */
  readonly passphrase: string | (() => Promise<string> | string);
  readonly kdf?: KdfParameters;
  /** What people call the first backup trail. */
  readonly name?: string;
  /** Of the first key slot. */
  readonly label?: string;
}

export interface CreatedRepository {
  readonly id: Uint8Array;
  readonly layout: RepositoryLayout;
  readonly keySlotId: string;
}

/**
 * REPOSITORY_EXISTS when there is one, TARGET_CONFLICT when the path is a file or a directory with other things in it,
 * USAGE for an empty passphrase. When the promise resolves, the repository is durable.
 */
export async function createRepository(options: CreateRepositoryOptions): Promise<CreatedRepository> {
  const { files } = options;
  const layout = repositoryLayout(options.path);
  requireUsablePlace(files, layout);
  try {
    return await create(options, layout);
  } catch (error) {
    // Of two attempts at once, one finds its files taken away as remains, and then a repository in its place.
    if (error instanceof HoldfastError && files.information(layout.record) !== undefined) throw alreadyThere(layout, error);
    throw error;
  }
}

async function create(options: CreateRepositoryOptions, layout: RepositoryLayout): Promise<CreatedRepository> {
  const { files, clock, random } = options;
  const passphrase = typeof options.passphrase === "string" ? options.passphrase : await options.passphrase();
  requirePassphrase(passphrase);
  await requireExclusiveNames(files, layout.root, random);
  clearHalfMade(files, layout);

  const id = random.bytes(REPOSITORY_ID_BYTES);
  const names = temporaryNames(hexOf(random.bytes(8)), random);
  const createdAtMs = clock.now();
  for (const directory of directoriesOfLayout(layout)) files.makeDirectory(directory);
  files.syncDirectory(layout.root);

  const volumeId = random.bytes(VOLUME_ID_BYTES);
  const labelled = await createDirectoryVolume({
    files,
    path: layout.mainVolume,
    id: volumeId,
    repositoryId: id,
    createdAtMs,
    name: MAIN_VOLUME,
    temporaryNames: names,
  });
  if (!labelled) throw alreadyThere(layout);

  const masterKey = random.bytes(MASTER_KEY_BYTES);
  assert(masterKey.length === MASTER_KEY_BYTES, "a master key has 32 bytes");
  const trail = {
    trail: hexOf(random.bytes(TRAIL_ID_BYTES)),
    generation: 1,
    kind: "backup",
    name: options.name ?? MAIN_VOLUME,
    volumes: [hexOf(volumeId)],
    madeAtMs: createdAtMs,
  } as const;
  const keyRing = KeyRing.derive(masterKey, id);
  await publishTrail({ files, layout, keyRing, random, temporaryNames: names }, trail);

  const slot = await addKeySlot(
    { files, layout, repositoryId: id },
    {
      masterKey,
      passphrase,
      label: options.label ?? "",
      clock,
      random,
      temporaryNames: names,
      ...(options.kdf === undefined ? {} : { kdf: options.kdf }),
    },
  );
  masterKey.fill(0);
  // Two attempts at once in one directory: each may have taken the other's files for remains.
  for (const needed of [`${layout.keys}/${slot.id}`, `${layout.mainVolume}/label`]) {
    if (files.information(needed) === undefined) throw alreadyThere(layout);
  }

  const published = await publishExclusively(
    { files, directory: layout.root, name: "repository", temporaryNames: names },
    encodeRepositoryRecord({ id, createdAtMs }),
  );
  if (!published) throw alreadyThere(layout);
  return { id, layout, keySlotId: slot.id };
}

function requireUsablePlace(files: Files, layout: RepositoryLayout): void {
  const found = files.information(layout.root);
  if (found !== undefined && found.kind !== "directory") {
    throw new HoldfastError("TARGET_CONFLICT", {
      message: `Cannot create a repository at "${layout.root}": it is not a directory`,
      context: { path: layout.root },
      hint: "Choose another path.",
    });
  }
  if (found !== undefined && files.information(layout.record) !== undefined) throw alreadyThere(layout);
}

function alreadyThere(layout: RepositoryLayout, cause?: HoldfastError): HoldfastError {
  return new HoldfastError("REPOSITORY_EXISTS", {
    ...(cause === undefined ? {} : { cause }),
    message: `Cannot create a repository in "${layout.root}": there is one already`,
    context: { path: layout.root },
    hint: "Use it as it is, or choose another directory.",
  });
}
