import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { describe, test } from "node:test";
import { noise } from "../../test/support/noise.ts";
import { hexOf, textOf, utf8 } from "../base/bytes.ts";
import { services } from "../main/services.ts";
import { FileTreeError } from "../platform/file-tree.ts";
import { newRepository, temporaryDirectory } from "./browsing-harness.contract.ts";
import { dumpEntry } from "./dump.ts";
import { Opened } from "./opened.ts";

const isRoot = process.getuid?.() === 0;
const { tree: fileTree } = services().openFileTree();

function attributesOf(directory: string, name: Buffer): Record<string, string> {
  const handle = fileTree.openDirectory(utf8(directory));
  try {
    const attributes = fileTree.extendedAttributesAt(handle, name);
    return Object.fromEntries(attributes.map((attribute) => [textOf(attribute.name), hexOf(attribute.value)]));
  } finally {
    fileTree.close(handle);
  }
}

/** Nothing where the file system has no such attributes: then there are none to compare. */
function setAttribute(directory: string, name: string, attribute: string, value: Uint8Array): void {
  const handle = fileTree.openDirectory(utf8(directory));
  try {
    fileTree.setExtendedAttributeAt(handle, utf8(name), { name: utf8(attribute), value });
  } catch (error) {
    if (!(error instanceof FileTreeError)) throw error;
  } finally {
    fileTree.close(handle);
  }
}

/** Everything that tar can carry, by path in Latin-1; names of one file have one number. */
function snapshot(root: string): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const files = new Map<bigint, number>();
  const visit = (directory: string, name: Buffer): void => {
    const path = Buffer.concat([Buffer.from(`${directory}/`, "latin1"), name]);
    const stat = lstatSync(path, { bigint: true });
    const { mode, uid, gid, mtimeNs, size, rdev, ino } = stat;
    if (!files.has(ino)) files.set(ino, files.size);
    found[path.toString("latin1").slice(root.length)] = {
      file: files.get(ino),
      type: mode & 0o170000n,
      mode: mode & 0o7777n,
      owner: `${uid}:${gid}`,
      mtimeNs,
      rdev,
      attributes: attributesOf(directory, name),
      ...(stat.isFile() ? { size, content: createHash("sha256").update(readFileSync(path)).digest("hex") } : {}),
      ...(stat.isSymbolicLink() ? { target: readlinkSync(path) } : {}),
    };
    if (!stat.isDirectory()) return;
    const inside = path.toString("latin1");
    for (const child of readdirSync(path, { encoding: "buffer" }).sort(Buffer.compare)) visit(inside, child);
  };
  visit(root.slice(0, root.lastIndexOf("/")), Buffer.from(root.slice(root.lastIndexOf("/") + 1)));
  return found;
}

