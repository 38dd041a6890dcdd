// What every object store must do.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { textOf, utf8 } from "../../base/bytes.ts";
import { hasCode } from "../../base/errors.ts";
import { listAll } from "./object-store.ts";
import type { ObjectStore } from "./object-store.ts";

/** `open` gives a store; each test uses keys of its own. */
export function describeObjectStoreContract(name: string, open: () => ObjectStore): void {
  let tests = 0;
  const check = (behaviour: string, run: (store: ObjectStore, prefix: string) => Promise<void>): void => {
    const prefix = `${name} ${process.pid}-${tests++}/`;
    test(behaviour, async () => run(open(), prefix));
  };
  const whole = async (store: ObjectStore, key: string): Promise<string | undefined> => {
    const bytes = await store.get(key, 1_000);
    return bytes && textOf(bytes);
  };

  describe(name, () => {
    check("what was put is read back, whole and in parts", async (store, prefix) => {
      const key = `${prefix}object`;
      assert.equal(await store.put(key, utf8("hello world")), true);
      assert.equal(await whole(store, key), "hello world");
      assert.equal(textOf((await store.getRange(key, { offset: 6, length: 5 })) ?? new Uint8Array()), "world");
      assert.equal(textOf((await store.getRange(key, { offset: 9, length: 50 })) ?? new Uint8Array()), "ld");
      assert.deepEqual(await store.getRange(key, { offset: 11, length: 5 }), new Uint8Array(0));
      assert.deepEqual(await store.getRange(key, { offset: 3, length: 0 }), new Uint8Array(0));
      const found = await store.head(key);
      assert.equal(found?.sizeBytes, 11);
      assert.ok(Math.abs((found?.modifiedMs ?? 0) - Date.now()) < 3_600_000, `${found?.modifiedMs} is about now`);
    });

    check("an object may be empty, and is replaced by the next of its name", async (store, prefix) => {
      const key = `${prefix}object`;
      await store.put(key, new Uint8Array(0));
      assert.equal(await whole(store, key), "");
      assert.equal(await store.put(key, utf8("other")), true);
      assert.equal(await whole(store, key), "other");
    });

    check("a name that must be free is taken once, also by many at once", async (store, prefix) => {
      const key = `${prefix}object`;
      const all = await Promise.all(["a", "b", "c", "d"].map((text) => store.put(key, utf8(text), { onlyIfAbsent: true })));
      assert.equal(all.filter((wasPut) => wasPut).length, 1);
      const kept = await whole(store, key);
      assert.equal(all["abcd".indexOf(kept ?? "")], true);
      assert.equal(await store.put(key, utf8("late"), { onlyIfAbsent: true }), false);
      assert.equal(await whole(store, key), kept);
      await store.remove(key);
      assert.equal(await store.put(key, utf8("again"), { onlyIfAbsent: true }), true);
    });

    check("what is missing is told from what is there", async (store, prefix) => {
      const key = `${prefix}missing`;
      assert.equal(await store.get(key, 10), undefined);
      assert.equal(await store.getRange(key, { offset: 0, length: 1 }), undefined);
      assert.equal(await store.getRange(key, { offset: 0, length: 0 }), undefined);
      assert.equal(await store.head(key), undefined);
      assert.equal(await store.copy(key, `${prefix}copy`), false);
      await store.remove(key);
      assert.deepEqual(await store.list(prefix), { objects: [], prefixes: [] });
    });

    check("an object larger than the limit is refused, not cut", async (store, prefix) => {
      const key = `${prefix}object`;
      await store.put(key, new Uint8Array(100_000));
      assert.equal((await store.get(key, 100_000))?.length, 100_000);
      await assert.rejects(store.get(key, 99_999), (error) => hasCode(error, "FORMAT_INVALID"));
    });

    check("an object is put from a file", async (store, prefix) => {
      const directory = mkdtempSync(join(tmpdir(), "holdfast-objects-"));
      try {
        const path = join(directory, "file");
        const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
        writeFileSync(path, bytes);
        await store.put(`${prefix}object`, { path, sizeBytes: bytes.length });
        assert.deepEqual(await store.get(`${prefix}object`, 300_000), bytes);
        await store.put(`${prefix}empty`, { path, sizeBytes: 0 });
        assert.deepEqual(await store.get(`${prefix}empty`, 10), new Uint8Array(0));
      } finally {
        rmSync(directory, { recursive: true });
      }
    });

    check("keys may have any character", async (store, prefix) => {
      const keys = ["a b", "a+b", "ü/ö", "100%25", "quote'\"", "(x)!*~", "<&>", ".tmp-0-1"].map((end) => prefix + end);
      for (const key of keys) await store.put(key, utf8(key));
      for (const key of keys) assert.equal(await whole(store, key), key);
      const listed = await listAll(store, prefix);
      assert.deepEqual(listed.map(({ key }) => key).toSorted(), keys.toSorted());
      assert.equal(await store.copy(keys[0] ?? "", `${prefix}copy of ü`), true);
      assert.equal(await whole(store, `${prefix}copy of ü`), keys[0]);
    });

    check("a list comes in pages, in order and complete, with sizes", async (store, prefix) => {
      const names = Array.from({ length: 25 }, (_, index) => `${prefix}${String(index).padStart(3, "0")}`);
      await Promise.all(names.map((key, index) => store.put(key, new Uint8Array(index))));
      const found: string[] = [];
      let after: string | undefined;
      do {
        const page = await store.list(prefix, { limit: 10, ...(after === undefined ? {} : { after }) });
        assert.ok(page.objects.length <= 10);
        found.push(...page.objects.map(({ key, sizeBytes }) => `${key} ${sizeBytes}`));
        after = page.next;
      } while (after !== undefined);
      assert.deepEqual(
        found,
        names.map((key, index) => `${key} ${index}`),
      );
    });

    check("with a delimiter a list shows one level", async (store, prefix) => {
      for (const end of ["a", "b/", "b/1", "b/2", "c/d/e"]) await store.put(prefix + end, new Uint8Array(0));
      const { objects, prefixes } = await store.list(prefix, { delimiter: "/" });
      assert.deepEqual([objects.map(({ key }) => key), prefixes], [[`${prefix}a`], [`${prefix}b/`, `${prefix}c/`]]);
      const below = await store.list(`${prefix}b/`, { delimiter: "/" });
      assert.deepEqual(
        below.objects.map(({ key }) => key),
        [`${prefix}b/`, `${prefix}b/1`, `${prefix}b/2`],
      );
    });

    check("several levels are listed at once, each complete", async (store, prefix) => {
      const many = Array.from({ length: 1_100 }, (_, index) => `${prefix}many/${String(index).padStart(4, "0")}`);
      await Promise.all([...many, `${prefix}few/a`, `${prefix}few/b/c`].map((key) => store.put(key, new Uint8Array(0))));
      const [few, none, all] = await store.levels([`${prefix}few/`, `${prefix}none/`, `${prefix}many/`]);
      assert.deepEqual([few, none, all], [[`${prefix}few/a`, `${prefix}few/b/`], [], many]);
    });

    check("a copy replaces what is there, and stays when the original goes", async (store, prefix) => {
      await store.put(`${prefix}from`, utf8("new"));
      await store.put(`${prefix}to`, utf8("old"));
      assert.equal(await store.copy(`${prefix}from`, `${prefix}to`), true);
      await store.remove(`${prefix}from`);
      assert.equal(await whole(store, `${prefix}to`), "new");
      assert.equal(await store.head(`${prefix}from`), undefined);
    });
  });
}
