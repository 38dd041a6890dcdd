import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, hexOf, utf8 } from "../base/bytes.ts";
import { Cutter, FINE_CUT_SIZES, createFingerprinter } from "../engine/engine.ts";
import { readEntryBody } from "../formats/entry.ts";
import { newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileHandle, FileTree, StatBuffer } from "../platform/file-tree.ts";
import { SimulatedFileTree } from "../platform/simulated-file-tree.ts";
import { simulatedClock } from "../platform/simulated-clock.ts";
import type { SegmentSink } from "../repository/repository.ts";
import { FINE_WINDOW_BYTES, FileReader, MEDIUM_FILE_BYTES } from "./file-reader.ts";
import { ReadRequestWriter, readResponses } from "./read-protocol.ts";
import type { SeenFile } from "./read-protocol.ts";

const KEY = new Uint8Array(32).fill(7);
const NAME = utf8("file");

/** A directory `home` with a file in it, as a walk has seen it, and a reader whose calls are counted. */
class Scene {
  readonly tree = new SimulatedFileTree(simulatedClock());
  readonly home: DirectoryHandle;
  readonly seen: StatBuffer = newStatBuffer();
  /** Runs once, when the content has been read for the first time. */
  afterRead: () => void = () => undefined;
  readonly looks: StatBuffer[] = [];
  readonly stored = new Map<string, Uint8Array>();
  readonly #reader: FileReader;

  constructor(content: Uint8Array) {
    const root = this.tree.openDirectory(utf8("/"));
    this.tree.makeDirectoryAt(root, utf8("home"), 0o755);
    this.home = this.tree.openDirectoryAt(root, utf8("home"));
    this.write(content);
    this.tree.statAt(this.home, NAME, this.seen);
    const fingerprinter = createFingerprinter(KEY);
    this.#reader = new FileReader({
      tree: this.#watchedTree(),
      clock: simulatedClock(),
      fineCutter: new Cutter(KEY, FINE_CUT_SIZES, FINE_WINDOW_BYTES),
      cutter: new Cutter(KEY),
      fingerprintOf: (bytes) => fingerprinter.of(bytes),
      sink: this.#sink(),
      withAttributes: true,
    });
  }

  write(content: Uint8Array): void {
    this.tree.removeAt(this.home, NAME);
    const handle = this.tree.createFileAt(this.home, NAME, 0o644);
    this.tree.write(handle, content, 0);
    this.tree.close(handle);
  }

  /** As another process does: the same file, other bytes, whatever its length was. */
  overwrite(content: Uint8Array): void {
    const handle = this.tree.openFileForWritingAt(this.home, NAME);
    this.tree.setSize(handle, 0);
    this.tree.write(handle, content, 0);
    this.tree.close(handle);
  }

  #watchedTree(): FileTree {
    const { tree, looks } = this;
    return new Proxy<FileTree>(tree, {
      get: (_, name) => {
        if (name === "statHandle") {
          return (handle: FileHandle, into: StatBuffer): void => {
            tree.statHandle(handle, into);
            looks.push({ ...into });
          };
        }
        if (name === "read") {
          return (handle: FileHandle, into: Uint8Array, position: number): number => {
            const length = tree.read(handle, into, position);
            const { afterRead } = this;
            this.afterRead = () => undefined;
            afterRead();
            return length;
          };
        }
        const member: unknown = Reflect.get(tree, name);
        return typeof member === "function" ? (member.bind(tree) as unknown) : member;
      },
    });
  }

  #sink(): SegmentSink {
    let room = new Uint8Array(0);
    return {
      reserve: (length) => (room = new Uint8Array(length)),
      keep: (fingerprint, length) => void this.stored.set(hexOf(fingerprint), room.slice(0, length)),
      put: (fingerprint, bytes) => void this.stored.set(hexOf(fingerprint), bytes.slice()),
    };
  }

  /** What a request for the whole file comes to; the content joined from what the sink was given. */
  read(seen?: SeenFile) {
    const request = new ReadRequestWriter();
    request.add(utf8("home/file"), { fixedSegmentBytes: undefined, stretch: undefined, seen });
    const [response, ...more] = readResponses(this.#reader.serve(request.take()));
    assert.ok(response !== undefined && more.length === 0);
    if (response.outcome !== "stored") return { outcome: response.outcome, looks: this.looks.length };
    const body = readEntryBody(response.body);
    const segments = (body.segments ?? []).map((segment) => {
      assert.ok(segment.kind === "data");
      return this.stored.get(hexOf(segment.fingerprint)) ?? assert.fail("a segment was not stored");
    });
    const { changedWhileRead, recheck, modified, changed, sizeBytes } = body;
    return {
      content: concatBytes(...segments),
      looks: this.looks.length,
      changedWhileRead,
      recheck,
      modified,
      changed,
      sizeBytes,
    };
  }

  /** As `read` must tell it when the file is stored as it is now. */
  now(content: Uint8Array, more: { looks: number; changedWhileRead: boolean }) {
    const stat = newStatBuffer();
    this.tree.statAt(this.home, NAME, stat);
    return {
      content,
      ...more,
      recheck: true,
      modified: { seconds: stat.modifiedSeconds, nanoseconds: stat.modifiedNanoseconds },
      changed: { seconds: stat.changedSeconds, nanoseconds: stat.changedNanoseconds },
      sizeBytes: content.length,
    };
  }
}

