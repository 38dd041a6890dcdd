// What the platform's error codes mean, for people. The code itself is shown too, so that it can be looked up.

const MEANINGS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EBUSY: "in use",
  EDQUOT: "the quota is used up",
  EEXIST: "exists already",
  EIO: "input/output error",
  EISDIR: "it is a directory",
  ELOOP: "too many links",
  EMFILE: "too many open files",
  ENAMETOOLONG: "the name is too long",
  ENOENT: "there is no such file",
  ENOSPC: "no space left",
  ENOTDIR: "not a directory",
  ENOTSUP: "not supported here",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
  ESTALE: "it was replaced meanwhile",
  ETIMEDOUT: "timed out",
  EXDEV: "it lies on another file system",
  FORMAT_CHECKSUM: "the stored data is damaged",
  SEAL_BROKEN: "the stored data is damaged",
  SEGMENT_MISSING: "stored data is missing",
};

/** "permission denied (EACCES)", or the bare code where nothing better is known. */
export function describeCode(code: string): string {
  const meaning = MEANINGS[code];
  return meaning === undefined ? code : `${meaning} (${code})`;
}

/** The platform's code in an error, if it carries one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
