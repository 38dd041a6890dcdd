// The generations of collection: which containers are condemned, and how far their removal has come. Records of one
// directory, each published under a name that can be taken only once; the highest generation alone counts.

import { HoldfastError, messageOf } from "../../base/errors.ts";
import {
  COLLECTION_FILE_NAME,
  collectionFileName,
  decodeCollectionRecord,
  encodeCollectionRecord,
} from "../../formats/collection-record.ts";
import type { CollectionRecord, CollectionStep, CondemnedRecord, WaitsRecord } from "../../formats/collection-record.ts";
import { RECORD_COLLECTION, SEALED_RECORD_LIMIT } from "../../formats/sealed-record.ts";
import { publishExclusively } from "../../media/media.ts";
import type { TemporaryNames } from "../../media/media.ts";
import type { Files } from "../../platform/files.ts";
import type { Random } from "../../platform/random.ts";
import { containerKey } from "../central-index.ts";
import type { ContainerSet } from "../central-index.ts";
import type { KeyRing } from "../key-ring.ts";
import type { RepositoryLayout } from "../layout.ts";
import { openRecordFile, sealRecordFile } from "../record-sealer.ts";

export interface Generation {
  readonly number: number;
  readonly condemned: CondemnedRecord;
  readonly waits: WaitsRecord | undefined;
  /** Nobody needs the containers, and whoever registers takes none of them into the index. True also when it is finished. */
  readonly isReleased: boolean;
  /** The containers are gone. Until then it is *outstanding*. */
  readonly isFinished: boolean;
}

export interface GenerationsPlace {
  readonly files: Files;
  readonly layout: RepositoryLayout;
  readonly keyRing: KeyRing;
}

/** Another process may finish one generation and clear it away while this one reads. */
const ATTEMPTS = 20;

/**
 * The highest generation; undefined before the first. REPOSITORY_DAMAGED when a record of it cannot be read: then nobody
 * can tell what is condemned, and whoever would write must not guess.
 */
export function readGeneration(place: GenerationsPlace): Generation | undefined {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const number = highestGeneration(place);
    if (number === 0) return undefined;
    const condemned = readStep(place, number, "condemned");
    const waits = readStep(place, number, "waits");
    const isFinished = readStep(place, number, "finished") !== undefined;
    const isReleased = readStep(place, number, "released") !== undefined || isFinished;
    // Cleared away since it was listed: a higher one is there by now.
    if (condemned !== undefined) return { number, condemned, waits, isReleased, isFinished };
  }
  throw damaged(place, "its highest generation has no record of what it condemned");
}

/** Its containers as a set; empty before the first generation. */
export function condemnedSetOf(generation: Pick<Generation, "condemned"> | undefined): ContainerSet {
  const containers = generation?.condemned.containers ?? [];
  return new Set(containers.map(({ volume, container }) => containerKey(volume, container)));
}

/** 0 before the first. */
export function highestGeneration({ files, layout }: GenerationsPlace): number {
  let highest = 0;
  for (const name of files.list(layout.collections) ?? []) {
    const [, digits] = COLLECTION_FILE_NAME.exec(name) ?? [];
    if (digits !== undefined) highest = Math.max(highest, Number(digits));
  }
  return highest;
}

/** False when the step of this generation has a record already. Durable when the promise resolves. */
export function publishStep(
  place: GenerationsPlace & { readonly random: Random; readonly temporaryNames: TemporaryNames },
  record: CollectionRecord,
): Promise<boolean> {
  const { files, layout, keyRing, random, temporaryNames } = place;
  const plain = encodeCollectionRecord(record);
  // Check before writing: what cannot be read again must not be published.
  decodeCollectionRecord(plain);
  const name = collectionFileName(record.generation, record.step);
  files.makeDirectory(layout.collections);
  return publishExclusively(
    { files, directory: layout.collections, name, temporaryNames },
    sealRecordFile(keyRing, random, RECORD_COLLECTION, plain),
  );
}

/** Takes back the record of a condemnation that came too late: a higher generation is there. */
export function withdrawCondemnation({ files, layout }: GenerationsPlace, number: number): void {
  files.remove(`${layout.collections}/${collectionFileName(number, "condemned")}`);
}

/** Removes the records of all generations before this one. */
export function clearGenerationsBefore({ files, layout }: GenerationsPlace, number: number): void {
  for (const name of files.list(layout.collections) ?? []) {
    const [, digits] = COLLECTION_FILE_NAME.exec(name) ?? [];
    if (digits !== undefined && Number(digits) < number) files.remove(`${layout.collections}/${name}`);
  }
}

function readStep<Step extends CollectionStep>(
  place: GenerationsPlace,
  generation: number,
  step: Step,
): Extract<CollectionRecord, { step: Step }> | undefined {
  const name = collectionFileName(generation, step);
  let record: CollectionRecord;
  try {
    const bytes = place.files.read(`${place.layout.collections}/${name}`, SEALED_RECORD_LIMIT);
    if (bytes === undefined) return undefined;
    record = decodeCollectionRecord(openRecordFile(place.keyRing, RECORD_COLLECTION, bytes, `collections/${name}`));
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === "FORMAT_VERSION" || error.code === "REPOSITORY_READ_FAILED")
      throw error;
    throw damaged(place, `"${name}" is damaged: ${messageOf(error)}`, error);
  }
  if (record.step !== step || record.generation !== generation) {
    throw damaged(place, `"${name}" holds the step "${record.step}" of generation ${record.generation}`);
  }
  return record as Extract<CollectionRecord, { step: Step }>;
}

function damaged({ layout }: GenerationsPlace, problem: string, cause?: unknown): HoldfastError {
  return new HoldfastError("REPOSITORY_DAMAGED", {
    message: `Cannot tell which containers are condemned: in "${layout.collections}" ${problem}`,
    context: { path: layout.collections },
    hint: "Nothing was changed. Bring the file back from a copy of the repository, or run `holdfast repair`.",
    cause,
  });
}
