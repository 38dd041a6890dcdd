import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { hexOf, textOf, utf8 } from "../base/bytes.ts";
import type { EntryBody } from "../formats/entry.ts";
import { TAR_BLOCK_BYTES, tarPadding } from "../formats/pax.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";
import { imageRootOf } from "../server/server.ts";
import { FILE, MemoryPages, entryBody, listOf } from "./browsing-harness.contract.ts";
import { contentOf } from "./file-content.ts";
import type { ContentSource } from "./file-content.ts";
import { tarOf } from "./tar-stream.ts";

/** Pages and data in memory. Segments whose texts begin alike lie in one block. */
class MemoryContent extends MemoryPages implements ContentSource {
  readonly reader: ContentSource["reader"] = Object.assign(this, {
    load: (_: string, fingerprint: Uint8Array) => this.#load(fingerprint),
  });
  readonly index: ContentSource["index"] = {
    locate: (fingerprint, into) => {
      const segment = this.#segments.get(hexOf(fingerprint));
      into.block = segment?.[0] ?? 0;
      return segment !== undefined;
    },
  };
  readonly #segments = new Map<string, Uint8Array>();
  /** Names of the segments that are being loaded now, by block: never two of one block at once. */
  readonly #underWay = new Set<number>();

  segment(text: string): SegmentReference {
    const bytes = utf8(text);
    const fingerprint = this.storePage("page", utf8(`segment ${text}`));
    this.#segments.set(hexOf(fingerprint), bytes);
    return { kind: "data", length: bytes.length, fingerprint };
  }

  file(text: string, changes: Partial<EntryBody> = {}): Partial<EntryBody> {
    return { ...FILE, sizeBytes: text.length, segments: [this.segment(text)], ...changes };
  }

  async #load(fingerprint: Uint8Array): Promise<Uint8Array> {
    const segment = this.#segments.get(hexOf(fingerprint));
    if (segment === undefined) throw new Error("no such segment");
    const block = segment[0] ?? 0;
    assert.ok(!this.#underWay.has(block), "a block is not asked for twice at once");
    this.#underWay.add(block);
    await new Promise(setImmediate);
    this.#underWay.delete(block);
    return segment;
  }
}

/** Type, name, link target and content of every member. */
async function membersOf(stored: MemoryContent, entries: Record<string, Partial<EntryBody>>, directory = ""): Promise<string[]> {
  const image = { root: imageRootOf(stored.imageOf(entries)), owners: { "1000": "ann" }, groups: {} };
  const bytes = Buffer.concat(await listOf(tarOf(stored, image, utf8(directory))));
  const members: string[] = [];
  const text = (offset: number, length: number): string => textOf(bytes.subarray(offset, offset + length)).replace(/\0.*$/s, "");
  for (let offset = 0; bytes[offset] !== 0;) {
    const size = Number.parseInt(text(offset + 124, 12), 8);
    const type = text(offset + 156, 1);
    const content = text(offset + TAR_BLOCK_BYTES, size);
    if (type !== "x")
      members.push([type, text(offset, 100), text(offset + 157, 100), content].filter((part) => part !== "").join(" "));
    offset += TAR_BLOCK_BYTES + size + tarPadding(size);
  }
  return members;
}

const linked = (inode: bigint, linkCount = 2): Partial<EntryBody> => ({
  inode,
  hardLink: { deviceMajor: 1, deviceMinor: 2, linkCount },
});

test("names of one file are links to the first of them, unless their contents differ", async () => {
  const stored = new MemoryContent();
  const entries = {
    d: {},
    "d/a": stored.file("one", linked(7n, 3)),
    "d/b": stored.file("one", linked(7n, 3)),
    "d/c": stored.file("two", linked(7n, 3)),
    "d/d": stored.file("one", linked(8n)),
    "d/e": stored.file("one", { ...linked(8n), hardLink: { deviceMajor: 1, deviceMinor: 3, linkCount: 2 } }),
    "d/f": stored.file("one", linked(8n)),
    e: stored.file("one", linked(9n, 1)),
  };
  assert.deepEqual(await membersOf(stored, entries), [
    "5 d/",
    "0 d/a one",
    "1 d/b d/a",
    "0 d/c two",
    "0 d/d one",
    "0 d/e one",
    "1 d/f d/d",
    "0 e one",
  ]);
  assert.deepEqual(await membersOf(stored, entries, "d/f"), ["0 d/f one"]);
});

