// What a collection says and does when something is missing or damaged, and how a person gets on from there.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { refusal } from "../../test/support/refusal.ts";
import { containersOf, kindOf, temporaryRepository } from "../../test/support/temporary-repository.ts";
import type { TemporaryRepository } from "../../test/support/temporary-repository.ts";
import { HoldfastError } from "../base/errors.ts";
import { coded } from "../media/volume.contract.ts";
import { KIB, assertWhole, forget, threeImages, writerElsewhere } from "./prune-harness.contract.ts";

/** Containers of data that `work` adds. */
async function dataOf(t: TemporaryRepository, work: () => Promise<unknown>): Promise<string[]> {
  const before = new Set(containersOf(t));
  await work();
  return containersOf(t).filter((path) => !before.has(path) && kindOf(path) === "data");
}

/** The end of the container, which says what is in it, stays as it was. */
function damageBlocks(container: string): void {
  const bytes = readFileSync(container);
  rmSync(container);
  for (let at = 5_000; at < bytes.length - 20_000; at += 10_000) bytes[at]! ^= 1;
  writeFileSync(container, bytes);
}

function write(t: TemporaryRepository, name: string, content: Uint8Array = randomBytes(200 * KIB)): Uint8Array {
  writeFileSync(join(t.source, name), content);
  return content;
}

/**
 * Images A: "old" and "kept"; B: "new" and "kept"; C: "other", of another source. The container that held what A stored is gone:
 * A lacks both its files, B lacks "kept", which is still in the source.
 */
async function withoutOneContainer(t: TemporaryRepository) {
  write(t, "old");
  write(t, "kept");
  const images: string[] = [];
  const backUp = async (source?: string): Promise<void> => {
    const { imageId } = await t.backUp(source === undefined ? {} : { source });
    images.push(imageId ?? "");
  };
  const lost = await dataOf(t, () => backUp());
  rmSync(join(t.source, "old"));
  write(t, "new");
  await backUp();
  rmSync(join(t.source, "new"));
  const kept = readFileSync(join(t.source, "kept"));
  rmSync(join(t.source, "kept"));
  write(t, "other");
  await backUp("elsewhere");
  write(t, "kept", kept);
  for (const path of lost) rmSync(path);
  const [a = "", b = "", c = ""] = images;
  return { a, b, c };
}

async function idsOf(t: TemporaryRepository): Promise<string[]> {
  return (await t.repository.images()).map(({ id }) => id).sort();
}

const isAffected = (error: HoldfastError) => ({
  code: error.code,
  affected: error.context["affected"],
  images: String(error.context["images"]).split(" ").sort(),
});

describe("when a container is gone for good", () => {
  test("prune refuses and names the images; after a repair and forgetting them it works", async () => {
    await using t = await temporaryRepository();
    const { a, b, c } = await withoutOneContainer(t);
    const expected = { code: "SEGMENT_MISSING", affected: 2, images: [a, b].sort() };
    const error = await refusal(t.repository.prune());
    assert.deepEqual(isAffected(error), expected);
    assert.match(error.hint ?? "", /`holdfast repair`/);
    for (const id of [a, b]) assert.match(error.hint ?? "", new RegExp(`${id.slice(0, 8)} of `));
    assert.match(error.hint ?? "", /`holdfast forget [0-9a-f]{8} [0-9a-f]{8}`/);
    assert.deepEqual(isAffected(await refusal(t.repository.prune({ dryRun: true }))), expected);

    await t.repository.repair();
    assert.deepEqual(isAffected(await refusal(t.repository.prune())), expected);
    await t.repository.forget({ images: [a, b] });
    assert.equal((await t.repository.prune({ maxUnused: 0 })).outcome, "done");
    assert.deepEqual(await idsOf(t), [c]);
    await assertWhole(t.repository);
  });

  test("a new backup makes whole what still exists; what stays incomplete is named, and prune works without it", async () => {
    await using t = await temporaryRepository();
    const { a, b, c } = await withoutOneContainer(t);
    await t.repository.repair();
    const { imageId: d = "" } = await t.backUp();
    const error = await refusal(t.repository.prune());
    assert.deepEqual(isAffected(error), { code: "SEGMENT_MISSING", affected: 1, images: [a] });
    assert.match(error.hint ?? "", new RegExp(`\`holdfast forget ${a.slice(0, 8)}\``));
    await t.repository.forget({ images: [a] });
    await t.repository.prune({ maxUnused: 0 });
    assert.deepEqual(await idsOf(t), [b, c, d].sort());
    await assertWhole(t.repository);
  });

  test("and no image needs it, prune says so, and works after a repair", async () => {
    await using t = await temporaryRepository();
    const { a, b, c } = await withoutOneContainer(t);
    await t.repository.forget({ images: [a, b] });
    const error = await refusal(t.repository.prune());
    assert.match(error.hint ?? "", /`holdfast repair`; no image needs it/);
    await t.repository.repair();
    await t.repository.prune();
    assert.deepEqual(await idsOf(t), [c]);
    await assertWhole(t.repository);
  });
});

