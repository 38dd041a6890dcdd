// What a store answers when it does not do what it was asked, turned into whether to ask again and what a person can do.

import type { IncomingHttpHeaders } from "node:http";
import { textOf } from "../../base/bytes.ts";
import { HoldfastError, hasCode, messageOf } from "../../base/errors.ts";
import type { ErrorCode } from "../../base/errors.ts";
import { codeOf } from "../node-file-errors.ts";
import type { HttpAnswer } from "./http-exchange.ts";
import { parseXml, textIn } from "./xml.ts";

/** What was to be done, for messages. */
export interface Action {
  /** "read", "write" … */
  readonly verb: string;
  /** Bucket and key. */
  readonly object: string;
  readonly access: "read" | "write";
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
}

/** What the store says itself: its code, such as "SlowDown", and its text. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly text: string;
}

/** The body of an error is XML; of a request for the mere head of an object there is none. */
export function refusalOf({ status, body }: HttpAnswer): Refusal {
  try {
    const error = parseXml(textOf(body));
    const code = textIn(error, "Code");
    if (error.name === "Error" && code !== undefined) return { status, code, text: textIn(error, "Message") ?? "" };
  } catch {
    // A proxy in between answers with its own pages.
  }
  return { status, code: "", text: "" };
}

const PASSING_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);
const PASSING_CODES = new Set([
  "BadDigest",
  "ConditionalRequestConflict",
  "IncompleteBody",
  "InternalError",
  "OperationAborted",
  "RequestTimeout",
  "ServiceUnavailable",
  "SlowDown",
  "XAmzContentSHA256Mismatch",
]);

/** Whether the same request may succeed when it is made again. */
export function mayPass({ status, code }: Refusal): boolean {
  return PASSING_STATUS.has(status) || PASSING_CODES.has(code);
}

const LASTING_FAILURES = /^(?:ERR_TLS_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_SSL_|EPROTO$|ERR_INVALID_|ENOENT$|EACCES$)/;

/** The same for a request that got no whole answer. */
export function connectionMayRecover(error: unknown): boolean {
  if (error instanceof HoldfastError) return error.retry !== "never";
  return !LASTING_FAILURES.test(codeOf(error) ?? "");
}

export function refused(action: Action, refusal: Refusal, headers: IncomingHttpHeaders): HoldfastError {
  const { verb, object, endpoint } = action;
  const { status, code, text } = refusal;
  const { error, hint, retry } = meaningOf(action, refusal, headers);
  const said = [code, text].filter((part) => part !== "").join(": ");
  return new HoldfastError(error, {
    message: `Cannot ${verb} ${object}: the store at ${endpoint} answers ${status}${said === "" ? "" : ` (${shortened(said)})`}`,
    retry,
    context: { object, endpoint, status, ...(code === "" ? {} : { answer: code }) },
    hint,
  });
}

/** The connection failed, or every answer was that the store is busy. */
export function unreachable(action: Action, error: unknown): HoldfastError {
  if (hasCode(error, "FORMAT_INVALID") && error.retry === "never") return tooLarge(action, error);
  const { verb, object, endpoint } = action;
  const lasting = !connectionMayRecover(error);
  return new HoldfastError(failureCode(action), {
    message: `Cannot ${verb} ${object}: no answer from the store at ${endpoint}: ${messageOf(error)}`,
    retry: lasting ? "never" : "later",
    context: { object, endpoint, errno: codeOf(error) },
    hint: lasting
      ? "Check the certificate of the store (NODE_EXTRA_CA_CERTS names a file with an authority of your own) and HOLDFAST_S3_ENDPOINT."
      : "Check the network and the address (HOLDFAST_S3_ENDPOINT), then run the command again: what is stored stays valid.",
    cause: error,
  });
}

function tooLarge({ verb, object }: Action, error: HoldfastError): HoldfastError {
  const message = `Cannot ${verb} ${object}: ${error.message}`;
  return new HoldfastError("FORMAT_INVALID", { message, context: { ...error.context, object }, cause: error });
}

interface Meaning {
  readonly error: ErrorCode;
  readonly hint: string;
  readonly retry: "never" | "later";
}

function meaningOf(action: Action, refusal: Refusal, headers: IncomingHttpHeaders): Meaning {
  const { code, status } = refusal;
  if (mayPass(refusal)) {
    const hint = "The store is busy or has a problem. Run the command again later: what is stored stays valid.";
    return { error: failureCode(action), hint, retry: "later" };
  }
  const lasting = (error: ErrorCode, hint: string): Meaning => ({ error, hint, retry: "never" });
  switch (code) {
    case "NoSuchBucket":
      return lasting(
        "REPOSITORY_MISSING",
        `Make the bucket "${action.bucket}" first, or check its name and HOLDFAST_S3_ENDPOINT.`,
      );
    case "InvalidAccessKeyId":
      return lasting("PERMISSION_DENIED", "The store does not know the key in AWS_ACCESS_KEY_ID: check it, and the address.");
    case "SignatureDoesNotMatch":
      return lasting("PERMISSION_DENIED", "Check AWS_SECRET_ACCESS_KEY: it does not belong to the key in AWS_ACCESS_KEY_ID.");
    case "ExpiredToken":
    case "InvalidToken":
      return lasting("PERMISSION_DENIED", "The credentials have expired or are wrong: fetch new ones (AWS_SESSION_TOKEN).");
    case "RequestTimeTooSkewed":
      return lasting("PERMISSION_DENIED", clockHint(headers));
    case "AuthorizationHeaderMalformed":
    case "PermanentRedirect":
    case "TemporaryRedirect":
    case "IllegalLocationConstraintException":
      return lasting("PERMISSION_DENIED", regionHint(action, headers));
    default:
      break;
  }
  if (status === 301 || status === 307) return lasting("PERMISSION_DENIED", regionHint(action, headers));
  if (status === 401 || status === 403) {
    const hint = "The credentials need the right to list the bucket and to read, write and remove objects below the prefix.";
    return lasting("PERMISSION_DENIED", hint);
  }
  return lasting(failureCode(action), "The store does not do what a repository needs; its documentation may say why.");
}

function clockHint(headers: IncomingHttpHeaders): string {
  const theirs = typeof headers.date === "string" ? ` There it is ${headers.date}.` : "";
  return `The clock of this machine differs too much from that of the store.${theirs} Set it right.`;
}

function regionHint({ region }: Action, headers: IncomingHttpHeaders): string {
  const told = headers["x-amz-bucket-region"];
  const theirs = typeof told === "string" ? `AWS_REGION=${told}` : "AWS_REGION to the region of the bucket";
  return `The bucket is not in the region "${region}": set ${theirs}.`;
}

function failureCode({ access }: Action): ErrorCode {
  return access === "read" ? "REPOSITORY_READ_FAILED" : "REPOSITORY_WRITE_FAILED";
}

function shortened(text: string): string {
  return text.length <= 300 ? text : `${text.slice(0, 300)}…`;
}
