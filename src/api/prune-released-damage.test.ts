// Between "released" and the removal the condemned containers are still there, and the index names them. Should what was written anew
// be damaged or lost then, they hold the only copy: nobody may make an index without it, or give it up.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { refusal } from "../../test/support/refusal.ts";
import { containersOf, kindOf, temporaryRepository } from "../../test/support/temporary-repository.ts";
import type { TemporaryRepository } from "../../test/support/temporary-repository.ts";
import { contentsOf, forget, threeImages, writerElsewhere } from "./prune-harness.contract.ts";

const DAMAGES: Readonly<Record<string, (path: string) => void>> = {
  missing: (path) => rmSync(path),
  damaged: (path) => {
    const bytes = readFileSync(path);
    for (let at = 300; at < bytes.length - 8_000; at += 2_000) bytes[at]! ^= 1;
    rmSync(path);
    writeFileSync(path, bytes);
  },
};

const NEXT: Readonly<Record<string, (t: TemporaryRepository) => Promise<unknown>>> = {
  "a repair": async ({ repository }) => assert.equal((await repository.repair()).lossCount, 0),
  "a rebuild of the index": ({ repository }) => repository.rebuildIndex(),
  "a backup": async (t) => {
    rmSync(join(t.source, "passes"), { recursive: true });
    await t.backUp();
  },
  "what the hint of prune says": async ({ repository }) => {
    const error = await refusal(repository.prune({ maxUnused: 0 }));
    assert.match(error.hint ?? "", /run `holdfast repair`/);
    assert.equal((await repository.repair()).lossCount, 0);
  },
};

for (const [kind, damage] of Object.entries(DAMAGES)) {
  for (const [next, work] of Object.entries(NEXT)) {
    if (kind === "damaged" && next.startsWith("what")) continue;
    test(`a container written anew is ${kind} after the release: ${next} takes nothing away that can be read`, async () => {
      await using made = await temporaryRepository();
      const [first = "", second, third = ""] = await threeImages(made);
      const before = [await contentsOf(made.repository, first), await contentsOf(made.repository, third)];
      const originals = new Set(containersOf(made));
      forget(made, second);
      const writer = await writerElsewhere(made);
      assert.equal((await made.repository.prune({ maxUnused: 0 })).outcome, "waiting");
      const rebuild = await writerElsewhere(made, { rebuilds: true });
      writer.close();
      assert.equal((await made.repository.prune({ maxUnused: 0 })).outcome, "waiting");
      assert.ok(readdirSync(join(made.path, "collections")).includes("00000001-released"));
      const anew = containersOf(made).filter((path) => !originals.has(path) && kindOf(path) === "data");
      assert.equal(anew.length, 1);
      anew.forEach(damage);

      await using t = await made.reopen();
      const now = async (from: TemporaryRepository) => [
        await contentsOf(from.repository, first),
        await contentsOf(from.repository, third),
      ];
      assert.deepEqual(
        (await now(t)).map((c) => [...c.keys()].length),
        before.map((c) => c.size),
      );
      assert.ok(
        (await now(t)).every((c, i) => [...c].every(([path, bytes]) => before[i]!.get(path) === bytes)),
        "readable before",
      );
      rebuild.close();
      await work(t);
      await using later = await t.reopen();
      const after = await now(later);
      assert.ok(
        after.every((c, i) => [...c].every(([path, bytes]) => before[i]!.get(path) === bytes)),
        "readable after",
      );
      await later.repository.prune({ maxUnused: 0 });
    });
  }
}
