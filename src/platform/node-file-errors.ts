// What Node throws about our own files, turned into what a person can act on.

import { HoldfastError, messageOf, type ErrorCode, type Retry } from "../base/errors.ts";

export type Access = "read" | "write";

/** The platform's name of the error, such as "ENOENT". */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

const fullHint = "Free space on the repository's disk, then run the command again: what is already stored stays valid.";
const deviceHint = "The device reported an error: check the disk and the system log before writing to it again.";

const advice: Readonly<Record<string, { readonly retry: Retry; readonly hint: string }>> = {
  ENOSPC: { retry: "later", hint: fullHint },
  EDQUOT: { retry: "later", hint: "Raise the quota or free space in it, then run the command again." },
  EROFS: { retry: "never", hint: "The file system is mounted read-only: mount it for writing." },
  EIO: { retry: "never", hint: deviceHint },
  EFBIG: { retry: "never", hint: "The file system or a limit of the process does not allow a file this large." },
  EMFILE: { retry: "later", hint: "This process has too many open files: raise the limit (ulimit -n)." },
  ENFILE: { retry: "later", hint: "The machine has too many open files." },
};

/** The HoldfastError for `error`, thrown while doing `action` ("rename") to `path`. */
export function fileError(access: Access, action: string, path: string, error: unknown): HoldfastError {
  const errno = codeOf(error);
  // Not from the platform: an error that says enough already, or a wrong argument, which is a bug.
  if (errno === undefined || errno.startsWith("ERR_") || error instanceof HoldfastError) throw error;
  const message = `Cannot ${action} ${path}: ${messageOf(error)}`;
  const context = { path, errno };
  if (action === "link" && (errno === "EPERM" || errno === "ENOTSUP" || errno === "ENOSYS")) {
    const hint = "The file system may have no hard links, which a repository needs: use another file system.";
    return new HoldfastError("REPOSITORY_WRITE_FAILED", { message, context, hint, cause: error });
  }
  if (errno === "EACCES" || errno === "EPERM") {
    const hint = `Give this user the right to ${access} here, or run as a user who has it.`;
    return new HoldfastError("PERMISSION_DENIED", { message, context, hint, cause: error });
  }
  const code: ErrorCode = access === "read" ? "REPOSITORY_READ_FAILED" : "REPOSITORY_WRITE_FAILED";
  const known = advice[errno];
  return new HoldfastError(code, { message, context, cause: error, ...known });
}

/** Runs `call`; what it throws becomes a HoldfastError. */
export function attempt<T>(access: Access, action: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fileError(access, action, path, error);
  }
}
