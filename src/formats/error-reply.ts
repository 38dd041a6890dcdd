// How a failure on the server reaches the client: the same error on both sides, within bounds. What was not meant for
// anybody outside becomes SERVER_FAILED with a number that the server's log has too.

import { textOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { ErrorCode, Retry } from "../base/errors.ts";
import { JsonFields, encodeJson } from "./json-fields.ts";

export const ERROR_REPLY_LIMIT = 16_384;

const MESSAGE_LIMIT = 2_000;
const CONTEXT_FIELDS_LIMIT = 16;
const CONTEXT_TEXT_LIMIT = 256;
const RETRIES: readonly Retry[] = ["never", "later", "now"];

/** The HTTP status of each code that may leave the server. Codes that are not named here stay inside, and so do the words of those above 499. */
const STATUS_OF: Readonly<Partial<Record<ErrorCode, number>>> = {
  REQUEST_INVALID: 400,
  FORMAT_TRUNCATED: 400,
  FORMAT_MAGIC: 400,
  FORMAT_VERSION: 400,
  FORMAT_RESERVED: 400,
  FORMAT_CHECKSUM: 400,
  FORMAT_INVALID: 400,
  NOT_ENROLLED: 401,
  CLIENT_REVOKED: 403,
  TOKEN_REFUSED: 403,
  ACCESS_DENIED: 403,
  ROUTE_UNKNOWN: 404,
  IMAGE_UNKNOWN: 404,
  PATH_NOT_IN_IMAGE: 404,
  SEGMENT_MISSING: 404,
  REQUEST_TIMEOUT: 408,
  CLIENT_EXISTS: 409,
  IMAGE_AMBIGUOUS: 409,
  IMAGE_HELD: 409,
  SESSION_ENDED: 409,
  CLAIM_REFUSED: 409,
  REQUEST_TOO_LARGE: 413,
  RETENTION_REFUSED: 422,
  REPOSITORY_LOCKED: 423,
  STATE_LOCKED: 423,
  REPOSITORY_DAMAGED: 500,
  SEAL_BROKEN: 500,
  REPOSITORY_READ_FAILED: 500,
  REPOSITORY_WRITE_FAILED: 507,
  SERVER_FAILED: 500,
  INTERRUPTED: 503,
};

/** 500 for what nobody outside may hear of. */
export function httpStatusOf(error: unknown): number {
  return (error instanceof HoldfastError ? STATUS_OF[error.code] : undefined) ?? 500;
}

/** What may be said outside of a failure that is the server's own. Its message names files of the server. */
const SAID_OUTSIDE: Readonly<Partial<Record<ErrorCode, string>>> = {
  REPOSITORY_DAMAGED: "its repository is damaged",
  SEAL_BROKEN: "its repository is damaged",
  REPOSITORY_READ_FAILED: "its disk could not be read",
  REPOSITORY_WRITE_FAILED: "its disk could not be written, or is full",
  INTERRUPTED: "it is stopping",
};

/** What a client is told of a failure inside: hardly more than the number under which the server's own log speaks of it. */
export function internalFailure(cause: unknown, incident: string): HoldfastError {
  const said = cause instanceof HoldfastError ? SAID_OUTSIDE[cause.code] : undefined;
  const isSaid = said !== undefined && cause instanceof HoldfastError;
  return new HoldfastError(isSaid ? cause.code : "SERVER_FAILED", {
    message: `The server failed${isSaid ? `: ${said}` : ""} (incident ${incident})`,
    retry: isSaid ? cause.retry : "later",
    context: { incident },
    hint: "Whoever runs the server finds the incident in its log.",
  });
}

export function encodeErrorReply(error: HoldfastError): Uint8Array {
  const entries = Object.entries(error.context).filter(([, value]) => value !== undefined);
  const context = Object.fromEntries(
    entries
      .slice(0, CONTEXT_FIELDS_LIMIT)
      .map(([name, value]) => [name, typeof value === "string" ? value.slice(0, CONTEXT_TEXT_LIMIT) : value]),
  );
  return encodeJson({
    code: error.code,
    message: error.message.slice(0, MESSAGE_LIMIT),
    hint: error.hint?.slice(0, MESSAGE_LIMIT) ?? null,
    retry: error.retry,
    context,
  });
}

/** The error that a status of 400 or more stands for. Never throws: what cannot be read, or is not known here, is SERVER_FAILED. */
export function decodeErrorReply(status: number, bytes: Uint8Array): HoldfastError {
  try {
    const fields = JsonFields.decode(bytes.subarray(0, ERROR_REPLY_LIMIT), "the server's error", []);
    const code = fields.text("code", 64);
    const hint = fields.has("hint") ? fields.text("hint", MESSAGE_LIMIT) : undefined;
    const retry = fields.text("retry", 16);
    const known = Object.hasOwn(STATUS_OF, code);
    const message = fields.text("message", MESSAGE_LIMIT);
    return new HoldfastError(known ? (code as ErrorCode) : "SERVER_FAILED", {
      message: known ? message : `${message} (${code})`,
      retry: RETRIES.find((each) => each === retry) ?? "never",
      context: { ...contextOf(fields), status },
      ...(hint === undefined ? {} : { hint }),
    });
  } catch (error) {
    return new HoldfastError("SERVER_FAILED", {
      message: `The server answered with the status ${status}, and nothing that can be read`,
      retry: status >= 500 ? "later" : "never",
      context: { status, answer: textOf(bytes.subarray(0, 80)) },
      cause: error,
    });
  }
}

function contextOf(fields: JsonFields): Record<string, string | number | boolean> {
  const limits = { keys: /^[A-Za-z]\w{0,40}$/, most: CONTEXT_FIELDS_LIMIT };
  return fields.table("context", limits, (values, key) => {
    const value = values.raw(key);
    if (typeof value === "number" || typeof value === "boolean") return value;
    return values.text(key, CONTEXT_TEXT_LIMIT);
  });
}
