import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../engine/testing.ts";
import { RECORD_ANNOTATION } from "../formats/sealed-record.ts";
import { temporaryNames } from "../media/media.ts";
import type { DirectoryVolume } from "../media/media.ts";
import { SimulatedFiles } from "../platform/simulated-files.ts";
import { coded } from "../media/volume.contract.ts";
import type { ImageId, ImageRecord, StoredImage } from "../model/image.ts";
import { checkedTags, listAnnotationNames, publishTags, readAnnotations } from "./annotations.ts";
import { findImage, listImageIds, listImages, publishImage, readImageRecord, resolveImageId } from "./images.ts";
import type { KeyRing } from "./key-ring.ts";
import { sealRecordFile } from "./record-sealer.ts";
import { REPOSITORY_PATH, imageRecord, makeRepository, openWith, tickingClock } from "./testing.ts";

const random = seededRandom("images");
const clock = tickingClock();

interface Place {
  readonly disk: SimulatedFiles;
  readonly volume: DirectoryVolume;
  readonly volumes: readonly DirectoryVolume[];
  readonly keyRing: KeyRing;
}

async function place(): Promise<Place> {
  const disk = new SimulatedFiles();
  await makeRepository(disk);
  const { defaultVolume, keyRing } = await openWith(disk, "correct");
  const volume = defaultVolume.writable(temporaryNames("0000000000000000", random));
  return { disk, volume, volumes: [volume], keyRing };
}

function publish(where: Place, changes: Partial<ImageRecord> = {}): Promise<StoredImage> {
  return publishImage({ ...where, random }, imageRecord(changes));
}

test("a published image is listed and read as it was published", async () => {
  const where = await place();
  const record = imageRecord({ tags: ["weekly"], sequence: 7 });
  const image = await publishImage({ ...where, random }, record);
  assert.deepEqual(image.record, record);
  assert.deepEqual(await listImages(where), { images: [image], damaged: [] });
  assert.deepEqual(await listImageIds(where.volumes), [image.id]);
  assert.deepEqual(await readImageRecord(where, image.id), record);
  const reopened = await openWith(where.disk, "correct");
  assert.deepEqual((await listImages(reopened)).images, [image]);
});

test("images are listed oldest first, equal starts by identifier", async () => {
  const where = await place();
  const starts = [5_000, 1_000, 3_000, 3_000, 3_000];
  for (const startedAtMs of starts) await publish(where, { startedAtMs });
  const { images } = await listImages(where);
  assert.deepEqual(
    images.map((image) => image.record.startedAtMs),
    [1_000, 3_000, 3_000, 3_000, 5_000],
  );
  const equal = images.filter((image) => image.record.startedAtMs === 3_000).map((image) => image.id);
  assert.deepEqual(equal, equal.toSorted());
});

test("an image is found by its identifier, by a unique beginning of it, and as the latest that passes the filter", async () => {
  const where = await place();
  const old = await publish(where, { startedAtMs: 1_000, source: "mail", host: "a" });
  const fresh = await publish(where, { startedAtMs: 2_000, source: "home", host: "b", tags: ["keep"] });
  for (const image of [old, fresh]) {
    assert.deepEqual((await findImage(where, image.id)).image, image);
    assert.deepEqual((await findImage(where, image.id.slice(0, 12).toUpperCase())).image, image);
  }
  assert.deepEqual((await findImage(where, "latest")).image, fresh);
  assert.deepEqual((await findImage(where, "latest", { source: "mail" })).image, old);
  assert.deepEqual((await findImage(where, "latest", { host: "a" })).image, old);
  assert.deepEqual((await findImage(where, "latest", { tag: "keep", source: "home" })).image, fresh);
  await assert.rejects(findImage(where, "latest", { tag: "keep", source: "mail" }), coded("IMAGE_UNKNOWN"));
});

