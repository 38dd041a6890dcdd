import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ByteWriter, hexOf, textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { ENTRY_FIXED_BYTES, readEntryBody } from "../formats/entry.ts";
import { EntryPageCursor } from "../formats/entry-page.ts";
import { writeSegmentReference } from "../formats/segment-reference.ts";
import { NO_ITEMS, NO_STATISTICS } from "../model/image.ts";
import { encodeSentPart } from "../formats/image-record.ts";
import { writeBaseOffer, writeClaim, writeCommit, writeContentEnd, writeEntry, writePackedContent } from "../formats/stream.ts";
import type { ServerReply } from "../formats/stream.ts";
import { BaseImage, openBaseImage, pagesOf, segmentsOf } from "../repository/repository.ts";
import type { EntryTreeRoot, PageSource } from "../repository/repository.ts";
import { ImageAssembler } from "./image-assembler.ts";
import type { AssemblerServices } from "./image-assembler.ts";

const COMMIT = encodeSentPart({
  base: null,
  statistics: NO_STATISTICS,
  owners: {},
  groups: {},
  unreadable: NO_ITEMS,
  skippedSockets: NO_ITEMS,
  changedWhileRead: NO_ITEMS,
});

const fingerprintOf = (bytes: Uint8Array): Fingerprint =>
  new Uint8Array(createHash("sha256").update(bytes).digest()) as Uint8Array as Fingerprint;

/** A repository that keeps images in memory, by a number as their name. */
function memoryServer(): AssemblerServices & PageSource & { readonly images: Map<string, EntryTreeRoot> } {
  const pages = new Map<string, Uint8Array>();
  const images = new Map<string, EntryTreeRoot>();
  const source: PageSource = {
    loadPage: (kind, fingerprint) => Promise.resolve(pages.get(`${kind} ${hexOf(fingerprint)}`) as Uint8Array),
  };
  return {
    ...source,
    images,
    fingerprintOf,
    sink: {
      storePage: (kind, bytes) => {
        const fingerprint = fingerprintOf(bytes);
        pages.set(`${kind} ${hexOf(fingerprint)}`, bytes.slice());
        return fingerprint;
      },
    },
    openBase: async (imageId) => {
      const root = images.get(imageId);
      return root === undefined ? { refused: "no such image" } : openBaseImage(source, root);
    },
    checkpoint: () => Promise.resolve(),
    commit: (root) => {
      const id = String(images.size);
      images.set(id, root);
      return Promise.resolve(id);
    },
  };
}

type Server = ReturnType<typeof memoryServer>;

async function sendTo(assembler: ImageAssembler, write: (writer: ByteWriter) => void): Promise<ServerReply | undefined> {
  const writer = new ByteWriter();
  write(writer);
  return assembler.receive(writer.take());
}

function entry(writer: ByteWriter, path: string, mark = 0): void {
  const body = new Uint8Array(ENTRY_FIXED_BYTES);
  body[0] = 2;
  body[40] = mark;
  writeEntry(writer, { path: utf8(path), body, contentFollows: false });
}

async function imageOf(server: Server, paths: readonly string[]): Promise<string> {
  const assembler = new ImageAssembler(server);
  const reply = await sendTo(assembler, (writer) => {
    for (const path of paths) entry(writer, path);
    writeCommit(writer, COMMIT);
  });
  assert.equal(reply?.type, "committed");
  return reply.imageId;
}

async function pathsOf(server: Server, imageId: string): Promise<string[]> {
  const cursor = new EntryPageCursor();
  const paths: string[] = [];
  for await (const page of pagesOf(server, server.images.get(imageId) as EntryTreeRoot)) {
    cursor.open(await server.loadPage("page", page.fingerprint, page.pageBytes));
    while (cursor.next()) paths.push(textOf(cursor.pathCopy()));
  }
  return paths;
}

const letters = "abcdefghij".split("");

