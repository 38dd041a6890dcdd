// What is known since something was lost (docs/design/repair.md). An index forgets a lost container, but the images
// that need it stay, and a backup that builds on one of them would claim files whose content is gone. So whoever makes the index
// forget writes this first: from then on an image counts as whole only if it was looked at since. Without a record nothing
// was ever lost, and every image is trusted.

import { HoldfastError } from "../base/errors.ts";
import { decodeLossRecord, encodeLossRecord } from "../formats/loss-record.ts";
import type { LossRecord } from "../formats/loss-record.ts";
import { RECORD_LOSSES, SEALED_RECORD_LIMIT } from "../formats/sealed-record.ts";
import { publishExclusively } from "../media/media.ts";
import type { TemporaryNames } from "../media/media.ts";
import type { ImageId } from "../model/image.ts";
import type { Clock } from "../platform/clock.ts";
import type { Files } from "../platform/files.ts";
import type { Random } from "../platform/random.ts";
import type { KeyRing } from "./key-ring.ts";
import type { RepositoryLayout } from "./layout.ts";
import { openRecordFile, sealRecordFile } from "./record-sealer.ts";

export interface LossesPlace {
  readonly files: Files;
  readonly layout: RepositoryLayout;
  readonly keyRing: KeyRing;
}

export interface WritableLossesPlace extends LossesPlace {
  readonly clock: Clock;
  readonly random: Random;
  readonly temporaryNames: TemporaryNames;
}

export interface Losses {
  readonly generation: number;
  readonly epoch: number;
  readonly whole: ReadonlySet<ImageId>;
}

const NAME = /^[1-9][0-9]{0,8}$/;
/** Every failed attempt means that another writer succeeded. */
const ATTEMPTS = 100;

/** Undefined when nothing was ever lost. A record that cannot be read is one that knows no image to be whole. */
export function readLosses(place: LossesPlace): Losses | undefined {
  const generation = Math.max(0, ...generations(place));
  if (generation === 0) return undefined;
  try {
    const record = readRecord(place, generation);
    // Removed since it was listed: a later one is there, or none is needed any more.
    if (record === undefined) return readLosses(place);
    return { generation, epoch: record.epoch, whole: new Set(record.whole) };
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === "FORMAT_VERSION") throw error;
    return { generation, epoch: generation, whole: new Set() };
  }
}

/** Something was lost or repaired: from now on only these images are known to be whole. Durable when the promise resolves. */
export function beginLossEpoch(place: WritableLossesPlace, whole: readonly ImageId[]): Promise<void> {
  return publish(place, (before) => ({ epoch: (before?.epoch ?? 0) + 1, whole }));
}

/** One more image was found whole, as far as what was known in `epoch` goes; nothing happens when that has ended. */
export function addWholeImage(place: WritableLossesPlace, epoch: number, image: ImageId): Promise<void> {
  return publish(place, (before) =>
    before?.epoch === epoch && !before.whole.has(image) ? { epoch, whole: [...before.whole, image] } : undefined,
  );
}

/** Every image is whole again and nobody is at work who may think otherwise: the record has done its duty. */
export function endLosses(place: LossesPlace): void {
  const { files, layout } = place;
  // The highest last: cut off in between, what is left still says that something was lost.
  for (const generation of generations(place)) files.remove(pathOf(layout, generation));
  if (files.information(layout.losses) !== undefined) files.syncDirectory(layout.losses);
}

async function publish(
  place: WritableLossesPlace,
  change: (before: Losses | undefined) => Pick<LossRecord, "epoch" | "whole"> | undefined,
): Promise<void> {
  const { files, layout, keyRing, random, clock, temporaryNames } = place;
  files.makeDirectory(layout.losses);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = readLosses(place);
    const changed = change(before);
    if (changed === undefined) return;
    const generation = (before?.generation ?? 0) + 1;
    const plain = encodeLossRecord({ ...changed, generation, madeAtMs: clock.now() });
    decodeLossRecord(plain);
    const bytes = sealRecordFile(keyRing, random, RECORD_LOSSES, plain);
    const name = `${generation}`;
    if (!(await publishExclusively({ files, directory: layout.losses, name, temporaryNames }, bytes))) continue;
    for (const old of generations(place)) if (old < generation) files.remove(pathOf(layout, old));
    return;
  }
  throw new HoldfastError("REPOSITORY_WRITE_FAILED", {
    message: `Cannot note what was lost in "${layout.losses}": other writers were faster ${ATTEMPTS} times`,
    retry: "now",
  });
}

function readRecord({ files, layout, keyRing }: LossesPlace, generation: number): LossRecord | undefined {
  const bytes = files.read(pathOf(layout, generation), SEALED_RECORD_LIMIT);
  if (bytes === undefined) return undefined;
  return decodeLossRecord(openRecordFile(keyRing, RECORD_LOSSES, bytes, `losses/${generation}`));
}

/** Ascending. */
function generations({ files, layout }: LossesPlace): readonly number[] {
  const names = files.list(layout.losses) ?? [];
  return names
    .filter((name) => NAME.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

function pathOf(layout: RepositoryLayout, generation: number): string {
  return `${layout.losses}/${generation}`;
}