test("an unknown image, an ambiguous beginning and an empty repository say so", async () => {
  const where = await place();
  await assert.rejects(findImage(where, "latest"), coded("IMAGE_UNKNOWN"));
  await publish(where);
  for (const text of ["", "nothing", "0".repeat(64), "../../label"]) {
    await assert.rejects(findImage(where, text), coded("IMAGE_UNKNOWN"), text);
  }
  const ids = ["ab", "ac", "bb"].map((start) => start.padEnd(64, "0") as ImageId);
  assert.throws(() => resolveImageId("a", ids), coded("IMAGE_AMBIGUOUS"));
  assert.equal(resolveImageId("b", ids), ids[2]);
});

test("a damaged image record is reported by name and hides no other", async () => {
  const where = await place();
  const [whole, flipped, swapped] = [await publish(where), await publish(where), await publish(where)];
  const path = (image: StoredImage): string => `${REPOSITORY_PATH}/volumes/main/images/${image.id}`;
  where.disk.tamper(path(flipped), (bytes) => bytes.fill(0xff, 100, 101));
  const other = where.disk.read(path(whole), 100_000) ?? new Uint8Array();
  where.disk.tamper(path(swapped), () => other);
  const { images, damaged } = await listImages(where);
  assert.deepEqual(images, [whole]);
  assert.deepEqual(
    damaged.map(({ name, area }) => `${area}/${name}`).toSorted(),
    [flipped, swapped].map(({ id }) => `images/${id}`).toSorted(),
  );
  for (const { problem, name } of damaged) assert.ok(problem.message.includes(name));
  assert.equal((await findImage(where, "latest")).damaged.length, 2);
  await assert.rejects(readImageRecord(where, flipped.id), coded("REPOSITORY_DAMAGED"));
});

test("every truncation and a sample of flipped bits of an image record are found even when the name is made to fit", async () => {
  const where = await place();
  const image = await publish(where);
  const bytes = where.disk.read(`${REPOSITORY_PATH}/volumes/main/images/${image.id}`, 100_000) ?? new Uint8Array();
  await where.volume.removeRecord("images", image.id);
  // All of header, salt, commitment and tag; every seventh bit of the ciphertext.
  const structural = (bit: number): boolean => bit < 104 * 8 || bit >= (bytes.length - 16) * 8 || bit % 7 === 0;
  const variants = [
    ...Array.from({ length: bytes.length }, (_, length) => bytes.subarray(0, length)),
    ...Array.from({ length: bytes.length * 8 }, (_, bit) => bit)
      .filter(structural)
      .map((bit) => flipBit(bytes, bit)),
    Buffer.concat([bytes, Buffer.from([0])]),
  ];
  for (const variant of variants) {
    const name = await where.volume.publishRecord("images", variant);
    const { images, damaged } = await listImages(where);
    assert.deepEqual([images.length, damaged.length], [0, 1]);
    assert.match(damaged[0]?.problem.code ?? "", /^(FORMAT_[A-Z]+|SEAL_BROKEN|REPOSITORY_DAMAGED)$/);
    await where.volume.removeRecord("images", name);
  }
});

test("a record of another type or repository does not pass for an image", async () => {
  const where = await place();
  const annotation = sealRecordFile(where.keyRing, random, RECORD_ANNOTATION, Buffer.from("{}"));
  await where.volume.publishRecord("images", annotation);
  const elsewhere = new SimulatedFiles();
  await makeRepository(elsewhere, "correct", "elsewhere");
  const other = await openWith(elsewhere, "correct");
  const volume = other.defaultVolume.writable(temporaryNames("00", random));
  const foreign = await publishImage({ volume, keyRing: other.keyRing, random }, imageRecord());
  const bytes = await volume.readRecord("images", foreign.id);
  await where.volume.publishRecord("images", bytes ?? new Uint8Array());
  const { images, damaged } = await listImages(where);
  assert.deepEqual(images, []);
  assert.deepEqual(
    damaged.map(({ problem }) => problem.code),
    ["REPOSITORY_DAMAGED", "REPOSITORY_DAMAGED"],
  );
});