const CONTENTS = {
  "a small file": utf8("what was there"),
  "a file of many segments": new Uint8Array(300_000).map((_, i) => (i * i) >> 3),
};
const LARGE = new Uint8Array(MEDIUM_FILE_BYTES + 1);
const OTHER = utf8("something else, and more of it");

for (const [what, content] of Object.entries(CONTENTS)) {
  test(`${what} that is as the walk saw it is looked at once, when it has been read`, () => {
    const scene = new Scene(content);
    assert.deepEqual(scene.read(scene.seen), scene.now(content, { looks: 1, changedWhileRead: false }));
  });

  test(`${what} that nobody has seen is looked at before and after`, () => {
    const scene = new Scene(content);
    assert.deepEqual(scene.read(), scene.now(content, { looks: 2, changedWhileRead: false }));
  });

  test(`${what} that has changed since the walk saw it is stored as it is now`, () => {
    const scene = new Scene(content);
    scene.overwrite(OTHER);
    assert.deepEqual(scene.read(scene.seen), scene.now(OTHER, { looks: 3, changedWhileRead: false }));
  });

  test(`${what} that another took the place of is stored as the other`, () => {
    const scene = new Scene(content);
    scene.write(OTHER);
    assert.deepEqual(scene.read(scene.seen), scene.now(OTHER, { looks: 3, changedWhileRead: false }));
  });

  test(`${what} that changes while it is read for the first time is read once more, of one piece`, () => {
    const scene = new Scene(content);
    scene.afterRead = () => scene.overwrite(OTHER);
    assert.deepEqual(scene.read(scene.seen), scene.now(OTHER, { looks: 3, changedWhileRead: false }));
  });

  test(`${what} that nobody has seen and that changes while it is read is read once more, and marked`, () => {
    const scene = new Scene(content);
    scene.afterRead = () => scene.overwrite(OTHER);
    assert.deepEqual(scene.read(), scene.now(OTHER, { looks: 3, changedWhileRead: true }));
  });
}

test("a large file is looked at before and after: reading it for nothing would cost more", () => {
  const scene = new Scene(LARGE);
  assert.deepEqual(scene.read(scene.seen), scene.now(LARGE, { looks: 2, changedWhileRead: false }));
});

test("a directory that took the place of a file is not a file, and nothing is stored", () => {
  const scene = new Scene(OTHER);
  scene.tree.removeAt(scene.home, NAME);
  scene.tree.makeDirectoryAt(scene.home, NAME, 0o755);
  assert.deepEqual(scene.read(scene.seen), { outcome: "not-a-file", looks: 1 });
  assert.equal(scene.stored.size, 0);
});

test("a file that is gone has vanished", () => {
  const scene = new Scene(OTHER);
  scene.tree.removeAt(scene.home, NAME);
  assert.deepEqual(scene.read(scene.seen), { outcome: "vanished", looks: 0 });
});
