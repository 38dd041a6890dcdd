import { HoldfastError } from "../base/errors.ts";

/** Gives up waiting when the signal is aborted. What was begun may go on until the process ends. */
export async function abandonedOn<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new HoldfastError("INTERRUPTED", { message: "Interrupted" }));
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
