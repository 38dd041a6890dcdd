import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { textOf, utf8 } from "../base/bytes.ts";
import type { ImageId } from "../model/image.ts";
import { WHOLE_IMAGES_LIMIT, decodeLossRecord, encodeLossRecord } from "./loss-record.ts";

const PAGE = readFileSync(new URL("../../docs/formats/loss-record.md", import.meta.url), "utf8");
const EXAMPLE = /```json\n(.*)\n```/.exec(PAGE)?.[1] ?? "";

test("the example of the page is read and written", () => {
  const record = { generation: 3, epoch: 2, whole: ["ab".repeat(32) as ImageId], madeAtMs: 1_750_000_000_000 };
  assert.deepEqual(decodeLossRecord(utf8(EXAMPLE)), record);
  assert.equal(textOf(encodeLossRecord(record)), EXAMPLE);
});

test("what is not a loss record is refused", () => {
  const record = JSON.parse(EXAMPLE) as Record<string, unknown>;
  const wrong: readonly Record<string, unknown>[] = [
    { generation: 0 },
    { epoch: -1 },
    { epoch: undefined },
    { whole: ["ab"] },
    { whole: "all" },
    { whole: ["AB".repeat(32)] },
    { madeAtMs: 1.5 },
  ];
  for (const change of wrong) {
    const bytes = utf8(JSON.stringify({ ...record, ...change }));
    assert.throws(() => decodeLossRecord(bytes), { code: "FORMAT_INVALID" }, JSON.stringify(change));
  }
});

test("of more images than it may name, the last ones are named", () => {
  const id = (i: number): ImageId => i.toString(16).padStart(64, "0") as ImageId;
  const whole = Array.from({ length: WHOLE_IMAGES_LIMIT + 2 }, (_, i) => id(i));
  const read = decodeLossRecord(encodeLossRecord({ generation: 1, epoch: 1, whole, madeAtMs: 0 }));
  assert.deepEqual([read.whole.length, read.whole[0]], [WHOLE_IMAGES_LIMIT, id(2)]);
});
