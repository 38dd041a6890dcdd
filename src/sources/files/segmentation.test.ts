import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../base/bytes.ts";
import { chooseSegmentation, PatternList, type Segmentation, type SegmentationRules } from "./files.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

function choose(path: string, sizeBytes: number, rules: SegmentationRules = {}, allocatedBytes = sizeBytes): Segmentation {
  const bytes = utf8(path);
  return chooseSegmentation({ path: bytes, pathLength: bytes.length, sizeBytes, allocatedBytes }, rules);
}
const content: Segmentation = { kind: "content" };
const fixed = (segmentBytes: number): Segmentation => ({ kind: "fixed", segmentBytes });

test("disk images and databases are told by their names, in any case", () => {
  for (const path of ["vm/disk.vmdk", "vm/Disk.QCOW2", "x.img", "var/lib/app.sqlite3", "a.b.db", "mysql/ibdata1", "ntds.dit"]) {
    assert.deepEqual(choose(path, 100 * MIB), fixed(128 * KIB), path);
  }
  for (const path of ["x.iso", "db", "x.db.gz", "img/file", ".db", "x.imgs", "x.", "dir.img/file"]) {
    assert.deepEqual(choose(path, 100 * MIB), content, path);
  }
});

test("small files are cut by content whatever they are", () => {
  assert.deepEqual(choose("x.db", MIB - 1), content);
  assert.deepEqual(choose("x.db", MIB), fixed(128 * KIB));
});

test("a large file with much less on disk than its size is a disk image", () => {
  assert.deepEqual(choose("vm/disk0", 64 * MIB, {}, 31 * MIB), fixed(128 * KIB));
  assert.deepEqual(choose("vm/disk0", 64 * MIB, {}, 33 * MIB), content);
  assert.deepEqual(choose("vm/disk0", 63 * MIB, {}, 0), content);
});

test("a person's patterns choose files of any size", () => {
  const rules = { fixedSegments: new PatternList([utf8("*.store"), utf8("/srv/vm/**")]) };
  assert.deepEqual(choose("a/b.store", 10, rules), fixed(128 * KIB));
  assert.deepEqual(choose("srv/vm/x/y", 10, rules), fixed(128 * KIB));
  assert.deepEqual(choose("srv/x", 10, rules), content);
});

test("larger files get larger segments", () => {
  const sizes = [MIB, GIB, 16 * GIB, 64 * GIB, 256 * GIB, 1024 * GIB];
  assert.deepEqual(
    sizes.map((size) => choose("x.img", size)),
    [128 * KIB, 256 * KIB, 512 * KIB, MIB, 2 * MIB, 4 * MIB].map(fixed),
  );
  assert.deepEqual(choose("x.img", GIB - 1), fixed(128 * KIB));
});

test("a file that grows keeps its segments until they are off by more than a factor of four", () => {
  const before = fixed(128 * KIB);
  assert.deepEqual(choose("x.img", GIB, { before }), before);
  assert.deepEqual(choose("x.img", 16 * GIB, { before }), before);
  assert.deepEqual(choose("x.img", 64 * GIB, { before }), fixed(MIB));
  assert.deepEqual(choose("x.img", MIB, { before: fixed(4 * MIB) }), fixed(128 * KIB));
});

test("what the shape decided stays when the shape changes", () => {
  const before = fixed(128 * KIB);
  assert.deepEqual(choose("vm/disk0", 100 * MIB, { before }, 100 * MIB), before);
  assert.deepEqual(choose("vm/disk0", 100 * MIB, { before: content }, 0), content);
  assert.deepEqual(choose("x.img", 100 * MIB, { before: content }), fixed(128 * KIB));
});
