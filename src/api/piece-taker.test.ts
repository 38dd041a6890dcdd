import assert from "node:assert/strict";
import { test } from "node:test";
import { noise } from "../../test/support/noise.ts";
import { hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { MEDIUM_FILE_BYTES, StreamReader } from "../client/client.ts";
import { Cutter, createFingerprinter } from "../engine/engine.ts";
import { ENTRY_FILE } from "../formats/entry.ts";
import { readPackedReferences } from "../formats/segment-reference.ts";
import { FileContentBuilder, KeyRing } from "../repository/repository.ts";
import type { PageKind, PageSource } from "../repository/repository.ts";
import { entryBody } from "./browsing-harness.contract.ts";
import { PieceTaker } from "./piece-taker.ts";

const keyRing = KeyRing.derive(new Uint8Array(32).fill(7), new Uint8Array(16).fill(8));
const fingerprinters = {
  data: createFingerprinter(keyRing.fingerprint("data")),
  page: createFingerprinter(keyRing.fingerprint("page")),
  list: createFingerprinter(keyRing.fingerprint("list")),
};
const noPages: PageSource = {
  loadPage: () => Promise.reject(new HoldfastError("SEGMENT_MISSING", { message: "it is lost" })),
};

async function* inPieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

test("a list that is lost is found again by cutting the content as it was cut, and nothing is taken of other content", async () => {
  const content = noise(1, 30_000_000);
  assert.ok(content.length > MEDIUM_FILE_BYTES);
  const reader = new StreamReader({
    cutter: new Cutter(keyRing.cut),
    fingerprintOf: (bytes) => fingerprinters.data.of(bytes),
    sink: { put: () => undefined, keep: () => undefined, reserve: () => new Uint8Array(0) },
  });
  reader.add(content);
  const wanted = new Set<string>();
  const builder = new FileContentBuilder({
    storePage: (kind, bytes) => {
      const fingerprint = fingerprinters[kind].of(bytes);
      wanted.add(hexOf(fingerprint));
      return fingerprint;
    },
  });
  for (const reference of readPackedReferences(reader.finish())) {
    if (reference.kind === "data") wanted.add(hexOf(reference.fingerprint));
    builder.add(reference);
  }
  const result = builder.finish();
  assert.ok(result.kind === "list");
  const lost = entryBody({ kind: ENTRY_FILE, sizeBytes: content.length, segmentList: result.list });

  const take = async (
    version: Uint8Array,
  ): Promise<{ readonly taken: Set<string>; readonly pages: number; readonly isComplete: boolean }> => {
    const taken = new Set<string>();
    let pages = 0;
    const taker = new PieceTaker({
      keyRing,
      fingerprinters,
      pages: noPages,
      isMissing: () => true,
      keep: (fingerprint: Fingerprint) => void taken.add(hexOf(fingerprint)),
      keepPage: (kind: PageKind, bytes: Uint8Array) => {
        pages++;
        taken.add(hexOf(fingerprinters[kind].of(bytes)));
      },
    });
    await taker.take(lost, { ...lost, sizeBytes: version.length }, inPieces(version, 100_000));
    return { taken, pages, isComplete: taker.isComplete };
  };
  const same = await take(content);
  assert.deepEqual([same.taken, same.isComplete], [wanted, true]);
  const changed = Buffer.from(content);
  changed[14_000_000] = (changed[14_000_000] as number) ^ 1;
  const other = await take(changed);
  assert.deepEqual([other.pages, other.isComplete], [0, false]);
  const shorter = await take(content.subarray(0, 10_000_000));
  assert.deepEqual([shorter.pages, shorter.taken.size], [0, 0]);
});
