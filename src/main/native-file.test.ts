import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { withNativeFile } from "./native-file.ts";

const directory = mkdtempSync(join(tmpdir(), "holdfast-native-file-"));
after(() => rmSync(directory, { recursive: true }));
let made = 0;

function newCache(): string {
  const cache = join(directory, String(made++));
  mkdirSync(cache);
  return cache;
}

const code = Buffer.from("native code");
const kept = (cache: string): string => join(cache, "native");

/** Where the file lay, having checked that it held the code at that moment. */
function pathOf(cache: string): string {
  return withNativeFile(code, cache, (path) => {
    assert.deepEqual(readFileSync(path), code);
    return path;
  });
}

describe("a file of native code", () => {
  test("is written once, to a directory that only its user can enter", () => {
    const cache = newCache();
    const path = pathOf(cache);
    assert.equal(dirname(path), kept(cache));
    if (process.platform !== "win32") assert.equal(statSync(kept(cache)).mode & 0o777, 0o700);
    const { ino, mtimeMs } = statSync(path);
    assert.equal(pathOf(cache), path);
    assert.deepEqual({ ino, mtimeMs }, { ino: statSync(path).ino, mtimeMs: statSync(path).mtimeMs });
    assert.equal(readdirSync(kept(cache)).length, 1);
  });

  test("is replaced when it does not hold what it should", () => {
    const cache = newCache();
    const path = pathOf(cache);
    writeFileSync(path, Buffer.alloc(code.length));
    assert.equal(pathOf(cache), path);
  });

  test(
    "lies in a temporary directory when the system says of every directory that it cannot be found",
    {
      skip: process.platform !== "linux" && "only /proc is known to say so",
    },
    () => {
      const path = pathOf("/proc/there-is-no-such-directory");
      assert.notEqual(dirname(path), kept("/proc/there-is-no-such-directory"));
    },
  );

  for (const [reason, spoil] of Object.entries({
    "others can write to the directory": (cache: string) => chmodSync(kept(cache), 0o770),
    "the directory cannot be made": (cache: string) => {
      rmSync(kept(cache), { recursive: true });
      writeFileSync(kept(cache), "in the way");
    },
  })) {
    test(
      `lies in a temporary directory, for as long as it takes to load it, when ${reason}`,
      { skip: process.platform === "win32" && "Windows has no such modes" },
      () => {
        const cache = newCache();
        pathOf(cache);
        spoil(cache);
        const path = pathOf(cache);
        assert.notEqual(dirname(path), kept(cache));
        assert.equal(existsSync(dirname(path)), false);
      },
    );
  }

  test("is tried in a temporary directory when it cannot be loaded from the one where it is kept", () => {
    const cache = newCache();
    const paths: string[] = [];
    const load = (path: string): void => {
      paths.push(dirname(path));
      if (dirname(path) === kept(cache)) throw new Error("mounted noexec");
    };
    withNativeFile(code, cache, load);
    assert.deepEqual([paths.length, paths[0]], [2, kept(cache)]);
  });
});
