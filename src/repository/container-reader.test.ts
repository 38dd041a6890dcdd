import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode, type ErrorCode } from "../base/errors.ts";
import { BlockSealer } from "../engine/engine.ts";
import { seededRandom } from "../engine/testing.ts";
import { BLOCK_DATA, BLOCK_METADATA, type BlockIdentity } from "../formats/block.ts";
import { blockIdentityAt } from "../formats/container-directory.ts";
import { SimulatedFiles } from "../platform/simulated-files.ts";
import type { ContainerName, Volume } from "../media/media.ts";
import { ContainerReader, type ContainerListing } from "./container-reader.ts";
import {
  TEST_REPOSITORY_ID,
  VOLUME_PATH,
  appendTestBlock,
  makeTestVolume,
  testBlock,
  testSealer,
  testWriter,
} from "../../test/support/containers.ts";

const reader = new ContainerReader({ sealer: testSealer(), repositoryId: TEST_REPOSITORY_ID });

async function smallContainer() {
  const disk = new SimulatedFiles();
  const volume = await makeTestVolume(disk);
  const writer = testWriter(volume);
  for (const block of [testBlock(1, 30, 40), testBlock(2, 25)]) appendTestBlock(writer, block);
  const published = await writer.finish();
  const path = `${VOLUME_PATH}/containers/${published.name.slice(0, 2)}/${published.name}`;
  return { disk, volume, published, path };
}

/** Reads all there is of a container. */
async function readAll(volume: Volume, published: ContainerListing): Promise<void> {
  const listing = await reader.readDirectory(volume, published.name);
  for (let block = 0; block < listing.blocks.offsets.length; block++) {
    await reader.readBlock(volume, BLOCK_DATA, locationOf(listing, block));
  }
}

function locationOf({ name, blocks }: ContainerListing, block: number) {
  return {
    container: name,
    blockOffset: blocks.offsets[block]!,
    storedLength: blocks.storedLengths[block]!,
    plainLength: blocks.plainLengths[block]!,
    identity: blockIdentityAt(blocks, block),
  };
}

function failsWith(...codes: readonly ErrorCode[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(hasCode(error, ...codes), String(error));
    return true;
  };
}

const DAMAGE: readonly ErrorCode[] = [
  "FORMAT_MAGIC",
  "FORMAT_VERSION",
  "FORMAT_CHECKSUM",
  "FORMAT_RESERVED",
  "FORMAT_INVALID",
  "FORMAT_TRUNCATED",
  "SEAL_BROKEN",
];

test("a flipped bit in any byte of a container is noticed", async () => {
  const { disk, volume, published, path } = await smallContainer();
  await readAll(volume, published);
  for (let offset = 0; offset < published.sizeBytes; offset++) {
    const flip = (bytes: Uint8Array): Uint8Array =>
      bytes.fill((bytes[offset] as number) ^ (1 << (offset % 8)), offset, offset + 1);
    disk.tamper(path, flip);
    await assert.rejects(readAll(volume, published), failsWith(...DAMAGE), `byte ${offset}`);
    disk.tamper(path, flip);
  }
  await readAll(volume, published);
});

test("a container cut off anywhere, or with something behind it, is refused", async () => {
  const { disk, volume, published, path } = await smallContainer();
  const whole = disk.contents().get(path)!;
  for (let length = 0; length < whole.length; length++) {
    disk.tamper(path, () => whole.slice(0, length));
    await assert.rejects(reader.readDirectory(volume, published.name), failsWith(...DAMAGE), `${length} bytes`);
  }
  disk.tamper(path, () => Uint8Array.from([...whole, 0]));
  await assert.rejects(reader.readDirectory(volume, published.name), failsWith("FORMAT_MAGIC"));
});

test("the errors say what is wrong and where", async () => {
  const { disk, volume, published, path } = await smallContainer();
  const whole = disk.contents().get(path)!;
  const damaged = (offset: number): void => disk.tamper(path, () => whole.slice().fill(0x77, offset, offset + 1));
  const cases: readonly (readonly [number, ErrorCode])[] = [
    [0, "FORMAT_MAGIC"],
    [8, "FORMAT_CHECKSUM"],
    [published.sizeBytes - 1, "FORMAT_MAGIC"],
    [published.sizeBytes - 32, "FORMAT_CHECKSUM"],
    [published.sizeBytes - 33, "SEAL_BROKEN"],
  ];
  for (const [offset, code] of cases) {
    damaged(offset);
    await assert.rejects(reader.readDirectory(volume, published.name), (error: Error) => {
      failsWith(code)(error);
      assert.ok(error.message.includes(published.name) && error.message.includes('"main"'), error.message);
      return true;
    });
  }
  damaged(published.blocks.offsets[1]! + 90);
  const location = locationOf(published, 1);
  await assert.rejects(
    reader.readBlock(volume, BLOCK_DATA, location),
    /the block at byte \d+ of container [0-9a-f]{64}.*Cannot open block/,
  );
});

