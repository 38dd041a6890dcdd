// A hold protects an image from being forgotten, whatever rules say.

/** What a record may hold of a reason, in UTF-16 units. */
export const HOLD_REASON_LIMIT = 1_024;

export interface ImageHold {
  /** For people: why, and who asked for it. */
  readonly reason: string;
  /** The first instant at which it no longer protects; for ever unless given. */
  readonly untilMs?: number;
}

/** Whether the image must stay. A hold that has ended is shown and protects no more. */
export function isInForce(hold: ImageHold | undefined, nowMs: number): hold is ImageHold {
  return hold !== undefined && nowMs < endOf(hold);
}

/** Of two holds on one image, set at the same time, the one that protects longer; every reader decides alike. */
export function strongerHold(a: ImageHold | undefined, b: ImageHold | undefined): ImageHold | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (endOf(a) !== endOf(b)) return endOf(a) > endOf(b) ? a : b;
  return a.reason >= b.reason ? a : b;
}

function endOf({ untilMs }: ImageHold): number {
  return untilMs ?? Number.POSITIVE_INFINITY;
}
