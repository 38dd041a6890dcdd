// The C library of Linux, as far as a file tree needs it. Only x86_64 and arm64: the numbers of system
// calls and the layouts read elsewhere (statx, dirent64, timespec) are checked for these two.

import { constants as fileConstants } from "node:fs";
import { createRequire } from "node:module";
import { constants as systemConstants } from "node:os";
import { HoldfastError, messageOf } from "../base/errors.ts";
import { FileTreeError } from "./file-tree.ts";

/** What we use of koffi; a single-file executable passes its own copy. */
export interface ForeignFunctions {
  load(path: string | null): { func(definition: string): unknown };
  errno(): number;
}

export type ForeignFunctionsLoader = () => ForeignFunctions;

// Names and paths are NUL-terminated by the caller. Offsets and sizes are exact up to 2^53.
export interface Libc {
  openat(directory: number, path: Uint8Array, flags: number, mode: number): number;
  close(handle: number): number;
  getdents64(handle: number, into: Uint8Array, length: number): number;
  statx(directory: number, path: Uint8Array, flags: number, mask: number, into: Uint8Array): number;
  pread(handle: number, into: Uint8Array, length: number, position: number): number;
  pwrite(handle: number, from: Uint8Array, length: number, position: number): number;
  lseek(handle: number, position: number, whence: number): number;
  ftruncate(handle: number, length: number): number;
  readlinkat(directory: number, path: Uint8Array, into: Uint8Array, length: number): number;
  mkdirat(directory: number, path: Uint8Array, mode: number): number;
  mknodat(directory: number, path: Uint8Array, mode: number, device: number): number;
  linkat(fromDirectory: number, from: Uint8Array, directory: number, path: Uint8Array, flags: number): number;
  symlinkat(target: Uint8Array, directory: number, path: Uint8Array): number;
  unlinkat(directory: number, path: Uint8Array, flags: number): number;
  renameat(fromDirectory: number, from: Uint8Array, directory: number, path: Uint8Array): number;
  fchown(handle: number, userId: number, groupId: number): number;
  fchownat(directory: number, path: Uint8Array, userId: number, groupId: number, flags: number): number;
  fchmod(handle: number, mode: number): number;
  chmod(path: Uint8Array, mode: number): number;
  futimens(handle: number, times: Uint8Array): number;
  utimensat(directory: number, path: Uint8Array, times: Uint8Array, flags: number): number;
  flistxattr(handle: number, into: Uint8Array, length: number): number;
  llistxattr(path: Uint8Array, into: Uint8Array, length: number): number;
  fgetxattr(handle: number, name: Uint8Array, into: Uint8Array, length: number): number;
  lgetxattr(path: Uint8Array, name: Uint8Array, into: Uint8Array, length: number): number;
  fsetxattr(handle: number, name: Uint8Array, value: Uint8Array, length: number, flags: number): number;
  lsetxattr(path: Uint8Array, name: Uint8Array, value: Uint8Array, length: number, flags: number): number;
  fremovexattr(handle: number, name: Uint8Array): number;
  ioctl(handle: number, request: number, value: Uint8Array): number;
  /** The error of the call made just before; read it before anything else. */
  errno(): number;
}

// Some flags differ between x86_64 and arm64: those come from Node, which was built for the machine.
const { O_DIRECTORY, O_NOFOLLOW } = fileConstants;
const O_CLOEXEC = 0o2000000;
export const O_NONBLOCK = 0o4000;
export const O_NOATIME = 0o1000000;
export const O_RDWR = 0o2;
export const O_CREAT_EXCL = 0o100 | 0o200;
/** An O_PATH handle on whatever the name is, even a link: it opens nothing, so it wakes no device and breaks no lease. */
export const OPEN_PATH = 0o10000000 | O_CLOEXEC | O_NOFOLLOW;
/** A step on the way to a directory: needs the right to pass through, not to list. */
export const OPEN_PASSAGE = 0o10000000 | O_CLOEXEC | O_DIRECTORY;
export const OPEN_DIRECTORY = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
export const OPEN_FILE = O_NOFOLLOW | O_CLOEXEC;
/** Through /proc/self/fd, whose entries are links by design. */
export const OPEN_THROUGH_PROC = O_CLOEXEC;

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_NO_AUTOMOUNT = 0x800;
export const AT_EMPTY_PATH = 0x1000;

const { errno: errnoNumbers } = systemConstants;
export const { EAGAIN, EEXIST, EINTR, EINVAL, ENODATA, ENOENT, ENOTSUP, ENXIO, EPERM, ERANGE } = errnoNumbers;

const errorNames = new Map<number, string>();
for (const [name, number] of Object.entries(errnoNumbers)) {
  // Two pairs share a number on Linux; we report the name that Node reports.
  if (name !== "EWOULDBLOCK" && name !== "EOPNOTSUPP") errorNames.set(number, name);
}