describe("a dump", async () => {
  const base = temporaryDirectory();
  const tree = `${base}/tree`;
  mkdirSync(`${tree}/sub`, { recursive: true });

  writeFileSync(`${tree}/empty`, "");
  writeFileSync(`${tree}/small`, "small content");
  writeFileSync(`${tree}/large`, noise(1, 14_000_000));
  const sparse = openSync(`${tree}/sparse`, "w");
  writeSync(sparse, noise(1, 100_000), 0, 100_000, 3_000_000);
  ftruncateSync(sparse, 20_000_000);
  closeSync(sparse);
  writeFileSync(`${tree}/only a hole`, "");
  truncateSync(`${tree}/only a hole`, 1_000_000);
  for (let size = 510; size < 515; size++) writeFileSync(`${tree}/sub/${size}`, noise(1, size));

  writeFileSync(Buffer.concat([Buffer.from(`${tree}/not UTF-8 `), Buffer.of(0xff, 0xfe)]), "bytes");
  writeFileSync(`${tree}/new\nline ä`, "x");
  writeFileSync(`${tree}/${"n".repeat(255)}`, "long name");
  const deep = Array.from({ length: 4 }, (_, at) => `${at}`.padEnd(100, "d")).join("/");
  mkdirSync(`${tree}/${deep}`, { recursive: true });
  writeFileSync(`${tree}/${deep}/file`, "deep");
  linkSync(`${tree}/small`, `${tree}/sub/second name`);
  linkSync(`${tree}/small`, `${tree}/${deep}/third name`);
  symlinkSync("small", `${tree}/link`);
  symlinkSync(`${"t".repeat(200)}/ä`, `${tree}/long link`);
  spawnSync("mkfifo", [`${tree}/fifo`]);
  if (isRoot) {
    spawnSync("mknod", [`${tree}/device`, "c", "1", "3"]);
    lchownSync(`${tree}/sub/510`, 3_000_000, 3_000_001);
    lchownSync(`${tree}/link`, 12, 13);
  }
  chmodSync(`${tree}/empty`, 0o4750);
  chmodSync(`${tree}/sub`, 0o1777);
  setAttribute(tree, "small", "user.a=b%c", Uint8Array.of(0, 0x0a, 0xff, 0x3d));
  setAttribute(tree, "sub", "user.directory", utf8("x"));
  setAttribute(tree, "large", "user.large", noise(1, 3_000));
  const list = Buffer.from("0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff", "hex");
  setAttribute(tree, "empty", "system.posix_acl_access", list);
  setAttribute(tree, "sub", "system.posix_acl_default", list);
  // Nobody but root could read it.
  if (isRoot) chmodSync(`${tree}/sub/511`, 0o000);
  // Node.js cannot set such a time.
  spawnSync("touch", ["-d", "@-1.25", `${tree}/empty`]);
  lutimesSync(`${tree}/link`, 1_234_567_890.5, 1_234_567_890.5);
  utimesSync(`${tree}/sub`, 1_500_000_000.125, 1_500_000_000.125);

  const { opened, backUp } = await newRepository();
  const image = await backUp({ paths: [tree] });
  const dumped = async (path: string): Promise<Buffer> => {
    const pieces: Uint8Array[] = [];
    for await (const piece of dumpEntry(opened, image, path)) pieces.push(piece);
    return Buffer.concat(pieces);
  };
  const isSame = async (name: string): Promise<void> => {
    const [found, expected] = [await dumped(`${tree}/${name}`), readFileSync(`${tree}/${name}`)];
    assert.ok(found.equals(expected), `${name}: ${found.length} bytes, ${expected.length} expected`);
  };

  test("of a file is its content", async () => {
    for (const name of ["small", "empty", "sub/512", `${deep}/file`, "sub/second name"]) await isSame(name);
  });

  test("of a large file is its content, whose segments are listed in pages of their own", () => isSame("large"));

  test("of a sparse file has zeros for its holes, and no piece is larger than a segment may be", async () => {
    await isSame("sparse");
    await isSame("only a hole");
    let most = 0;
    for await (const piece of dumpEntry(opened, image, `${tree}/sparse`)) most = Math.max(most, piece.length);
    assert.ok(most <= 4 * 1024 * 1024, `${most} bytes`);
  });

  test("may be left before its end", async () => {
    for await (const piece of dumpEntry(opened, image, `${tree}/large`)) {
      assert.ok(piece.length > 0);
      break;
    }
  });

  test("of anything else, or of what is missing, is refused", async () => {
    await assert.rejects(dumped(`${tree}/link`), {
      code: "USAGE",
      message: `Cannot dump "${tree}/link": it has no content (link)`,
    });
    await assert.rejects(dumped(`${tree}/fifo`), { code: "USAGE" });
    await assert.rejects(dumped(`${tree}/nothing`), { code: "PATH_NOT_IN_IMAGE" });
  });

  const { status: tarStatus, stdout: version } = spawnSync("tar", ["--version"], { encoding: "utf8" });
  const skip = (tarStatus !== 0 || !version.startsWith("tar (GNU tar)")) && "needs GNU tar";

  const extract = (archive: Buffer): string => {
    const target = temporaryDirectory();
    const flags = ["--xattrs", "--xattrs-include=*", ...(isRoot ? ["--numeric-owner"] : [])];
    const { status, stderr } = spawnSync("tar", [...flags, "-xpf", "-", "-C", target], { input: archive, encoding: "utf8" });
    const complaints = stderr.split("\n").filter((line) => line !== "" && !line.includes("hdrcharset"));
    // GNU tar says of a time before 1970 that it is implausible, and restores it.
    assert.deepEqual(
      complaints.filter((line) => !line.includes("implausibly old")),
      [],
    );
    assert.equal(status, 0);
    return target;
  };

  test("of a directory is a tar stream that GNU tar makes the same tree of", { skip }, async () => {
    const target = extract(await dumped(tree));
    assert.deepEqual(snapshot(`${target}${tree}`), snapshot(tree));
    const { mode, mtimeMs } = lstatSync(`${target}${tree}/empty`);
    assert.deepEqual([mode & 0o7000, mtimeMs], [0o4000, -1250]);
  });

  test("of a subdirectory has full names, and content where the first name of a file lies outside", { skip }, async () => {
    const target = extract(await dumped(`${tree}/sub/`));
    const found = snapshot(`${target}${tree}/sub`);
    assert.deepEqual(Object.keys(found), ["", "/510", "/511", "/512", "/513", "/514", "/second name"]);
    assert.equal(readFileSync(`${target}${tree}/sub/second name`, "utf8"), "small content");
  });

  test("of the root holds everything, although the image has no entry for it", { skip }, async () => {
    const { status, stdout } = spawnSync("tar", ["-tf", "-"], {
      input: await dumped("/"),
      encoding: "latin1",
      maxBuffer: 1 << 24,
    });
    assert.equal(status, 0);
    assert.equal(stdout.trimEnd().split("\n").length, image.record.root.entryCount);
  });

  test("fails when a container is damaged, and gives nothing that is wrong", async () => {
    const containers = `${opened.repository.defaultVolume.path}/containers`;
    for (const name of readdirSync(containers, { recursive: true, encoding: "utf8" })) {
      const path = `${containers}/${name}`;
      if (!lstatSync(path).isFile()) continue;
      chmodSync(path, 0o600);
      const file = openSync(path, "r+");
      // Somewhere in the blocks; the directory at the end stays whole.
      const { size } = lstatSync(path);
      for (let offset = 5_000; offset < size - 20_000; offset += 500_000) writeSync(file, "damage", offset);
      closeSync(file);
    }
    const fresh = new Opened(opened.services, opened.repository, { cacheDirectory: base, threads: 1 });
    const expected = readFileSync(`${tree}/large`);
    let length = 0;
    const read = async (): Promise<void> => {
      for await (const piece of dumpEntry(fresh, image, `${tree}/large`)) {
        assert.ok(expected.subarray(length, length + piece.length).equals(piece));
        length += piece.length;
      }
    };
    await assert.rejects(read(), { code: "SEAL_BROKEN" });
    await fresh.close();
  });
});
