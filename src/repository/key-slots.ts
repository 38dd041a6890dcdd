// Key slots: each holds the master key, sealed under one passphrase (docs/formats/key-slot.md). Any of them opens the
// repository. A new slot is opened again from the disk before anything relies on it, and at every instant at least one
// slot that worked before works still: whoever loses the last one loses every backup.

import { argon2 } from "node:crypto";
import { promisify } from "node:util";
import { assert } from "../base/assert.ts";
import { equalBytes, hexOf, utf8 } from "../base/bytes.ts";
import { HoldfastError, hasCode } from "../base/errors.ts";
import { openRecord, sealRecord } from "../engine/engine.ts";
import {
  ARGON2_SALT_BYTES,
  KEY_SLOT_BYTES,
  decodeKeySlot,
  encodeKeySlot,
  fittingLabel,
  keySlotContext,
} from "../formats/key-slot.ts";
import type { KdfParameters, KeySlot, KeySlotHeader } from "../formats/key-slot.ts";
import { publishExclusively, temporaryNames } from "../media/media.ts";
import type { TemporaryNames } from "../media/media.ts";
import type { Clock } from "../platform/clock.ts";
import type { Files } from "../platform/files.ts";
import type { Random } from "../platform/random.ts";
import type { RepositoryLayout } from "./layout.ts";

/** Second choice of RFC 9106, §4: 64 MiB, three passes, four lanes. About 0.15 s a guess. */
export const DEFAULT_KDF: KdfParameters = { memoryKiB: 65_536, passes: 3, lanes: 4 };

/** More passphrases than anyone can look after; every one of them is a way in. */
export const KEY_SLOTS_LIMIT = 32;
/** Two writers at once may exceed the limit; beyond this, slots are not tried, so that nobody can make opening endless. */
const KEY_SLOTS_TRIED = 2 * KEY_SLOTS_LIMIT;

/** Every attempt that fails means that somebody removed a slot meanwhile. */
const LISTING_ATTEMPTS = 100;

const SLOT_NAME = /^[0-9a-f]{16}$/;
const SET_ASIDE = /^\.removing-([0-9a-f]{16})$/;
const SLOT_ID_BYTES = 8;

export interface KeySlotsPlace {
  readonly files: Files;
  readonly layout: RepositoryLayout;
  readonly repositoryId: Uint8Array;
}

export interface KeySlotSummary {
  /** 16 hexadecimal digits: the name of its file. */
  readonly id: string;
  readonly label: string;
  readonly createdAtMs: number;
  readonly kdf: KdfParameters;
}

/** A slot that cannot be used, whatever the passphrase. */
export interface UnusableKeySlot {
  readonly id: string;
  readonly problem: HoldfastError;
}

export interface KeySlotListing {
  /** Oldest first. */
  readonly slots: readonly KeySlotSummary[];
  readonly unusable: readonly UnusableKeySlot[];
}

export interface UnlockedKey {
  readonly masterKey: Uint8Array;
  /** The slot that the passphrase opened. */
  readonly slotId: string;
  /** Slots that could not be read; the repository works without them, but someone's passphrase may not. */
  readonly unusable: readonly UnusableKeySlot[];
}

export interface NewKeySlot {
  readonly masterKey: Uint8Array;
  readonly passphrase: string;
  readonly label: string;
  readonly kdf?: KdfParameters;
  readonly clock: Clock;
  readonly random: Random;
  /** Of the session that writes; without it the temporary file bears a name of its own. */
  readonly temporaryNames?: TemporaryNames;
}

/** All slots; no passphrase is needed. */
export function listKeySlots(place: KeySlotsPlace): KeySlotListing {
  const { readable, unusable } = readSlots(place);
  return { slots: readable.map(summaryOf), unusable };
}

/**
 * Opens the first slot that the passphrase fits. WRONG_PASSPHRASE when it fits none of those that can be read; when none
 * can be read, what is wrong with them: PERMISSION_DENIED, REPOSITORY_READ_FAILED, REPOSITORY_TOO_NEW or REPOSITORY_DAMAGED.
 */