/** The error for a failed call, with its name of the platform ("ENOENT"). */
export function systemError(errno: number, action: string, name?: string): FileTreeError {
  return new FileTreeError(errorNames.get(errno) ?? `errno ${errno}`, action, name);
}

const systemCalls: Readonly<Record<string, { readonly getdents64: number; readonly mknodat: number }>> = {
  x64: { getdents64: 217, mknodat: 259 },
  arm64: { getdents64: 61, mknodat: 33 },
};

function loadKoffi(): ForeignFunctions {
  return createRequire(import.meta.url)("koffi") as ForeignFunctions;
}

/** Throws PLATFORM_UNSUPPORTED where these functions cannot be had. */
export function openLibc(loader: ForeignFunctionsLoader = loadKoffi): Libc {
  const numbers = systemCalls[process.arch];
  if (process.platform !== "linux" || numbers === undefined) {
    throw new HoldfastError("PLATFORM_UNSUPPORTED", {
      message: `Cannot call the C library directly: this is ${process.platform} on ${process.arch}, expected linux on x64 or arm64`,
    });
  }
  try {
    return bindLibc(loader(), numbers);
  } catch (error) {
    throw new HoldfastError("PLATFORM_UNSUPPORTED", {
      message: `Cannot call the C library directly: ${messageOf(error)}`,
      cause: error,
    });
  }
}

function bindLibc(foreign: ForeignFunctions, numbers: { getdents64: number; mknodat: number }): Libc {
  // The running program already has its C library loaded, glibc or musl, whatever its file is called.
  const library = foreign.load(null);
  const bind = <F>(definition: string): F => library.func(definition) as F;

  // Not exported by every C library still in use (getdents64 since glibc 2.30, mknodat since 2.33).
  const syscall3 = bind<(number: number, a: number, b: Uint8Array, c: number) => number>(
    "long syscall(long number, long a, void *b, size_t c)",
  );
  const syscall4 = bind<(number: number, a: number, b: Uint8Array, c: number, d: number) => number>(
    "long syscall(long number, long a, const void *b, unsigned long c, unsigned long d)",
  );

  return {
    openat: bind("int openat(int directory, const void *path, int flags, unsigned int mode)"),
    close: bind("int close(int handle)"),
    getdents64: (handle, into, length) => syscall3(numbers.getdents64, handle, into, length),
    statx: bind("int statx(int directory, const void *path, int flags, unsigned int mask, void *into)"),
    pread: bind("int64_t pread(int handle, void *into, size_t length, int64_t position)"),
    pwrite: bind("int64_t pwrite(int handle, const void *from, size_t length, int64_t position)"),
    lseek: bind("int64_t lseek(int handle, int64_t position, int whence)"),
    ftruncate: bind("int ftruncate(int handle, int64_t length)"),
    readlinkat: bind("int64_t readlinkat(int directory, const void *path, void *into, size_t length)"),
    mkdirat: bind("int mkdirat(int directory, const void *path, unsigned int mode)"),
    mknodat: (directory, path, mode, device) => syscall4(numbers.mknodat, directory, path, mode, device),
    linkat: bind("int linkat(int fromDirectory, const void *from, int directory, const void *path, int flags)"),
    symlinkat: bind("int symlinkat(const void *target, int directory, const void *path)"),
    unlinkat: bind("int unlinkat(int directory, const void *path, int flags)"),
    renameat: bind("int renameat(int fromDirectory, const void *from, int directory, const void *path)"),
    fchown: bind("int fchown(int handle, unsigned int userId, unsigned int groupId)"),
    fchownat: bind("int fchownat(int directory, const void *path, unsigned int userId, unsigned int groupId, int flags)"),
    fchmod: bind("int fchmod(int handle, unsigned int mode)"),
    chmod: bind("int chmod(const void *path, unsigned int mode)"),
    futimens: bind("int futimens(int handle, const void *times)"),
    utimensat: bind("int utimensat(int directory, const void *path, const void *times, int flags)"),
    flistxattr: bind("int64_t flistxattr(int handle, void *into, size_t length)"),
    llistxattr: bind("int64_t llistxattr(const void *path, void *into, size_t length)"),
    fgetxattr: bind("int64_t fgetxattr(int handle, const void *name, void *into, size_t length)"),
    lgetxattr: bind("int64_t lgetxattr(const void *path, const void *name, void *into, size_t length)"),
    fsetxattr: bind("int fsetxattr(int handle, const void *name, const void *value, size_t length, int flags)"),
    lsetxattr: bind("int lsetxattr(const void *path, const void *name, const void *value, size_t length, int flags)"),
    fremovexattr: bind("int fremovexattr(int handle, const void *name)"),
    ioctl: bind("int ioctl(int handle, unsigned long request, void *value)"),
    errno: () => foreign.errno(),
  };
}