async function onBase(): Promise<{ server: Server; assembler: ImageAssembler; base: BaseImage }> {
  const server = memoryServer();
  const imageId = await imageOf(server, letters);
  const assembler = new ImageAssembler(server);
  const reply = await sendTo(assembler, (writer) => writeBaseOffer(writer, imageId));
  assert.deepEqual(reply, { type: "base-accepted" });
  return { server, assembler, base: await openBaseImage(server, server.images.get(imageId) as EntryTreeRoot) };
}

test("a confirmed claim brings the entries of the base into the new image", async () => {
  const { server, assembler, base } = await onBase();
  const fingerprint = await base.digest(2, 5, fingerprintOf);
  await sendTo(assembler, (writer) => entry(writer, "aa"));
  assert.deepEqual(await sendTo(assembler, (writer) => writeClaim(writer, { base: 0, first: 2, count: 5, fingerprint })), {
    type: "claim-accepted",
  });
  const reply = await sendTo(assembler, (writer) => {
    entry(writer, "z");
    writeCommit(writer, COMMIT);
  });
  assert.equal(reply?.type, "committed");
  assert.deepEqual(await pathsOf(server, reply.imageId), ["aa", "c", "d", "e", "f", "g", "z"]);
});

test("a claim with another fingerprint, or beyond the base, is answered with the need for its entries, and changes nothing", async () => {
  const { server, assembler, base } = await onBase();
  const fingerprint = await base.digest(2, 5, fingerprintOf);
  const claims = [
    { base: 0, first: 3, count: 5, fingerprint },
    { base: 0, first: 2, count: 4, fingerprint },
    { base: 0, first: 2, count: 9, fingerprint },
    { base: 0, first: 2, count: 5, fingerprint: fingerprintOf(utf8("something else")) },
  ];
  for (const claim of claims) {
    assert.deepEqual(await sendTo(assembler, (writer) => writeClaim(writer, claim)), {
      type: "need",
      first: claim.first,
      count: claim.count,
    });
  }
  const reply = await sendTo(assembler, (writer) => {
    for (const path of ["c", "d"]) entry(writer, path, 1);
    writeCommit(writer, COMMIT);
  });
  assert.equal(reply?.type, "committed");
  assert.deepEqual(await pathsOf(server, reply.imageId), ["c", "d"]);
});

test("an unknown base is refused with the reason", async () => {
  const assembler = new ImageAssembler(memoryServer());
  assert.deepEqual(await sendTo(assembler, (writer) => writeBaseOffer(writer, "77")), {
    type: "base-refused",
    reason: "no such image",
  });
});

test("content is kept in the entry while it is short and in a list of its own when it is long", async () => {
  const server = memoryServer();
  const assembler = new ImageAssembler(server);
  const lengths = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
  const content = (writer: ByteWriter, path: string, count: number): void => {
    const body = new Uint8Array(ENTRY_FIXED_BYTES);
    body[0] = 2;
    writeEntry(writer, { path: utf8(path), body, contentFollows: true });
    const references = new ByteWriter();
    for (const length of lengths(count)) {
      writeSegmentReference(references, { kind: "data", length, fingerprint: fingerprintOf(utf8(`${length}`)) });
    }
    writePackedContent(writer, references.peek());
    writeContentEnd(writer);
  };
  const reply = await sendTo(assembler, (writer) => {
    content(writer, "empty", 0);
    content(writer, "long", 5_000);
    content(writer, "short", 3);
    writeCommit(writer, COMMIT);
  });
  assert.equal(reply?.type, "committed");
  const cursor = new EntryPageCursor();
  const found: [string, boolean, number[]][] = [];
  for await (const page of pagesOf(server, server.images.get(reply.imageId) as EntryTreeRoot)) {
    cursor.open(await server.loadPage("page", page.fingerprint, page.pageBytes));
    while (cursor.next()) {
      const body = readEntryBody(cursor.body().slice());
      const all: number[] = [];
      for await (const segments of segmentsOf(server, body)) all.push(...segments.map((segment) => segment.length));
      found.push([textOf(cursor.pathCopy()), body.segmentList !== undefined, all]);
    }
  }
  assert.deepEqual(found, [
    ["empty", false, []],
    ["long", true, lengths(5_000)],
    ["short", false, lengths(3)],
  ]);
});

