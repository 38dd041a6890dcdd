import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { workedExample } from "../../test/support/worked-example.ts";
import { textOf, utf8 } from "../base/bytes.ts";
import { hasCode } from "../base/errors.ts";
import { BlockCompressor, BlockSealer, createFingerprinter } from "../engine/engine.ts";
import { randomBytes, seededRandom } from "../engine/testing.ts";
import { BLOCK_DATA, BLOCK_METADATA, decodeBlockPayload, type BlockIdentity, type BlockKind } from "../formats/block.ts";
import { CONTAINER_METADATA } from "../formats/container.ts";
import { MAX_BLOCK_SEGMENTS } from "../formats/container-directory.ts";
import type { ContainerName } from "../media/media.ts";
import { SimulatedFiles } from "../platform/simulated-files.ts";
import { checkContainerContents } from "./central-index.ts";
import { ContainerReader } from "./container-reader.ts";
import {
  TEST_REPOSITORY_ID,
  VOLUME_PATH,
  appendTestBlock,
  makeTestVolume,
  openTestVolume,
  testBlock,
  testIdentifier,
  testSealer,
  testWriter,
} from "../../test/support/containers.ts";
import type { ContainerWriter } from "./container-writer.ts";

const reader = new ContainerReader({ sealer: testSealer(), repositoryId: TEST_REPOSITORY_ID });
const blocks = [testBlock(1, 1000), testBlock(2, 1, 70_000, 300), testBlock(3, 40, 50), testBlock(4, 200_000)];

test("a container is found under the hash of its bytes, and its tables are those of its directory", async () => {
  const disk = new SimulatedFiles();
  const volume = await makeTestVolume(disk);
  const writer = testWriter(volume);
  const placements = blocks.map((block) => appendTestBlock(writer, block));
  const published = await writer.finish();

  checkContainerContents(published);
  const bytes = disk.contents().get(`${VOLUME_PATH}/containers/${published.name.slice(0, 2)}/${published.name}`);
  assert.ok(bytes !== undefined);
  assert.equal(createHash("sha256").update(bytes).digest("hex"), published.name);
  assert.equal(bytes.length, published.sizeBytes);
  assert.equal(published.volumeId, volume.id);
  assert.deepEqual(published, await reader.readDirectory(volume, published.name));
  assert.deepEqual(
    placements.map(({ ordinal }) => ordinal),
    [0, 1, 2, 3],
  );
  assert.deepEqual(
    placements.map(({ offset }) => offset),
    [...published.blocks.offsets],
  );
  assert.deepEqual([...published.blocks.segmentCounts], [1, 3, 2, 1]);
  assert.deepEqual([...published.segments.lengths], [1000, 1, 70_000, 300, 40, 50, 200_000]);
});

test("every block comes back, of whatever kind, codec and segments", async () => {
  const volume = await makeTestVolume(new SimulatedFiles());
  const writer = testWriter(volume, { kind: CONTAINER_METADATA, verifyBlocks: true });
  const wanted = [];
  for (const level of ["off", "fast", "best"] as const) {
    for (const kind of [BLOCK_DATA, BLOCK_METADATA] as const) {
      for (const block of blocks) {
        const placement = writer.appendBlock(kind, block.segments, new BlockCompressor(level).compress(block.plain));
        wanted.push({ kind, plain: block.plain, placement });
      }
    }
  }
  const { name } = await writer.finish();
  for (const { kind, plain, placement } of wanted) {
    const location = { container: name, blockOffset: placement.offset, plainLength: plain.length, ...placement };
    assert.deepEqual(new Uint8Array(await reader.readBlock(volume, kind, location)), plain);
  }
});