test("a container that is to be written anew and is damaged: prune refuses, the repair names the images, without them prune works", async () => {
  await using t = await temporaryRepository();
  write(t, "old");
  write(t, "kept");
  let first = "";
  const [container = ""] = await dataOf(t, async () => (first = (await t.backUp()).imageId ?? ""));
  rmSync(join(t.source, "old"));
  const { imageId: second = "" } = await t.backUp();
  await t.repository.forget({ images: [first] });
  rmSync(join(t.source, "kept"));
  write(t, "other");
  const { imageId: third = "" } = await t.backUp({ source: "elsewhere" });
  damageBlocks(container);

  await using later = await t.reopen();
  const error = await refusal(later.repository.prune({ maxUnused: 0 }));
  assert.match(error.hint ?? "", /Nothing was removed. Run `holdfast repair`: .*names the images/);
  const { losses } = await later.repository.repair();
  assert.deepEqual([...new Set(losses.map(({ image }) => image))], [second]);
  assert.deepEqual(isAffected(await refusal(later.repository.prune())), {
    code: "SEGMENT_MISSING",
    affected: 1,
    images: [second],
  });
  await later.repository.forget({ images: [second] });
  await later.repository.prune({ maxUnused: 0 });
  assert.deepEqual(await idsOf(later), [third]);
  await assertWhole(later.repository);
});

test("a collection that finds a container missing when it goes on leaves the index as it is: it still leads to what is condemned", async () => {
  await using t = await temporaryRepository();
  const [first] = await threeImages(t);
  forget(t, first);
  const writer = await writerElsewhere(t);
  const before = containersOf(t);
  assert.equal((await t.repository.prune({ maxUnused: 0 })).outcome, "waiting");
  writer.close();
  const written = containersOf(t).find((path) => !before.includes(path));
  assert.ok(written !== undefined);
  rmSync(written);
  const state = (): readonly string[] => [...containersOf(t), ...readdirSync(join(t.path, "index")).toSorted()];
  const expected = state();
  await assert.rejects(t.repository.prune(), coded("SEGMENT_MISSING"));
  assert.deepEqual(state(), expected);
});

test("when a container is missing, nothing is removed", async () => {
  await using t = await temporaryRepository();
  const [, second] = await threeImages(t);
  forget(t, second);
  const [lost = "", ...others] = containersOf(t);
  rmSync(lost);
  await assert.rejects(t.repository.prune({ maxUnused: 0 }), coded("SEGMENT_MISSING"));
  assert.deepEqual(containersOf(t), others);
});

test("when an image record or a page cannot be read, nothing is removed", async () => {
  await using t = await temporaryRepository();
  const [first = "", second] = await threeImages(t);
  forget(t, second);
  const record = join(t.path, "volumes/main/images", first);
  const bytes = readFileSync(record);
  rmSync(record);
  writeFileSync(record, bytes.subarray(0, bytes.length - 1));
  const before = containersOf(t);
  await assert.rejects(t.repository.prune(), coded("REPOSITORY_DAMAGED"));
  assert.deepEqual(containersOf(t), before);
  rmSync(record);
  writeFileSync(record, bytes);

  // Half of every container of pages is overwritten: some page of some image is hit.
  for (const path of before) {
    if (kindOf(path) !== "metadata") continue;
    const container = readFileSync(path);
    rmSync(path);
    container.fill(0xff, 64, container.length >>> 1);
    writeFileSync(path, container);
  }
  await using later = await t.reopen();
  await assert.rejects(later.repository.prune({ maxUnused: 0 }), HoldfastError);
  assert.deepEqual(containersOf(t), before);
});

test("damage in a container that is to be written anew ends the collection: nothing is removed", async () => {
  await using t = await temporaryRepository();
  const [, second] = await threeImages(t);
  forget(t, second);
  const before = containersOf(t);
  for (const path of before) if (kindOf(path) === "data") damageBlocks(path);
  await using later = await t.reopen();
  await assert.rejects(later.repository.prune({ maxUnused: 0 }), coded("SEAL_BROKEN"));
  for (const path of before) assert.ok(statSync(path).isFile());
});

test("without knowing what is condemned nobody writes", async () => {
  await using t = await temporaryRepository();
  await threeImages(t);
  await t.repository.prune();
  mkdirSync(join(t.path, "collections"), { recursive: true });
  const record = join(t.path, "collections/00000007-condemned");
  writeFileSync(record, "not a record");
  await assert.rejects(t.backUp(), coded("REPOSITORY_DAMAGED"));
  await assert.rejects(t.repository.prune(), coded("REPOSITORY_DAMAGED"));
  rmSync(record);
  await t.backUp();
});
