import assert from "node:assert/strict";
import { createCipheriv, createHmac } from "node:crypto";
import { test } from "node:test";
import { workedExample } from "../../test/support/worked-example.ts";
import { bytesOfHex, concatBytes, hexOf, utf8 } from "../base/bytes.ts";
import { hasCode } from "../base/errors.ts";
import { BLOCK_DATA, BLOCK_METADATA, type BlockIdentity } from "../formats/block.ts";
import { BlockSealer, openRecord, SEAL_OVERHEAD_BYTES, sealRecord } from "./seal.ts";
import { randomBytes, seededRandom } from "./testing.ts";
import { webAssembly } from "./wasm.ts";

const blockKey = bytesOfHex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
const repositoryId = bytesOfHex("202122232425262728292a2b2c2d2e2f");
const identity = bytesOfHex("303132333435363738393a3b3c3d3e3f") as BlockIdentity;
const salt = bytesOfHex("404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f");
const fixedRandom = { bytes: () => salt };

function sealerWith(changes: Partial<ConstructorParameters<typeof BlockSealer>[0]> = {}): BlockSealer {
  return new BlockSealer({ blockKey, repositoryId, random: seededRandom("seal"), ...changes });
}

function isBroken(failure: string): (error: unknown) => boolean {
  return (error) => hasCode(error, "SEAL_BROKEN") && error.context["failure"] === failure;
}

/** The construction written a second time from its description, with RFC 5869 spelt out. */
function sealByDescription(key: Uint8Array, context: Uint8Array, plain: Uint8Array): Uint8Array {
  const extracted = createHmac("sha256", salt).update(key).digest();
  let previous = Buffer.alloc(0);
  let okm = Buffer.alloc(0);
  for (let counter = 1; okm.length < 76; counter++) {
    previous = Buffer.from(
      createHmac("sha256", extracted).update(previous).update(context).update(Uint8Array.of(counter)).digest(),
    );
    okm = Buffer.concat([okm, previous]);
  }
  const cipher = createCipheriv("aes-256-gcm", okm.subarray(0, 32), okm.subarray(32, 44));
  cipher.setAAD(context);
  const ciphertext = concatBytes(cipher.update(plain), cipher.final());
  return concatBytes(salt, okm.subarray(44, 76), ciphertext, cipher.getAuthTag());
}

test("a sealed block is what its description says, and stays so", () => {
  const plain = utf8("holdfast");
  const sealed = sealerWith({ random: fixedRandom }).seal(BLOCK_DATA, identity, plain);
  const context = concatBytes(utf8("holdfast block 1"), repositoryId, Uint8Array.of(1), identity);
  assert.equal(hexOf(sealed), hexOf(sealByDescription(blockKey, context, plain)));
  // Frozen: repositories hold blocks like this one.
  assert.equal(hexOf(sealed), hexOf(workedExample("block.md", 1)));
  assert.deepEqual(sealerWith().open(BLOCK_DATA, identity, sealed), plain);
});

test("a sealed record is what its description says, and stays so", () => {
  const context = concatBytes(utf8("holdfast record 1"), new Uint8Array(40).fill(7));
  const sealed = sealRecord(blockKey, context, fixedRandom, utf8('{"a":1}'));
  assert.equal(hexOf(sealed), hexOf(sealByDescription(blockKey, context, utf8('{"a":1}'))));
  assert.equal(
    hexOf(sealed),
    "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f5b9e8735b0418f74b918787acb8b7ca5368755e2b966b50354faa9261515189e90e6e6fa3667b51b7851e9b21dfadb881c86c6947e9982",
  );
  assert.deepEqual(openRecord(blockKey, context, sealed, "record"), utf8('{"a":1}'));
});

test("payloads of every size around the cipher's steps come back, given in any parts", () => {
  const sealer = sealerWith();
  for (const size of [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 131_072, 200_001]) {
    const plain = randomBytes(size, size);
    const whole = sealer.seal(BLOCK_DATA, identity, plain);
    assert.equal(whole.length, size + SEAL_OVERHEAD_BYTES);
    assert.deepEqual(sealer.open(BLOCK_DATA, identity, whole), plain, `${size} bytes`);
    const parts = [
      plain.subarray(0, size >> 2),
      new Uint8Array(0),
      plain.subarray(size >> 2, size >> 1),
      plain.subarray(size >> 1),
    ];
    const inParts = sealerWith({ random: fixedRandom }).seal(BLOCK_DATA, identity, ...parts);
    assert.deepEqual(inParts, sealerWith({ random: fixedRandom }).seal(BLOCK_DATA, identity, plain));
  }
});

test("payloads in WASM memory and in shared memory are sealed and opened in place", () => {
  const plain = randomBytes(3, 100_000);
  for (const buffer of [new webAssembly.Memory({ initial: 5 }).buffer, new SharedArrayBuffer(300_000)]) {
    const view = new Uint8Array(buffer, 77, plain.length);
    view.set(plain);
    const target = new Uint8Array(buffer, 150_000);
    const length = sealerWith().sealInto(target, 0, BLOCK_DATA, identity, [view]);
    view.fill(0);
    sealerWith().openInto(view, BLOCK_DATA, identity, target.subarray(0, length));
    assert.deepEqual(new Uint8Array(view), plain);
  }
});

