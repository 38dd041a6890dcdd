import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryRepository } from "../../test/support/temporary-repository.ts";
import { HoldfastError } from "../base/errors.ts";
import { services } from "../main/services.ts";

test("a container that cannot be read at the moment is not left out of an index that knows it", async () => {
  const { files } = services();
  await using made = await temporaryRepository();
  writeFileSync(join(made.source, "letter"), "Dear Anna");
  await made.backUp();
  const failing = {
    ...files,
    open: (path: string) => {
      if (!/containers\/../.test(path)) return files.open(path);
      throw new HoldfastError("REPOSITORY_READ_FAILED", { message: `Cannot open ${path}: too many open files` });
    },
  };
  const broken = await made.reopen({ files: failing });
  await assert.rejects(broken.repository.rebuildIndex(), /too many open files/);
  const { repository } = await broken.reopen({ files });
  assert.deepEqual((await repository.verify()).damages, []);
  assert.equal((await repository.rebuildIndex()).damaged.length, 0);
});
