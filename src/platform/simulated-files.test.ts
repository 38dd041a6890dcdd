import assert from "node:assert/strict";
import { test } from "node:test";
import { textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { describeFilesContract } from "./files.contract.ts";
import { SimulatedFiles } from "./simulated-files.ts";
import type { SimulatedFilesOptions, Survival } from "./simulated-files.ts";

const variants: readonly (readonly [string, SimulatedFilesOptions])[] = [
  ["a simulated disk", {}],
  ["a simulated disk that is recorded", { record: true }],
  ["a simulated disk that takes three bytes at once", { shortWriteBytes: 3 }],
];
for (const [name, options] of variants) {
  describeFilesContract(name, () => {
    const files = new SimulatedFiles(options);
    files.makeDirectory("/place");
    return { files, directory: "/place", release: () => undefined };
  });
}

/** Everything on the disk as text. */
function shown(files: SimulatedFiles): Record<string, string> {
  return Object.fromEntries([...files.contents()].map(([path, bytes]) => [path, textOf(bytes).replaceAll("\0", "0")]));
}

function write(files: SimulatedFiles, path: string, text: string): void {
  const file = files.create(path);
  file.write(utf8(text), 0);
  file.close();
}

function left(files: SimulatedFiles): Record<Survival, Record<string, string>> {
  const after = (survival: Survival): Record<string, string> => shown(files.afterPowerLoss(survival));
  return {
    nothing: after("nothing"),
    everything: after("everything"),
    names: after("names"),
    data: after("data"),
    zeros: after("zeros"),
  };
}

/** All states after the last call, each once, as text in a fixed order. */
function statesOf(files: SimulatedFiles, limit = 1_000): string[] {
  const states = [...files.crashStates(files.calls, { limit, seed: 1 })];
  return [...new Set(states.map(({ disk }) => JSON.stringify(shown(new SimulatedFiles({ disk })))))].toSorted();
}

test("neither bytes nor names survive before they are synced, and neither brings the other", () => {
  const files = new SimulatedFiles();
  const file = files.create("/file");
  file.write(utf8("text"), 0);
  const everything = { "/file": "text" };
  assert.deepEqual(left(files), {
    nothing: {},
    everything,
    names: { "/file": "" },
    data: {},
    zeros: { "/file": "0000" },
  });
  file.syncNow();
  assert.deepEqual(left(files), { nothing: {}, everything, names: everything, data: {}, zeros: everything });
  files.syncDirectory("/");
  assert.deepEqual(left(files), { nothing: everything, everything, names: everything, data: everything, zeros: everything });
});

test("until the directory is synced each name goes its own way, a rename never loses the file, and both names may be there", () => {
  const files = new SimulatedFiles({ record: true });
  write(files, "/a", "");
  files.syncDirectory("/");
  files.rename("/a", "/b");
  write(files, "/c", "");
  assert.deepEqual(statesOf(files), [
    `{"/a":"","/b":"","/c":""}`,
    `{"/a":"","/b":""}`,
    `{"/a":"","/c":""}`,
    `{"/a":""}`,
    `{"/b":"","/c":""}`,
    `{"/b":""}`,
  ]);
  files.syncDirectory("/");
  assert.deepEqual(statesOf(files), [`{"/b":"","/c":""}`]);
});

test("a rename into another directory is durable when that one is synced; when the first is synced instead, nothing is lost", () => {
  const files = new SimulatedFiles({ record: true });
  files.makeDirectory("/from");
  files.makeDirectory("/to");
  write(files, "/from/a", "");
  files.syncDirectory("/from");
  const other = files.copy({ record: true });
  for (const disk of [files, other]) disk.rename("/from/a", "/to/b");
  files.syncDirectory("/to");
  assert.deepEqual(statesOf(files), [`{"/from/a":"","/to/b":""}`, `{"/to/b":""}`]);
  other.syncDirectory("/from");
  assert.deepEqual(statesOf(other), [`{"/to/b":""}`]);
});

test("a removed name may come back with its file", () => {
  const files = new SimulatedFiles({ record: true });
  write(files, "/a", "text");
  files.copy();
  const file = files.create("/b");
  file.write(utf8("more"), 0);
  file.syncNow();
  files.syncDirectory("/");
  files.remove("/b");
  assert.equal(shown(files)["/b"], undefined);
  assert.equal(shown(files.afterPowerLoss("nothing"))["/b"], "more");
});

test("unsynced bytes are lost, kept, torn at sectors or replaced by garbage, page by page", () => {
  const files = new SimulatedFiles({ record: true });
  const file = files.create("/file");
  file.write(new Uint8Array(3 * 4096).fill(1), 0);
  files.syncDirectory("/");
  const fates = new Set<string>();
  const sizes = new Set<number>();
  for (let seed = 1; seed <= 200; seed++) {
    for (const { disk } of files.crashStates(files.calls, { limit: 20, seed })) {
      const bytes = new SimulatedFiles({ disk }).read("/file", 1_000_000);
      assert.ok(bytes !== undefined);
      sizes.add(bytes.length);
      for (let start = 0; start < bytes.length; start += 4096) fates.add(fateOf(bytes.subarray(start, start + 4096)));
    }
  }
  assert.deepEqual([...fates].toSorted(), ["garbage", "kept", "torn", "zeros"]);
  assert.ok(sizes.has(0) && sizes.has(3 * 4096) && sizes.size > 10);
  assert.ok([...sizes].every((size) => size % 512 === 0));
});

function fateOf(page: Uint8Array): string {
  const ones = page.findIndex((byte) => byte !== 1);
  if (ones === -1) return "kept";
  if (page.subarray(ones).every((byte) => byte === 0)) return ones === 0 ? "zeros" : "torn";
  return "garbage";
}

test("with few questions all states are given, with many a repeatable sample that begins with the plain ones", () => {
  const files = new SimulatedFiles({ record: true });
  for (let number = 0; number < 4; number++) files.create(`/${number}`);
  assert.equal(statesOf(files).length, 16);
  for (let number = 4; number < 30; number++) write(files, `/${number}`, "text");
  const sample = (seed: number): string[] =>
    [...files.crashStates(files.calls, { limit: 50, seed })].map(({ survival }) => survival);
  assert.equal(sample(1).length, 50);
  assert.deepEqual(sample(1), sample(1));
  assert.notDeepEqual(sample(1), sample(2));
  assert.deepEqual(sample(1).slice(0, 5), ["nothing", "everything", "names", "data", "zeros"]);
});

test("every call has its picture, which later calls do not change", () => {
  const files = new SimulatedFiles({ record: true });
  const file = files.create("/file");
  file.write(utf8("one"), 0);
  file.write(utf8(" two"), 3);
  file.write(utf8("ONE"), 0);
  const everythingAfter = (call: number): Record<string, string> => {
    const [, everything] = [...files.crashStates(call, { limit: 2, seed: 1 })];
    assert.ok(everything !== undefined);
    return shown(new SimulatedFiles({ disk: everything.disk }));
  };
  assert.deepEqual([1, 2, 3, 4].map(everythingAfter), [
    { "/file": "" },
    { "/file": "one" },
    { "/file": "one two" },
    { "/file": "ONE two" },
  ]);
  assert.deepEqual(
    [0, 1, 2].map((call) => files.callAt(call)),
    ["nothing", "create /file", "write to /file"],
  );
});

test("copies go their own ways", () => {
  const files = new SimulatedFiles();
  write(files, "/file", "old");
  const copy = files.copy();
  files.rename("/file", "/renamed");
  write(copy, "/other", "new");
  assert.deepEqual([shown(files), shown(copy)], [{ "/renamed": "old" }, { "/file": "old", "/other": "new" }]);
});

test("a disk that lies confirms a sync and loses the bytes all the same", () => {
  const files = new SimulatedFiles({ losesSync: (call) => call === 3 });
  const file = files.create("/file");
  file.write(utf8("text"), 0);
  file.syncNow();
  files.syncDirectory("/");
  assert.deepEqual(shown(files.afterPowerLoss("nothing")), { "/file": "" });
});

for (const error of ["EIO", "ENOSPC"] as const) {
  test(`a call fails with ${error} once or for good, and a file that failed takes no more`, () => {
    for (const kind of ["once", "for good"] as const) {
      const files = new SimulatedFiles({ fault: { atCall: 2, kind, error } });
      const file = files.create("/file");
      assert.throws(() => file.write(utf8("text"), 0), failsWith(error));
      assert.throws(() => file.write(utf8("text"), 0), /an earlier write to it failed/);
      if (kind === "once") write(files, "/other", "text");
      else assert.throws(() => files.create("/other"), failsWith(error));
    }
  });
}

test("a call that reads can fail too", () => {
  const files = new SimulatedFiles({ fault: { atCall: 2, kind: "once", of: "reads" } });
  write(files, "/file", "text");
  assert.equal(files.information("/file")?.sizeBytes, 4);
  assert.throws(() => files.list("/"), failsWith("EIO"));
  assert.deepEqual(files.list("/"), ["file"]);
});

test("a full disk takes what fits, and gives room again for what is removed", () => {
  const files = new SimulatedFiles({ capacityBytes: 10 });
  write(files, "/first", "123456");
  const file = files.create("/second");
  assert.throws(() => file.write(utf8("abcdef"), 0), failsWith("ENOSPC"));
  assert.deepEqual(shown(files), { "/first": "123456", "/second": "abcd" });
  files.remove("/first");
  write(files, "/third", "123456");
});

test("a write that takes several calls may fail after any of them", () => {
  const files = new SimulatedFiles({ shortWriteBytes: 2, fault: { atCall: 3, kind: "once" } });
  const file = files.create("/file");
  assert.throws(() => file.write(utf8("abcdef"), 0), failsWith("EIO"));
  assert.deepEqual(shown(files), { "/file": "ab" });
});

test("after a failed sync the bytes are never durable, though later syncs succeed", () => {
  const files = new SimulatedFiles({ fault: { atCall: 3, kind: "once" } });
  const file = files.create("/file");
  file.write(utf8("text"), 0);
  assert.throws(() => file.syncNow(), failsWith("EIO"));
  files.link("/file", "/same");
  files.syncDirectory("/same");
  files.syncDirectory("/");
  assert.deepEqual(shown(files), { "/file": "text", "/same": "text" });
  assert.deepEqual(shown(files.afterPowerLoss("nothing")), { "/file": "", "/same": "" });
});

function failsWith(errno: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof HoldfastError, String(error));
    assert.equal(error.context["errno"], errno, error.message);
    return true;
  };
}