test("the worked example of docs/formats/container.md opens, and is written again to the same bytes", async () => {
  const example = workedExample("container.md");
  const disk = new SimulatedFiles();
  const volume = await makeTestVolume(disk);
  let counter = 0;
  const random = { bytes: (count: number) => Uint8Array.from({ length: count }, () => counter++) };
  const sealer = new BlockSealer({ blockKey: new Uint8Array(32).fill(1), repositoryId: TEST_REPOSITORY_ID, random });
  const draft = volume.createContainer();
  draft.file.write(example, 0);
  const name = "78f2d6b709289b4f6ef0ffbc0ee9b79e41f47a972dcfcd726545f0f1babebaf1" as ContainerName;
  await draft.publish(name);

  const { blocks: found, segments } = await reader.readDirectory(volume, name);
  const texts = ["Every copy lands where you choose. ", "Every copy comes back from where it is nearest. "];
  const fingerprints = Buffer.concat(texts.map((text) => createFingerprinter(new Uint8Array(32).fill(3)).of(utf8(text))));
  assert.deepEqual(segments, { fingerprints: new Uint8Array(fingerprints), lengths: Uint32Array.of(35, 48) });
  const identity = testIdentifier().identityOf(fingerprints, segments.lengths, 0, 2);
  assert.deepEqual(new Uint8Array(identity), found.identities);
  const location = { container: name, blockOffset: 64, storedLength: 163, plainLength: 83, identity };
  const plain = await reader.readBlock(volume, BLOCK_DATA, location);
  assert.equal(textOf(plain), texts.join(""));

  // The frame is taken from the example: another version of zstd may compress otherwise.
  const payload = decodeBlockPayload(sealer.open(BLOCK_DATA, identity, example.subarray(64, 227)));
  const writer = testWriter(volume, { random, sealer });
  writer.appendBlock(BLOCK_DATA, { count: 2, ...segments }, { ...payload, plain });
  const written = await writer.finish();
  assert.equal(written.name, name);
});

test("the tables may be moved to another thread without taking anything else along", async () => {
  const writer = testWriter(await makeTestVolume(new SimulatedFiles()));
  appendTestBlock(writer, testBlock(1, 10, 20));
  const { blocks: columns, segments } = await writer.finish();
  const { offsets, storedLengths, plainLengths, identities, kinds, segmentCounts, ...noOther } = columns;
  assert.deepEqual(noOther, {});
  const { fingerprints, lengths } = segments;
  for (const column of [offsets, storedLengths, plainLengths, identities, kinds, segmentCounts, fingerprints, lengths]) {
    assert.equal(column.buffer.byteLength, column.byteLength);
  }
});

test("a container is full at its limit, directory included, and takes no more", async () => {
  const writer = testWriter(await makeTestVolume(new SimulatedFiles()), { limitBytes: 100_000 });
  const block = { plain: randomBytes(1, 30_000), segments: testBlock(1, 30_000).segments };
  const filled = [0, 1, 2, 3].map(() => {
    appendTestBlock(writer, block);
    return writer.isFull;
  });
  assert.deepEqual(filled, [false, false, false, true]);
  assert.throws(() => appendTestBlock(writer, block), /full container/);
  const announced = writer.sizeBytes;
  assert.equal((await writer.finish()).sizeBytes, announced);
});

test("a container of very many tiny segments is full by their number, and is read again", async () => {
  const volume = await makeTestVolume(new SimulatedFiles());
  const writer = testWriter(volume, { limitBytes: 64 * 1024 * 1024 });
  const count = MAX_BLOCK_SEGMENTS;
  const plain = new Uint8Array(count);
  const segments = { count, fingerprints: randomBytes(1, count * 32), lengths: new Uint32Array(count).fill(1) };
  let appended = 0;
  for (; !writer.isFull; appended++) appendTestBlock(writer, { plain, segments });
  assert.equal(appended, 4);
  const published = await writer.finish();
  assert.deepEqual(await reader.readDirectory(volume, published.name), published);
});

test("the next container is filled while the last one becomes durable", async () => {
  const volume = await makeTestVolume(new SimulatedFiles());
  const random = seededRandom("two");
  const first = testWriter(volume, { random });
  appendTestBlock(first, blocks[0]!);
  const publishing = first.finish();
  const second = testWriter(volume, { random });
  appendTestBlock(second, blocks[0]!);
  const published = [await publishing, await second.finish()];
  assert.deepEqual(await volume.listContainers(), published.map(({ name }) => name).sort());
});