test("a directory takes two small reads, or three when it is a long one", async () => {
  const volume = await makeTestVolume(new SimulatedFiles());
  const reads: number[] = [];
  const counting: Pick<Volume, "id" | "name" | "containerSize" | "readContainer"> = {
    id: volume.id,
    name: volume.name,
    containerSize: (name) => volume.containerSize(name),
    readContainer: (name, offset, length) => {
      reads.push(length);
      return volume.readContainer(name, offset, length);
    },
  };
  for (const segments of [10, 3000]) {
    const writer = testWriter(volume);
    appendTestBlock(writer, testBlock(1, 800_000, ...Array.from({ length: segments }, () => 10)));
    const { name } = await writer.finish();
    await reader.readDirectory(counting as Volume, name);
  }
  const directoryBytes = 88 + 12 + 36 + 3001 * 36;
  assert.deepEqual(reads, [64, 65_536, 64, 65_536, directoryBytes]);
});

test("a block opens only as what it is", async () => {
  const { volume, published } = await smallContainer();
  const location = locationOf(published, 0);
  const other = locationOf(published, 1);
  const rejects = (promise: Promise<unknown>, code: ErrorCode): Promise<void> => assert.rejects(promise, failsWith(code));
  await rejects(reader.readBlock(volume, BLOCK_METADATA, location), "SEAL_BROKEN");
  await rejects(reader.readBlock(volume, BLOCK_DATA, { ...location, identity: other.identity }), "SEAL_BROKEN");
  await rejects(
    reader.readBlock(volume, BLOCK_DATA, { ...location, identity: new Uint8Array(16) as Uint8Array as BlockIdentity }),
    "SEAL_BROKEN",
  );
  await rejects(reader.readBlock(volume, BLOCK_DATA, { ...location, blockOffset: location.blockOffset + 1 }), "SEAL_BROKEN");
  await rejects(reader.readBlock(volume, BLOCK_DATA, { ...location, plainLength: 71 }), "FORMAT_INVALID");
  await rejects(reader.readBlock(volume, BLOCK_DATA, { ...location, storedLength: 2 ** 31 }), "FORMAT_INVALID");
  await rejects(reader.readBlock(volume, BLOCK_DATA, { ...location, storedLength: 88 }), "FORMAT_INVALID");
  await rejects(
    reader.readBlock(volume, BLOCK_DATA, { ...location, container: "00".repeat(32) as ContainerName }),
    "SEGMENT_MISSING",
  );
  await rejects(reader.readDirectory(volume, "00".repeat(32) as ContainerName), "SEGMENT_MISSING");
});

test("a directory opens only in its own container", async () => {
  const { disk, volume, published, path } = await smallContainer();
  const writer = testWriter(volume, { random: seededRandom("another nonce") });
  for (const block of [testBlock(1, 30, 40), testBlock(2, 25)]) appendTestBlock(writer, block);
  const other = await writer.finish();
  const otherHeader = (await volume.readContainer(other.name, 0, 64)).slice();
  disk.tamper(path, (bytes) => (bytes.set(otherHeader), bytes));
  await assert.rejects(reader.readDirectory(volume, published.name), failsWith("SEAL_BROKEN"));
});

test("a container of another repository is named as such", async () => {
  const { volume, published } = await smallContainer();
  const elsewhere = new ContainerReader({ sealer: testSealer(), repositoryId: new Uint8Array(16) });
  await assert.rejects(elsewhere.readDirectory(volume, published.name), failsWith("REPOSITORY_DAMAGED"));
});

test("blocks that are read are the caller's: later reads leave them alone", async () => {
  const { volume, published } = await smallContainer();
  const [first, second] = await Promise.all(
    [0, 1].map((block) => reader.readBlock(volume, BLOCK_DATA, locationOf(published, block))),
  );
  assert.deepEqual(first, testBlock(1, 30, 40).plain);
  assert.deepEqual(second, testBlock(2, 25).plain);
});

test("a wrong key is a broken seal", async () => {
  const { volume, published } = await smallContainer();
  const sealer = new BlockSealer({ blockKey: new Uint8Array(32), repositoryId: TEST_REPOSITORY_ID, random: seededRandom(1) });
  const stranger = new ContainerReader({ sealer, repositoryId: TEST_REPOSITORY_ID });
  await assert.rejects(stranger.readDirectory(volume, published.name), failsWith("SEAL_BROKEN"));
});