test("every kind of entry becomes a member of its own type", async () => {
  const stored = new MemoryContent();
  const entries = {
    "": {},
    block: { kind: 6, node: { major: 8, minor: 1 } },
    character: { kind: 5, node: { major: 1, minor: 3 } },
    empty: FILE,
    fifo: { kind: 4 },
    link: { kind: 3, linkTarget: utf8("to") },
  } as const;
  assert.deepEqual(await membersOf(stored, entries), ["5 ./", "4 block", "3 character", "0 empty", "6 fifo", "2 link to"]);
});

test("content that is longer or shorter than its entry says is damage", async () => {
  const stored = new MemoryContent();
  const read = (sizeBytes: number): Promise<string> => {
    const body = entryBody({ ...stored.file("12345"), sizeBytes });
    return listOf(contentOf(stored, { path: utf8("a/b"), body })).then((pieces) => textOf(Buffer.concat(pieces)));
  };
  assert.equal(await read(5), "12345");
  const damaged = (size: number) => ({
    code: "REPOSITORY_DAMAGED",
    message: `The content of "/a/b" is not ${size} bytes long, as its entry says`,
  });
  await assert.rejects(read(4), damaged(4));
  await assert.rejects(read(6), damaged(6));
});

test("segments are asked for ahead, in order, and one block is read once", async () => {
  const stored = new MemoryContent();
  const texts = ["a1", "a2", "a3", "b1", "c1", "c2", "d1", "c3", "d2", "c4", "a4", "e1"];
  const segments: SegmentReference[] = texts.map((text) => stored.segment(text));
  segments.splice(4, 0, { kind: "hole", length: 300_000 });
  const body = entryBody({ ...FILE, sizeBytes: 300_024, segments });
  const pieces = await listOf(contentOf(stored, { path: utf8("f"), body }));
  assert.deepEqual(
    pieces.map((piece) => (piece[0] === 0 ? piece.length : textOf(piece))),
    ["a1", "a2", "a3", "b1", 262_144, 300_000 - 262_144, "c1", "c2", "d1", "c3", "d2", "c4", "a4", "e1"],
  );
});

test("a segment that cannot be loaded ends the stream where it was to come, and nothing else goes wrong", async () => {
  const stored = new MemoryContent();
  const missing = { ...stored.segment("x"), fingerprint: new Uint8Array(32) as never };
  const body = entryBody({ ...FILE, sizeBytes: 3, segments: [stored.segment("a"), missing, stored.segment("b")] });
  const heard: string[] = [];
  const read = async (): Promise<void> => {
    for await (const piece of contentOf(stored, { path: utf8("f"), body })) {
      heard.push(textOf(piece));
      // Long enough for a failure that nobody waits for to be noticed.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await assert.rejects(read(), { message: "no such segment" });
  assert.deepEqual(heard, ["a"]);
});

test("tar lists it", { skip: spawnSync("tar", ["--version"]).status !== 0 && "needs tar" }, async () => {
  const stored = new MemoryContent();
  const entries = { "": {}, a: {}, "a/file": stored.file("content".repeat(20_000)), "a/z": stored.file("z") };
  const image = { root: imageRootOf(stored.imageOf(entries)), owners: {}, groups: {} };
  const input = Buffer.concat(await listOf(tarOf(stored, image, new Uint8Array(0))));
  const { stdout, stderr } = spawnSync("tar", ["-tf", "-"], { input, encoding: "utf8" });
  assert.deepEqual([stdout, stderr], ["./\na/\na/file\na/z\n", ""]);
});
