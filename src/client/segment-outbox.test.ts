import assert from "node:assert/strict";
import { test } from "node:test";
import { hexOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { createFingerprinter, decompressBlock } from "../engine/engine.ts";
import { randomBytes } from "../engine/testing.ts";
import { CODEC_STORED, CODEC_ZSTD } from "../formats/block.ts";
import {
  PROVED_SEGMENT_BYTES,
  SEGMENT_HELD,
  SEGMENT_TO_PROVE,
  SEGMENT_WANTED,
  TRANSFER_SEGMENTS_LIMIT,
  decodeSegmentBlock,
} from "../formats/segment-transfer.ts";
import { SessionSegments } from "../repository/repository.ts";
import { SegmentOutbox } from "./segment-outbox.ts";
import type { SegmentOutboxOptions, SegmentTransfer } from "./segment-outbox.ts";

const KIB = 1024;
const ascending = (a: number, b: number): number => a - b;
const CHALLENGE = new Uint8Array(32).fill(0xc4);
const fingerprinter = createFingerprinter(new Uint8Array(32).fill(3));
const prover = createFingerprinter(CHALLENGE);

interface Segment {
  readonly fingerprint: Fingerprint;
  readonly bytes: Uint8Array;
}

function segment(bytes: Uint8Array): Segment {
  return { fingerprint: fingerprinter.of(bytes), bytes };
}

const text = (value: string): Segment => segment(utf8(value));
/** The generator makes the same of an even number and the odd one behind it. */
const noise = (seed: number, length: number): Segment => segment(randomBytes(2 * seed + 1, length));

/** The other half: says of each segment what the script says, and keeps what it is sent. */
class ScriptedTransfer implements SegmentTransfer {
  readonly offers: (readonly string[])[] = [];
  readonly proofs: (readonly string[])[] = [];
  /** Text of each segment by its fingerprint, in the order of arrival. */
  readonly stored = new Map<string, Uint8Array>();
  readonly codecs: number[] = [];
  stateOf: (fingerprint: string) => number = () => SEGMENT_WANTED;
  isBelieved: (fingerprint: string, proof: Uint8Array) => boolean = () => true;
  /** Called before each step; throws or waits to disturb it. */
  before: (step: "offer" | "prove" | "store") => void | Promise<void> = () => undefined;

  async offer(fingerprints: Uint8Array): Promise<Uint8Array> {
    const names = namesIn(fingerprints, 32);
    this.offers.push(names);
    await this.before("offer");
    return Uint8Array.from(names, (name) => this.stateOf(name));
  }

  async prove(proofs: Uint8Array): Promise<Uint8Array> {
    const names = namesIn(proofs, PROVED_SEGMENT_BYTES);
    this.proofs.push(names);
    await this.before("prove");
    return Uint8Array.from(names, (name, i) =>
      this.isBelieved(name, proofs.subarray(i * PROVED_SEGMENT_BYTES + 32, (i + 1) * PROVED_SEGMENT_BYTES)) ? 1 : 0,
    );
  }

  async store(message: Uint8Array): Promise<void> {
    await this.before("store");
    const { fingerprints, lengths, payload } = decodeSegmentBlock(message);
    this.codecs.push(payload.codec);
    const plain = decompressBlock(payload);
    let start = 0;
    namesIn(fingerprints, 32).forEach((name, i) => {
      this.stored.set(name, plain.slice(start, (start += lengths[i] as number)));
    });
  }
}

function namesIn(bytes: Uint8Array, size: number): readonly string[] {
  return Array.from({ length: bytes.length / size }, (_, i) => hexOf(bytes.subarray(i * size, i * size + 32)));
}

const nameOf = ({ fingerprint }: Segment): string => hexOf(fingerprint);

function outboxTo(transfer: SegmentTransfer, others: Partial<SegmentOutboxOptions> = {}): SegmentOutbox {
  return new SegmentOutbox({
    transfer,
    offered: SessionSegments.create(),
    compression: "default",
    challenge: CHALLENGE,
    ...others,
  });
}

function putAll(outbox: SegmentOutbox, segments: readonly Segment[]): void {
  for (const { fingerprint, bytes } of segments) outbox.put(fingerprint, bytes);
}

function assertStored(transfer: ScriptedTransfer, segments: readonly Segment[]): void {
  assert.deepEqual([...transfer.stored.keys()].toSorted(), segments.map(nameOf).toSorted());
  for (const each of segments) assert.deepEqual(transfer.stored.get(nameOf(each)), each.bytes);
}

const MIXED = [text("one"), noise(1, 700 * KIB), text("two ".repeat(900)), noise(2, 512 * KIB), noise(3, 300 * KIB)];
const refused = (): HoldfastError => new HoldfastError("REPOSITORY_WRITE_FAILED", { message: "the server's disk is full" });

// --- what is sent --------------------------------------------------------------------------------

test("everything that is wanted arrives as it was put, small segments together and large ones by themselves", async () => {
  const transfer = new ScriptedTransfer();
  const outbox = outboxTo(transfer);
  putAll(outbox, MIXED);
  await outbox.flush();
  assertStored(transfer, MIXED);
  assert.deepEqual(transfer.offers.map(({ length }) => length).toSorted(ascending), [1, 1, 3]);
  assert.deepEqual(transfer.proofs, []);
});

test("what was put may be overwritten at once: it was copied", async () => {
  const transfer = new ScriptedTransfer();
  const outbox = outboxTo(transfer);
  for (const { fingerprint, bytes } of MIXED) {
    const passing = bytes.slice();
    const its = fingerprint.slice() as Uint8Array as Fingerprint;
    outbox.put(its, passing);
    passing.fill(0);
    its.fill(0);
  }
  await outbox.flush();
  assertStored(transfer, MIXED);
});

test("room that was reserved and not kept is used again, and what was kept in it is sent", async () => {
  const transfer = new ScriptedTransfer();
  const outbox = outboxTo(transfer);
  outbox.reserve(100).fill(1);
  const kept = text("kept");
  outbox.reserve(500).set(kept.bytes);
  outbox.keep(kept.fingerprint, kept.bytes.length);
  await outbox.flush();
  assertStored(transfer, [kept]);
});

test("a block ends before it has more segments than a message may", async () => {
  const transfer = new ScriptedTransfer();
  const outbox = outboxTo(transfer);
  const segments = Array.from({ length: 10_000 }, (_, i) => text(`${i}`));
  for (const each of segments) {
    putAll(outbox, [each]);
    await outbox.settle();
  }
  await outbox.flush();
  assertStored(transfer, segments);
  assert.ok(transfer.offers.every(({ length }) => length <= TRANSFER_SEGMENTS_LIMIT));
});

test("text is compressed, noise is not, and without compression neither is", async () => {
  for (const [compression, expected] of [
    ["default", [CODEC_STORED, CODEC_ZSTD]],
    ["off", [CODEC_STORED, CODEC_STORED]],
  ] as const) {
    const transfer = new ScriptedTransfer();
    const outbox = outboxTo(transfer, { compression });
    putAll(outbox, [noise(1, 600 * KIB), text("text ".repeat(200 * KIB))]);
    await outbox.flush();
    assert.deepEqual(transfer.codecs.toSorted(ascending), expected);
  }
});

test("a segment is offered once however often it is put, by whichever thread", async () => {
  const transfer = new ScriptedTransfer();
  const offered = SessionSegments.create();
  const [one, other] = [
    outboxTo(transfer, { offered }),
    outboxTo(transfer, { offered: SessionSegments.fromShared(offered.share()) }),
  ];
  for (let i = 0; i < 3; i++) {
    putAll(one, MIXED);
    putAll(other, MIXED);
    await one.flush();
  }
  await other.flush();
  assert.deepEqual(transfer.offers.flat().toSorted(), MIXED.map(nameOf).toSorted());
  assertStored(transfer, MIXED);
});

test("nothing is said when there is nothing to send", async () => {
  const transfer = new ScriptedTransfer();
  const outbox = outboxTo(transfer);
  await outbox.settle();
  await outbox.flush();
  assert.deepEqual(transfer.offers, []);
});

// --- what is there already -----------------------------------------------------------------------

test("of a block of which some is held only the rest is sent", async () => {
  const transfer = new ScriptedTransfer();
  const segments = Array.from({ length: 20 }, (_, i) => text(`segment ${i} `.repeat(i + 1)));
  const held = new Set(segments.filter((_, i) => i % 3 !== 1).map(nameOf));
  transfer.stateOf = (name) => (held.has(name) ? SEGMENT_HELD : SEGMENT_WANTED);
  const outbox = outboxTo(transfer);
  putAll(outbox, segments);
  await outbox.flush();
  assertStored(
    transfer,
    segments.filter((each) => !held.has(nameOf(each))),
  );
});

test("when all is held nothing is sent", async () => {
  const transfer = new ScriptedTransfer();
  transfer.stateOf = () => SEGMENT_HELD;
  const outbox = outboxTo(transfer);
  putAll(outbox, MIXED);
  await outbox.flush();
  assert.deepEqual([transfer.stored.size, transfer.proofs.length], [0, 0]);
});

test("what is to be proved is proved with the challenge, and believed it is not sent", async () => {
  const transfer = new ScriptedTransfer();
  transfer.stateOf = () => SEGMENT_TO_PROVE;
  const byName = new Map(MIXED.map((each) => [nameOf(each), each.bytes]));
  transfer.isBelieved = (name, proof) => prover.matches(byName.get(name) as Uint8Array, proof);
  const outbox = outboxTo(transfer);
  putAll(outbox, MIXED);
  await outbox.flush();
  assert.deepEqual(transfer.proofs.flat().toSorted(), MIXED.map(nameOf).toSorted());
  assert.equal(transfer.stored.size, 0);
});

test("a proof that is not believed is followed by the segment itself", async () => {
  const transfer = new ScriptedTransfer();
  const segments = Array.from({ length: 12 }, (_, i) => text(`segment ${i}`));
  const states = [SEGMENT_HELD, SEGMENT_WANTED, SEGMENT_TO_PROVE];
  const names = segments.map(nameOf);
  transfer.stateOf = (name) => states[names.indexOf(name) % 3] as number;
  transfer.isBelieved = (name) => names.indexOf(name) % 2 === 0;
  const outbox = outboxTo(transfer);
  putAll(outbox, segments);
  await outbox.flush();
  assert.deepEqual(
    transfer.proofs.flat(),
    names.filter((_, i) => i % 3 === 2),
  );
  assertStored(
    transfer,
    segments.filter((_, i) => i % 3 === 1 || (i % 3 === 2 && i % 2 === 1)),
  );
});

test("an answer to proofs that is too short believes nothing: everything is sent", async () => {
  const transfer = new ScriptedTransfer();
  transfer.stateOf = () => SEGMENT_TO_PROVE;
  transfer.prove = () => Promise.resolve(new Uint8Array(0));
  const outbox = outboxTo(transfer);
  putAll(outbox, MIXED);
  await outbox.flush();
  assertStored(transfer, MIXED);
});

// --- waiting -------------------------------------------------------------------------------------

test("a flush waits until all has arrived, and a block under way does not hold up others", async () => {
  const transfer = new ScriptedTransfer();
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  transfer.before = (step) => {
    if (step === "store" && waiting++ === 0) return gate.promise;
    return undefined;
  };
  const outbox = outboxTo(transfer);
  putAll(outbox, MIXED);
  let isFlushed = false;
  const flushed = outbox.flush().then(() => (isFlushed = true));
  while (waiting < 3) await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.deepEqual([isFlushed, transfer.offers.length], [false, 3]);
  gate.resolve();
  await flushed;
  assertStored(transfer, MIXED);
});

test("when eight blocks are on their way, settling waits for one of them", async () => {
  const transfer = new ScriptedTransfer();
  const gates = Array.from({ length: 8 }, () => Promise.withResolvers<void>());
  let next = 0;
  transfer.before = (step) => (step === "offer" ? gates[next++]?.promise : undefined);
  const outbox = outboxTo(transfer);
  const segments = Array.from({ length: 8 }, (_, i) => noise(i, 512 * KIB));
  for (const each of segments.slice(0, 7)) {
    putAll(outbox, [each]);
    await outbox.settle();
  }
  putAll(outbox, segments.slice(7));
  let isSettled = false;
  const settled = outbox.settle().then(() => (isSettled = true));
  await new Promise(setImmediate);
  assert.equal(isSettled, false);
  gates[5]?.resolve();
  await settled;
  for (const gate of gates) gate.resolve();
  await outbox.flush();
  assertStored(transfer, segments);
});

// --- failures ------------------------------------------------------------------------------------

for (const failing of ["offer", "prove", "store"] as const) {
  test(`a failure of "${failing}" is told by whatever comes next, always the same, and nothing more is begun`, async () => {
    const transfer = new ScriptedTransfer();
    const failure = refused();
    transfer.stateOf = () => (failing === "prove" ? SEGMENT_TO_PROVE : SEGMENT_WANTED);
    transfer.before = (step) => {
      if (step === failing) throw failure;
    };
    const outbox = outboxTo(transfer);
    putAll(outbox, [noise(1, 600 * KIB)]);
    await assert.rejects(outbox.flush(), failure);
    await assert.rejects(outbox.settle(), failure);
    transfer.before = () => undefined;
    assert.throws(() => putAll(outbox, [noise(2, 600 * KIB)]), failure);
    putAll(outbox, [text("gathered")]);
    await assert.rejects(outbox.flush(), failure);
    assert.deepEqual([transfer.offers.length, transfer.stored.size], [1, 0]);
  });
}

test("of several failures the first is told", async () => {
  const transfer = new ScriptedTransfer();
  let count = 0;
  transfer.before = () => {
    throw new Error(`failure ${++count}`);
  };
  const outbox = outboxTo(transfer);
  putAll(outbox, [noise(1, 600 * KIB), noise(2, 600 * KIB), noise(3, 600 * KIB)]);
  await assert.rejects(outbox.flush(), { message: "failure 1" });
  assert.equal(count, 3);
});

test("a failure ends the wait for room, although other blocks are still on their way", async () => {
  const transfer = new ScriptedTransfer();
  const gate = Promise.withResolvers<void>();
  const failure = refused();
  let offers = 0;
  transfer.before = () => {
    if (++offers === 8) throw failure;
    return gate.promise;
  };
  const outbox = outboxTo(transfer);
  putAll(
    outbox,
    Array.from({ length: 8 }, (_, i) => noise(i, 512 * KIB)),
  );
  await assert.rejects(outbox.settle(), failure);
  gate.resolve();
});

test("an answer to an offer with other states, or with more or fewer, is a failure", async () => {
  for (const answer of [[], [SEGMENT_WANTED, SEGMENT_WANTED], [3]]) {
    const transfer = new ScriptedTransfer();
    transfer.offer = () => Promise.resolve(Uint8Array.from(answer));
    const outbox = outboxTo(transfer);
    putAll(outbox, [text("x")]);
    await assert.rejects(outbox.flush(), { code: "FORMAT_INVALID" }, answer.join(" "));
    assert.equal(transfer.stored.size, 0);
  }
});
