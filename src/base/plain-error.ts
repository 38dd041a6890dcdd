// Errors on their way between threads.

import { HoldfastError, messageOf } from "./errors.ts";
import type { ErrorCode, Retry } from "./errors.ts";

/** An error as plain data: classes do not survive the way between threads. */
export interface PlainError {
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly retry: Retry;
  readonly hint: string | undefined;
  readonly context: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly stack: string | undefined;
}

export function plainError(error: unknown): PlainError {
  const stack = error instanceof Error ? error.stack : undefined;
  if (error instanceof HoldfastError) {
    const { code, message, retry, hint, context } = error;
    return { code, message, retry, hint, context, stack };
  }
  return { code: undefined, message: messageOf(error), retry: "never", hint: undefined, context: {}, stack };
}

export function errorOf(plain: PlainError): Error {
  const details = {
    message: plain.message,
    retry: plain.retry,
    context: plain.context,
    ...(plain.hint === undefined ? {} : { hint: plain.hint }),
  };
  const error = new HoldfastError(plain.code ?? "WORKER_FAILED", details);
  if (plain.stack !== undefined) error.stack = plain.stack;
  return error;
}
