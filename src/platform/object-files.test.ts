import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { textOf, utf8 } from "../base/bytes.ts";
import { hasCode } from "../base/errors.ts";
import { describeFilesContract } from "./files.contract.ts";
import type { Files } from "./files.ts";
import { nodeFiles } from "./node-files.ts";
import { ObjectFiles } from "./object-files.ts";
import { asynchronous, MemoryObjects } from "./object-store/memory-objects.ts";
import type { BlockingObjectStore } from "./object-store/object-store.ts";
import { systemClock } from "./system-clock.ts";
import { systemRandom } from "./system-random.ts";

const work = mkdtempSync(join(tmpdir(), "holdfast-object-files-"));
after(() => rmSync(work, { recursive: true }));

const SPOOL = join(work, "spool");
const KEPT = join(work, "kept");
const ROOT = "s3://bucket";
const DIRECTORY = `${ROOT}/repository`;

function filesOver(store: BlockingObjectStore): ObjectFiles {
  return new ObjectFiles({
    root: ROOT,
    blocking: store,
    waiting: asynchronous(store),
    local: nodeFiles(),
    spoolDirectory: SPOOL,
    keptDirectory: KEPT,
    isKept: (path) => path.includes("/index/"),
    isTemporary: (name) => name.startsWith(".tmp-"),
    random: systemRandom,
  });
}

function emptyPlace(): { store: MemoryObjects; files: ObjectFiles } {
  const store = new MemoryObjects(systemClock);
  const files = filesOver(store);
  files.makeDirectory(DIRECTORY);
  return { store, files };
}

describeFilesContract("files in an object store", () => ({
  files: emptyPlace().files,
  directory: DIRECTORY,
  release: () => undefined,
}));

function write(files: Files, path: string, content: string): void {
  const file = files.create(path);
  file.write(utf8(content), 0);
  file.syncNow();
  file.close();
}

function contentOf(files: Files, path: string): string | undefined {
  const bytes = files.read(path, 1_000);
  return bytes && textOf(bytes);
}

test("nothing of what was written stays on this machine once it is removed or has its name", () => {
  const { files } = emptyPlace();
  write(files, `${DIRECTORY}/.tmp-1`, "one");
  files.rename(`${DIRECTORY}/.tmp-1`, `${DIRECTORY}/one`);
  write(files, `${DIRECTORY}/.tmp-2`, "two");
  files.link(`${DIRECTORY}/.tmp-2`, `${DIRECTORY}/two`);
  files.remove(`${DIRECTORY}/.tmp-2`);
  const dropped = files.create(`${DIRECTORY}/.tmp-3`);
  dropped.write(utf8("three"), 0);
  dropped.close();
  files.remove(`${DIRECTORY}/.tmp-3`);
  assert.deepEqual(files.list(DIRECTORY)?.toSorted(), ["one", "two"]);
  assert.deepEqual(readdirSync(SPOOL), []);
});

test("what was not synced is not there", () => {
  const { files } = emptyPlace();
  const file = files.create(`${DIRECTORY}/file`);
  file.write(utf8("lost"), 0);
  file.close();
  assert.equal(files.information(`${DIRECTORY}/file`), undefined);
});

test("a temporary file whose writer has begun to name it gets its name by whoever removes it", () => {
  const { store, files: writer } = emptyPlace();
  write(writer, `${DIRECTORY}/.tmp-1`, "content");
  // The writer was cut off behind its verdict.
  store.put("repository/.tmp-1.verdict", utf8("repository/named"));
  const other = filesOver(store);
  assert.deepEqual(other.list(DIRECTORY), [".tmp-1"]);
  assert.equal(other.remove(`${DIRECTORY}/.tmp-1`), true);
  assert.deepEqual([other.list(DIRECTORY), contentOf(other, `${DIRECTORY}/named`)], [["named"], "content"]);
});

test("a temporary file that others are removing gets no name any more", () => {
  const { store, files: writer } = emptyPlace();
  write(writer, `${DIRECTORY}/.tmp-1`, "content");
  store.put("repository/.tmp-1.verdict", new Uint8Array(0));
  assert.throws(
    () => writer.rename(`${DIRECTORY}/.tmp-1`, `${DIRECTORY}/named`),
    (error) => hasCode(error, "REPOSITORY_WRITE_FAILED"),
  );
  const other = filesOver(store);
  other.remove(`${DIRECTORY}/.tmp-1`);
  assert.deepEqual(other.list(DIRECTORY), []);
});

