// Sets what an entry has besides its content, in the one order that works: owner first, because a change of owner clears
// setuid and file capabilities; then extended attributes, among them access control lists; then the mode; the
// modification time last, because it is what says that the entry is complete. File flags are set when everything else is done
// (an immutable file takes no second name).
//
// What the system refuses is told and passed by: content is worth having without its owner.

import { textOf } from "../base/bytes.ts";
import { ENTRY_SYMBOLIC_LINK } from "../formats/entry.ts";
import type { EntryAttribute, EntryBody, EntryTime } from "../formats/entry.ts";
import { FileTreeError } from "../platform/file-tree.ts";
import type { DirectoryHandle, ExtendedAttribute, FileHandle, FileTree, StatBuffer } from "../platform/file-tree.ts";
import type { OwnerRules } from "./owners.ts";

/** What an entry has at the moment. Refilled, not kept. */
export interface PresentAttributes {
  userId: number;
  groupId: number;
  mode: number;
}

/** Hears of every refusal, of each entry: what is told is to be all that differs from the image. */
export type RefusalListener = (action: string, code: string) => void;

const SET_USER_ID = 0o4000;
const SET_GROUP_ID = 0o2000;
const SPECIAL_BITS = 0o6000;
const NO_ATTRIBUTES: readonly ExtendedAttribute[] = [];

/** Given by the system itself when an entry is made; it does not let go of them, and they are none of ours to take. */
const SYSTEM_LABELS = /^security\.(?:selinux|ima|evm|SMACK64.*|apparmor)$/;
/** Those of `system.` that are like attributes of the user: access control lists. */
const ACCESS_LISTS = /^system\.posix_acl_(?:access|default)$/;

type Handle = FileHandle | DirectoryHandle;

export class AttributeSetter {
  readonly #tree: FileTree;
  readonly #owners: OwnerRules;
  readonly #onRefusal: RefusalListener;
  /** What the last attempts were refused with. It is tried again with each entry, for it may be different there. */
  #userRefusal: string | undefined;
  readonly #groupRefusals = new Map<number, string>();

  constructor(tree: FileTree, owners: OwnerRules, onRefusal: RefusalListener) {
    this.#tree = tree;
    this.#owners = owners;
    this.#onRefusal = onRefusal;
  }

  wantedUser(body: EntryBody): number {
    return this.#owners.users.get(body.userId) ?? body.userId;
  }

  wantedGroup(body: EntryBody): number {
    return this.#owners.groups.get(body.groupId) ?? body.groupId;
  }

  /** Whether the owner is to be changed from the present one. */
  changesOwner(body: EntryBody, present: PresentAttributes): boolean {
    if (!this.#owners.isSet) return false;
    return this.wantedUser(body) !== present.userId || this.wantedGroup(body) !== present.groupId;
  }

  /**
   * Everything but the time, on what is open. `attributes` are those it is to have; with `isNew` there are no others, else
   * others are removed.
   */
  apply(
    handle: Handle,
    body: EntryBody,
    attributes: readonly EntryAttribute[],
    present: PresentAttributes,
    isNew: boolean,
  ): void {
    const before = present.mode;
    let setsMode =
      this.#setOwner(body, present, (user, group) => this.#tree.setOwner(handle, user, group)) &&
      (body.mode & SPECIAL_BITS) !== 0;
    if (!isNew) setsMode = this.#removeOthers(handle, attributes) || setsMode;
    for (const attribute of attributes) {
      this.#try(`set extended attribute ${textOf(attribute.name)}`, () => this.#tree.setExtendedAttribute(handle, attribute));
      setsMode = true;
    }
    const mode = this.#modeFor(body, present);
    this.#tellMode(body, mode);
    if (!setsMode && mode === before) return;
    this.#try("set mode", () => this.#tree.setMode(handle, mode));
    present.mode = mode;
  }

  /** The same for what cannot be opened. The directory must be one that nobody else can write to. */
  applyAt(
    directory: DirectoryHandle,
    name: Uint8Array,
    body: EntryBody,
    attributes: readonly EntryAttribute[],
    present: PresentAttributes,
  ): void {
    this.#setOwner(body, present, (user, group) => this.#tree.setOwnerAt(directory, name, user, group));
    for (const attribute of attributes) {
      this.#try(`set extended attribute ${textOf(attribute.name)}`, () =>
        this.#tree.setExtendedAttributeAt(directory, name, attribute),
      );
    }
    if (body.kind !== ENTRY_SYMBOLIC_LINK) {
      const mode = this.#modeFor(body, present);
      this.#tellMode(body, mode);
      this.#try("set mode", () => this.#tree.setModeAt(directory, name, mode));
    }
    const { seconds, nanoseconds } = body.modified;
    this.#try("set time", () => this.#tree.setModifiedTimeAt(directory, name, seconds, nanoseconds));
  }

  setTime(handle: Handle, { seconds, nanoseconds }: EntryTime): void {
    this.#try("set time", () => this.#tree.setModifiedTime(handle, seconds, nanoseconds));
  }

  setFlags(handle: Handle, flags: number): void {
    this.#try("set file flags", () => this.#tree.setFileFlags(handle, flags));
  }

