import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../engine/testing.ts";
import { temporaryNames } from "../media/media.ts";
import type { DirectoryVolume, Volume } from "../media/media.ts";
import { SimulatedFiles } from "../platform/simulated-files.ts";
import { coded } from "../media/volume.contract.ts";
import type { StoredImage } from "../model/image.ts";
import { publishTags, readAnnotations, removeAnnotation } from "./annotations.ts";
import type { AnnotationPlaces } from "./annotations.ts";
import { publishHold } from "./holds.ts";
import { findImage, listImageIds, publishImage, removeImage } from "./images.ts";
import { imageRecord, makeRepository, openWith, tickingClock } from "./testing.ts";

const random = seededRandom("holds");

interface Place extends AnnotationPlaces {
  readonly disk: SimulatedFiles;
  readonly volume: DirectoryVolume;
  readonly image: StoredImage;
}

async function place(): Promise<Place> {
  const disk = new SimulatedFiles();
  await makeRepository(disk);
  const { defaultVolume, keyRing } = await openWith(disk, "correct");
  const volume = defaultVolume.writable(temporaryNames("0000000000000000", random));
  const image = await publishImage({ volume, keyRing, random }, imageRecord({ tags: ["first"] }));
  return { disk, volume, volumes: [volume], keyRing, random, clock: tickingClock(), image };
}

/** The volume, where something else happens before the first record is published. */
function interrupted(volume: DirectoryVolume, before: () => Promise<unknown>): Volume {
  let isFirst = true;
  const publishRecord: Volume["publishRecord"] = async (area, bytes) => {
    if (isFirst) await before();
    isFirst = false;
    return volume.publishRecord(area, bytes);
  };
  return new Proxy<Volume>(volume, {
    get: (target, name): unknown => {
      if (name === "publishRecord") return publishRecord;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

test("a hold is there after a power loss, and with it the tags", async () => {
  const where = await place();
  await publishTags(where, where.image.id, ["second"]);
  await publishHold(where, where.image, { reason: "audit" });
  const after = await openWith(where.disk.afterPowerLoss("nothing"), "correct");
  const { tags, hold } = (await findImage(after, where.image.id)).image;
  assert.deepEqual({ tags, hold }, { tags: ["second"], hold: { reason: "audit" } });
});

test("a hold that others overtook while it was written is written again, on top of what they wrote", async () => {
  const where = await place();
  const others = async (): Promise<void> => {
    for (const tags of [["a"], ["b"], ["c"]]) await publishTags(where, where.image.id, tags);
  };
  await publishHold({ ...where, volume: interrupted(where.volume, others) }, where.image, { reason: "audit" });
  const { tags, hold } = (await findImage(where, where.image.id)).image;
  assert.deepEqual({ tags, hold }, { tags: ["c"], hold: { reason: "audit" } });
});

test("whoever holds an image that is removed in that instant is told", async () => {
  const where = await place();
  const others = (): Promise<unknown> => removeImage(where.volumes, where.image.id);
  const holding = publishHold({ ...where, volume: interrupted(where.volume, others) }, where.image, { reason: "audit" });
  await assert.rejects(holding, coded("IMAGE_UNKNOWN"));
});

test("a removed image and its annotation stay removed after a power loss", async () => {
  const where = await place();
  const { name } = await publishTags(where, where.image.id, ["second"]);
  assert.deepEqual([await removeImage(where.volumes, where.image.id), await removeAnnotation(where.volumes, name)], [true, true]);
  assert.deepEqual(
    [await removeImage(where.volumes, where.image.id), await removeAnnotation(where.volumes, name)],
    [false, false],
  );
  const after = await openWith(where.disk.afterPowerLoss("nothing"), "correct");
  assert.deepEqual(await listImageIds(after.volumes), []);
  assert.deepEqual((await readAnnotations(after)).all, new Map());
});

test("an image is gone only when no volume has it", async () => {
  const where = await place();
  const copy = (await openWith(where.disk.afterPowerLoss("everything"), "correct")).defaultVolume;
  await removeImage([where.volume], where.image.id);
  assert.deepEqual(await listImageIds([where.volume, copy]), [where.image.id]);
  await removeImage([where.volume, copy], where.image.id);
  assert.deepEqual(await listImageIds([where.volume, copy]), []);
});