test("a writer that names its file while another one removes it keeps it or loses it, and both are right about that", () => {
  const outcomes = new Set<string>();
  for (const order of ["removed between", "named between"] as const) {
    for (let step = 0; step <= 6; step++) outcomes.add(`${order}: ${race(order, step)}`);
  }
  assert.deepEqual([...outcomes].toSorted(), [
    "named between: kept",
    "named between: lost",
    "removed between: kept",
    "removed between: lost",
  ]);
});

/** One of the two does all of its work before the request number `step` of the other. */
function race(order: "removed between" | "named between", step: number): "kept" | "lost" {
  const { store, files: setUp } = emptyPlace();
  write(setUp, `${DIRECTORY}/.tmp-1`, "content");
  let wasNamed = true;
  const name = (files: Files): void => {
    try {
      files.rename(`${DIRECTORY}/.tmp-1`, `${DIRECTORY}/named`);
    } catch (error) {
      assert.ok(hasCode(error, "REPOSITORY_WRITE_FAILED"), String(error));
      wasNamed = false;
    }
  };
  const remove = (files: Files): void => void files.remove(`${DIRECTORY}/.tmp-1`);
  const [outer, inner] = order === "removed between" ? [name, remove] : [remove, name];
  let isDone = false;
  const doInner = (): void => {
    isDone = true;
    inner(filesOver(store));
  };
  const between = stepping(store, (number) => {
    if (number === step) doInner();
  });
  outer(filesOver(between));
  if (!isDone) doInner();
  const names = filesOver(store).list(DIRECTORY) ?? [];
  assert.deepEqual(names, wasNamed ? ["named"] : []);
  return names.length === 1 ? "kept" : "lost";
}

/** Calls `before` with the number of every request, from 0. */
function stepping(store: BlockingObjectStore, before: (step: number) => void): BlockingObjectStore {
  let step = 0;
  return new Proxy(store, {
    get(target, name: keyof BlockingObjectStore) {
      const call = target[name].bind(target) as (...given: unknown[]) => unknown;
      return (...given: unknown[]) => {
        before(step++);
        return call(...given);
      };
    },
  });
}

describe("index runs", () => {
  const bytes = utf8("the bytes of a run");
  const name = createHash("sha256").update(bytes).digest("hex");
  const path = `${DIRECTORY}/index/${name}`;

  function counting(): { store: MemoryObjects; files: ObjectFiles; gets: () => number } {
    const store = new MemoryObjects(systemClock);
    let gets = 0;
    const counted = new Proxy(store, {
      get(target, call: keyof BlockingObjectStore) {
        if (call === "getRange" || call === "get") gets++;
        return target[call].bind(target) as unknown;
      },
    });
    return { store, files: filesOver(counted), gets: () => gets };
  }

  test("are fetched once, and kept", () => {
    rmSync(KEPT, { recursive: true, force: true });
    const { store, files, gets } = counting();
    store.put(`repository/index/${name}`, bytes);
    for (let time = 0; time < 3; time++) {
      const file = files.open(path);
      const read = new Uint8Array(100);
      assert.equal(file?.read(read, 4), bytes.length - 4);
      file?.close();
    }
    assert.equal(gets(), 1);
    files.remove(path);
    assert.equal(files.open(path), undefined);
    assert.equal(existsSync(join(KEPT, name)), false);
  });

  test("need not be fetched by who wrote them", () => {
    rmSync(KEPT, { recursive: true, force: true });
    const { files, gets } = counting();
    files.makeDirectory(`${DIRECTORY}/index`);
    const file = files.create(`${DIRECTORY}/index/.tmp-1`);
    file.write(bytes, 0);
    file.syncNow();
    file.close();
    files.rename(`${DIRECTORY}/index/.tmp-1`, path);
    files.open(path)?.close();
    assert.equal(gets(), 0);
  });

  test("that are not what their name says are given as they are, and not kept", () => {
    rmSync(KEPT, { recursive: true, force: true });
    const { store, files } = counting();
    store.put(`repository/index/${name}`, utf8("other bytes"));
    const file = files.open(path);
    assert.equal(file?.sizeBytes(), 11);
    file?.close();
    assert.deepEqual(readdirSync(KEPT), []);
  });
});
