import assert from "node:assert/strict";
import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compareBytes, textOf, utf8 } from "../base/bytes.ts";
import {
  failsWith,
  inPlace,
  needsRoot,
  statOf,
  testWith,
  withFile,
  withNewDirectory,
  withNewFile,
  type Place,
} from "./file-tree-place.contract.ts";
import * as kinds from "./file-tree.ts";
import { newStatBuffer, type DirectoryListing, type FileTree } from "./file-tree.ts";

export function readingTests(open: () => FileTree, root: string): void {
  const has = open().capabilities;
  const place = (use: (place: Place) => void) => () => inPlace(open, root, use);

  test(
    "an empty directory lists nothing",
    place(({ tree, directory }) => assert.deepEqual(entriesOf(tree.listDirectory(directory)), [])),
  );

  test(
    "a directory lists files, directories and links with their kinds in bytewise order",
    place(({ tree, path, directory }) => {
      mkdirSync(join(path, "b"));
      writeFileSync(join(path, "B"), "");
      symlinkSync("nowhere", join(path, "a-link"));
      writeFileSync(join(path, "a"), "");
      assert.deepEqual(entriesOf(tree.listDirectory(directory)), [
        ["B", kinds.KIND_FILE],
        ["a", kinds.KIND_FILE],
        ["a-link", kinds.KIND_SYMBOLIC_LINK],
        ["b", kinds.KIND_DIRECTORY],
      ]);
    }),
  );

  testWith(
    has.deviceNodes,
    "FIFOs, sockets and devices keep their kinds and device numbers",
    { skip: needsRoot },
    place((here) => {
      const { tree, directory } = here;
      tree.makeNodeAt(directory, utf8("block"), kinds.KIND_BLOCK_DEVICE, 0o600, 259, 0x12345);
      tree.makeNodeAt(directory, utf8("character"), kinds.KIND_CHARACTER_DEVICE, 0o600, 1, 3);
      tree.makeNodeAt(directory, utf8("fifo"), kinds.KIND_FIFO, 0o600, 0, 0);
      tree.makeNodeAt(directory, utf8("socket"), kinds.KIND_SOCKET, 0o600, 0, 0);
      const expected = [
        ["block", kinds.KIND_BLOCK_DEVICE, 259, 0x12345],
        ["character", kinds.KIND_CHARACTER_DEVICE, 1, 3],
        ["fifo", kinds.KIND_FIFO, 0, 0],
        ["socket", kinds.KIND_SOCKET, 0, 0],
      ];
      const listed = entriesOf(tree.listDirectory(directory));
      assert.deepEqual(
        listed,
        expected.map(([name, kind]) => [name, kind]),
      );
      const found = listed.map(([name]) => {
        const { kind, nodeMajor, nodeMinor } = statOf(here, name);
        return [name, kind, nodeMajor, nodeMinor];
      });
      assert.deepEqual(found, expected);
    }),
  );

  test(
    "attributes are those that the system reports",
    place((here) => {
      const { tree, path, directory } = here;
      writeFileSync(join(path, "file"), Buffer.alloc(12_345, 1));
      const stats = lstatSync(join(path, "file"), { bigint: true });
      const found = statOf(here, "file");
      const expected = {
        ...found,
        kind: kinds.KIND_FILE,
        mode: Number(stats.mode) & 0o7777,
        userId: Number(stats.uid),
        groupId: Number(stats.gid),
        linkCount: 1,
        sizeBytes: 12_345,
        allocatedBytes: Number(stats.blocks) * 512,
        inodeLow: Number(stats.ino & 0xffff_ffffn),
        inodeHigh: Number(stats.ino >> 32n),
        modifiedSeconds: Number(stats.mtimeNs / 1_000_000_000n),
        modifiedNanoseconds: Number(stats.mtimeNs % 1_000_000_000n),
        changedSeconds: Number(stats.ctimeNs / 1_000_000_000n),
        changedNanoseconds: Number(stats.ctimeNs % 1_000_000_000n),
        ...(found.hasBirthTime && {
          birthSeconds: Number(stats.birthtimeNs / 1_000_000_000n),
          birthNanoseconds: Number(stats.birthtimeNs % 1_000_000_000n),
        }),
        nodeMajor: 0,
        nodeMinor: 0,
        fileFlags: 0,
      };
      assert.deepEqual(found, expected);
      const byHandle = newStatBuffer();
      withFile(here, "file", (handle) => tree.statHandle(handle, byHandle));
      assert.deepEqual(byHandle, expected);

      const directoryByName = newStatBuffer();
      const directoryByHandle = newStatBuffer();
      assert.equal(tree.statAt(directory, new Uint8Array(), directoryByName), true);
      tree.statHandle(directory, directoryByHandle);
      assert.deepEqual(directoryByName, directoryByHandle);
      assert.equal(directoryByName.kind, kinds.KIND_DIRECTORY);
      assert.deepEqual(
        [directoryByName.deviceMajor, directoryByName.deviceMinor, directoryByName.inodeLow],
        [found.deviceMajor, found.deviceMinor, Number(lstatSync(path, { bigint: true }).ino & 0xffff_ffffn)],
      );
    }),
  );

  test(
    "a second listing of the same handle sees what has changed",
    place(({ tree, path, directory }) => {
      writeFileSync(join(path, "one"), "");
      assert.deepEqual(namesOf(tree.listDirectory(directory)), ["one"]);
      writeFileSync(join(path, "another"), "");
      assert.deepEqual(namesOf(tree.listDirectory(directory)), ["another", "one"]);
    }),
  );

  test(
    "an earlier listing stays as it was",
    place(({ tree, path, directory }) => {
      writeFileSync(join(path, "first"), "");
      const earlier = tree.listDirectory(directory);
      writeFileSync(join(path, "a"), "");
      tree.listDirectory(directory);
      assert.deepEqual(namesOf(earlier), ["first"]);
    }),
  );

  test(
    "20,000 names come sorted, each once",
    place((here) => {
      const { tree, directory } = here;
      const names = Array.from({ length: 20_000 }, (_, i) => `${"prefix".repeat(i % 3)}-${(i * 7919) % 20_000}`);
      // Second names of one file are made faster than files.
      withNewFile(here, "file", () => undefined);
      for (const name of names) tree.makeLinkAt(directory, utf8("file"), directory, utf8(name));
      tree.removeAt(directory, utf8("file"));
      const listed = tree.listDirectory(directory);
      assert.deepEqual(namesOf(listed), names.map(utf8).sort(compareBytes).map(textOf));
    }),
  );

  testWith(
    has.rawNames,
    "names that are not UTF-8 and names of 255 bytes come back as they are",
    {},
    place((here) => {
      const { tree, directory } = here;
      const names = [
        Uint8Array.of(0x01),
        Uint8Array.of(0x66, 0xff, 0xfe),
        new Uint8Array(255).fill(0xe9),
        new Uint8Array(255).fill(0xff),
      ];
      for (const name of names) tree.close(tree.createFileAt(directory, name, 0o600));
      const listed = tree.listDirectory(directory);
      const found = Array.from({ length: listed.count }, (_, i) => Uint8Array.from(listed.name(i)));
      assert.deepEqual(found, names);
      assert.deepEqual(
        found.map((name) => statOf(here, name).kind),
        names.map(() => kinds.KIND_FILE),
      );
    }),
  );

  testWith(
    has.confinement,
    "a path beyond 4,096 bytes can be made, opened and read",
    {},
    place(({ tree, path, directory }) => {
      const component = "d".repeat(249);
      let inner = tree.openDirectory(utf8(path));
      for (let depth = 0; depth < 21; depth++) {
        tree.makeDirectoryAt(inner, utf8(component), 0o755);
        const next = tree.openDirectoryAt(inner, utf8(component));
        tree.close(inner);
        inner = next;
      }
      tree.close(tree.createFileAt(inner, utf8("deep"), 0o600));
      tree.close(inner);
      const deep = `${path}${`/${component}`.repeat(21)}`;
      assert.ok(deep.length > 5_000);
      for (const form of [deep, `${deep}/`, deep.replaceAll("/", "//")]) {
        const opened = tree.openDirectory(utf8(form));
        assert.deepEqual(namesOf(tree.listDirectory(opened)), ["deep"]);
        tree.close(opened);
      }
      assert.throws(() => tree.openDirectory(utf8(`${path}/${"x".repeat(5_000)}`)), failsWith("ENAMETOOLONG"));
      assert.deepEqual(namesOf(tree.listDirectory(directory)), [component]);
    }),
  );

  test(
    "an entry that vanished is not there, and an open fails with ENOENT",
    place(({ tree, directory }) => {
      const gone = utf8("gone");
      const untouched = newStatBuffer();
      assert.equal(tree.statAt(directory, gone, untouched), false);
      assert.deepEqual(untouched, newStatBuffer());
      assert.throws(() => tree.openFileAt(directory, gone), failsWith("ENOENT"));
      assert.throws(() => tree.openDirectoryAt(directory, gone), failsWith("ENOENT"));
      assert.throws(() => tree.readLinkAt(directory, gone), failsWith("ENOENT"));
    }),
  );

  test(
    "links are not followed when files and directories are opened",
    place(({ tree, path, directory }) => {
      mkdirSync(join(path, "directory"));
      writeFileSync(join(path, "file"), "");
      symlinkSync("directory", join(path, "to-directory"));
      symlinkSync("file", join(path, "to-file"));
      assert.throws(() => tree.openFileAt(directory, utf8("to-file")), failsWith("ELOOP"));
      assert.throws(() => tree.openFileForWritingAt(directory, utf8("to-file")), failsWith("ELOOP"));
      assert.throws(() => tree.openDirectoryAt(directory, utf8("to-directory")), failsWith("ELOOP", "ENOTDIR"));
      for (const end of ["", "/", "//"]) {
        assert.throws(() => tree.openDirectory(utf8(`${path}/to-directory${end}`)), failsWith("ELOOP", "ENOTDIR"));
      }
      assert.throws(() => tree.openDirectoryAt(directory, utf8("file")), failsWith("ENOTDIR"));
    }),
  );

  test(
    "links on the way to a directory are followed, as in any path",
    place(({ tree, path }) => {
      mkdirSync(join(path, "real", "inner"), { recursive: true });
      symlinkSync("real", join(path, "link"));
      const opened = tree.openDirectory(utf8(`${path}/link/inner`));
      assert.deepEqual(namesOf(tree.listDirectory(opened)), []);
      tree.close(opened);
    }),
  );

  test(
    "only absolute paths are opened",
    place(({ tree }) => {
      for (const bad of ["", "relative", "./relative", "/null\0byte"]) {
        assert.throws(() => tree.openDirectory(utf8(bad)), failsWith("EINVAL"), bad);
      }
      const slash = tree.openDirectory(utf8("/"));
      assert.ok(tree.listDirectory(slash).count > 0);
      tree.close(slash);
    }),
  );

  testWith(
    has.rawNames,
    "the target of a link is its bytes",
    {},
    place(({ tree, directory }) => {
      const targets = [utf8("x"), Uint8Array.of(0x2f, 0xff, 0x2e), new Uint8Array(4095).fill(0x61)];
      for (const [position, target] of targets.entries()) {
        tree.makeSymbolicLinkAt(directory, utf8(`link-${position}`), target);
        assert.deepEqual(Uint8Array.from(tree.readLinkAt(directory, utf8(`link-${position}`))), target);
      }
    }),
  );

  testWith(
    has.deviceNodes,
    "a FIFO that took the place of a file does not hold up the reader",
    {},
    place(({ tree, directory }) => {
      tree.makeNodeAt(directory, utf8("fifo"), kinds.KIND_FIFO, 0o600, 0, 0);
      const handle = tree.openFileAt(directory, utf8("fifo"));
      const found = newStatBuffer();
      tree.statHandle(handle, found);
      assert.equal(found.kind, kinds.KIND_FIFO);
      tree.close(handle);
    }),
  );

  test(
    "reading gives all that was asked for except at the end of the file",
    place((here) => {
      const content = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
      withNewFile(here, "file", (handle) => here.tree.write(handle, content, 0));
      withFile(here, "file", (handle) => {
        const read = (size: number, position: number) => {
          const shared = new Uint8Array(new SharedArrayBuffer(size + 3), 3, size);
          const count = here.tree.read(handle, shared, position);
          return Uint8Array.from(shared.subarray(0, count));
        };
        assert.deepEqual(read(100_000, 0), content);
        assert.deepEqual(read(70, 99_950), content.subarray(99_950));
        assert.deepEqual(read(10, 100_000), new Uint8Array());
        assert.deepEqual(read(0, 0), new Uint8Array());
      });
    }),
  );

  test(
    "a directory swapped for a link after it was opened leads nowhere else",
    place((here) => {
      const { tree, path, directory } = here;
      mkdirSync(join(path, "elsewhere"));
      withNewDirectory(here, "inside", (inside) => {
        tree.renameAt(directory, utf8("inside"), directory, utf8("moved"));
        symlinkSync("elsewhere", join(path, "inside"));
        if (has.confinement) {
          tree.close(tree.createFileAt(inside, utf8("file"), 0o600));
          assert.deepEqual(namesOf(tree.listDirectory(inside)), ["file"]);
        } else {
          assert.throws(() => tree.createFileAt(inside, utf8("file"), 0o600), failsWith("ESTALE"));
        }
      });
      const elsewhere = tree.openDirectoryAt(directory, utf8("elsewhere"));
      assert.deepEqual(namesOf(tree.listDirectory(elsewhere)), []);
      tree.close(elsewhere);
    }),
  );
}

function entriesOf(listing: DirectoryListing): [string, number][] {
  return Array.from({ length: listing.count }, (_, i) => [textOf(listing.name(i)), listing.kind(i)]);
}

function namesOf(listing: DirectoryListing): string[] {
  return entriesOf(listing).map(([name]) => name);
}
