/** Holds in production too: a broken invariant stops the work before it reaches the disk. */
export function assert(condition: unknown, whatMustHold: string): asserts condition {
  if (!condition) throw new Error(`Broken invariant: ${whatMustHold}`);
}
