// Damage among the containers of a collection that has not come to its end. Most of it hurts nobody: what is condemned is to go.
// But an image that came meanwhile may lean on it, and must not lose anything without a word.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { refusal } from "../../test/support/refusal.ts";
import { another, containersOf, temporaryRepository } from "../../test/support/temporary-repository.ts";
import type { TemporaryRepository } from "../../test/support/temporary-repository.ts";
import type { Session } from "../repository/repository.ts";
import { writerElsewhere } from "./prune-harness.contract.ts";

const CONTENT_BYTES = 600_000;

const DAMAGES: Readonly<Record<string, (container: string) => void>> = {
  missing: (container) => rmSync(container),
  "damaged in its blocks": (container) =>
    change(container, (bytes) => {
      for (let at = 200; at < bytes.length - 20_000; at += 5_000) bytes[at]! ^= 1;
      return bytes;
    }),
  "cut off": (container) => change(container, (bytes) => bytes.subarray(0, bytes.length >>> 1)),
};

function change(path: string, how: (bytes: Buffer) => Uint8Array): void {
  const bytes = how(readFileSync(path));
  rmSync(path);
  writeFileSync(path, bytes);
}

/** The containers of the file that everything here is about. */
function largeContainers(t: TemporaryRepository): string[] {
  return containersOf(t).filter((path) => statSync(path).size > CONTENT_BYTES);
}

interface Outstanding {
  readonly t: TemporaryRepository;
  /** The writer that the collection waits for. */
  readonly writer: Session;
  /** An image that is not concerned. */
  readonly other: string;
}

/** The only image of "file" was forgotten, its container is condemned, and a writer that may count on it is still there. */
async function outstandingCollection(t: TemporaryRepository): Promise<Outstanding> {
  writeFileSync(join(t.source, "small"), randomBytes(50_000));
  const { imageId: other = "" } = await t.backUp({ source: "other" });
  writeFileSync(join(t.source, "file"), randomBytes(CONTENT_BYTES));
  const { imageId = "" } = await t.backUp();
  await t.repository.forget({ images: [imageId] });
  const writer = await writerElsewhere(t);
  assert.equal((await t.repository.prune()).outcome, "waiting");
  assert.equal(largeContainers(t).length, 1);
  return { t, writer, other };
}

/** A backup that began before the condemnation: one that does not see its records. */
async function backUpUnaware(t: TemporaryRepository): Promise<string> {
  const directory = join(t.path, "collections");
  const records = readdirSync(directory).map((name) => [join(directory, name), readFileSync(join(directory, name))] as const);
  for (const [path] of records) rmSync(path);
  const unaware = await another(t);
  const { imageId = "", addedPlainBytes } = await unaware.backup({ paths: [t.source], source: "unaware" });
  await unaware.close();
  assert.ok(addedPlainBytes < CONTENT_BYTES, "it counts on what is condemned");
  for (const [path, bytes] of records) writeFileSync(path, bytes);
  return imageId;
}

async function damagesOf({ repository }: TemporaryRepository): Promise<readonly unknown[]> {
  return (await repository.verify({ readData: 1 })).damages;
}

async function fileOf({ repository, source }: TemporaryRepository, image: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of repository.dump(image, join(source, "file"))) pieces.push(piece);
  return Buffer.concat(pieces);
}

for (const [kind, damage] of Object.entries(DAMAGES)) {
  describe(`a condemned container that is ${kind}`, () => {
    for (const first of ["nobody", "a repair", "a backup"]) {
      test(`and that no image needs is in nobody's way, whether ${first} comes before the end of the collection`, async () => {
        await using made = await temporaryRepository();
        const { t, writer, other } = await outstandingCollection(made);
        for (const path of largeContainers(t)) damage(path);
        if (first === "a repair") assert.equal((await t.repository.repair()).lossCount, 0);
        if (first === "a backup") {
          const { notices, problems } = await t.backUp({ source: "later" });
          assert.deepEqual([notices, problems], [[], []]);
        }
        assert.equal((await t.repository.prune()).outcome, "waiting");
        writer.close();
        assert.equal((await t.repository.prune()).outcome, "done");
        assert.deepEqual(await damagesOf(t), []);
        assert.equal((await t.repository.images({ source: "other" }))[0]?.id, other);
        assert.equal((await t.repository.repair()).lossCount, 0);
      });
    }

    test("and that an image needs ends the collection; a new backup makes the image whole, and it goes on", async () => {
      await using made = await temporaryRepository();
      const { writer } = await outstandingCollection(made);
      const image = await backUpUnaware(made);
      await using t = await made.reopen();
      for (const path of largeContainers(t)) damage(path);
      writer.close();
      const before = largeContainers(t);
      const error = await refusal(t.repository.prune());
      assert.match(error.hint ?? "", /Nothing was removed.*`holdfast repair`.*Back up again/);
      if (kind === "missing") assert.match(error.hint ?? "", new RegExp(`${image.slice(0, 8)} of unaware`));
      assert.deepEqual(largeContainers(t), before);
      const unfinished = readdirSync(join(t.path, "volumes/main/containers")).filter((name) => name.startsWith(".tmp-"));
      assert.deepEqual(unfinished, []);
      assert.ok((await damagesOf(t)).length > 0);

      const { losses } = await t.repository.repair();
      assert.deepEqual(
        losses.map((loss) => [loss.image, loss.path]),
        [[image, join(t.source, "file")]],
      );
      assert.deepEqual((await refusal(t.repository.prune())).context["images"], image);
      await t.backUp({ source: "later" });
      await t.repository.prune({ maxUnused: 0 });
      assert.deepEqual(await damagesOf(t), []);
      assert.ok((await fileOf(t, image)).equals(readFileSync(join(t.source, "file"))));
    });
  });
}
