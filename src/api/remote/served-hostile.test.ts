// What a client may not do: see what is not its own, refer to what it does not have, send what is not what it says.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ByteWriter, bytesOfHex, utf8 } from "../../base/bytes.ts";
import { noise } from "../../../test/support/noise.ts";
import type { Fingerprint } from "../../base/fingerprint.ts";
import { CODEC_STORED } from "../../formats/block.ts";
import { encodePageQuestion, encodeSegmentQuestion } from "../../formats/granted-pages.ts";
import { encodeSentPart } from "../../formats/image-record.ts";
import { writeEntryBody } from "../../formats/entry.ts";
import {
  decodeBegunBackup,
  decodeServedImages,
  decodeServedRepository,
  encodeBackupRequest,
} from "../../formats/server-exchange.ts";
import { PROVED_SEGMENT_BYTES, SEGMENT_TO_PROVE, SEGMENT_WANTED, encodeSegmentBlock } from "../../formats/segment-transfer.ts";
import { writeCommit, writeEntry } from "../../formats/stream.ts";
import { createFingerprinter } from "../../engine/engine.ts";
import { NO_ITEMS, NO_STATISTICS } from "../../model/image.ts";
import type { ServedRepository } from "../api.ts";
import { fill, serve } from "./served-harness.contract.ts";

const COMMIT = encodeSentPart({
  base: null,
  statistics: NO_STATISTICS,
  owners: {},
  groups: {},
  unreadable: NO_ITEMS,
  skippedSockets: NO_ITEMS,
  changedWhileRead: NO_ITEMS,
});
const request = (): Uint8Array =>
  encodeBackupRequest({
    backup: randomBytes(16).toString("hex"),
    description: { source: "s", user: "u", paths: ["/a"], tags: [], options: {}, holdfastVersion: "0" },
    withBases: false,
  });
const CONTENT = utf8("what only somebody who has it can prove to have");
const TIME = { seconds: 1, nanoseconds: 0 };

async function begin(served: ServedRepository, client = "laptop"): Promise<{ backup: string; challenge: Uint8Array }> {
  const { backup, challenge } = decodeBegunBackup(await served.beginBackup(client, request()));
  return { backup, challenge: bytesOfHex(challenge) };
}

function fingerprintOf(served: ServedRepository, bytes: Uint8Array): Fingerprint {
  return createFingerprinter(bytesOfHex(decodeServedRepository(served.describe("laptop")).keys.data)).of(bytes);
}

function blockOf(fingerprint: Uint8Array, bytes: Uint8Array): Uint8Array {
  const payload = { codec: CODEC_STORED, plainLength: bytes.length, bytes } as const;
  return encodeSegmentBlock({ fingerprints: fingerprint, lengths: Uint32Array.of(bytes.length), count: 1, payload });
}

/** An image of one file with this segment. */
function imageOf(fingerprint: Fingerprint, length: number): Uint8Array {
  const body = new ByteWriter();
  writeEntryBody(body, {
    kind: 2,
    mode: 0o600,
    userId: 0,
    groupId: 0,
    modified: TIME,
    changed: TIME,
    inode: 0n,
    sizeBytes: length,
    recheck: false,
    changedWhileRead: false,
    segments: [{ kind: "data", length, fingerprint }],
  });
  const writer = new ByteWriter();
  writeEntry(writer, { path: utf8("a"), body: body.take(), contentFollows: false });
  writeCommit(writer, COMMIT);
  return writer.take();
}

test("an image that refers to content which was neither sent nor proved is refused, although the repository has it", async () => {
  await using s = await serve();
  const fingerprint = fingerprintOf(s.served, CONTENT);
  const other = await begin(s.served, "desktop");
  await s.served.store("desktop", other.backup, blockOf(fingerprint, CONTENT));
  await s.served.receive("desktop", other.backup, 1, imageOf(fingerprint, CONTENT.length));
  await s.served.endBackup("desktop", other.backup);

  const { backup, challenge } = await begin(s.served);
  assert.deepEqual([...s.served.offer("laptop", backup, fingerprint)], [SEGMENT_TO_PROVE]);
  const proof = new Uint8Array(PROVED_SEGMENT_BYTES);
  proof.set(fingerprint);
  assert.deepEqual([...(await s.served.prove("laptop", backup, proof))], [0]);
  await assert.rejects(s.served.receive("laptop", backup, 1, imageOf(fingerprint, CONTENT.length)), { code: "SEGMENT_MISSING" });
  await assert.rejects(s.served.receive("laptop", backup, 2, imageOf(fingerprint, CONTENT.length)), { code: "SEGMENT_MISSING" });
  await s.served.endBackup("laptop", backup);
  assert.deepEqual(decodeServedImages(await s.served.images("laptop")), []);

  const again = await begin(s.served);
  assert.notDeepEqual(again.challenge, challenge);
  proof.set(createFingerprinter(again.challenge).of(CONTENT), 32);
  assert.deepEqual([...(await s.served.prove("laptop", again.backup, proof))], [1]);
  await s.served.receive("laptop", again.backup, 1, imageOf(fingerprint, CONTENT.length));
  assert.equal(decodeServedImages(await s.served.images("laptop")).length, 1);
});