test("a stream out of order, or with messages where they make no sense, ends without an image", async () => {
  const body = new Uint8Array(ENTRY_FIXED_BYTES);
  const streams: Readonly<Record<string, (writer: ByteWriter) => void>> = {
    "entries in the wrong order": (writer) => ["b", "a"].forEach((path) => entry(writer, path)),
    "an entry twice": (writer) => ["b", "b"].forEach((path) => entry(writer, path)),
    "a child before its directory's sibling": (writer) => ["a-b", "a/z"].forEach((path) => entry(writer, path)),
    "content without an entry": (writer) => writePackedContent(writer, new Uint8Array(36).fill(1)),
    "the end of content without an entry": (writer) => writeContentEnd(writer),
    "a commit inside content": (writer) => {
      writeEntry(writer, { path: utf8("a"), body, contentFollows: true });
      writeCommit(writer, COMMIT);
    },
    "an entry inside content": (writer) => {
      writeEntry(writer, { path: utf8("a"), body, contentFollows: true });
      entry(writer, "b");
    },
    "an image of nothing": (writer) => writeCommit(writer, COMMIT),
    "a claim on a base that was never accepted": (writer) =>
      writeClaim(writer, { base: 0, first: 0, count: 1, fingerprint: fingerprintOf(body) }),
    "a message after the commit": (writer) => {
      entry(writer, "a");
      writeCommit(writer, COMMIT);
      entry(writer, "b");
    },
  };
  for (const [what, write] of Object.entries(streams)) {
    const server = memoryServer();
    await assert.rejects(sendTo(new ImageAssembler(server), write), { code: "FORMAT_INVALID" }, what);
    if (what !== "a message after the commit") assert.equal(server.images.size, 0, what);
  }
});

test("a claim that goes back behind what was sent is refused", async () => {
  const { assembler, base } = await onBase();
  await sendTo(assembler, (writer) => entry(writer, "e"));
  const fingerprint = await base.digest(0, 3, fingerprintOf);
  await assert.rejects(
    sendTo(assembler, (writer) => writeClaim(writer, { base: 0, first: 0, count: 3, fingerprint })),
    { code: "FORMAT_INVALID" },
  );
});

test("a base whose pages cannot be read is needed from the client from there on; what precedes is taken over", async () => {
  const server = memoryServer();
  const paths = Array.from({ length: 3_000 }, (_, i) => `file ${String(i).padStart(4, "0")}`);
  const imageId = await imageOf(server, paths);
  const whole = await openBaseImage(server, server.images.get(imageId) as EntryTreeRoot);
  assert.ok(whole.pages.length > 4);
  const damaged = (whole.pages.at(-1) as BaseImage["pages"][number]).firstPosition;
  const assembler = new ImageAssembler({
    ...server,
    openBase: () =>
      Promise.resolve(
        new BaseImage(whole.pages, (page) => {
          if (page.firstPosition !== damaged) return server.loadPage("page", page.fingerprint, page.pageBytes);
          return Promise.reject(new HoldfastError("SEAL_BROKEN", { message: "damaged" }));
        }),
      ),
  });
  await sendTo(assembler, (writer) => writeBaseOffer(writer, imageId));
  // The range ends in the damaged page, so its order cannot be checked: all of it is needed.
  const all = await whole.digest(0, 3_000, fingerprintOf);
  assert.deepEqual(
    await sendTo(assembler, (writer) => writeClaim(writer, { base: 0, first: 0, count: 3_000, fingerprint: all })),
    {
      type: "need",
      first: 0,
      count: 3_000,
    },
  );
  const fingerprint = await whole.digest(0, damaged, fingerprintOf);
  assert.deepEqual(await sendTo(assembler, (writer) => writeClaim(writer, { base: 0, first: 0, count: damaged, fingerprint })), {
    type: "claim-accepted",
  });
  const reply = await sendTo(assembler, (writer) => {
    for (const path of paths.slice(damaged)) entry(writer, path);
    writeCommit(writer, COMMIT);
  });
  assert.equal(reply?.type, "committed");
  assert.deepEqual(await pathsOf(server, reply.imageId), paths);
});
