// What every thread of a run knows. Packed as the task "begin":
//   u8 type, u8 overwrite, u8 flags, u32 user, u32 inode low, high, u32 device major, minor, u32 thread,
//   u16 prefix length, u32 target length, prefix, target, owner rules

import { ByteReader, ByteWriter, utf8, textOf, hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileTree } from "../platform/file-tree.ts";
import type { Random } from "../platform/random.ts";
import { readOwnerRules, writeOwnerRules } from "./owners.ts";
import type { OwnerRules } from "./owners.ts";
import type { OverwriteMode } from "./report.ts";
import { TASK_BEGIN } from "./tasks.ts";

export interface RunSettings {
  readonly overwrite: OverwriteMode;
  /** Directories may be removed with all that is in them when something else belongs in their place. */
  readonly removesTrees: boolean;
  /** Decisions are made as always, and nothing is done. Threads never see such a run. */
  readonly isDryRun: boolean;
  readonly owners: OwnerRules;
  /** Who is restoring: the effective user id, 0 for whoever may do anything. */
  readonly userId: number;
  /** Of the names of temporary files: this run's own. */
  readonly temporaryPrefix: string;
  readonly target: TargetIdentity;
}

/** Threads open the target by its path, and must find the directory that the run began with. */
export interface TargetIdentity {
  /** Absolute. */
  readonly path: Uint8Array;
  readonly inodeLow: number;
  readonly inodeHigh: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

const OVERWRITE_MODES: readonly OverwriteMode[] = ["never", "if-changed", "always"];
const FLAG_REMOVES_TREES = 1;

const TEMPORARY = ".holdfast-restore-";
const TEMPORARY_PATTERN = /^\.holdfast-restore-[0-9a-f]{16}-\d+-\d+$/;

export function temporaryPrefix(random: Random): string {
  return `${TEMPORARY}${hexOf(random.bytes(8))}-`;
}

/** Whether a name is one that a restore gives to what is not complete yet. */
export function isTemporaryName(name: Uint8Array): boolean {
  return name[0] === 0x2e && name[1] === 0x68 && name.length < 64 && TEMPORARY_PATTERN.test(textOf(name));
}

/** The temporary names of one thread. Thread 0 is the planning thread. */
export function temporaryNames(prefix: string, thread: number): () => Uint8Array {
  let count = 0;
  return () => utf8(`${prefix}${thread}-${++count}`);
}

export function encodeBegin(settings: RunSettings, thread: number): Uint8Array<ArrayBuffer> {
  const { overwrite, removesTrees, owners, userId, temporaryPrefix: prefix, target } = settings;
  const writer = new ByteWriter(256);
  writer
    .u8(TASK_BEGIN)
    .u8(OVERWRITE_MODES.indexOf(overwrite))
    .u8(removesTrees ? FLAG_REMOVES_TREES : 0);
  writer.u32(userId).u32(target.inodeLow).u32(target.inodeHigh).u32(target.deviceMajor).u32(target.deviceMinor);
  writer.u32(thread).u16(prefix.length).u32(target.path.length).bytes(utf8(prefix)).bytes(target.path);
  writeOwnerRules(writer, owners);
  return writer.take();
}

export function decodeBegin(task: Uint8Array): { readonly settings: RunSettings; readonly thread: number } {
  const reader = new ByteReader(task, "the settings of a restore");
  reader.u8();
  const overwrite = OVERWRITE_MODES[reader.u8()];
  if (overwrite === undefined) return reader.invalid("an unknown overwrite mode");
  const flags = reader.u8();
  const userId = reader.u32();
  const identity = { inodeLow: reader.u32(), inodeHigh: reader.u32(), deviceMajor: reader.u32(), deviceMinor: reader.u32() };
  const thread = reader.u32();
  const prefixLength = reader.u16();
  const pathLength = reader.u32();
  const prefix = textOf(reader.bytes(prefixLength));
  const path = new Uint8Array(reader.bytes(pathLength));
  const removesTrees = (flags & FLAG_REMOVES_TREES) !== 0;
  const owners = readOwnerRules(reader);
  return {
    settings: {
      overwrite,
      removesTrees,
      isDryRun: false,
      owners,
      userId,
      temporaryPrefix: prefix,
      target: { ...identity, path },
    },
    thread,
  };
}

/** Opens the target again. TARGET_CONFLICT when another directory has taken its place. */
export function openTarget(tree: FileTree, target: TargetIdentity): DirectoryHandle {
  const handle = tree.openDirectory(target.path);
  const stat = newStatBuffer();
  tree.statHandle(handle, stat);
  const isSame =
    stat.inodeLow === target.inodeLow &&
    stat.inodeHigh === target.inodeHigh &&
    stat.deviceMajor === target.deviceMajor &&
    stat.deviceMinor === target.deviceMinor;
  if (isSame) return handle;
  tree.close(handle);
  throw new HoldfastError("TARGET_CONFLICT", {
    message: `Cannot restore to "${textOf(target.path)}": another directory has taken its place`,
    hint: "Choose a target that no other program moves.",
  });
}
