// Kinds of entries and the type bits of POSIX, which Node imitates on every platform.

import {
  KIND_BLOCK_DEVICE,
  KIND_CHARACTER_DEVICE,
  KIND_DIRECTORY,
  KIND_FIFO,
  KIND_FILE,
  KIND_SOCKET,
  KIND_SYMBOLIC_LINK,
  KIND_UNKNOWN,
  type EntryKind,
} from "./file-tree.ts";

/** Index: the type bits of a mode, shifted down by 12. They are also the types that Linux directories record. */
export const kindOfType = new Uint8Array(256);
kindOfType[1] = KIND_FIFO;
kindOfType[2] = KIND_CHARACTER_DEVICE;
kindOfType[4] = KIND_DIRECTORY;
kindOfType[6] = KIND_BLOCK_DEVICE;
kindOfType[8] = KIND_FILE;
kindOfType[10] = KIND_SYMBOLIC_LINK;
kindOfType[12] = KIND_SOCKET;

/** The kind of an entry with this mode. */
export function kindOfMode(mode: number): EntryKind {
  return kindOfType[(mode >>> 12) & 0xf] as EntryKind;
}

/** The type bits of a mode for a kind, shifted down by 12; 0 for KIND_UNKNOWN. */
export function typeOfKind(kind: EntryKind): number {
  return kind === KIND_UNKNOWN ? 0 : kindOfType.indexOf(kind);
}
