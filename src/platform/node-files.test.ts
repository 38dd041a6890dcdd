import assert from "node:assert/strict";
import fs, { mkdtempSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { describeFilesContract } from "./files.contract.ts";
import { nodeFiles, openForAppending } from "./node-files.ts";

function temporaryDirectory(): string {
  return mkdtempSync(join(realpathSync(tmpdir()), "holdfast-files-"));
}

describeFilesContract("the files of this machine", () => {
  const directory = temporaryDirectory();
  return { files: nodeFiles(), directory, release: () => rmSync(directory, { recursive: true }) };
});

test("a write of which nothing is taken, without a reason, fails and is not tried for ever", (context) => {
  const directory = freshDirectory(context);
  const file = nodeFiles().create(join(directory, "file"));
  context.mock.method(fs, "writeSync", () => 0);
  assert.throws(
    () => file.write(utf8("bytes"), 0),
    (error) => error instanceof HoldfastError && error.code === "REPOSITORY_WRITE_FAILED",
  );
  file.close();
});

test("a created file is read-only on disk", { skip: process.platform === "win32" && "not on Windows" }, (context) => {
  const directory = freshDirectory(context);
  nodeFiles().create(join(directory, "file")).close();
  assert.equal(statSync(join(directory, "file")).mode & 0o777 & ~0o440, 0);
});

test("a private file is for its owner alone", { skip: process.platform === "win32" && "not on Windows" }, (context) => {
  const directory = freshDirectory(context);
  nodeFiles().create(join(directory, "file"), "private").close();
  assert.equal(statSync(join(directory, "file")).mode & 0o077, 0);
});

test("a file that only grows is made when it is missing, for its owner alone, and written at its end", (context) => {
  const path = join(freshDirectory(context), "log");
  for (const text of ["one ", "two"]) {
    const file = openForAppending(path);
    file.write(utf8(text), file.sizeBytes());
    file.close();
  }
  assert.equal(fs.readFileSync(path, "utf8"), "one two");
  if (process.platform !== "win32") assert.equal(statSync(path).mode & 0o077, 0);
});

test("short writes go on until everything is written", (context) => {
  const directory = freshDirectory(context);
  const write = fs.writeSync;
  const calls: number[] = [];
  context.mock.method(fs, "writeSync", (handle: number, bytes: Uint8Array, offset: number, length: number, position: number) => {
    calls.push(length);
    return write(handle, bytes, offset, Math.min(length, 4), position);
  });
  const file = nodeFiles().create(join(directory, "file"));
  file.write(utf8("0123456789"), 3);
  const into = new Uint8Array(13);
  file.read(into, 0);
  file.close();
  assert.deepEqual(calls, [10, 6, 2]);
  assert.deepEqual(into, utf8("\0\0\x000123456789"));
});

const writeFailures = [
  ["ENOSPC", "REPOSITORY_WRITE_FAILED", "later"],
  ["EDQUOT", "REPOSITORY_WRITE_FAILED", "later"],
  ["EIO", "REPOSITORY_WRITE_FAILED", "never"],
  ["EROFS", "REPOSITORY_WRITE_FAILED", "never"],
  ["EACCES", "PERMISSION_DENIED", "never"],
  ["EPERM", "PERMISSION_DENIED", "never"],
] as const;

for (const [errno, code, retry] of writeFailures) {
  test(`${errno} while writing is ${code} with a hint`, (context) => {
    const path = join(freshDirectory(context), "file");
    const file = nodeFiles().create(path);
    failing(context, "writeSync", errno);
    const failure = thrownBy(() => file.write(utf8("bytes"), 0));
    assert.deepEqual([failure.code, failure.retry, failure.context], [code, retry, { path, errno }]);
    assert.match(failure.message, /^Cannot write to .*file: /);
    assert.ok(failure.hint);
    file.close();
  });
}

test("EIO while reading is REPOSITORY_READ_FAILED with a hint", (context) => {
  const path = join(freshDirectory(context), "file");
  const file = nodeFiles().create(path);
  failing(context, "readSync", "EIO");
  const failure = thrownBy(() => file.read(new Uint8Array(1), 0));
  assert.deepEqual([failure.code, failure.context], ["REPOSITORY_READ_FAILED", { path, errno: "EIO" }]);
  assert.ok(failure.hint);
  file.close();
});

test("after a failed sync the file is neither synced nor written again", async (context) => {
  const file = nodeFiles().create(join(freshDirectory(context), "file"));
  const sync = failing(context, "fsyncSync", "EIO");
  assert.equal(thrownBy(() => file.syncNow()).code, "REPOSITORY_WRITE_FAILED");
  sync.mock.restore();
  assert.match(thrownBy(() => file.syncNow()).message, /an earlier write to it failed/);
  assert.match(thrownBy(() => file.write(utf8("x"), 0)).message, /an earlier write to it failed/);
  await assert.rejects(file.sync(), /an earlier write to it failed/);
  file.close();
});

test("a file system without hard links is named as the cause", (context) => {
  const directory = freshDirectory(context);
  failing(context, "linkSync", "EPERM");
  const failure = thrownBy(() => nodeFiles().link(join(directory, "a"), join(directory, "b")));
  assert.equal(failure.code, "REPOSITORY_WRITE_FAILED");
  assert.match(failure.hint ?? "", /hard links/);
});

test("each new name of a directory is made durable in its parent", (context) => {
  const directory = freshDirectory(context);
  const opened: string[] = [];
  const open = fs.openSync;
  context.mock.method(fs, "openSync", (path: string, flags: string) => {
    opened.push(path);
    return open(path, flags);
  });
  const synced = context.mock.method(fs, "fsyncSync");
  nodeFiles().makeDirectory(join(directory, "a/b"));
  assert.deepEqual(opened, [directory, join(directory, "a")]);
  assert.equal(synced.mock.callCount(), 2);
});

function freshDirectory(context: TestContext): string {
  const directory = temporaryDirectory();
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** Makes one function of node:fs fail for the rest of the test. */
function failing(context: TestContext, name: "writeSync" | "readSync" | "fsyncSync" | "linkSync", errno: string) {
  return context.mock.method(fs, name, () => {
    throw Object.assign(new Error(`${errno}: simulated`), { code: errno });
  });
}

function thrownBy(call: () => unknown): HoldfastError {
  try {
    call();
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

test(
  "a directory that the system will not have, though its parent is there, is an error and no endless attempt",
  { skip: process.platform !== "linux" && "only Linux has /proc" },
  () => {
    assert.throws(() => nodeFiles().makeDirectory("/proc/there-is-no-such-directory/below"), { code: "REPOSITORY_WRITE_FAILED" });
  },
);
