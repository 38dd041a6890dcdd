// Collection records, version 1 (docs/formats/collection.md): how far the removal of what no image needs has come. JSON
// in sealed records of type 6, one for each step of a generation. A record that is there is true: it is published only
// when what it says is durable.

import { IMAGE_ID_PATTERN } from "../model/image.ts";
import type { ImageId } from "../model/image.ts";
import { JsonFields, encodeJson } from "./json-fields.ts";

const WHAT = "a collection record";
const KNOWN = [
  "step",
  "generation",
  "containers",
  "images",
  "checkpoints",
  "sessions",
  "removedContainers",
  "removedBytes",
  "mustUnderstand",
] as const;

export const GENERATION_LIMIT = 99_999_999;
/** How many containers one generation may condemn: 4 TiB and more at their usual size. The next generation goes on. */
export const CONDEMNED_LIMIT = 100_000;
const IMAGES_LIMIT = 200_000;
const SESSIONS_LIMIT = 100_000;

const VOLUME_PATTERN = /^[0-9a-f]{32}$/;
const SESSION_PATTERN = /^[0-9a-f]{16}$/;

/** Where a container lies. */
export interface CondemnedContainer {
  /** 32 hexadecimal digits. */
  readonly volume: string;
  /** 64 hexadecimal digits. */
  readonly container: string;
}

/** These containers are to go: nobody may count on what they hold. */
export interface CondemnedRecord {
  readonly step: "condemned";
  /** From 1 on. */
  readonly generation: number;
  readonly containers: readonly CondemnedContainer[];
  /** The images that were known when it was decided: none of them needs anything from the containers. */
  readonly images: readonly ImageId[];
  /** The same of checkpoints. */
  readonly checkpoints: readonly string[];
}

/** The writers that may not know of the condemnation: the containers stay until they have ended. */
export interface WaitsRecord {
  readonly step: "waits";
  readonly generation: number;
  /** 16 hexadecimal digits each. */
  readonly sessions: readonly string[];
}

/**
 * Nobody needs the containers: what images that came later use of them has been stored elsewhere. Whoever registers from now on takes
 * none of them into the index.
 */
export interface ReleasedRecord {
  readonly step: "released";
  readonly generation: number;
}

/** The containers are gone. */
export interface FinishedRecord {
  readonly step: "finished";
  readonly generation: number;
  readonly removedContainers: number;
  readonly removedBytes: number;
}

export type CollectionRecord = CondemnedRecord | WaitsRecord | ReleasedRecord | FinishedRecord;
export type CollectionStep = CollectionRecord["step"];

export const COLLECTION_FILE_NAME = /^([0-9]{8})-(condemned|waits|released|finished)$/;

export function collectionFileName(generation: number, step: CollectionStep): string {
  return `${String(generation).padStart(8, "0")}-${step}`;
}

export function encodeCollectionRecord(record: CollectionRecord): Uint8Array {
  const { step, generation } = record;
  switch (record.step) {
    case "condemned": {
      const containers = record.containers.map(({ volume, container }) => ({ volume, container }));
      return encodeJson({ step, generation, containers, images: record.images, checkpoints: record.checkpoints });
    }
    case "waits":
      return encodeJson({ step, generation, sessions: record.sessions });
    case "released":
      return encodeJson({ step, generation });
    case "finished":
      return encodeJson({
        step,
        generation,
        removedContainers: record.removedContainers,
        removedBytes: record.removedBytes,
      });
  }
}

export function decodeCollectionRecord(bytes: Uint8Array): CollectionRecord {
  const fields = JsonFields.decode(bytes, WHAT, KNOWN);
  const step = fields.text("step");
  const generation = fields.integer("generation", { least: 1, most: GENERATION_LIMIT });
  switch (step) {
    case "condemned":
      return {
        step,
        generation,
        containers: fields.objects("containers", CONDEMNED_LIMIT).map((container) => ({
          volume: container.pattern("volume", VOLUME_PATTERN),
          container: container.pattern("container", IMAGE_ID_PATTERN),
        })),
        images: names(fields, "images", IMAGES_LIMIT, IMAGE_ID_PATTERN) as readonly ImageId[],
        checkpoints: names(fields, "checkpoints", IMAGES_LIMIT, IMAGE_ID_PATTERN),
      };
    case "waits":
      return { step, generation, sessions: names(fields, "sessions", SESSIONS_LIMIT, SESSION_PATTERN) };
    case "released":
      return { step, generation };
    case "finished":
      return {
        step,
        generation,
        removedContainers: fields.integer("removedContainers"),
        removedBytes: fields.integer("removedBytes"),
      };
    default:
      return fields.refuse("step", `is "${step.slice(0, 80)}", known are "condemned", "waits", "released" and "finished"`);
  }
}

function names(fields: JsonFields, name: string, most: number, pattern: RegExp): readonly string[] {
  const texts = fields.texts(name, { most });
  texts.forEach((text, position) => {
    if (!pattern.test(text)) fields.refuse(`${name}[${position}]`, "is not such an identifier");
  });
  return texts;
}