export async function unlockKeySlots(place: KeySlotsPlace, passphrase: string): Promise<UnlockedKey> {
  const { readable, unusable } = readSlots(place);
  if (readable.length === 0) throw noSlotProblem(place, unusable);
  const broken = [...unusable];
  for (const candidate of readable) {
    try {
      const masterKey = await openSlot(candidate, passphrase);
      if (masterKey !== undefined) return { masterKey, slotId: candidate.id, unusable: broken };
    } catch (error) {
      if (!hasCode(error, "SEAL_BROKEN")) throw error;
      broken.push({ id: candidate.id, problem: error });
    }
  }
  const others =
    broken.length === 0 ? "" : ` (${broken.length} more cannot be read: ${broken.map((slot) => slot.id).join(", ")})`;
  throw new HoldfastError("WRONG_PASSPHRASE", {
    message: `The passphrase opens none of the ${readable.length} key slots of "${place.layout.root}"${others}`,
    context: { slots: readable.length, unusable: broken.length },
    hint: "Check the passphrase, and the keyboard layout it was typed with.",
  });
}

/**
 * Writes a slot and proves it: it is read back from the disk and opened with the passphrase. KEY_SLOT_LIMIT when there
 * are 32; USAGE when the passphrase is empty.
 */
export async function addKeySlot(place: KeySlotsPlace, slot: NewKeySlot): Promise<KeySlotSummary> {
  requirePassphrase(slot.passphrase);
  const { readable, unusable } = readSlots(place);
  if (readable.length + unusable.length >= KEY_SLOTS_LIMIT) {
    throw new HoldfastError("KEY_SLOT_LIMIT", {
      message: `Cannot add a key slot: there are ${readable.length + unusable.length}, the limit is ${KEY_SLOTS_LIMIT}`,
      hint: "Remove one that is no longer needed with `holdfast key remove`.",
    });
  }
  const id = hexOf(slot.random.bytes(SLOT_ID_BYTES));
  const bytes = await sealSlot(place, slot);
  const published = await publishExclusively(
    {
      files: place.files,
      directory: place.layout.keys,
      name: id,
      temporaryNames: slot.temporaryNames ?? temporaryNames(id, slot.random),
    },
    bytes,
  );
  assert(published, "64 random bits do not name two key slots");
  return proveSlot(place, id, slot);
}

/**
 * Removes a slot by its identifier or a unique beginning of it. KEY_SLOT_UNKNOWN when there is none such, KEY_SLOT_LAST
 * when no other slot could open the repository.
 */
export function removeKeySlot(place: KeySlotsPlace, idOrPrefix: string): string {
  const { files, layout } = place;
  const id = resolveSlot(readSlots(place), idOrPrefix);
  // Aside first and gone second: when two people remove the last two slots at the same instant, each sees the other's
  // slot missing and puts its own back.
  requireOtherSlot(place, id);
  const aside = `${layout.keys}/.removing-${id}`;
  files.rename(`${layout.keys}/${id}`, aside);
  files.syncDirectory(layout.keys);
  try {
    requireOtherSlot(place, id);
  } catch (error) {
    files.rename(aside, `${layout.keys}/${id}`);
    files.syncDirectory(layout.keys);
    throw error;
  }
  for (const name of files.list(layout.keys) ?? []) {
    // Also what an interrupted removal left.
    if (SET_ASIDE.test(name)) files.remove(`${layout.keys}/${name}`);
  }
  files.syncDirectory(layout.keys);
  return id;
}

/**
 * Replaces the slot that was opened by one for the new passphrase, under the same label. The new slot is proved before
 * the old one goes; if the power fails in between, both work.
 */
export async function changePassphrase(
  place: KeySlotsPlace,
  change: Omit<NewKeySlot, "label" | "masterKey"> & { readonly unlocked: UnlockedKey; readonly label?: string },
): Promise<KeySlotSummary> {
  const { unlocked, label, ...rest } = change;
  const old = listKeySlots(place).slots.find((slot) => slot.id === unlocked.slotId);
  const added = await addKeySlot(place, { ...rest, masterKey: unlocked.masterKey, label: label ?? old?.label ?? "" });
  // By its name: one that cannot be read at the moment would open the repository later, with the old passphrase.
  if (place.files.information(`${place.layout.keys}/${unlocked.slotId}`) !== undefined) removeKeySlot(place, unlocked.slotId);
  return added;
}

// --- reading -----------------------------------------------------------------------------------

interface ReadableSlot {
  readonly id: string;
  readonly slot: KeySlot;
}

