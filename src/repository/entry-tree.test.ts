import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ByteWriter, hexOf, textOf, utf8 } from "../base/bytes.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { writeEntryBody } from "../formats/entry.ts";
import { EntryPageCursor } from "../formats/entry-page.ts";
import { comparePaths } from "../model/path-order.ts";
import { BaseImage, openBaseImage } from "./base-image.ts";
import { EntryTreeWriter, pagesOf } from "./entry-tree.ts";
import type { EntryTreeRoot } from "./entry-tree.ts";
import type { PageSink, PageSource } from "./pages.ts";

/** Pages in memory, named by SHA-256; counts what is asked for. */
class MemoryPages implements PageSink, PageSource {
  readonly pages = new Map<string, Uint8Array>();
  loads = 0;

  storePage(kind: string, bytes: Uint8Array): Fingerprint {
    const fingerprint = fingerprintOf(bytes);
    this.pages.set(`${kind} ${hexOf(fingerprint)}`, bytes.slice());
    return fingerprint;
  }

  loadPage(kind: string, fingerprint: Fingerprint): Promise<Uint8Array> {
    this.loads++;
    const bytes = this.pages.get(`${kind} ${hexOf(fingerprint)}`);
    return bytes === undefined ? Promise.reject(new Error("no such page")) : Promise.resolve(bytes);
  }
}

function fingerprintOf(bytes: Uint8Array): Fingerprint {
  return new Uint8Array(createHash("sha256").update(bytes).digest()) as Uint8Array as Fingerprint;
}

function bodyOf(inode: number): Uint8Array {
  const writer = new ByteWriter();
  const time = { seconds: 1_700_000_000, nanoseconds: inode % 1000 };
  writeEntryBody(writer, {
    kind: 2,
    mode: 0o644,
    userId: 0,
    groupId: 0,
    modified: time,
    changed: time,
    inode: BigInt(inode),
    sizeBytes: 0,
    recheck: false,
    changedWhileRead: false,
  });
  return writer.take();
}

type Entries = readonly (readonly [string, number])[];

function sorted(entries: Entries): Entries {
  return entries.toSorted(([a], [b]) => {
    const x = utf8(a);
    const y = utf8(b);
    return comparePaths(x, x.length, y, y.length);
  });
}

function treeOf(pages: MemoryPages, entries: Entries): EntryTreeRoot {
  const writer = new EntryTreeWriter(pages);
  for (const [path, inode] of entries) add(writer, path, inode);
  return finished(writer);
}

function add(writer: EntryTreeWriter, path: string, inode: number): void {
  const bytes = utf8(path);
  const body = bodyOf(inode);
  writer.addEntry(bytes, bytes.length, body, 0, body.length);
}

function finished(writer: EntryTreeWriter): EntryTreeRoot {
  const root = writer.finish();
  assert.ok(root !== undefined);
  return root;
}

async function pathsOf(pages: MemoryPages, root: EntryTreeRoot, from?: string): Promise<string[]> {
  const cursor = new EntryPageCursor();
  const paths: string[] = [];
  for await (const page of pagesOf(pages, root, from === undefined ? undefined : utf8(from))) {
    cursor.open(await pages.loadPage("page", page.fingerprint));
    while (cursor.next()) paths.push(textOf(cursor.pathCopy()));
  }
  return paths;
}

const many: Entries = sorted(
  Array.from({ length: 20_000 }, (_, i) => [`home/user-${i % 97}/project-${i % 1009}/file number ${i}.txt`, i] as const),
);

test("a tree of pages gives back its entries in order, and from any path on", async () => {
  const pages = new MemoryPages();
  const root = treeOf(pages, many);
  assert.equal(root.entryCount, many.length);
  assert.ok(root.level >= 1);
  const paths = many.map(([path]) => path);
  assert.deepEqual(await pathsOf(pages, root), paths);

  pages.loads = 0;
  const middle = paths[12_345] as string;
  const rest = await pathsOf(pages, root, middle);
  assert.deepEqual(rest.slice(rest.indexOf(middle)), paths.slice(12_345));
  assert.ok(rest.length - (paths.length - 12_345) < 2000, "only the page that may hold the path comes before it");
});

