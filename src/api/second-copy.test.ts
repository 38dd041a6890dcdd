// Two backups that run at the same time do not know of each other's segments, so what both need is stored twice. Then damage to one
// copy costs nothing, whichever it is.

import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { HELD_TAIL_BYTES, heldBackup } from "../../test/support/held-backup.ts";
import { noise } from "../../test/support/noise.ts";
import { containersOf, kindOf, temporaryRepository } from "../../test/support/temporary-repository.ts";
import type { TemporaryRepository } from "../../test/support/temporary-repository.ts";
import type { Repository } from "./types.ts";

const START = noise(1, 3_000_000);
/** What is held ends in zeros: of the same bytes both backups make the same segments. */
const CONTENT = Buffer.concat([START, Buffer.alloc(HELD_TAIL_BYTES)]);

interface Copy {
  readonly image: string;
  readonly path: string;
  readonly containers: readonly string[];
}

/** Two images with the same content, each with a copy of its own: the first of a file, the second of what a command wrote. */
async function twoCopies(t: TemporaryRepository): Promise<readonly [Copy, Copy]> {
  const path = join(t.source, "file");
  writeFileSync(path, CONTENT);
  await using held = await heldBackup(t, START);
  const { imageId: first = "" } = await t.backUp();
  const ofFirst = dataOf(t);
  held.release();
  const second = await held.done;
  const ofSecond = dataOf(t).filter((name) => !ofFirst.includes(name));
  return [
    { image: first, path, containers: ofFirst },
    { image: second, path: "/dump", containers: ofSecond },
  ];
}

function dataOf(t: TemporaryRepository): string[] {
  return containersOf(t).filter((container) => kindOf(container) === "data");
}

const DAMAGES: Readonly<Record<string, (container: string) => void>> = {
  "is gone": (container) => rmSync(container),
  "has a wrong byte in every place": (container) => {
    const bytes = readFileSync(container);
    rmSync(container);
    for (let at = 4_096; at < bytes.length - 4_096; at += 512) bytes[at]! ^= 1;
    writeFileSync(container, bytes);
  },
};

async function contentOf(repository: Repository, { image, path }: Copy): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of repository.dump(image, path)) pieces.push(piece);
  return Buffer.concat(pieces);
}

for (const [damaged, damage] of Object.entries(DAMAGES)) {
  for (const number of [0, 1] as const) {
    describe(`when copy ${number + 1} ${damaged}`, () => {
      test("both images give their content, restored and dumped, the repair says that nothing is lost, and all is well again", async () => {
        await using made = await temporaryRepository();
        const copies = await twoCopies(made);
        for (const { containers } of copies) assert.equal(containers.length, 1);
        for (const container of copies[number].containers) damage(container);
        await using t = await made.reopen();
        const assertReadable = async (round: string): Promise<void> => {
          for (const copy of copies) assert.ok((await contentOf(t.repository, copy)).equals(CONTENT), `${round}: ${copy.path}`);
          const target = join(t.directory, round);
          const { problems } = await t.repository.restore({ image: copies[0].image, target });
          assert.deepEqual(problems, []);
          assert.ok(readFileSync(join(target, copies[0].path)).equals(CONTENT), round);
        };
        await assertReadable("damaged");
        assert.ok(
          (await t.repository.verify({ readData: 1 })).damages.length > 0,
          "a damage is told while there is another copy",
        );
        const { lossCount, images, wholeImages } = await t.repository.repair();
        assert.deepEqual({ lossCount, images, wholeImages }, { lossCount: 0, images: 2, wholeImages: 2 });
        await assertReadable("repaired");
        assert.deepEqual((await t.repository.verify({ readData: 1 })).damages, []);
      });
    });
  }
}