test("an image that could not be read again is not published", async () => {
  const where = await place();
  await assert.rejects(publish(where, { tags: ["x".repeat(1_000)] }), coded("FORMAT_INVALID"));
  await assert.rejects(publish(where, { startedAtMs: 0.5 }), coded("FORMAT_INVALID"));
  assert.deepEqual(await listImageIds(where.volumes), []);
});

test("a damaged copy on one volume is made up for by another, and reported", async () => {
  const where = await place();
  const image = await publish(where);
  const disk = where.disk.afterPowerLoss("everything");
  const copy = (await openWith(disk, "correct")).defaultVolume;
  where.disk.tamper(`${REPOSITORY_PATH}/volumes/main/images/${image.id}`, (bytes) => bytes.subarray(1));
  const places = { volumes: [where.volume, copy], keyRing: where.keyRing };
  const { images, damaged } = await listImages(places);
  assert.deepEqual(images, [image]);
  assert.deepEqual(
    damaged.map(({ name }) => name),
    [image.id],
  );
  assert.deepEqual(await readImageRecord(places, image.id), image.record);
});

test("tags changed later hold, the record stays, and the highest generation wins", async () => {
  const where = await place();
  const image = await publish(where, { tags: ["first"] });
  const untouched = await publish(where, { startedAtMs: 5, tags: ["x"] });
  for (const tags of [["second"], ["third", "fourth"]]) await publishTags({ ...where, random, clock }, image.id, tags);
  const { images } = await listImages(where);
  assert.deepEqual(
    images.map(({ id, tags }) => ({ id, tags })),
    [
      { id: untouched.id, tags: ["x"] },
      { id: image.id, tags: ["third", "fourth"] },
    ],
  );
  assert.deepEqual((await readImageRecord(where, image.id)).tags, ["first"]);
  assert.deepEqual((await findImage(where, "latest", { tag: "fourth" })).image.id, image.id);
  assert.deepEqual((await findImage(where, image.id)).image.tags, ["third", "fourth"]);
  assert.equal((await listAnnotationNames(where.volumes)).length, 2);
});

test("two changes at the same generation are decided alike by every reader", async () => {
  const where = await place();
  const { id } = await publish(where);
  const copy = where.disk.afterPowerLoss("everything");
  const elsewhere = (await openWith(copy, "correct")).defaultVolume.writable(temporaryNames("00", random));
  const one = await publishTags({ ...where, random, clock }, id, ["one"]);
  const two = await publishTags({ volumes: [elsewhere], volume: elsewhere, keyRing: where.keyRing, random, clock }, id, ["two"]);
  assert.equal(one.annotation.generation, two.annotation.generation);
  const expected = one.name > two.name ? one : two;
  for (const volumes of [
    [where.volume, elsewhere],
    [elsewhere, where.volume],
  ]) {
    assert.deepEqual((await readAnnotations({ volumes, keyRing: where.keyRing })).latest.get(id), expected);
  }
});

test("a damaged annotation is reported and the one before it holds", async () => {
  const where = await place();
  const { id } = await publish(where);
  await publishTags({ ...where, random, clock }, id, ["one"]);
  const { name } = await publishTags({ ...where, random, clock }, id, ["two"]);
  where.disk.tamper(`${REPOSITORY_PATH}/volumes/main/annotations/${name}`, (bytes) => bytes.fill(1, 90, 91));
  const { images, damaged } = await listImages(where);
  assert.deepEqual(images[0]?.tags, ["one"]);
  assert.deepEqual(
    damaged.map((record) => `${record.area}/${record.name}`),
    [`annotations/${name}`],
  );
});

test("tags are kept once each, and those that would break lists are refused", () => {
  assert.deepEqual(checkedTags(["b", "a", "b"]), ["b", "a"]);
  for (const tag of ["", "a,b", " a", "a\n", "\u001b[31m", "x".repeat(257)])
    assert.throws(() => checkedTags([tag]), coded("USAGE"), tag);
});

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = bytes.slice();
  changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return changed;
}