test("a segment that is not what its fingerprint says is refused, and nothing of its block is stored", async () => {
  await using s = await serve();
  const { backup } = await begin(s.served);
  const fingerprint = fingerprintOf(s.served, CONTENT);
  await assert.rejects(s.served.store("laptop", backup, blockOf(fingerprint, utf8("something else"))), {
    code: "FORMAT_INVALID",
    message: /is not what its fingerprint/,
  });
  assert.deepEqual([...s.served.offer("laptop", backup, fingerprint)], [SEGMENT_WANTED]);
});

test("messages far out of their order, unknown backups and those of others are refused", async () => {
  await using s = await serve();
  const { backup } = await begin(s.served);
  await assert.rejects(s.served.receive("laptop", backup, 99, new Uint8Array(0)), { code: "FORMAT_INVALID" });
  await assert.rejects(s.served.receive("laptop", backup, 0, new Uint8Array(0)), { code: "FORMAT_INVALID" });
  await assert.rejects(async () => s.served.receive("desktop", backup, 1, new Uint8Array(0)), { code: "SESSION_ENDED" });
  await assert.rejects(async () => s.served.receive("laptop", "0".repeat(32), 1, new Uint8Array(0)), { code: "SESSION_ENDED" });
});

test("batches that overtake each other are taken in the order of their numbers", async () => {
  await using s = await serve();
  const { backup } = await begin(s.served);
  const fingerprint = fingerprintOf(s.served, CONTENT);
  await s.served.store("laptop", backup, blockOf(fingerprint, CONTENT));
  const messages = imageOf(fingerprint, CONTENT.length);
  // The commit is the second message.
  const length = new DataView(messages.buffer, messages.byteOffset).getUint32(4, true) + 8;
  const committed = s.served.receive("laptop", backup, 2, messages.subarray(length));
  assert.deepEqual(await s.served.receive("laptop", backup, 1, messages.subarray(0, length)), new Uint8Array(0));
  const reply = await committed;
  assert.ok(reply.length > 0);
  assert.deepEqual(await s.served.receive("laptop", backup, 2, messages.subarray(length)), reply);
  assert.equal(decodeServedImages(await s.served.images("laptop")).length, 1);
});

test("pages and segments are given by grant alone, and the grant of one client is none for another", async () => {
  await using s = await serve();
  fill(s.t);
  const { repository } = await s.client("laptop");
  await repository.backup({ paths: [s.t.source] });
  const [image] = decodeServedImages(await s.served.images("laptop"));
  assert.ok(image !== undefined);
  const { fingerprint, level, pageBytes } = image.record.root;
  const question = {
    kind: "page",
    fingerprint: bytesOfHex(fingerprint) as Fingerprint,
    level,
    pageBytes,
    withPlaces: true,
  } as const;
  const grant = bytesOfHex(image.grant);
  assert.ok((await s.served.page("laptop", encodePageQuestion({ ...question, grant }))).length > pageBytes);
  await assert.rejects(s.served.page("desktop", encodePageQuestion({ ...question, grant })), { code: "ACCESS_DENIED" });
  await assert.rejects(s.served.page("laptop", encodePageQuestion({ ...question, grant: new Uint8Array(16) })), {
    code: "ACCESS_DENIED",
  });
  await assert.rejects(s.served.page("laptop", encodePageQuestion({ ...question, kind: "list", grant })), {
    code: "ACCESS_DENIED",
  });
  const stolen = encodeSegmentQuestion([{ fingerprint: fingerprintOf(s.served, utf8("content of 7")), grant }]);
  await assert.rejects(s.served.segments("laptop", stolen), { code: "ACCESS_DENIED" });
});

test("more backups at a time than the server takes are told to come again", async () => {
  await using s = await serve({ backupsAtOnce: 2 });
  const first = await begin(s.served, "one");
  await begin(s.served, "two");
  await assert.rejects(s.served.beginBackup("three", request()), { code: "REPOSITORY_LOCKED", retry: "later" });
  await s.served.endBackup("one", first.backup);
  await begin(s.served, "three");
});

test("the host, the time and the beginning of the source's name are the server's to say", async () => {
  await using s = await serve();
  const { backup } = await begin(s.served, "desktop");
  const fingerprint = fingerprintOf(s.served, CONTENT);
  await s.served.store("desktop", backup, blockOf(fingerprint, CONTENT));
  await s.served.receive("desktop", backup, 1, imageOf(fingerprint, CONTENT.length));
  const [image] = decodeServedImages(await s.served.images("desktop"));
  assert.deepEqual([image?.record.host, image?.record.source], ["desktop", "desktop:s"]);
});

test("a batch that waits for one that never comes is forgotten when its backup ends", async () => {
  await using s = await serve();
  const { backup } = await begin(s.served);
  const waiting = s.served.receive("laptop", backup, 2, new Uint8Array(8)).catch((error: unknown) => error);
  await s.served.endBackup("laptop", backup);
  const outcome = await Promise.race([waiting, setTimeout(500, "still waiting")]);
  assert.ok(outcome instanceof Error, String(outcome));
});

test("a block that is being stored when its backup ends is answered all the same", async () => {
  await using s = await serve();
  const { backup } = await begin(s.served);
  const blocks = Array.from({ length: 20 }, (_, i) => {
    const bytes = noise(i, 512 * 1024);
    return s.served.store("laptop", backup, blockOf(fingerprintOf(s.served, bytes), bytes));
  });
  await s.served.endBackup("laptop", backup);
  const outcomes = await Promise.allSettled(blocks);
  assert.equal(outcomes.length, 20);
});
