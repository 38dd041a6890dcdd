import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { workedExample } from "../../test/support/worked-example.ts";
import { concatBytes, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { openRecord, sealRecord } from "../engine/engine.ts";
import type { ImageId } from "../model/image.ts";
import { COLLECTION_FILE_NAME, collectionFileName, decodeCollectionRecord, encodeCollectionRecord } from "./collection-record.ts";
import type { CollectionRecord } from "./collection-record.ts";
import { RECORD_COLLECTION, decodeSealedRecord, encodeSealedRecordHeader, sealedRecordContext } from "./sealed-record.ts";

const KEY = new Uint8Array(32).fill(4);
const salt = { bytes: (count: number) => Uint8Array.from({ length: count }, (_, position) => 0x50 + position) };

const CONDEMNED: CollectionRecord = {
  step: "condemned",
  generation: 3,
  containers: [{ volume: "56".repeat(16), container: "c0".repeat(32) }],
  images: ["1d".repeat(32) as ImageId],
  checkpoints: [],
};

test("the worked example of docs/formats/collection.md opens to its JSON, and is written again to the same bytes", () => {
  const page = readFileSync(new URL("../../docs/formats/collection.md", import.meta.url), "utf8");
  const json: unknown = JSON.parse(/```json\n([\s\S]*?)```/.exec(page)?.[1] ?? "");
  const bytes = workedExample("collection.md");
  const record = decodeSealedRecord(bytes);
  assert.equal(record.type, RECORD_COLLECTION);
  const plain = openRecord(KEY, sealedRecordContext(record.header), record.sealed, "the example");
  const decoded = decodeCollectionRecord(plain);
  assert.deepEqual(decoded, json);
  assert.deepEqual(decoded, CONDEMNED);
  const again = encodeCollectionRecord(decoded);
  const header = encodeSealedRecordHeader({
    type: RECORD_COLLECTION,
    repositoryId: record.repositoryId,
    plainLength: again.length,
  });
  assert.deepEqual(concatBytes(header, sealRecord(KEY, sealedRecordContext(header), salt, again)), bytes);
});

test("each step comes back as it was written", () => {
  const records: readonly CollectionRecord[] = [
    CONDEMNED,
    { step: "waits", generation: 3, sessions: ["0123456789abcdef"] },
    { step: "released", generation: 3 },
    { step: "finished", generation: 99_999_999, removedContainers: 7, removedBytes: 350_000_000 },
  ];
  for (const record of records) assert.deepEqual(decodeCollectionRecord(encodeCollectionRecord(record)), record);
});

test("names that are not identifiers, unknown steps and generations beyond the bounds are refused", () => {
  const refused = [
    { ...CONDEMNED, generation: 0 },
    { ...CONDEMNED, generation: 100_000_000 },
    { ...CONDEMNED, images: ["../label"] },
    { ...CONDEMNED, checkpoints: ["x"] },
    { ...CONDEMNED, containers: [{ volume: "56".repeat(16), container: "../../keys" }] },
    { ...CONDEMNED, containers: [{ volume: "main", container: "c0".repeat(32) }] },
    { step: "waits", generation: 1, sessions: ["0123456789ABCDEF"] },
    { step: "finished", generation: 1, removedContainers: -1, removedBytes: 0 },
    { step: "begun", generation: 1 },
    [],
  ];
  for (const value of refused) {
    const isRefused = (error: unknown): boolean => error instanceof HoldfastError && error.code === "FORMAT_INVALID";
    assert.throws(() => decodeCollectionRecord(utf8(JSON.stringify(value))), isRefused, JSON.stringify(value));
  }
});

test("file names sort like their generations", () => {
  assert.equal(collectionFileName(12, "waits"), "00000012-waits");
  assert.deepEqual(COLLECTION_FILE_NAME.exec("00000012-waits")?.slice(1), ["00000012", "waits"]);
  for (const name of ["12-waits", "00000012-begun", ".tmp-00000012-waits", "00000012-waits.old"])
    assert.equal(COLLECTION_FILE_NAME.exec(name), null, name);
});
