// What every place for Holdfast's own files must do.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { textOf, utf8 } from "../base/bytes.ts";
import { hasCode, HoldfastError } from "../base/errors.ts";
import type { Files } from "./files.ts";

export interface FilesPlace {
  readonly files: Files;
  /** An existing, empty directory, without a slash at the end. */
  readonly directory: string;
}

/** Each test gets a fresh place, and gives it back with `release`. */
export function describeFilesContract(name: string, open: () => FilesPlace & { release(): void }): void {
  const place = (use: (place: FilesPlace) => void | Promise<void>) => async () => {
    const opened = open();
    try {
      await use(opened);
    } finally {
      opened.release();
    }
  };

  describe(name, () => {
    test(
      "what was written is read back, at any position",
      place(({ files, directory }) => {
        const path = `${directory}/file`;
        const file = files.create(path);
        file.write(utf8("world"), 6);
        file.write(utf8("hello "), 0);
        assert.equal(file.sizeBytes(), 11);
        const into = new Uint8Array(20);
        assert.equal(file.read(into, 6), 5);
        assert.equal(textOf(into.subarray(0, 5)), "world");
        assert.equal(file.read(into, 11), 0);
        file.syncNow();
        file.close();
        file.close();
        assert.equal(contentOf(files, path), "hello world");
        const again = files.open(path);
        assert.equal(again?.sizeBytes(), 11);
        again?.close();
      }),
    );

    test(
      "shared memory is written and read like any other",
      place(({ files, directory }) => {
        const file = files.create(`${directory}/file`);
        const shared = new Uint8Array(new SharedArrayBuffer(10), 2, 5);
        shared.set(utf8("bytes"));
        file.write(shared, 0);
        shared.fill(0);
        assert.equal(file.read(shared, 0), 5);
        assert.deepEqual(Uint8Array.from(shared), utf8("bytes"));
        file.close();
      }),
    );

    test(
      "a file that exists is not created again",
      place(({ files, directory }) => {
        write(files, `${directory}/file`, "first");
        assert.throws(() => files.create(`${directory}/file`), code("REPOSITORY_WRITE_FAILED"));
        assert.equal(contentOf(files, `${directory}/file`), "first");
      }),
    );

    test(
      "syncs succeed, one after the other and at once, and a close meanwhile waits for them",
      place(async ({ files, directory }) => {
        const file = files.create(`${directory}/file`);
        file.write(utf8("content"), 0);
        file.syncNow();
        await file.sync();
        const both = [file.sync(), file.sync()];
        file.close();
        await Promise.all(both);
        files.syncDirectory(directory);
        assert.equal(contentOf(files, `${directory}/file`), "content");
      }),
    );

    test(
      "what is missing is told from what is there",
      place(({ files, directory }) => {
        for (const path of [`${directory}/missing`, `${directory}/missing/below`]) {
          assert.equal(files.open(path), undefined);
          assert.equal(files.read(path, 10), undefined);
          assert.equal(files.information(path), undefined);
          assert.equal(files.list(path), undefined);
          assert.equal(files.remove(path), false);
          assert.equal(files.removeEmptyDirectory(path), false);
          assert.throws(() => files.rename(path, `${directory}/new`), code("REPOSITORY_WRITE_FAILED"));
          assert.throws(() => files.link(path, `${directory}/new`), code("REPOSITORY_WRITE_FAILED"));
          assert.throws(() => files.syncDirectory(path), code("REPOSITORY_WRITE_FAILED"));
        }
        assert.throws(() => files.create(`${directory}/missing/file`), code("REPOSITORY_WRITE_FAILED"));
        assert.deepEqual(files.list(directory), []);
      }),
    );

    test(
      "a file larger than the limit is refused, not cut",
      place(({ files, directory }) => {
        write(files, `${directory}/file`, "12345");
        assert.equal(contentOf(files, `${directory}/file`, 5), "12345");
        assert.throws(() => files.read(`${directory}/file`, 4), code("FORMAT_INVALID"));
      }),
    );

    test(
      "it may say how much room there is, and does not fail where nothing is",
      place(({ files, directory }) => {
        const free = files.freeBytes(directory);
        assert.ok(free === undefined || free >= 0);
        files.freeBytes(`${directory}/missing`);
      }),
    );

    test(
      "information tells files from directories, with size and age",
      place(({ files, directory }) => {
        write(files, `${directory}/file`, "12345");
        const file = files.information(`${directory}/file`);
        assert.deepEqual([file?.kind, file?.sizeBytes], ["file", 5]);
        assert.ok(Number.isFinite(file?.modifiedMs) && (file?.modifiedMs ?? 0) > 0);
        assert.equal(files.information(directory)?.kind, "directory");
      }),
    );

    test(
      "directories are made with their parents, and again without harm",
      place(({ files, directory }) => {
        files.makeDirectory(`${directory}/a/b/c`);
        files.makeDirectory(`${directory}/a/b/c`);
        files.makeDirectory(`${directory}/a/b/d`);
        assert.deepEqual(files.list(`${directory}/a/b`)?.toSorted(), ["c", "d"]);
        write(files, `${directory}/a/file`, "");
        assert.throws(() => files.makeDirectory(`${directory}/a/file`), code("REPOSITORY_WRITE_FAILED"));
        assert.throws(() => files.makeDirectory(`${directory}/a/file/below`), code("REPOSITORY_WRITE_FAILED"));
      }),
    );

    test(
      "a rename replaces the target",
      place(({ files, directory }) => {
        write(files, `${directory}/old`, "old");
        write(files, `${directory}/new`, "new");
        files.rename(`${directory}/new`, `${directory}/old`);
        assert.deepEqual(files.list(directory), ["old"]);
        assert.equal(contentOf(files, `${directory}/old`), "new");
      }),
    );

    test(
      "a link never replaces the target",
      place(({ files, directory }) => {
        write(files, `${directory}/draft`, "draft");
        assert.equal(files.link(`${directory}/draft`, `${directory}/published`), true);
        write(files, `${directory}/other`, "other");
        assert.equal(files.link(`${directory}/other`, `${directory}/published`), false);
        assert.equal(files.remove(`${directory}/draft`), true);
        assert.equal(contentOf(files, `${directory}/published`), "draft");
      }),
    );

    test(
      "only empty directories and only files are removed",
      place(({ files, directory }) => {
        write(files, `${directory}/inner/file`, "");
        assert.equal(files.removeEmptyDirectory(`${directory}/inner`), false);
        assert.throws(() => files.remove(`${directory}/inner`), HoldfastError);
        assert.equal(files.remove(`${directory}/inner/file`), true);
        assert.equal(files.remove(`${directory}/inner/file`), false);
        assert.equal(files.removeEmptyDirectory(`${directory}/inner`), true);
        assert.equal(files.removeEmptyDirectory(`${directory}/inner`), false);
      }),
    );
  });
}

function write(files: Files, path: string, content: string): void {
  files.makeDirectory(path.slice(0, path.lastIndexOf("/")));
  const file = files.create(path);
  file.write(utf8(content), 0);
  file.syncNow();
  file.close();
}

function contentOf(files: Files, path: string, limitBytes = 1_000): string | undefined {
  const bytes = files.read(path, limitBytes);
  return bytes && textOf(bytes);
}

function code(...codes: Parameters<typeof hasCode>[1][]): (error: unknown) => boolean {
  return (error) => {
    if (hasCode(error, ...codes)) return true;
    throw new Error(`Expected a HoldfastError ${codes.join(" or ")}`, { cause: error });
  };
}
