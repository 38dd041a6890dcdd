// Records of one kind over several volumes: every copy is as good as another, and a damaged one is reported, by name
// and volume, never passed over in silence.

import { HoldfastError } from "../base/errors.ts";
import type { RecordType } from "../formats/sealed-record.ts";
import type { RecordArea, Volume, VolumeId } from "../media/media.ts";
import type { KeyRing } from "./key-ring.ts";
import { openRecordFile } from "./record-sealer.ts";

export interface DamagedRecord {
  readonly area: RecordArea;
  readonly name: string;
  readonly volume: VolumeId;
  readonly problem: HoldfastError;
}

export interface RecordKind<T> {
  readonly area: RecordArea;
  readonly type: RecordType;
  readonly decode: (plain: Uint8Array) => T;
}

export interface RecordPlaces {
  readonly volumes: readonly Volume[];
  readonly keyRing: KeyRing;
}

export interface RecordsRead<T> {
  readonly records: ReadonlyMap<string, T>;
  readonly damaged: readonly DamagedRecord[];
}

/** The names on any volume, sorted. */
export async function recordNames(volumes: readonly Volume[], area: RecordArea): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const volume of volumes) for (const name of await volume.listRecords(area)) names.add(name);
  return [...names].sort();
}

/** Every record, by name. Damaged copies are listed even when another volume holds the record whole. */
export async function readRecords<T>(places: RecordPlaces, kind: RecordKind<T>): Promise<RecordsRead<T>> {
  const records = new Map<string, T>();
  const damaged: DamagedRecord[] = [];
  for (const volume of places.volumes) {
    for (const name of await volume.listRecords(kind.area)) {
      if (records.has(name)) continue;
      const record = await attempt(places.keyRing, kind, volume, name);
      if (record.kind === "read") records.set(name, record.value);
      if (record.kind === "damaged") damaged.push(record.damage);
    }
  }
  return { records, damaged };
}

/** One record from the first volume that has it whole; undefined when none has it; throws the damage when none has it whole. */
export async function readOneRecord<T>(places: RecordPlaces, kind: RecordKind<T>, name: string): Promise<T | undefined> {
  let problem: HoldfastError | undefined;
  for (const volume of places.volumes) {
    const record = await attempt(places.keyRing, kind, volume, name);
    if (record.kind === "read") return record.value;
    if (record.kind === "damaged") problem ??= record.damage.problem;
  }
  if (problem !== undefined) throw problem;
  return undefined;
}

/** From one volume after the other; false when it was on none. Repeating it is harmless. */
export async function removeRecordEverywhere(volumes: readonly Volume[], area: RecordArea, name: string): Promise<boolean> {
  let isRemoved = false;
  for (const volume of volumes) if (await volume.removeRecord(area, name)) isRemoved = true;
  return isRemoved;
}

type Attempt<T> =
  | { readonly kind: "read"; readonly value: T }
  | { readonly kind: "damaged"; readonly damage: DamagedRecord }
  // Removed since it was listed.
  | { readonly kind: "missing" };

async function attempt<T>(keyRing: KeyRing, kind: RecordKind<T>, volume: Volume, name: string): Promise<Attempt<T>> {
  try {
    const bytes = await volume.readRecord(kind.area, name);
    if (bytes === undefined) return { kind: "missing" };
    return { kind: "read", value: kind.decode(openRecordFile(keyRing, kind.type, bytes, `${kind.area}/${name}`)) };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { kind: "damaged", damage: { area: kind.area, name, volume: volume.id, problem: naming(error, kind, volume, name) } };
  }
}

/** Decoders do not know which record they read; whoever reads the message must. */
function naming<T>(error: HoldfastError, kind: RecordKind<T>, volume: Volume, name: string): HoldfastError {
  if (error.message.includes(name)) return error;
  return new HoldfastError(error.code, {
    message: `Cannot read ${kind.area}/${name} on volume "${volume.name}": ${error.message}`,
    retry: error.retry,
    context: { ...error.context, area: kind.area, record: name, volume: volume.id },
    hint: error.hint ?? "The file is damaged. Copy it from another copy of the volume.",
    cause: error,
  });
}