test("one changed entry among many makes a handful of new pages", () => {
  const pages = new MemoryPages();
  treeOf(pages, many);
  const before = pages.pages.size;
  treeOf(
    pages,
    many.map(([path, inode], i) => [path, i === 7_777 ? inode + 1 : inode] as const),
  );
  assert.ok(pages.pages.size - before <= 4, `${pages.pages.size - before} new pages of ${before}`);
});

test("an inserted and a removed entry leave the pages before and, soon, after them alone", () => {
  const pages = new MemoryPages();
  treeOf(pages, many);
  const before = pages.pages.size;
  const changed = sorted([...many.filter((_, i) => i !== 3_333), ["home/user-50/new file", 1] as const]);
  treeOf(pages, changed);
  assert.ok(pages.pages.size - before <= 12, `${pages.pages.size - before} new pages of ${before}`);
});

test("ranges taken over from a base give the very tree that the same entries make one by one", async () => {
  const pages = new MemoryPages();
  const base = await openBaseImage(pages, treeOf(pages, many));
  // Changed, removed and inserted entries at places spread over the image, the ends among them.
  const changes = new Set([0, 1, 2, 500, 501, 4_999, 10_000, many.length - 1]);
  const removals = new Set([3, 777, 12_000]);
  const expected: (readonly [string, number])[] = [];
  const writer = new EntryTreeWriter(pages);
  let taken = 0;
  for (let position = 0; position < many.length;) {
    const [path, inode] = many[position] as readonly [string, number];
    if (removals.has(position)) {
      position++;
      continue;
    }
    if (changes.has(position)) {
      add(writer, path, inode + 5);
      expected.push([path, inode + 5]);
      add(writer, `${path}~`, 9);
      expected.push([`${path}~`, 9]);
      position++;
      continue;
    }
    let end = position;
    while (end < many.length && !changes.has(end) && !removals.has(end)) end++;
    await base.appendTo(writer, position, end - position, () => void taken++);
    expected.push(...many.slice(position, end));
    position = end;
  }
  assert.deepEqual(finished(writer), treeOf(new MemoryPages(), expected));
  assert.ok(taken > base.pages.length / 2, `${taken} of ${base.pages.length} pages were taken over by reference`);
});

test("the digest of a range is that of its entries, whatever pages it was computed from", async () => {
  const pages = new MemoryPages();
  const base = await openBaseImage(pages, treeOf(pages, many));
  const again = new BaseImage(base.pages, (page) => pages.loadPage("page", page.fingerprint));
  for (const [first, count] of [
    [0, 1],
    [0, many.length],
    [17, 3],
    [100, 5_000],
    [many.length - 1, 1],
  ] as const) {
    const digest = await base.digest(first, count, fingerprintOf);
    assert.deepEqual(await again.digest(first, count, fingerprintOf), digest);
    if (first + count < many.length) assert.notDeepEqual(await base.digest(first + 1, count, fingerprintOf), digest);
    if (count > 1) assert.notDeepEqual(await base.digest(first, count - 1, fingerprintOf), digest);
  }
});

test("a range outside the base image is refused", async () => {
  const pages = new MemoryPages();
  const base = await openBaseImage(pages, treeOf(pages, many));
  await assert.rejects(base.digest(0, many.length + 1, fingerprintOf), { code: "CLAIM_REFUSED" });
  await assert.rejects(base.digest(-1, 1, fingerprintOf), { code: "CLAIM_REFUSED" });
  await assert.rejects(base.digest(5, 0, fingerprintOf), { code: "CLAIM_REFUSED" });
});

test("a checkpoint has the entries so far, and building goes on after it", async () => {
  const pages = new MemoryPages();
  const writer = new EntryTreeWriter(pages);
  for (const [path, inode] of many.slice(0, 5_000)) add(writer, path, inode);
  const checkpoint = writer.checkpoint();
  assert.ok(checkpoint !== undefined);
  for (const [path, inode] of many.slice(5_000)) add(writer, path, inode);
  const paths = many.map(([path]) => path);
  assert.deepEqual(await pathsOf(pages, checkpoint), paths.slice(0, 5_000));
  assert.deepEqual(await pathsOf(pages, finished(writer)), paths);
});