  /** Takes away the access control list that a new file was given because of its directory's default. */
  removeInherited(handle: Handle): void {
    this.#removeOthers(handle, NO_ATTRIBUTES);
  }

  /** Whether what is there has other owners, mode or extended attributes than it should, as far as they can be set. */
  differs(handle: Handle, body: EntryBody, attributes: readonly EntryAttribute[], present: PresentAttributes): boolean {
    if (this.changesOwner(body, present) && !this.#isRefused(body, present)) return true;
    if (this.#modeFor(body, present) !== present.mode) return true;
    const found = this.#tree.extendedAttributes(handle).filter(isOurs);
    const wanted = attributes.filter(isOurs);
    return found.length !== wanted.length || wanted.some((attribute) => !found.some((other) => isEqual(attribute, other)));
  }

  /** Of an entry that is as good as it can be: in what it is not as the image has it. */
  tellRefusals(body: EntryBody, present: PresentAttributes): void {
    this.#tellMode(body, this.#modeFor(body, present));
    if (!this.#owners.isSet) return;
    const group = this.wantedGroup(body);
    if (this.wantedUser(body) !== present.userId) this.#onRefusal("set owner", this.#userRefusal ?? "EPERM");
    if (group !== present.groupId) this.#onRefusal("set group", this.#groupRefusals.get(group) ?? "EPERM");
  }

  #isRefused(body: EntryBody, present: PresentAttributes): boolean {
    const userIsRight = this.wantedUser(body) === present.userId || this.#userRefusal !== undefined;
    const group = this.wantedGroup(body);
    return userIsRight && (group === present.groupId || this.#groupRefusals.has(group));
  }

  /** An ordinary user may give a file to one of his groups but not to another user. True when anything was changed. */
  #setOwner(body: EntryBody, present: PresentAttributes, set: (userId: number, groupId: number) => void): boolean {
    if (!this.#owners.isSet) return false;
    const user = this.wantedUser(body);
    const group = this.wantedGroup(body);
    if (user !== present.userId) {
      const refusal = refusalOf(() => set(user, group));
      if (refusal === undefined) return this.#own(present, user, group);
      this.#userRefusal = refusal;
      this.#onRefusal("set owner", refusal);
    }
    if (group === present.groupId) return false;
    const refusal = refusalOf(() => set(present.userId, group));
    if (refusal === undefined) return this.#own(present, present.userId, group);
    this.#groupRefusals.set(group, refusal);
    this.#onRefusal("set group", refusal);
    return false;
  }

  #own(present: PresentAttributes, userId: number, groupId: number): true {
    present.userId = userId;
    present.groupId = groupId;
    return true;
  }

  /** Setuid speaks for the owner in the image: with another owner it would lend out the rights of someone else. */
  #modeFor(body: EntryBody, present: PresentAttributes): number {
    let mode = body.mode;
    if ((mode & SPECIAL_BITS) === 0) return mode;
    if (present.userId !== this.wantedUser(body)) mode &= ~SET_USER_ID;
    if (present.groupId !== this.wantedGroup(body)) mode &= ~SET_GROUP_ID;
    return mode;
  }

  #tellMode(body: EntryBody, mode: number): void {
    if (mode !== body.mode) this.#onRefusal("keep setuid or setgid without the owner", "EPERM");
  }

  /** True when one was removed. */
  #removeOthers(handle: Handle, wanted: readonly EntryAttribute[]): boolean {
    let removed = false;
    for (const found of this.#tree.extendedAttributes(handle)) {
      if (!isOurs(found) || wanted.some(({ name }) => Buffer.compare(name, found.name) === 0)) continue;
      this.#try(`remove extended attribute ${textOf(found.name)}`, () => this.#tree.removeExtendedAttribute(handle, found.name));
      removed = true;
    }
    return removed;
  }

  /** What happened besides with an entry that is none of its content. */
  tell(action: string, code: string): void {
    this.#onRefusal(action, code);
  }

  #try(action: string, act: () => void): void {
    const refusal = refusalOf(act);
    if (refusal !== undefined) this.#onRefusal(action, refusal);
  }
}

/** The code of what the system refused; a broken disk is no refusal. (A full one is: "ENOSPC" is what ext4 says of large attributes.) */
function refusalOf(act: () => void): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (!(error instanceof FileTreeError) || error.code === "EIO") throw error;
    return error.code;
  }
}

function isOurs({ name }: ExtendedAttribute): boolean {
  const text = textOf(name);
  if (text.startsWith("system.")) return ACCESS_LISTS.test(text);
  return !SYSTEM_LABELS.test(text);
}

function isEqual(a: ExtendedAttribute, b: ExtendedAttribute): boolean {
  return Buffer.compare(a.name, b.name) === 0 && Buffer.compare(a.value, b.value) === 0;
}

/**
 * Whether a file found at the target has the time of the entry. Where the platform cannot set times exactly they agree
 * when they are as close as it can bring them.
 */
export function isSameTime(stat: StatBuffer, time: EntryTime, isExact: boolean): boolean {
  if (isExact) return stat.modifiedSeconds === time.seconds && stat.modifiedNanoseconds === time.nanoseconds;
  const apart = (stat.modifiedSeconds - time.seconds) * 1e9 + stat.modifiedNanoseconds - time.nanoseconds;
  return Math.abs(apart) <= 1_000;
}
