import assert from "node:assert/strict";
import { chmodSync, lchownSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { textOf, utf8 } from "../base/bytes.ts";
import type { EntryBody } from "../formats/entry.ts";
import { services } from "../main/services.ts";
import type { EntryTreeRoot } from "../repository/repository.ts";
import {
  FILE,
  MemoryPages,
  entryBody,
  listOf,
  manyEntries,
  newRepository,
  temporaryDirectory,
} from "./browsing-harness.contract.ts";
import { differingEntries, diffImages } from "./diff.ts";
import { changesBetween } from "./entry-changes.ts";
import type { Difference } from "./types.ts";

/** "+path", "-path" or "path", in the order in which they come. */
async function differences(pages: MemoryPages, before: EntryTreeRoot, after: EntryTreeRoot, path = ""): Promise<string[]> {
  const pairs = await listOf(differingEntries(pages, before, after, utf8(path)));
  return pairs.map(({ old, now }) => {
    const name = textOf((old ?? now)?.path ?? new Uint8Array(0));
    return now === undefined ? `-${name}` : old === undefined ? `+${name}` : name;
  });
}

describe("two trees of pages", () => {
  const pages = new MemoryPages();
  const entries = manyEntries(120, 500);
  const root = pages.imageOf(entries);
  const expect = async (changed: Record<string, Partial<EntryBody>>, expected: string[], most: number): Promise<void> => {
    const other = pages.imageOf(changed);
    pages.loads.length = 0;
    assert.deepEqual(await differences(pages, root, other), expected);
    assert.ok(pages.loads.length <= most, `${pages.loads.length} pages read, ${most} expected`);
    const turned = expected.map((text) => (text[0] === "+" ? `-${text.slice(1)}` : text[0] === "-" ? `+${text.slice(1)}` : text));
    assert.deepEqual(await differences(pages, other, root), turned);
  };

  test("that are equal are not read at all", () => expect({ ...entries }, [], 0));

  test("with one change between them cost the pages around it", async () => {
    const changed = "home/d060/f0250";
    await expect({ ...entries, [changed]: { ...FILE, mode: 0o600 } }, [changed], 2 * (root.level + 1));
  });

  test("with an entry more cost the pages around it, although a boundary moves", async () => {
    await expect({ ...entries, "home/d060/f0250x": FILE }, ["+home/d060/f0250x"], 2 * (root.level + 4));
    const { ["home/d060/f0250"]: _, ...fewer } = entries;
    await expect(fewer, ["-home/d060/f0250"], 2 * (root.level + 4));
  });

  test("with a whole directory more cost that directory, and the rest is passed by", async () => {
    const added = Object.fromEntries(
      Object.entries(manyEntries(1, 2000)).map(([path, body]) => [path.replace("d000", "d060x"), body]),
    );
    const expected = Object.keys(added).filter((path) => path.startsWith("home/d060x"));
    await expect(
      { ...entries, ...added },
      expected.map((path) => `+${path}`),
      40,
    );
  });

  test("that have nothing in common are all removed and added", async () => {
    const other = { "": {}, other: {}, "other/f": FILE };
    const [before, after] = [pages.imageOf({ "": {}, a: {}, "a/f": FILE, z: FILE }), pages.imageOf(other)];
    assert.deepEqual(await differences(pages, before, after), ["-a", "-a/f", "+other", "+other/f", "-z"]);
  });

  test("of different heights meet where one lies in the other", async () => {
    const few = Object.fromEntries(Object.entries(entries).slice(0, 700));
    const rest = Object.keys(entries).slice(700);
    const small = pages.imageOf(few);
    assert.ok(small.level < root.level);
    assert.deepEqual(
      await differences(pages, small, root),
      rest.map((path) => `+${path}`),
    );
    pages.loads.length = 0;
    assert.deepEqual(await differences(pages, small, root, "home/d000"), []);
    assert.ok(pages.loads.length <= 6, `${pages.loads.length} pages`);
  });

  test("are compared in one subtree only, if asked", async () => {
    const changed = {
      ...entries,
      "home/d059/f0499": { mode: 1 },
      "home/d060": { mode: 0 },
      "home/d060/f0499": {},
      "home/d060x": {},
    };
    const other = pages.imageOf(changed);
    pages.loads.length = 0;
    assert.deepEqual(await differences(pages, root, other, "home/d060"), ["home/d060", "home/d060/f0499"]);
    assert.ok(pages.loads.length <= 2 * (root.level + 9), `${pages.loads.length} pages`);
    assert.deepEqual(await differences(pages, root, other, "home/d060/f0499"), ["home/d060/f0499"]);
    assert.deepEqual(await differences(pages, root, other, "home/d060x"), ["+home/d060x"]);
    assert.deepEqual(await differences(pages, root, other, "home/d061"), []);
    assert.deepEqual(await differences(pages, root, other, "nowhere"), []);
  });

  test("are compared like two sorted lists, whatever they hold", async () => {
    // A small generator of numbers, the same ones in every run.
    let state = 12345;
    const random = (below: number): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below;
    const all = Object.keys(entries);
    for (let round = 0; round < 12; round++) {
      const [some, others]: [Record<string, Partial<EntryBody>>, Record<string, Partial<EntryBody>>] = [{}, {}];
      const expected: string[] = [];
      const [start, count] = [random(all.length), random(3_000)];
      for (const path of all.slice(start, start + count)) {
        const chance = random(2_000 >> (round % 8));
        if (chance !== 0) some[path] = FILE;
        if (chance !== 1) others[path] = chance === 2 ? { ...FILE, mode: 0 } : FILE;
        if (chance === 0) expected.push(`+${path}`);
        else if (chance === 1) expected.push(`-${path}`);
        else if (chance === 2) expected.push(path);
      }
      if (Object.keys(some).length === 0 || Object.keys(others).length === 0) continue;
      assert.deepEqual(await differences(pages, pages.imageOf(some), pages.imageOf(others)), expected, `round ${round}`);
    }
  });
});

test("what differs between two entries is named; what a restore cannot bring back is not a difference", () => {
  const fingerprint = (seed: number): never => new Uint8Array(32).fill(seed) as never;
  const data = (seed: number, length = 10) => ({ kind: "data", length, fingerprint: fingerprint(seed) }) as const;
  const file = entryBody({
    ...FILE,
    sizeBytes: 10,
    segments: [data(1)],
    attributes: [{ name: utf8("user.a"), value: utf8("1") }],
  });
  const changes = (changed: Partial<EntryBody>): readonly string[] => {
    assert.deepEqual(changesBetween({ ...file, ...changed }, file), changesBetween(file, { ...file, ...changed }));
    return changesBetween(file, { ...file, ...changed });
  };
  assert.deepEqual(changes({}), []);
  assert.deepEqual(
    changes({
      changed: { seconds: 1, nanoseconds: 1 },
      inode: 7n,
      recheck: true,
      changedWhileRead: true,
      birth: { seconds: 1, nanoseconds: 1 },
      hardLink: { deviceMajor: 1, deviceMinor: 2, linkCount: 2 },
    }),
    [],
  );
  assert.deepEqual(changes({ segments: [data(2)] }), ["content"]);
  assert.deepEqual(changes({ segments: [{ kind: "hole", length: 10 }] }), ["content"]);
  assert.deepEqual(changes({ segments: [data(1), data(1)] }), ["content"]);
  assert.deepEqual(changes({ segmentList: { fingerprint: fingerprint(3), pageBytes: 100, level: 0 } }), ["content"]);
  assert.deepEqual(changes({ sizeBytes: 11 }), ["content"]);
  assert.deepEqual(changes({ mode: 0o4755 }), ["mode"]);
  assert.deepEqual(changes({ userId: 0 }), ["owner"]);
  assert.deepEqual(changes({ groupId: 0 }), ["owner"]);
  assert.deepEqual(changes({ modified: { seconds: 1_700_000_000, nanoseconds: 6 } }), ["time"]);
  assert.deepEqual(changes({ fileFlags: 0x10 }), ["attributes"]);
  assert.deepEqual(changes({ attributes: [{ name: utf8("user.a"), value: utf8("2") }] }), ["attributes"]);
  assert.deepEqual(changes({ attributes: [] }), ["attributes"]);
  assert.deepEqual(changes({ storedAttributes: data(9) }), ["attributes"]);
  assert.deepEqual(changes({ kind: 1, mode: 0o755, sizeBytes: 0 }), ["kind", "mode"]);
  const link = entryBody({ kind: 3, linkTarget: utf8("a") });
  assert.deepEqual(changesBetween(link, { ...link, linkTarget: utf8("b") }), ["target"]);
  const device = entryBody({ kind: 5, node: { major: 1, minor: 3 } });
  assert.deepEqual(changesBetween(device, { ...device, node: { major: 1, minor: 5 } }), ["target"]);
});

describe("two images of a tree", async () => {
  const tree = temporaryDirectory();
  mkdirSync(`${tree}/kept/deep`, { recursive: true });
  mkdirSync(`${tree}/becomes a file`);
  writeFileSync(`${tree}/becomes a file/inside`, "");
  for (const name of ["content", "gone", "mode", "time", "owner", "attribute", "kept/deep/file"])
    writeFileSync(`${tree}/${name}`, name);
  symlinkSync("one", `${tree}/link`);
  // Directories keep their times, so that they do not differ only because something in them does.
  const settle = (): void => {
    for (const path of ["", "kept", "kept/deep", "content", "becomes a file"])
      utimesSync(`${tree}/${path}`, 1_600_000_000, 1_600_000_000);
  };
  settle();
  const { opened, backUp } = await newRepository();
  const before = await backUp({ paths: [tree] });

  writeFileSync(`${tree}/content`, "other content");
  rmSync(`${tree}/gone`);
  rmSync(`${tree}/becomes a file`, { recursive: true });
  writeFileSync(`${tree}/becomes a file`, "");
  writeFileSync(`${tree}/kept/deep/new`, "");
  chmodSync(`${tree}/mode`, 0o600);
  utimesSync(`${tree}/time`, 1_500_000_000, 1_500_000_000);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) lchownSync(`${tree}/owner`, 1234, 1234);
  rmSync(`${tree}/link`);
  symlinkSync("two", `${tree}/link`);
  settle();
  const { tree: fileTree } = services().openFileTree();
  const directory = fileTree.openDirectory(utf8(tree));
  fileTree.setExtendedAttributeAt(directory, utf8("attribute"), { name: utf8("user.note"), value: utf8("x") });
  fileTree.close(directory);
  const after = await backUp({ paths: [tree] });

  const short = (difference: Difference): string => {
    if (difference.kind !== "changed") return `${difference.kind} ${difference.entry.path.slice(tree.length)}`;
    const { before: old, after: now, changes } = difference;
    assert.equal(old.path, now.path);
    return `${old.path.slice(tree.length)}: ${changes.join(", ")}`;
  };

  test("differ in what was done to it, in path order", async () => {
    const differing = (await listOf(diffImages(opened, before, after))).filter(({ kind, ...rest }) => {
      // A link cannot keep its time here, and the temporary directory above changes on its own.
      return !(kind === "changed" && "after" in rest && !rest.after.path.startsWith(tree));
    });
    assert.deepEqual(differing.map(short), [
      "/attribute: attributes",
      "/becomes a file: kind, mode",
      "removed /becomes a file/inside",
      "/content: content",
      "removed /gone",
      "added /kept/deep/new",
      "/link: target, time",
      "/mode: mode",
      ...(isRoot ? ["/owner: owner"] : []),
      "/time: time",
    ]);
    const content = differing.find((difference) => difference.kind === "changed" && difference.changes.includes("content"));
    assert.ok(content?.kind === "changed");
    assert.deepEqual([content.before.sizeBytes, content.after.sizeBytes], [7, 13]);
  });

  test("are compared in one place only, if asked", async () => {
    const differing = await listOf(diffImages(opened, before, after, { path: `${tree}/kept` }));
    assert.deepEqual(differing.map(short), ["added /kept/deep/new"]);
    assert.deepEqual((await listOf(diffImages(opened, after, before, { path: `${tree}/gone` }))).map(short), ["added /gone"]);
    await assert.rejects(listOf(diffImages(opened, before, after, { path: `${tree}/nothing` })), { code: "PATH_NOT_IN_IMAGE" });
  });

  test("do not differ from themselves", async () => {
    assert.deepEqual(await listOf(diffImages(opened, before, before)), []);
  });
});
