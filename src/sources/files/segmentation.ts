// Which cutting a file gets. Most files are cut where their content says so, which survives insertions. Disk images and
// database files are changed in place, in pages: fixed segments fit them better (a changed page changes one segment and
// never a border), cost no search for borders, and give ranges that can be claimed by number.

import { nameStartOf } from "../../model/path-order.ts";
import { noPatterns, type PatternList } from "./patterns.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Below this a file is a segment or a few; cutting it finer would cost more than it saves. */
const FIXED_MINIMUM_BYTES = MIB;
/** Below this a hole says little about what the file is. */
const SPARSE_MINIMUM_BYTES = 64 * MIB;

/**
 * Larger files get larger segments: each costs some 100 bytes in index and image, and a change costs a segment.
 * The file sizes are where a class begins.
 */
const sizeClasses: readonly { readonly fromBytes: number; readonly segmentBytes: number }[] = [
  { fromBytes: 1024 * GIB, segmentBytes: 4 * MIB },
  { fromBytes: 256 * GIB, segmentBytes: 2 * MIB },
  { fromBytes: 64 * GIB, segmentBytes: MIB },
  { fromBytes: 16 * GIB, segmentBytes: 512 * KIB },
  { fromBytes: GIB, segmentBytes: 256 * KIB },
  { fromBytes: 0, segmentBytes: 128 * KIB },
];

/** Endings of names, in lower case. Not among them: images that are written once (iso, wim), which gain nothing. */
const extensions: ReadonlySet<string> = new Set([
  // Disks of virtual machines, raw disks, encrypted containers.
  ...[
    "vmdk",
    "vdi",
    "vhd",
    "vhdx",
    "avhd",
    "avhdx",
    "qcow",
    "qcow2",
    "qed",
    "hdd",
    "hds",
    "img",
    "raw",
    "dd",
    "sparseimage",
    "hc",
    "tc",
  ],
  // SQLite, Berkeley DB and the many that just say "db".
  ...["db", "db3", "s3db", "sqlite", "sqlite3", "sqlitedb", "bdb"],
  // SQL Server, MySQL and MariaDB, Oracle, Firebird, Access, dBase, Exchange and Active Directory, Notes, LMDB.
  ...["mdf", "ndf", "ldf", "ibd", "myd", "myi", "dbf", "fdb", "gdb", "accdb", "mdb", "edb", "dit", "nsf"],
]);
const LONGEST_EXTENSION = Math.max(...[...extensions].map((extension) => extension.length));

/** Files without a telling ending. */
const names: ReadonlySet<string> = new Set(["ibdata1"]);
const LONGEST_NAME = Math.max(...[...names].map((name) => name.length));
const DOT = 0x2e;

export type Segmentation = { readonly kind: "content" } | { readonly kind: "fixed"; readonly segmentBytes: number };

const byContent: Segmentation = { kind: "content" };

export interface FileShape {
  /** Its first `pathLength` bytes are the path, as in a walk. */
  readonly path: Uint8Array;
  readonly pathLength: number;
  readonly sizeBytes: number;
  readonly allocatedBytes: number;
}

export interface SegmentationRules {
  /** The person's own choice of files for fixed segments, whatever their size. Relative patterns start at the root. */
  readonly fixedSegments?: PatternList;
  /**
   * How the base image has the file. Changing the cutting stores the whole file again, so what was decided by shape
   * stays, and so does the segment size until it is off by more than a factor of four.
   */
  readonly before?: Segmentation | undefined;
}

/** Decides by the person's patterns, by name, then by shape: much less allocated than its size means a disk image. */
export function chooseSegmentation(file: FileShape, rules: SegmentationRules = {}): Segmentation {
  const { path, pathLength, sizeBytes, allocatedBytes } = file;
  const { fixedSegments = noPatterns, before } = rules;
  const nameStart = nameStartOf(path, pathLength);
  if (fixedSegments.count > 0 && fixedSegments.matches(path, pathLength, nameStart, 0, false)) return fixed(sizeBytes, before);
  if (sizeBytes < FIXED_MINIMUM_BYTES) return byContent;
  if (isNamedForFixed(path, nameStart, pathLength)) return fixed(sizeBytes, before);
  if (sizeBytes < SPARSE_MINIMUM_BYTES) return byContent;
  const isFixed = before === undefined ? allocatedBytes < sizeBytes / 2 : before.kind === "fixed";
  return isFixed ? fixed(sizeBytes, before) : byContent;
}

function fixed(sizeBytes: number, before: Segmentation | undefined): Segmentation {
  const segmentBytes = sizeClasses.find(({ fromBytes }) => sizeBytes >= fromBytes)!.segmentBytes;
  if (before?.kind === "fixed" && before.segmentBytes <= segmentBytes * 4 && before.segmentBytes * 4 >= segmentBytes)
    return before;
  return { kind: "fixed", segmentBytes };
}

function isNamedForFixed(path: Uint8Array, nameStart: number, pathLength: number): boolean {
  let dot = pathLength - 1;
  while (dot > nameStart && path[dot] !== DOT) dot--;
  const isExtension = dot > nameStart && pathLength - dot - 1 <= LONGEST_EXTENSION;
  if (isExtension && extensions.has(lowerCase(path, dot + 1, pathLength))) return true;
  return pathLength - nameStart <= LONGEST_NAME && names.has(lowerCase(path, nameStart, pathLength));
}

/** ASCII only; other bytes are in no list. */
function lowerCase(path: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) text += String.fromCharCode(path[at]!);
  return text.toLowerCase();
}