interface SlotsRead {
  readonly readable: readonly ReadableSlot[];
  readonly unusable: readonly UnusableKeySlot[];
}

/** Lists again when a slot went before it was read: a passphrase was changed, and the listing may not have the new slot. */
function readSlots(place: KeySlotsPlace): SlotsRead {
  for (let attempt = 1; ; attempt++) {
    const { hasVanished, ...read } = readListedSlots(place);
    if (!hasVanished || attempt === LISTING_ATTEMPTS) return read;
  }
}

function readListedSlots(place: KeySlotsPlace): SlotsRead & { readonly hasVanished: boolean } {
  const names = place.files.list(place.layout.keys);
  if (names === undefined) {
    throw new HoldfastError("REPOSITORY_DAMAGED", {
      message: `Cannot read the key slots: "${place.layout.keys}" is missing`,
      hint: "Copy the directory from a copy of the repository; without a key slot no backup can be read.",
    });
  }
  let candidates = names.filter((name) => SLOT_NAME.test(name));
  // Only when two removals were both cut off halfway: what was set aside is the last way in.
  if (candidates.length === 0) candidates = names.filter((name) => SET_ASIDE.test(name));
  const readable: ReadableSlot[] = [];
  const unusable: UnusableKeySlot[] = [];
  let hasVanished = false;
  for (const name of candidates.toSorted().slice(0, KEY_SLOTS_TRIED)) {
    const id = SET_ASIDE.exec(name)?.[1] ?? name;
    try {
      const slot = readSlot(place, name);
      if (slot === undefined) hasVanished = true;
      else readable.push({ id, slot });
    } catch (error) {
      // One bad slot must not hide the others.
      if (!(error instanceof HoldfastError)) throw error;
      unusable.push({ id, problem: error });
    }
  }
  readable.sort((a, b) => a.slot.createdAtMs - b.slot.createdAtMs);
  return { readable, unusable, hasVanished };
}

/** Undefined when someone has removed it since it was listed. */
function readSlot(place: KeySlotsPlace, name: string): KeySlot | undefined {
  const bytes = place.files.read(`${place.layout.keys}/${name}`, 16 * KEY_SLOT_BYTES);
  if (bytes === undefined) return undefined;
  const slot = decodeKeySlot(bytes);
  if (equalBytes(slot.repositoryId, place.repositoryId)) return slot;
  throw new HoldfastError("REPOSITORY_DAMAGED", {
    message: `Cannot use key slot ${name}: it belongs to the repository ${hexOf(slot.repositoryId)}`,
    context: { slot: name },
    hint: "A file of another repository was copied here.",
  });
}

function noSlotProblem(place: KeySlotsPlace, unusable: readonly UnusableKeySlot[]): HoldfastError {
  const ids = unusable.map((slot) => slot.id).join(", ");
  const first = (...codes: Parameters<typeof hasCode>[1][]): HoldfastError | undefined =>
    unusable.find((slot) => hasCode(slot.problem, ...codes))?.problem;
  const access = first("PERMISSION_DENIED", "REPOSITORY_READ_FAILED");
  if (access !== undefined) return access;
  const newer = first("FORMAT_VERSION", "FORMAT_RESERVED");
  if (newer !== undefined) {
    return new HoldfastError("REPOSITORY_TOO_NEW", {
      message: `Cannot open "${place.layout.root}": its key slots (${ids}) are of a newer version`,
      hint: "Use a newer version of Holdfast.",
      cause: newer,
    });
  }
  const cause = unusable[0]?.problem;
  return new HoldfastError("REPOSITORY_DAMAGED", {
    message:
      cause === undefined
        ? `Cannot open "${place.layout.root}": it holds no key slot`
        : `Cannot open "${place.layout.root}": no key slot can be read (${ids}): ${cause.message}`,
    hint: "Copy the directory keys/ from a copy of the repository; without a key slot no backup can be read.",
    ...(cause === undefined ? {} : { cause }),
  });
}

// --- sealing and opening -----------------------------------------------------------------------

const argon2Async = promisify(argon2);

/** The same passphrase is the same bytes, however the keyboard composes its accents. */
function passphraseBytes(passphrase: string): Uint8Array {
  return utf8(passphrase.normalize("NFC"));
}