test("sealing into a buffer writes there and nowhere else", () => {
  const target = new Uint8Array(1000).fill(0xee);
  const plain = randomBytes(1, 500);
  const length = sealerWith().sealInto(target, 100, BLOCK_DATA, identity, [plain]);
  assert.equal(length, 580);
  assert.ok(target.subarray(0, 100).every((byte) => byte === 0xee));
  assert.ok(target.subarray(680).every((byte) => byte === 0xee));
  const opened = new Uint8Array(600).fill(0xee);
  assert.equal(sealerWith().openInto(opened, BLOCK_DATA, identity, target.subarray(100, 680)), 500);
  assert.deepEqual(opened.subarray(0, 500), plain);
  assert.ok(opened.subarray(500).every((byte) => byte === 0xee));
  assert.throws(() => sealerWith().sealInto(new Uint8Array(579), 0, BLOCK_DATA, identity, [plain]), /fit the target/);
});

test("every flipped bit breaks the seal", () => {
  const sealer = sealerWith();
  const sealed = sealer.seal(BLOCK_DATA, identity, randomBytes(1, 33));
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const flipped = sealed.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(() => sealer.open(BLOCK_DATA, identity, flipped), isBroken(bit < 64 * 8 ? "commitment" : "tag"), `bit ${bit}`);
  }
});

test("every shortened or lengthened block is refused", () => {
  const sealer = sealerWith();
  const sealed = sealer.seal(BLOCK_DATA, identity, randomBytes(1, 20));
  for (let length = 0; length < sealed.length; length++) {
    assert.throws(
      () => sealer.open(BLOCK_DATA, identity, sealed.subarray(0, length)),
      isBroken(length < 80 ? "too short" : "tag"),
    );
  }
  assert.throws(() => sealer.open(BLOCK_DATA, identity, concatBytes(sealed, Uint8Array.of(0))), isBroken("tag"));
});

test("a block opens only with its own key, kind, identity and repository", () => {
  const sealed = sealerWith().seal(BLOCK_DATA, identity, utf8("x"));
  const other = (bytes: Uint8Array): Uint8Array => bytes.map((byte, position) => (position === 5 ? byte ^ 1 : byte));
  assert.throws(() => sealerWith().open(BLOCK_METADATA, identity, sealed), isBroken("commitment"));
  assert.throws(() => sealerWith().open(BLOCK_DATA, other(identity) as BlockIdentity, sealed), isBroken("commitment"));
  assert.throws(() => sealerWith({ blockKey: other(blockKey) }).open(BLOCK_DATA, identity, sealed), isBroken("commitment"));
  assert.throws(
    () => sealerWith({ repositoryId: other(repositoryId) }).open(BLOCK_DATA, identity, sealed),
    isBroken("commitment"),
  );
});

test("a record opens only with its own key and context", () => {
  const sealed = sealRecord(blockKey, utf8("context"), seededRandom(1), utf8("x"));
  assert.throws(() => openRecord(blockKey, utf8("other"), sealed, "image record 12ab"), isBroken("commitment"));
  assert.throws(
    () =>
      openRecord(
        blockKey.map((byte) => byte ^ 1),
        utf8("context"),
        sealed,
        "image record",
      ),
    isBroken("commitment"),
  );
  assert.throws(() => openRecord(blockKey, utf8("context"), sealed.subarray(1), "image record 12ab"), /image record 12ab/);
});

test("a broken seal leaves no plain bytes behind", () => {
  const plain = randomBytes(1, 100_000);
  const sealed = sealerWith().seal(BLOCK_DATA, identity, plain);
  sealed[sealed.length - 1] = (sealed[sealed.length - 1] ?? 0) ^ 1;
  const target = new Uint8Array(100_000);
  assert.throws(() => sealerWith().openInto(target, BLOCK_DATA, identity, sealed), isBroken("tag"));
  assert.ok(target.every((byte) => byte === 0));
});

test("sealing the same thing thousands of times never repeats a byte string, and looks random", () => {
  const sealer = sealerWith();
  const plain = new Uint8Array(16);
  const seen = new Set<string>();
  const counts = new Uint32Array(256);
  const seals = 4000;
  for (let count = 0; count < seals; count++) {
    const sealed = sealer.seal(BLOCK_DATA, identity, plain);
    for (const [from, to] of [
      [0, 32],
      [32, 64],
      [64, 80],
      [80, 96],
    ] as const)
      seen.add(hexOf(sealed.subarray(from, to)));
    for (const byte of sealed) counts[byte] = (counts[byte] ?? 0) + 1;
  }
  assert.equal(seen.size, seals * 4);
  const expected = (seals * 96) / 256;
  assert.ok(counts.every((count) => Math.abs(count - expected) < expected * 0.15));
});
