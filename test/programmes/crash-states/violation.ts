// What is thrown when something that was promised does not hold.

import { HoldfastError } from "../../../src/base/errors.ts";

export class Violation extends Error {
  override readonly name = "Violation";
}

/** Whatever else the work throws is a violation, too. */
export async function typed<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Violation) throw error;
    throw new Violation(`${error instanceof HoldfastError ? "I6" : "I5"} ${what} failed: ${described(error)}`, { cause: error });
  }
}

export function described(error: unknown): string {
  return error instanceof HoldfastError
    ? `${error.code}: ${error.message}`
    : String(error instanceof Error ? error.stack : error);
}