async function slotKey(header: KeySlotHeader, passphrase: string): Promise<Uint8Array> {
  const { memoryKiB, passes, lanes } = header.kdf;
  return argon2Async("argon2id", {
    message: passphraseBytes(passphrase),
    nonce: header.argon2Salt,
    memory: memoryKiB,
    passes,
    parallelism: lanes,
    tagLength: 32,
  });
}

/** The master key, or undefined when the passphrase is not this slot's. SEAL_BROKEN when it is and the slot is damaged. */
async function openSlot(candidate: ReadableSlot, passphrase: string): Promise<Uint8Array | undefined> {
  const { id, slot } = candidate;
  const key = await slotKey(slot, passphrase);
  try {
    return openRecord(key, keySlotContext(slot), slot.sealedMasterKey, `key slot ${id}`);
  } catch (error) {
    // The checksum of the slot was right, so a commitment that differs means another key: another passphrase.
    if (hasCode(error, "SEAL_BROKEN") && error.context["failure"] === "commitment") return undefined;
    throw error;
  } finally {
    key.fill(0);
  }
}

async function sealSlot(place: KeySlotsPlace, slot: NewKeySlot): Promise<Uint8Array> {
  const header: KeySlotHeader = {
    kdf: slot.kdf ?? DEFAULT_KDF,
    argon2Salt: slot.random.bytes(ARGON2_SALT_BYTES),
    repositoryId: place.repositoryId,
    createdAtMs: slot.clock.now(),
    label: fittingLabel(slot.label),
  };
  const key = await slotKey(header, slot.passphrase);
  const sealedMasterKey = sealRecord(key, keySlotContext(header), slot.random, slot.masterKey);
  key.fill(0);
  return encodeKeySlot({ ...header, sealedMasterKey });
}

async function proveSlot(place: KeySlotsPlace, id: string, expected: NewKeySlot): Promise<KeySlotSummary> {
  const slot = readSlot(place, id);
  const masterKey = slot === undefined ? undefined : await openSlot({ id, slot }, expected.passphrase);
  if (slot !== undefined && masterKey !== undefined && equalBytes(masterKey, expected.masterKey)) return summaryOf({ id, slot });
  throw new HoldfastError("REPOSITORY_WRITE_FAILED", {
    message: `Cannot add a key slot: ${id} was written and cannot be opened again`,
    context: { slot: id },
    hint: "The other key slots are unchanged. Check the disk, and the memory of this machine.",
  });
}

// --- choosing ----------------------------------------------------------------------------------

function resolveSlot(read: SlotsRead, idOrPrefix: string): string {
  const ids = [...read.readable, ...read.unusable].map((slot) => slot.id);
  const matches = idOrPrefix === "" ? [] : ids.filter((id) => id.startsWith(idOrPrefix.toLowerCase()));
  const [only] = matches;
  if (only !== undefined && matches.length === 1) return only;
  throw new HoldfastError("KEY_SLOT_UNKNOWN", {
    message:
      matches.length === 0
        ? `There is no key slot "${idOrPrefix}"`
        : `"${idOrPrefix}" is the beginning of ${matches.length} key slots: ${matches.join(", ")}`,
    hint: "`holdfast key list` shows them.",
  });
}

function requireOtherSlot(place: KeySlotsPlace, id: string): void {
  // A set-aside slot counts for nothing here: it is being removed.
  const others = (place.files.list(place.layout.keys) ?? []).filter((name) => SLOT_NAME.test(name) && name !== id);
  const usable = others.some((name) => {
    try {
      return readSlot(place, name) !== undefined;
    } catch {
      return false;
    }
  });
  if (usable) return;
  throw new HoldfastError("KEY_SLOT_LAST", {
    message: `Cannot remove key slot ${id}: no other slot could open the repository`,
    context: { slot: id },
    hint: "Add another passphrase with `holdfast key add` first.",
  });
}

/** USAGE for an empty passphrase: it is a variable that was not set, not a choice. */
export function requirePassphrase(passphrase: string): void {
  if (passphrase !== "") return;
  throw new HoldfastError("USAGE", {
    message: "The passphrase is empty",
    hint: "Set HOLDFAST_PASSPHRASE, or use --passphrase-file.",
  });
}

function summaryOf({ id, slot }: ReadableSlot): KeySlotSummary {
  return { id, label: slot.label, createdAtMs: slot.createdAtMs, kdf: slot.kdf };
}
