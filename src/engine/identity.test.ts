import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, hexOf } from "../base/bytes.ts";
import { createFingerprinter } from "./fingerprint.ts";
import { BlockIdentifier } from "./identity.ts";
import { randomBytes } from "./testing.ts";

const key = new Uint8Array(32).fill(9);
const fingerprints = randomBytes(1, 200 * 32);
const lengths = Uint32Array.from({ length: 200 }, (_, segment) => segment * 1_000_003 + 1);

function byDescription(from: number, count: number): string {
  const rows = Array.from({ length: count }, (_, position) => {
    const segment = from + position;
    const length = Buffer.alloc(4);
    length.writeUInt32LE(lengths[segment] as number);
    return concatBytes(fingerprints.subarray(segment * 32, segment * 32 + 32), length);
  });
  return hexOf(
    createFingerprinter(key)
      .of(concatBytes(...rows))
      .subarray(0, 16),
  );
}

test("an identity is the keyed hash of the segment table, for any range of the columns", () => {
  const identifier = new BlockIdentifier(key);
  for (const [from, count] of [
    [0, 1],
    [0, 64],
    [0, 65],
    [3, 190],
    [199, 1],
    [0, 200],
    [5, 2],
  ] as const) {
    assert.equal(
      hexOf(identifier.identityOf(fingerprints, lengths, from, count)),
      byDescription(from, count),
      `${count} from ${from}`,
    );
  }
});

test("identities given out stay as they are, and differ by key, order and length", () => {
  const identifier = new BlockIdentifier(key);
  const first = identifier.identityOf(fingerprints, lengths, 0, 2);
  const swapped = concatBytes(fingerprints.subarray(32, 64), fingerprints.subarray(0, 32));
  const others = [
    new BlockIdentifier(key.map((byte) => byte ^ 1)).identityOf(fingerprints, lengths, 0, 2),
    identifier.identityOf(swapped, Uint32Array.of(lengths[1] as number, lengths[0] as number), 0, 2),
    identifier.identityOf(fingerprints, Uint32Array.of(lengths[0] as number, 7), 0, 2),
  ];
  assert.equal(new Set([first, ...others].map(hexOf)).size, 4);
  assert.equal(hexOf(first), byDescription(0, 2));
});

test("segments that do not exist have no identity", () => {
  const identifier = new BlockIdentifier(key);
  assert.throws(() => identifier.identityOf(fingerprints, lengths, 0, 0), /segments exist/);
  assert.throws(() => identifier.identityOf(fingerprints, lengths, 199, 2), /segments exist/);
  assert.throws(() => identifier.identityOf(fingerprints.subarray(1), lengths, 0, 200), /segments exist/);
});
