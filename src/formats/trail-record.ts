// Trail record, version 1 (docs/formats/volume.md): a backup trail is an ordered set of volumes that backups are
// written to. JSON in a sealed record of type 2. A change writes the next generation under a name of its own.

import { JsonFields, encodeJson } from "./json-fields.ts";

export const TRAIL_ID_PATTERN = /^[0-9a-f]{32}$/;
const VOLUME_ID_PATTERN = /^[0-9a-f]{32}$/;

const WHAT = "a trail record";
const KNOWN = ["trail", "generation", "kind", "name", "volumes", "madeAtMs", "mustUnderstand"] as const;

/** A trail of more volumes would be a mistake; it bounds what a reader holds. */
const VOLUMES_LIMIT = 10_000;
const NAME_LIMIT = 256;
export const TRAIL_GENERATION_LIMIT = 999_999_999;

export interface TrailRecord {
  /** 32 hexadecimal digits, the same in every generation. */
  readonly trail: string;
  /** From 1 on; the highest that can be read holds. */
  readonly generation: number;
  readonly kind: "backup";
  readonly name: string;
  /** Volume identifiers in the order they are filled; never empty. */
  readonly volumes: readonly string[];
  readonly madeAtMs: number;
}

export function encodeTrailRecord(record: TrailRecord): Uint8Array {
  const { trail, generation, kind, name, volumes, madeAtMs } = record;
  return encodeJson({ trail, generation, kind, name, volumes, madeAtMs });
}

export function decodeTrailRecord(bytes: Uint8Array): TrailRecord {
  const fields = JsonFields.decode(bytes, WHAT, KNOWN);
  const kind = fields.text("kind");
  if (kind !== "backup") fields.refuse("kind", `is "${kind.slice(0, 80)}", known is "backup"`);
  const volumes = fields.texts("volumes", { most: VOLUMES_LIMIT });
  if (volumes.length === 0) fields.refuse("volumes", "is empty");
  volumes.forEach((volume, position) => {
    if (!VOLUME_ID_PATTERN.test(volume)) fields.refuse(`volumes[${position}]`, "is not a volume identifier");
  });
  return {
    trail: fields.pattern("trail", TRAIL_ID_PATTERN),
    generation: fields.integer("generation", { least: 1, most: TRAIL_GENERATION_LIMIT }),
    kind: "backup",
    name: fields.text("name", NAME_LIMIT),
    volumes,
    madeAtMs: fields.integer("madeAtMs"),
  };
}
