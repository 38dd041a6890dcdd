// What is on its way from the walk to the stream, in path order. Files wait here for the reading threads; what
// stands behind them waits too, so that messages leave in order.

import { equalBytes } from "../base/bytes.ts";
import { ENTRY_CHANGE_END, ENTRY_CHANGE_START } from "../formats/entry.ts";
import type { ReadResponse } from "./read-protocol.ts";

export interface PendingClaim {
  readonly kind: "claim";
  readonly base: number;
  readonly first: number;
  readonly count: number;
}

/** Anything but a file: complete as soon as the walk has seen it. */
export interface PendingEntry {
  readonly kind: "entry";
  readonly path: Uint8Array;
  readonly body: Uint8Array;
}

/**
 * Why a file is read. "unsure": nothing says that it has changed, but when it was backed up last its times were too fresh to
 * prove the contrary. "rescan": its attributes say that it has not changed, and it is read all the same.
 */
export type ReadReason = "new" | "changed" | "unsure" | "rescan";

export interface PendingFile {
  readonly kind: "file";
  readonly path: Uint8Array;
  readonly reason: ReadReason;
  /** Its body in the base image, for who is only read to make sure. */
  readonly before: Uint8Array | undefined;
  readonly fixedSegmentBytes: number | undefined;
  /** One response, or one for each stretch of a large file. */
  readonly responses: (ReadResponse | undefined)[];
  waitingFor: number;
}

export type Pending = PendingClaim | PendingEntry | PendingFile;

/** A queue that does not move its elements when one leaves. */
export class PendingQueue {
  #items: (Pending | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: Pending): void {
    this.#items.push(item);
  }

  /** The first item when it is complete. */
  ready(): Pending | undefined {
    const item = this.#items[this.#head];
    return item === undefined || (item.kind === "file" && item.waitingFor > 0) ? undefined : item;
  }

  remove(): void {
    this.#items[this.#head++] = undefined;
    if (this.#head < 1024 || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}

/** Whether all stretches saw the same file: equal times, size and inode, and no change while they read. */
export function stretchesAgree(file: PendingFile): boolean {
  const first = file.responses[0];
  if (first === undefined || first.outcome !== "stored") return false;
  const seen = first.body.subarray(ENTRY_CHANGE_START, ENTRY_CHANGE_END);
  return file.responses.every(
    (response) =>
      response !== undefined &&
      response.outcome === "stored" &&
      !response.changedWhileRead &&
      equalBytes(response.body.subarray(ENTRY_CHANGE_START, ENTRY_CHANGE_END), seen),
  );
}