test("whatever call fails, a container is published whole or not at all, and the writer takes no more work", async () => {
  for (let atCall = 1, completed = false; !completed; atCall++) {
    const healthy = new SimulatedFiles();
    await makeTestVolume(healthy);
    const disk = healthy.afterPowerLoss("everything", { atCall, kind: "once" });
    const volume = openTestVolume(disk);
    let writer: ContainerWriter | undefined;
    try {
      writer = testWriter(volume);
      for (const block of blocks) appendTestBlock(writer, block);
      await writer.finish();
      completed = !disk.failed;
    } catch (error) {
      assert.ok(hasCode(error, "REPOSITORY_WRITE_FAILED"), String(error));
      if (writer !== undefined) {
        const failed = writer;
        assert.throws(() => appendTestBlock(failed, blocks[0]!), /takes no more work/);
        await assert.rejects(failed.finish(), /takes no more work/);
        failed.discard();
      }
    }
    for (const survival of ["nothing", "names", "everything"] as const) {
      const left = openTestVolume(disk.afterPowerLoss(survival));
      const names = await left.listContainers();
      assert.ok(completed ? names.length === 1 : names.length <= 1);
      for (const name of names) assert.equal((await reader.readDirectory(left, name)).blocks.offsets.length, blocks.length);
    }
  }
});

test("a discarded container leaves nothing, and discarding later is harmless", async () => {
  const disk = new SimulatedFiles();
  const volume = await makeTestVolume(disk);
  const before = [...disk.contents().keys()];
  const writer = testWriter(volume);
  appendTestBlock(writer, blocks[0]!);
  writer.discard();
  writer.discard();
  assert.deepEqual([...disk.contents().keys()], before);
  assert.throws(() => appendTestBlock(writer, blocks[0]!), /discarded/);

  const published = testWriter(volume);
  appendTestBlock(published, blocks[0]!);
  const { name } = await published.finish();
  published.discard();
  assert.deepEqual(await volume.listContainers(), [name]);
});

/** Makes an error in what it seals, as faulty memory would. */
class FaultySealer extends BlockSealer {
  override sealInto(
    target: Uint8Array,
    offset: number,
    kind: BlockKind,
    identity: BlockIdentity,
    parts: readonly Uint8Array[],
  ): number {
    const changed = parts.map((part) => part.slice());
    const last = changed.at(-1);
    if (last !== undefined) last[last.length >> 1] = (last[last.length >> 1] ?? 0) ^ 1;
    return super.sealInto(target, offset, kind, identity, changed);
  }
}

test("a block that does not open to what went in is not written when blocks are verified", async () => {
  for (const [level, block] of [
    ["off", blocks[0]],
    ["default", blocks[0]],
    ["best", blocks[3]],
  ] as const) {
    const volume = await makeTestVolume(new SimulatedFiles());
    const sealer = new FaultySealer({
      blockKey: new Uint8Array(32).fill(1),
      repositoryId: TEST_REPOSITORY_ID,
      random: seededRandom(1),
    });
    const writer = testWriter(volume, { sealer, verifyBlocks: true });
    const faulty = (): unknown => appendTestBlock(writer, block!, new BlockCompressor(level));
    assert.throws(faulty, (error) => hasCode(error, "REPOSITORY_WRITE_FAILED") && /not the same/.test(error.message));
    assert.throws(faulty, /takes no more work/);
    assert.deepEqual(await volume.listContainers(), []);
  }
});

test("an empty container is not published, and tables that do not fit a block are refused", async () => {
  const volume = await makeTestVolume(new SimulatedFiles());
  await assert.rejects(testWriter(volume).finish(), /has a block/);
  const writer = testWriter(volume);
  const { plain, segments } = testBlock(1, 10, 20);
  const append = (changes: object): unknown => appendTestBlock(writer, { plain, segments: { ...segments, ...changes } });
  assert.throws(() => append({ count: 1 }), /fill their block/);
  assert.throws(() => append({ count: 0 }), /1 to 65,536/);
  assert.throws(() => append({ lengths: Uint32Array.of(30, 0) }), /has bytes/);
  assert.throws(() => append({ fingerprints: new Uint8Array(63) }), /a fingerprint/);
  append({});
  assert.equal((await writer.finish()).blocks.offsets.length, 1);
  assert.throws(() => testWriter(volume, { limitBytes: 65 * 1024 * 1024 }), /4 KiB to 64 MiB/);
});
