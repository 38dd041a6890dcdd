import assert from "node:assert/strict";
import { test } from "node:test";
import { temporaryNames } from "../media/media.ts";
import type { ImageId } from "../model/image.ts";
import { SimulatedFiles } from "../platform/simulated-files.ts";
import { systemRandom } from "../platform/system-random.ts";
import { addWholeImage, beginLossEpoch, endLosses, readLosses } from "./loss-records.ts";
import type { WritableLossesPlace } from "./loss-records.ts";
import { makeRepository, openWith, tickingClock } from "./testing.ts";

const [A, B, C] = ["aa", "bb", "cc"].map((two) => two.repeat(32) as ImageId) as [ImageId, ImageId, ImageId];

async function made(): Promise<{ readonly disk: SimulatedFiles; readonly place: WritableLossesPlace }> {
  const disk = new SimulatedFiles();
  await makeRepository(disk);
  const { layout, keyRing } = await openWith(disk, "correct");
  const names = temporaryNames("0123456789abcdef", systemRandom);
  return { disk, place: { files: disk, layout, keyRing, clock: tickingClock(), random: systemRandom, temporaryNames: names } };
}

test("without a record nothing was ever lost", async () => {
  const { place } = await made();
  assert.equal(readLosses(place), undefined);
  endLosses(place);
  assert.equal(readLosses(place), undefined);
});

test("images are added to the epoch they were looked at in, and to no other", async () => {
  const { place, disk } = await made();
  await beginLossEpoch(place, [A]);
  await addWholeImage(place, 1, B);
  await addWholeImage(place, 1, B);
  assert.deepEqual(readLosses(place), { generation: 2, epoch: 1, whole: new Set([A, B]) });
  await beginLossEpoch(place, []);
  await addWholeImage(place, 1, C);
  assert.deepEqual(readLosses(place), { generation: 3, epoch: 2, whole: new Set() });
  assert.deepEqual(disk.list(place.layout.losses), ["3"]);
  endLosses(place);
  await addWholeImage(place, 2, C);
  assert.equal(readLosses(place), undefined);
});

test("two writers at once lose nothing of each other", async () => {
  const { place } = await made();
  await beginLossEpoch(place, []);
  await Promise.all([A, B, C].map((image) => addWholeImage(place, 1, image)));
  assert.deepEqual(readLosses(place)?.whole, new Set([A, B, C]));
});

test("a record that cannot be read knows no image to be whole", async () => {
  const { place, disk } = await made();
  await beginLossEpoch(place, [A]);
  disk.tamper(`${place.layout.losses}/1`, (bytes) => bytes.subarray(0, 50));
  assert.deepEqual(readLosses(place), { generation: 1, epoch: 1, whole: new Set() });
  await beginLossEpoch(place, [B]);
  assert.deepEqual(readLosses(place)?.whole, new Set([B]));
});
