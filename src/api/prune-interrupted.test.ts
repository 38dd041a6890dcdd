// A collection that is cut off: whatever it was doing, nothing that an image needs is lost, and the next one finishes the work.

import assert from "node:assert/strict";
import { appendFileSync, cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { failingFiles } from "../../test/support/failing-files.ts";
import { another, temporaryRepository } from "../../test/support/temporary-repository.ts";
import { HoldfastError } from "../base/errors.ts";
import { contentsOf, forget, writeFiles } from "./prune-harness.contract.ts";

test("interrupted at any call that changes the disk, everything is whole and the next collection finishes the work", async () => {
  await using made = await temporaryRepository();
  writeFiles(made.source, 6);
  const first = await made.backUp();
  for (const name of ["file-0", "file-1"]) rmSync(join(made.source, name));
  appendFileSync(join(made.source, "file-3"), "more");
  const { imageId: image = "" } = await made.backUp();
  const before = await contentsOf(made.repository, image);
  forget(made, first.imageId);
  const untouched = join(made.directory, "untouched");
  cpSync(made.path, untouched, { recursive: true });

  let atCall = 0;
  for (let completed = false; !completed;) {
    atCall++;
    rmSync(made.path, { recursive: true });
    cpSync(untouched, made.path, { recursive: true });
    const other = await another(made, { files: failingFiles(atCall).files });
    try {
      await other.prune({ maxUnused: 0 });
      completed = true;
    } catch (error) {
      const isExpected = error instanceof HoldfastError && error.code === "REPOSITORY_WRITE_FAILED";
      assert.ok(isExpected, `call ${atCall}: ${String(error)}`);
    }
    await other.close().catch(() => undefined);
    // The process is gone, and its sessions with it.
    for (const name of readdirSync(join(made.path, "sessions"))) rmSync(join(made.path, "sessions", name));
    const next = await another(made);
    assert.deepEqual(await contentsOf(next, image), before, `after call ${atCall}`);
    await next.prune({ maxUnused: 0 });
    assert.deepEqual(await contentsOf(next, image), before, `after call ${atCall} and the next collection`);
    assert.deepEqual((await next.verify()).damages, [], `after call ${atCall}`);
    const { deadContainers, rewrittenContainers } = await next.prune({ dryRun: true, maxUnused: 0 });
    assert.deepEqual({ deadContainers, rewrittenContainers }, { deadContainers: 0, rewrittenContainers: 0 });
    await next.close();
  }
  assert.ok(atCall > 40, `${atCall} calls`);
});
