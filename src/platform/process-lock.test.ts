import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { withLockWaiting, withProcessLock } from "./process-lock.ts";

const directory = mkdtempSync(join(tmpdir(), "holdfast-test-"));
after(() => rmSync(directory, { recursive: true }));
const timeout = 60_000;

describe("a lock between processes", { timeout }, () => {
  test("lets one work at a time, also within a process", async () => {
    const path = join(directory, "here");
    let working = 0;
    let most = 0;
    const results = await Promise.all(
      [1, 2, 3, 4].map((number) =>
        withProcessLock(path, async () => {
          most = Math.max(most, ++working);
          await new Promise((resolve) => setImmediate(resolve));
          working--;
          return number;
        }),
      ),
    );
    assert.deepEqual({ results, most }, { results: [1, 2, 3, 4], most: 1 });
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  test("is free again when the work fails", async () => {
    const path = join(directory, "failing");
    await assert.rejects(
      withProcessLock(path, () => Promise.reject(new Error("no"))),
      { message: "no" },
    );
    assert.equal(await withProcessLock(path, () => Promise.resolve("free")), "free");
  });

  test("is waited for only so long, and is free again when its holder is killed", async () => {
    const path = join(directory, "other");
    const module = JSON.stringify(new URL("process-lock.ts", import.meta.url).href);
    const script = `import { withProcessLock } from ${module};
      await withProcessLock(${JSON.stringify(path)}, () => { console.log("held"); return new Promise((resolve) => setTimeout(resolve, 1e6)); });`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    await assert.rejects(
      withLockWaiting(20, path, () => Promise.resolve()),
      { code: "STATE_LOCKED", retry: "later" },
    );
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.equal(await withProcessLock(path, () => Promise.resolve("free")), "free");
  });
});
