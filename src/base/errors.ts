// Every failure that a person may see is a HoldfastError: what was done, what was found, whether a
// retry helps, and what to do next. The command line alone turns the code into an exit status.

export type Retry = "never" | "later" | "now";

export interface ErrorDetails {
  readonly message: string;
  readonly retry?: Retry;
  readonly context?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly hint?: string;
  readonly cause?: unknown;
}

/** Codes are part of the scripting contract (docs/scripting.md): they are added, never renamed. */
export type ErrorCode =
  | "USAGE"
  | "REPOSITORY_MISSING"
  | "REPOSITORY_EXISTS"
  | "REPOSITORY_NOT_RECOGNISED"
  | "REPOSITORY_TOO_NEW"
  | "REPOSITORY_LOCKED"
  | "SESSION_ENDED"
  | "REPOSITORY_DAMAGED"
  | "REPOSITORY_WRITE_FAILED"
  | "REPOSITORY_READ_FAILED"
  | "WRONG_PASSPHRASE"
  | "KEY_SLOT_LIMIT"
  | "KEY_SLOT_UNKNOWN"
  | "KEY_SLOT_LAST"
  | "PERMISSION_DENIED"
  | "IMAGE_UNKNOWN"
  | "IMAGE_AMBIGUOUS"
  | "IMAGE_HELD"
  | "RETENTION_REFUSED"
  | "PATH_NOT_IN_IMAGE"
  | "SEGMENT_MISSING"
  | "SOURCE_MISSING"
  | "SOURCE_COMMAND_FAILED"
  | "HOOK_FAILED"
  | "TARGET_CONFLICT"
  | "TARGET_WRITE_FAILED"
  | "VOLUME_LABEL_MISMATCH"
  | "VOLUME_UNAVAILABLE"
  | "FORMAT_TRUNCATED"
  | "FORMAT_MAGIC"
  | "FORMAT_VERSION"
  | "FORMAT_RESERVED"
  | "FORMAT_CHECKSUM"
  | "FORMAT_INVALID"
  | "SEAL_BROKEN"
  | "CLAIM_REFUSED"
  | "PLATFORM_UNSUPPORTED"
  | "RUNTIME_TOO_OLD"
  | "WORKER_FAILED"
  | "SERVER_UNREACHABLE"
  | "SERVER_KEY_MISMATCH"
  | "SERVER_ANSWER_INVALID"
  | "SERVER_FAILED"
  | "LISTEN_FAILED"
  | "IDENTITY_INVALID"
  | "NOT_ENROLLED"
  | "TOKEN_REFUSED"
  | "CLIENT_EXISTS"
  | "CLIENT_UNKNOWN"
  | "CLIENT_REVOKED"
  | "ACCESS_DENIED"
  | "ROUTE_UNKNOWN"
  | "REQUEST_INVALID"
  | "REQUEST_TOO_LARGE"
  | "REQUEST_TIMEOUT"
  | "STATE_LOCKED"
  | "INTERRUPTED";

export class HoldfastError extends Error {
  override readonly name = "HoldfastError";
  readonly code: ErrorCode;
  readonly retry: Retry;
  readonly context: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retry = details.retry ?? "never";
    this.context = details.context ?? {};
    this.hint = details.hint;
  }
}

/** True when `error` is a HoldfastError carrying one of `codes`. */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is HoldfastError {
  return error instanceof HoldfastError && codes.includes(error.code);
}

/** Whether stored bytes are not what was stored: neither written by a newer program nor kept from us by the disk or a permission. */
export function isDamage(error: unknown): error is HoldfastError {
  return hasCode(
    error,
    "REPOSITORY_DAMAGED",
    "SEAL_BROKEN",
    "FORMAT_TRUNCATED",
    "FORMAT_MAGIC",
    "FORMAT_CHECKSUM",
    "FORMAT_INVALID",
  );
}

/** Whether the system did not give stored bytes: they may be whole, and come at another time. */
export function isKeptBack(error: unknown): error is HoldfastError {
  return hasCode(error, "REPOSITORY_READ_FAILED", "PERMISSION_DENIED");
}

/** Whatever was thrown, as an error that can be thrown again. */
export function errorFrom(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}

/** The text of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
