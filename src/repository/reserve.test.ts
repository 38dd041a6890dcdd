import assert from "node:assert/strict";
import { test } from "node:test";
import { HoldfastError } from "../base/errors.ts";
import { temporaryNames } from "../media/media.ts";
import { SimulatedFiles } from "../platform/simulated-files.ts";
import type { SimulatedFilesOptions } from "../platform/simulated-files.ts";
import { systemRandom } from "../platform/system-random.ts";
import { repositoryLayout } from "./layout.ts";
import { giveUpReserve, isNoRoom, keepReserve, reserveBytes } from "./reserve.ts";

const KIB = 1024;
const layout = repositoryLayout("/r");

function repositoryOn(options: SimulatedFilesOptions) {
  const files = new SimulatedFiles(options);
  files.makeDirectory(layout.index);
  const random = systemRandom;
  return { files, layout, random, temporaryNames: temporaryNames("0123456789abcdef", random) };
}

function writeRun(files: SimulatedFiles, name: string, bytes: number): void {
  const file = files.create(`${layout.index}/${name}`);
  file.write(new Uint8Array(bytes), 0);
  file.close();
}

test("the reserve is made once, is made larger when the index outgrows it, and is there or not", async () => {
  const place = repositoryOn({});
  const sizes: number[] = [];
  const keep = async (): Promise<void> => {
    assert.ok(await keepReserve(place));
    sizes.push(reserveBytes(place) / KIB);
  };
  await keep();
  writeRun(place.files, "a".repeat(64), 512 * KIB);
  const before = place.files.calls;
  await keep();
  assert.equal(place.files.calls, before);
  writeRun(place.files, "b".repeat(64), 8 * KIB);
  await keep();
  // What is no run does not count.
  writeRun(place.files, ".tmp-0123456789abcdef-0", 9_000 * KIB);
  await keep();
  assert.deepEqual(sizes, [1024, 1024, 1804, 1804]);
  assert.deepEqual(place.files.list("/r")?.toSorted(), ["index", "reserve"]);
  assert.equal(giveUpReserve(place), true);
  assert.equal(reserveBytes(place), 0);
  assert.equal(giveUpReserve(place), false);
});

test("where there is not room for all of it, it is as large as there is room for, and one that is there is not made smaller", async () => {
  const kept = async (capacity: number, before = 0): Promise<{ readonly all: boolean; readonly kibibytes: number }> => {
    const place = repositoryOn({ capacityBytes: capacity * KIB });
    if (before > 0) {
      const file = place.files.create(layout.reserve);
      file.write(new Uint8Array(before * KIB), 0);
      file.close();
    }
    const all = await keepReserve(place);
    assert.deepEqual(
      place.files.list("/r")?.filter((name) => name.startsWith(".tmp")),
      [],
    );
    return { all, kibibytes: reserveBytes(place) / KIB };
  };
  assert.deepEqual(await kept(1_200), { all: true, kibibytes: 1024 });
  assert.deepEqual(await kept(1_000), { all: true, kibibytes: 896 });
  assert.deepEqual(await kept(300), { all: false, kibibytes: 256 });
  assert.deepEqual(await kept(100), { all: false, kibibytes: 0 });
  assert.deepEqual(await kept(300, 200), { all: false, kibibytes: 200 });
});

test("another failure than a full disk is told, and leaves nothing", async () => {
  const place = repositoryOn({});
  const failing = { ...place, files: place.files.copy({ fault: { atCall: 2, kind: "once" } }) };
  await assert.rejects(keepReserve(failing), { code: "REPOSITORY_WRITE_FAILED" });
  assert.deepEqual(failing.files.list("/r"), ["index"]);
});

test("what failed for want of room is known by its cause too", () => {
  const full = new HoldfastError("REPOSITORY_WRITE_FAILED", { message: "no", context: { errno: "ENOSPC" } });
  assert.ok(isNoRoom(full));
  assert.ok(isNoRoom(new HoldfastError("REPOSITORY_WRITE_FAILED", { message: "no", context: { errno: "EDQUOT" } })));
  assert.ok(isNoRoom(new Error("outer", { cause: full })));
  assert.equal(isNoRoom(new HoldfastError("REPOSITORY_WRITE_FAILED", { message: "no", context: { errno: "EIO" } })), false);
  assert.equal(isNoRoom(undefined), false);
});
