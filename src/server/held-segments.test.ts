import assert from "node:assert/strict";
import { test } from "node:test";
import { hexOf } from "../base/bytes.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { SessionSegments } from "../repository/repository.ts";
import { HeldSegments } from "./held-segments.ts";

/** Every byte has its turn, so that text forms which lose some are found out. */
function fingerprint(number: number): Fingerprint {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => (i * 37 + number) & 0xff);
  new DataView(bytes.buffer).setUint32(0, number, true);
  return bytes as Uint8Array as Fingerprint;
}

const LIMITS = { waiting: 8_192, firstLook: 1_024 };

const held = (...numbers: readonly number[]): SessionSegments => {
  const segments = SessionSegments.create();
  for (const number of numbers) segments.insert(fingerprint(number));
  return segments;
};

test("what is held when it is referred to, or by the end, is enough", () => {
  const segments = held(1);
  const references = new HeldSegments(segments);
  for (const number of [1, 200, 300, 200]) references.note(fingerprint(number));
  segments.insert(fingerprint(200));
  segments.insert(fingerprint(300));
  references.requireAll();
});

test("one that never came is named, however many others did", () => {
  const segments = held();
  const references = new HeldSegments(segments);
  for (let number = 0; number < 1_000; number++) {
    references.note(fingerprint(number));
    if (number !== 617) segments.insert(fingerprint(number));
  }
  const refusal = { code: "SEGMENT_MISSING", message: new RegExp(hexOf(fingerprint(617)).slice(0, 16)) };
  assert.throws(() => references.requireAll(), refusal);
  // A refusal takes nothing back: it stays missing.
  assert.throws(() => references.requireAll(), refusal);
  segments.insert(fingerprint(617));
  references.requireAll();
});

test("what was enough at a checkpoint is not asked for again at the commit", () => {
  const segments = held();
  const references = new HeldSegments(segments);
  references.note(fingerprint(1));
  segments.insert(fingerprint(1));
  references.requireAll();
  const forgetful = new HeldSegments({ has: () => false });
  forgetful.requireAll();
  references.note(fingerprint(2));
  assert.throws(() => references.requireAll(), { code: "SEGMENT_MISSING" });
});

/** One fingerprint after another in the same memory, and which one it is. */
const counted = new Uint8Array(32).fill(0xe9);
const numbers = new DataView(counted.buffer);
const numberOf = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);

function note(references: HeldSegments, number: number): void {
  numbers.setUint32(0, number);
  references.note(counted);
}

test("a backup of any length goes on when its references come a little before their segments", () => {
  let arrived = 0;
  const references = new HeldSegments({ has: (bytes) => numberOf(bytes) < arrived }, LIMITS);
  // Small files are told of before their block is full: without forgetting, many of them between two checkpoints would be refused.
  for (let number = 0; number < 50_000; number++) {
    note(references, number);
    arrived = number - 3_000;
  }
  assert.throws(() => references.requireAll(), { code: "SEGMENT_MISSING" });
  arrived = 50_000;
  references.requireAll();
});

test("references to what does not come end the backup before they fill the memory, and are looked at few times on the way", () => {
  let looks = 0;
  const has = (): boolean => {
    looks++;
    return false;
  };
  const references = new HeldSegments({ has }, LIMITS);
  let noted = 0;
  const noteMany = (): void => {
    for (; noted < 50_000; noted++) note(references, noted);
  };
  assert.throws(noteMany, { code: "SEGMENT_MISSING" });
  assert.ok(noted < LIMITS.waiting, `${noted} references waited`);
  assert.ok(looks < 4 * noted, `${looks} looks for ${noted} references`);
});
