import assert from "node:assert/strict";
import { lstatSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { textOf, utf8 } from "../base/bytes.ts";
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
import {
  FileTreeError,
  KIND_DIRECTORY,
  KIND_FIFO,
  KIND_SYMBOLIC_LINK,
  newStatBuffer,
  type ExtendedAttribute,
  type FileTree,
  type StatBuffer,
} from "./file-tree.ts";

// The access control list of a file with mode 0640 and one named user (1000: read) more.
const ACCESS_LIST = Uint8Array.from([
  ...[2, 0, 0, 0],
  ...[0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff],
  ...[0x02, 0, 4, 0, 0xe8, 0x03, 0x00, 0x00],
  ...[0x04, 0, 4, 0, 0xff, 0xff, 0xff, 0xff],
  ...[0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff],
  ...[0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
]);

const TIMES = [
  [1_700_000_000, 123_456_789],
  [1, 1],
  [0, 0],
  [-1, 999_999_999],
  [-1_000_000_000, 500_000_000],
  [4_294_967_296, 250_000_000],
] as const;

export function writingTests(open: () => FileTree, root: string): void {
  const has = open().capabilities;
  const place = (use: (place: Place, context: TestContext) => void) => (context: TestContext) =>
    inPlace(open, root, (here) => use(here, context));

  test(
    "a name that is not one component is refused everywhere",
    place(({ tree, directory }) => {
      const found = newStatBuffer();
      const fine = utf8("fine");
      for (const bad of ["", ".", "..", "/", "a/b", "../escape", "/etc", "nul\0byte"].map(utf8)) {
        const calls: (() => unknown)[] = [
          () => tree.openDirectoryAt(directory, bad),
          () => tree.openFileAt(directory, bad),
          () => tree.openFileForWritingAt(directory, bad),
          () => tree.readLinkAt(directory, bad),
          () => tree.makeDirectoryAt(directory, bad, 0o755),
          () => tree.createFileAt(directory, bad, 0o644),
          () => tree.makeLinkAt(directory, bad, directory, fine),
          () => tree.makeLinkAt(directory, fine, directory, bad),
          () => tree.makeSymbolicLinkAt(directory, bad, utf8("target")),
          () => tree.removeAt(directory, bad),
          () => tree.removeDirectoryAt(directory, bad),
          () => tree.renameAt(directory, bad, directory, fine),
          () => tree.renameAt(directory, fine, directory, bad),
          () => tree.setModeAt(directory, bad, 0o644),
          () => tree.setModifiedTimeAt(directory, bad, 0, 0),
          () => tree.setOwnerAt(directory, bad, 0, 0),
        ];
        if (has.deviceNodes) calls.push(() => tree.makeNodeAt(directory, bad, KIND_FIFO, 0o600, 0, 0));
        if (has.extendedAttributes) {
          calls.push(
            () => tree.extendedAttributesAt(directory, bad),
            () => tree.setExtendedAttributeAt(directory, bad, { name: utf8("user.a"), value: fine }),
          );
        }
        // There the empty name means the directory itself.
        if (bad.length > 0) calls.push(() => tree.statAt(directory, bad, found));
        for (const call of calls) assert.throws(call, failsWith("EINVAL"), `${textOf(bad)} ${call.toString()}`);
      }
    }),
  );

  test(
    "names that exist already are told from new ones",
    place(({ tree, directory }) => {
      const name = utf8("name");
      assert.equal(tree.makeDirectoryAt(directory, name, 0o755), true);
      assert.equal(tree.makeDirectoryAt(directory, name, 0o755), false);
      assert.throws(() => tree.createFileAt(directory, name, 0o644), failsWith("EEXIST"));
      assert.throws(() => tree.makeSymbolicLinkAt(directory, name, name), failsWith("EEXIST"));
      assert.throws(() => tree.removeAt(directory, name), failsWith("EISDIR", "EPERM"));
      assert.equal(tree.removeDirectoryAt(directory, name), true);
      assert.equal(tree.removeDirectoryAt(directory, name), false);
      assert.equal(tree.removeAt(directory, name), false);
    }),
  );

  test(
    "a directory with something in it is not removed",
    place((here) => {
      const { tree, directory } = here;
      withNewDirectory(here, "full", (full) => tree.close(tree.createFileAt(full, utf8("file"), 0o600)));
      assert.throws(() => tree.removeDirectoryAt(directory, utf8("full")), failsWith("ENOTEMPTY"));
    }),
  );

  test(
    "a file is written at any position, cut short and grown",
    place((here) => {
      const { tree, path } = here;
      withNewFile(here, "file", (handle) => {
        tree.write(handle, utf8("world"), 6);
        tree.write(handle, utf8("hello "), 0);
        tree.setSize(handle, 8);
        tree.setSize(handle, 10);
        const into = new Uint8Array(20);
        assert.equal(tree.read(handle, into, 0), 10);
      });
      assert.equal(readFileSync(join(path, "file"), "latin1"), "hello wo\0\0");
      const again = tree.openFileForWritingAt(here.directory, utf8("file"));
      tree.write(again, utf8("J"), 0);
      tree.close(again);
      assert.equal(readFileSync(join(path, "file"), "latin1"), "Jello wo\0\0");
    }),
  );

  test(
    "only files are opened for writing",
    place((here) => {
      const { tree, directory } = here;
      tree.makeDirectoryAt(directory, utf8("directory"), 0o755);
      assert.throws(() => tree.openFileForWritingAt(directory, utf8("directory")), failsWith("EINVAL"));
      assert.throws(() => tree.openFileForWritingAt(directory, utf8("missing")), failsWith("ENOENT"));
      if (!has.deviceNodes) return;
      tree.makeNodeAt(directory, utf8("fifo"), KIND_FIFO, 0o600, 0, 0);
      assert.throws(() => tree.openFileForWritingAt(directory, utf8("fifo")), failsWith("EINVAL"));
    }),
  );

  test(
    "modes keep setuid, setgid and sticky",
    place((here) => {
      const { tree } = here;
      withNewFile(here, "file", (handle) => tree.setMode(handle, 0o6751));
      withNewDirectory(here, "directory", (handle) => tree.setMode(handle, 0o1777));
      assert.deepEqual([statOf(here, "file").mode, statOf(here, "directory").mode], [0o6751, 0o1777]);
      tree.setModeAt(here.directory, utf8("file"), 0o4711);
      assert.equal(statOf(here, "file").mode, 0o4711);
    }),
  );

  test(
    "a link has no mode of its own, and its target keeps the one it has",
    place((here) => {
      const { tree, path, directory } = here;
      writeFileSync(join(path, "file"), "", { mode: 0o640 });
      symlinkSync("file", join(path, "link"));
      assert.throws(() => tree.setModeAt(directory, utf8("link"), 0o777), failsWith("ENOTSUP"));
      assert.equal(statOf(here, "file").mode & 0o777, 0o640);
    }),
  );

  testWith(
    has.ownership,
    "owners are set on files, directories and links themselves",
    { skip: needsRoot },
    place((here) => {
      const { tree, path, directory } = here;
      const owner = ({ userId, groupId }: StatBuffer) => [userId, groupId];
      withNewFile(here, "file", (handle) => tree.setOwner(handle, 1001, 4_000_000_000));
      withNewDirectory(here, "directory", (handle) => tree.setOwner(handle, 1002, 3));
      symlinkSync("file", join(path, "link"));
      tree.setOwnerAt(directory, utf8("link"), 1003, 4);
      assert.deepEqual(
        ["file", "directory", "link"].map((name) => owner(statOf(here, name))),
        [
          [1001, 4_000_000_000],
          [1002, 3],
          [1003, 4],
        ],
      );
    }),
  );

  test(
    "modification times are set on files, directories and links, before 1970 and after 2106, and leave the access time",
    place((here) => {
      const { tree, path, directory } = here;
      symlinkSync("nowhere", join(path, "link"));
      const accessed = lstatSync(join(path, "link"), { bigint: true }).atimeNs;
      for (const [seconds, nanoseconds] of TIMES) {
        const file = `file${seconds}`;
        withNewFile(here, file, (handle) => tree.setModifiedTime(handle, seconds, nanoseconds));
        withNewDirectory(here, `directory${seconds}`, (handle) => tree.setModifiedTime(handle, seconds, nanoseconds));
        tree.setModifiedTimeAt(directory, utf8("link"), seconds, nanoseconds);
        for (const name of [file, `directory${seconds}`, "link"]) {
          const found = statOf(here, name);
          if (has.nanosecondTimes) {
            assert.deepEqual([found.modifiedSeconds, found.modifiedNanoseconds], [seconds, nanoseconds], name);
          } else {
            const error = (found.modifiedSeconds - seconds) * 1e9 + (found.modifiedNanoseconds - nanoseconds);
            assert.ok(Math.abs(error) < 1_000, `${name} is off by ${error} ns`);
          }
        }
      }
      const difference = lstatSync(join(path, "link"), { bigint: true }).atimeNs - accessed;
      assert.ok(has.nanosecondTimes ? difference === 0n : difference > -10_000n && difference < 10_000n, `${difference} ns`);
    }),
  );

  test(
    "a hard link is a second name of one file",
    place((here) => {
      const { tree, directory } = here;
      withNewFile(here, "first", (handle) => tree.write(handle, utf8("content"), 0));
      withNewDirectory(here, "directory", (inner) => {
        tree.makeLinkAt(directory, utf8("first"), inner, utf8("second"));
        const second = newStatBuffer();
        assert.equal(tree.statAt(inner, utf8("second"), second), true);
        assert.equal(second.linkCount, 2);
        assert.deepEqual(second, statOf(here, "first"));
      });
      assert.throws(() => tree.makeLinkAt(directory, utf8("first"), directory, utf8("first")), failsWith("EEXIST"));
    }),
  );

  test(
    "a hard link to a symbolic link is to the link itself",
    place((here) => {
      const { tree, path, directory } = here;
      symlinkSync("nowhere", join(path, "link"));
      tree.makeLinkAt(directory, utf8("link"), directory, utf8("again"));
      assert.equal(statOf(here, "again").kind, KIND_SYMBOLIC_LINK);
    }),
  );

  test(
    "a rename moves between directories and replaces a file",
    place((here) => {
      const { tree, path, directory } = here;
      writeFileSync(join(path, "old"), "new content");
      withNewDirectory(here, "directory", (inner) => {
        tree.close(tree.createFileAt(inner, utf8("target"), 0o600));
        tree.renameAt(directory, utf8("old"), inner, utf8("target"));
      });
      assert.equal(readFileSync(join(path, "directory/target"), "latin1"), "new content");
      assert.equal(tree.statAt(directory, utf8("old"), newStatBuffer()), false);
    }),
  );

  testWith(
    has.extendedAttributes,
    "extended attributes come back sorted and whole, from files, directories and links",
    { skip: needsRoot },
    place((here, context) => {
      const { tree, path, directory } = here;
      const large = new Uint8Array(1_500).fill(0xa5);
      const attributes = [attribute("user.empty", ""), attribute("user.large", large), attribute("user.text", "valü\0e")];
      withNewFile(here, "file", (handle) => {
        if (!supported(() => tree.setExtendedAttribute(handle, attribute("user.text", "before")))) {
          context.skip("the file system has no extended attributes");
          return;
        }
        assert.deepEqual(tree.extendedAttributes(handle), [attribute("user.text", "before")]);
        for (const each of attributes.toReversed()) tree.setExtendedAttribute(handle, each);
        assert.deepEqual(tree.extendedAttributes(handle), attributes);
        assert.deepEqual(tree.extendedAttributesAt(directory, utf8("file")), attributes);
        tree.removeExtendedAttribute(handle, utf8("user.large"));
        tree.removeExtendedAttribute(handle, utf8("user.large"));
        assert.deepEqual(tree.extendedAttributes(handle), [attributes[0], attributes[2]]);

        withNewDirectory(here, "directory", (inner) => {
          assert.deepEqual(tree.extendedAttributes(inner), []);
          tree.setExtendedAttribute(inner, attribute("user.of", "directory"));
          assert.deepEqual(tree.extendedAttributes(inner), [attribute("user.of", "directory")]);
        });
        // Links take no user attributes, but those of the system and of root.
        symlinkSync("file", join(path, "link"));
        tree.setExtendedAttributeAt(directory, utf8("link"), attribute("trusted.of", "link"));
        assert.deepEqual(tree.extendedAttributesAt(directory, utf8("link")), [attribute("trusted.of", "link")]);
        assert.throws(() => tree.extendedAttributesAt(directory, utf8("missing")), failsWith("ENOENT"));
      });
    }),
  );

  testWith(
    has.extendedAttributes,
    "access control lists come back byte for byte",
    {},
    place((here, context) => {
      const { tree } = here;
      const access = attribute("system.posix_acl_access", ACCESS_LIST);
      const byDefault = attribute("system.posix_acl_default", ACCESS_LIST);
      withNewDirectory(here, "directory", (handle) => {
        if (!supported(() => tree.setExtendedAttribute(handle, access))) {
          context.skip("the file system has no access control lists");
          return;
        }
        tree.setExtendedAttribute(handle, byDefault);
        assert.deepEqual(tree.extendedAttributes(handle), [access, byDefault]);
        assert.equal(statOf(here, "directory").mode, 0o640);
      });
    }),
  );

  testWith(
    has.fileFlags,
    "file flags are set and cleared and leave the others alone",
    { skip: needsRoot },
    place((here, context) => {
      const { tree } = here;
      withNewFile(here, "file", (handle) => {
        if (!supported(() => tree.setFileFlags(handle, 0x40 | 0x10))) {
          context.skip("the file system has no file flags");
          return;
        }
        assert.equal(statOf(here, "file").fileFlags, 0x50);
        assert.throws(() => tree.openFileForWritingAt(here.directory, utf8("file")), failsWith("EPERM"));
        tree.setFileFlags(handle, 0x20);
        assert.equal(statOf(here, "file").fileFlags, 0x20);
        tree.setFileFlags(handle, 0);
        assert.equal(statOf(here, "file").fileFlags, 0);
      });
    }),
  );

  testWith(
    has.holes,
    "holes are found, also beyond 4 GiB",
    {},
    place((here, context) => {
      const { tree } = here;
      const data = new Uint8Array(65_536).fill(7);
      const far = 5 * 2 ** 30;
      const size = far + 2 ** 20;
      withNewFile(here, "sparse", (handle) => {
        tree.setSize(handle, size);
        assert.equal(tree.nextData(handle, 0, size), undefined);
        tree.write(handle, data, 1_048_576);
        tree.write(handle, data, far);
      });
      const found = statOf(here, "sparse");
      assert.equal(found.sizeBytes, size);
      if (found.allocatedBytes >= size) {
        context.skip("the file system has no holes");
        return;
      }
      withFile(here, "sparse", (handle) => {
        const first = { start: 1_048_576, end: 1_048_576 + 65_536 };
        const second = { start: far, end: far + 65_536 };
        assert.deepEqual(tree.nextData(handle, 0, size), first);
        assert.deepEqual(tree.nextData(handle, 1_050_000, size), { start: 1_050_000, end: first.end });
        assert.deepEqual(tree.nextData(handle, first.end, size), second);
        assert.equal(tree.nextData(handle, second.end, size), undefined);
        assert.equal(tree.nextData(handle, size, size), undefined);
        assert.deepEqual(tree.nextData(handle, first.end, far + 100), { start: far, end: far + 100 });
        const into = new Uint8Array(65_536);
        assert.equal(tree.read(handle, into, far), 65_536);
        assert.deepEqual(into, data);
      });
    }),
  );

  test(
    "a file without holes is all data",
    place((here) => {
      withNewFile(here, "file", (handle) => {
        here.tree.write(handle, new Uint8Array(10_000).fill(1), 0);
        assert.deepEqual(here.tree.nextData(handle, 0, 10_000), { start: 0, end: 10_000 });
        assert.deepEqual(here.tree.nextData(handle, 9_999, 10_000), { start: 9_999, end: 10_000 });
        assert.equal(here.tree.nextData(handle, 10_000, 10_000), undefined);
      });
    }),
  );

  test(
    "a call on a closed handle fails",
    place((here) => {
      const { tree, directory } = here;
      tree.makeDirectoryAt(directory, utf8("directory"), 0o755);
      const closed = tree.openDirectoryAt(directory, utf8("directory"));
      tree.close(closed);
      assert.throws(() => tree.listDirectory(closed), failsWith("EBADF"));
      assert.throws(() => tree.close(closed), failsWith("EBADF"));
      assert.equal(statOf(here, "directory").kind, KIND_DIRECTORY);
    }),
  );
}

function attribute(name: string, value: string | Uint8Array): ExtendedAttribute {
  return { name: utf8(name), value: typeof value === "string" ? utf8(value) : value };
}

function supported(call: () => void): boolean {
  try {
    call();
    return true;
  } catch (error) {
    if (error instanceof FileTreeError && (error.code === "ENOTSUP" || error.code === "ENOTTY")) return false;
    throw error;
  }
}
