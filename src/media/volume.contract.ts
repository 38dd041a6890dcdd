// What every kind of volume must do. Each implementation runs these tests.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { HoldfastError } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import type { ContainerName, RecordArea, Volume } from "./volume.ts";

/** `open` makes a new, empty volume for writing. */
export function describeVolumeContract(kind: string, open: () => Promise<Volume>): void {
  const check = (behaviour: string, run: (volume: Volume) => Promise<void>): void => {
    test(`${kind}: ${behaviour}`, async () => run(await open()));
  };

  check("a new volume is empty", async (volume) => {
    assert.deepEqual(await volume.listContainers(), []);
    for (const area of AREAS) assert.deepEqual(await volume.listRecords(area), []);
  });

  check("a published container can be read, in part and in whole", async (volume) => {
    const bytes = pattern(10_000);
    const name = await publishContainer(volume, bytes);
    assert.deepEqual(await volume.readContainer(name, 0, bytes.length), bytes);
    assert.deepEqual(await volume.readContainer(name, 9_990, 10), bytes.subarray(9_990));
    assert.deepEqual(await volume.readContainer(name, 123, 0), new Uint8Array(0));
    assert.equal(await volume.containerSize(name), bytes.length);
    assert.deepEqual(await volume.listContainers(), [name]);
  });

  check("a container can be read back through its draft while it is written", async (volume) => {
    const draft = volume.createContainer();
    draft.file.write(pattern(100), 0);
    draft.file.write(pattern(50), 100);
    const read = new Uint8Array(200);
    assert.equal(draft.file.read(read, 25), 125);
    assert.equal(draft.file.sizeBytes(), 150);
    draft.discard();
  });

  check("an unpublished container is not there", async (volume) => {
    const draft = volume.createContainer();
    draft.file.write(pattern(100), 0);
    assert.deepEqual(await volume.listContainers(), []);
    draft.discard();
    draft.discard();
    assert.deepEqual(await volume.listContainers(), []);
  });

  check("discarding a published container changes nothing", async (volume) => {
    const bytes = pattern(64);
    const draft = volume.createContainer();
    draft.file.write(bytes, 0);
    await draft.publish(nameOf(bytes));
    draft.discard();
    assert.deepEqual(await volume.listContainers(), [nameOf(bytes)]);
  });

  check("publishing the same bytes twice, even at once, leaves one container", async (volume) => {
    const bytes = pattern(5_000);
    const [first, second] = await Promise.all([publishContainer(volume, bytes), publishContainer(volume, bytes)]);
    assert.equal(first, second);
    await publishContainer(volume, bytes);
    assert.deepEqual(await volume.listContainers(), [first]);
    assert.deepEqual(await volume.readContainer(first, 0, bytes.length), bytes);
  });

  check("containers are removed, and those that are not there do not matter", async (volume) => {
    const [first, second] = [await publishContainer(volume, pattern(10)), await publishContainer(volume, pattern(20))];
    const missing = nameOf(pattern(30));
    assert.deepEqual(await volume.removeContainers([first, missing]), { count: 1, bytes: 10 });
    assert.deepEqual(await volume.listContainers(), [second]);
    assert.deepEqual(await volume.removeContainers([]), { count: 0, bytes: 0 });
    await assert.rejects(volume.removeContainers(["../label" as ContainerName]), coded("FORMAT_INVALID"));
  });

  check("a record whose fence throws is not published, and leaves nothing", async (volume) => {
    const fence = (): void => {
      throw new HoldfastError("SESSION_ENDED", { message: "ended" });
    };
    await assert.rejects(volume.publishRecord("images", pattern(10), fence), coded("SESSION_ENDED"));
    assert.deepEqual(await volume.listRecords("images"), []);
    await volume.publishRecord("images", pattern(10), () => undefined);
    assert.equal((await volume.listRecords("images")).length, 1);
  });

  check("containers are listed in order", async (volume) => {
    const names: ContainerName[] = [];
    for (let seed = 0; seed < 20; seed++) names.push(await publishContainer(volume, pattern(10, seed)));
    assert.deepEqual(await volume.listContainers(), names.sort());
    const sizes = await volume.listContainerSizes();
    assert.deepEqual(sizes, new Map(names.map((name) => [name, 10])));
  });

  check("reading a container that is not there says SEGMENT_MISSING", async (volume) => {
    const name = nameOf(pattern(3));
    await assert.rejects(volume.readContainer(name, 0, 1), coded("SEGMENT_MISSING"));
    assert.equal(await volume.containerSize(name), undefined);
  });

  check("reading past the end of a container says REPOSITORY_DAMAGED", async (volume) => {
    const name = await publishContainer(volume, pattern(100));
    await assert.rejects(volume.readContainer(name, 90, 11), coded("REPOSITORY_DAMAGED"));
    await assert.rejects(volume.readContainer(name, 1_000, 1), coded("REPOSITORY_DAMAGED"));
  });

  check("names that are not hashes are refused", async (volume) => {
    for (const name of ["", "..", "../label", "A".repeat(64), "0".repeat(63), `${"0".repeat(64)}/`]) {
      await assert.rejects(volume.readContainer(name as ContainerName, 0, 1), coded("FORMAT_INVALID"), name);
      await assert.rejects(volume.readRecord("images", name), coded("FORMAT_INVALID"), name);
      await assert.rejects(volume.removeRecord("images", name), coded("FORMAT_INVALID"), name);
    }
  });

  for (const area of AREAS) {
    check(`a record among the ${area} is named by its hash, read, listed and removed`, async (volume) => {
      const records = [pattern(10, 1), pattern(70_000, 2), pattern(300, 3)];
      const names: string[] = [];
      for (const bytes of records) names.push(await volume.publishRecord(area, bytes));
      assert.deepEqual(names, records.map(nameOf));
      assert.deepEqual(await volume.listRecords(area), names.toSorted());
      for (const [position, bytes] of records.entries()) {
        assert.deepEqual(await volume.readRecord(area, names[position] ?? ""), bytes);
      }
      const [first = "", second = "", third = ""] = names;
      assert.equal(await volume.removeRecord(area, second), true);
      assert.equal(await volume.removeRecord(area, second), false);
      assert.equal(await volume.readRecord(area, second), undefined);
      assert.deepEqual(await volume.listRecords(area), [first, third].sort());
    });
  }

  check("the same record published twice is one record", async (volume) => {
    const bytes = pattern(500);
    const names = await Promise.all([volume.publishRecord("images", bytes), volume.publishRecord("images", bytes)]);
    assert.deepEqual(await volume.listRecords("images"), [names[0]]);
    assert.equal(names[0], names[1]);
  });

  check("what is set aside is not there any more, and is kept as it was", async (volume) => {
    const bytes = pattern(700);
    const container = await publishContainer(volume, bytes);
    const record = await volume.publishRecord("images", bytes);
    const places: string[] = [];
    // The same name may be damaged again.
    for (let time = 0; time < 2; time++) {
      places.push((await volume.setAside("containers", container)) ?? "", (await volume.setAside("images", record)) ?? "");
      assert.deepEqual([await volume.listContainers(), await volume.listRecords("images")], [[], []]);
      await publishContainer(volume, bytes);
      await volume.publishRecord("images", bytes);
    }
    assert.equal(new Set(places).size, 4);
    assert.equal(await volume.setAside("containers", nameOf(pattern(3))), undefined);
    await assert.rejects(volume.setAside("images", "../label"), coded("FORMAT_INVALID"));
  });

  check("record areas are apart", async (volume) => {
    const name = await volume.publishRecord("checkpoints", pattern(10));
    assert.equal(await volume.readRecord("images", name), undefined);
    assert.deepEqual(await volume.listRecords("annotations"), []);
  });
}

const AREAS: readonly RecordArea[] = ["images", "annotations", "checkpoints"];

export async function publishContainer(volume: Volume, bytes: Uint8Array): Promise<ContainerName> {
  const draft = volume.createContainer();
  draft.file.write(bytes, 0);
  await draft.publish(nameOf(bytes));
  return nameOf(bytes);
}

export function nameOf(bytes: Uint8Array): ContainerName {
  return createHash("sha256").update(bytes).digest("hex") as ContainerName;
}

/** Repeatable bytes that differ by `seed`. */
export function pattern(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, position) => (position * 31 + seed * 97 + (position >> 8)) & 0xff);
}

export function coded(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof HoldfastError, `a HoldfastError, not ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return true;
  };
}
