// What can still be done when the disk is full to the last byte: forgetting images, and getting the space back.

import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { FaultyBench, MountSpace } from "./support/faulty-bench.ts";
import { assertNoStackTrace, holdfast, whyNot } from "./support/holdfast-process.ts";
import type { Outcome } from "./support/holdfast-process.ts";
import { noise } from "./support/noise.ts";

const MIB = 1024 * 1024;

/** Mounts a small file system at `directory`. */
type MountDisk = (space: MountSpace, outside: FaultyBench, directory: string) => Promise<void>;

const mountTmpfs: MountDisk = (space, _, directory) => space.mount("-t", "tmpfs", "-o", "size=40m", "none", directory);

const mountExt4: MountDisk = async (space, place, directory) => {
  const image = place.at("ext4.image");
  writeFileSync(image, "");
  spawnSync("truncate", ["--size=40M", image]);
  // Nothing kept for root: the tests run as root.
  const made = spawnSync("mkfs.ext4", ["-q", "-m", "0", image], { encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  await space.mount("-o", "loop", image, directory);
};

class FullDisk implements AsyncDisposable {
  readonly bench: FaultyBench;
  readonly #space: MountSpace;
  readonly #place: FaultyBench;
  readonly #repository: string;

  private constructor(space: MountSpace, place: FaultyBench, repository: string) {
    this.#space = space;
    this.#place = place;
    this.#repository = repository;
    this.bench = new FaultyBench(space.outside(repository));
  }

  static async create(mount: MountDisk): Promise<FullDisk> {
    const place = new FaultyBench();
    const space = await MountSpace.create();
    const disk = place.at("disk");
    mkdirSync(disk);
    const made = new FullDisk(space, place, join(disk, "repository"));
    try {
      await mount(space, place, disk);
      await made.bench.prepare();
      return made;
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
  }

  async run(...words: readonly string[]): Promise<Outcome> {
    const place = ["--repository", this.#repository, "--cache-directory", this.bench.at("cache"), "--threads", "2"];
    const outcome = await holdfast([...words, ...place], { under: this.#space.under });
    assertNoStackTrace(outcome);
    return outcome;
  }

  async must(...words: readonly string[]): Promise<Outcome> {
    const outcome = await this.run(...words);
    assert.equal(outcome.status, 0, `${words.join(" ")}: ${outcome.stdout}${outcome.stderr}`);
    return outcome;
  }

  /** A backup of a file of this size that no other image has. */
  async backUpNoise(seed: number, bytes: number): Promise<string> {
    const file = join(this.bench.source, `only-${seed}`);
    writeFileSync(file, noise(seed, bytes));
    await this.must("backup", this.bench.source);
    rmSync(file);
    const images = await this.bench.withRepository((repository) => repository.images());
    return images.at(-1)?.id ?? "";
  }

  /** Two images of many files, of which the second has `needed` bytes of those of the first, which is forgotten. */
  async backUpPartlyUnneeded(bytes: number, needed: number): Promise<string> {
    const { source } = this.bench;
    rmSync(source, { recursive: true });
    mkdirSync(source);
    const size = MIB / 4;
    for (let i = 0; i < bytes / size; i++) writeFileSync(join(source, `file-${i}`), noise(100 + i, size));
    await this.must("backup", source);
    for (let i = needed / size; i < bytes / size; i++) rmSync(join(source, `file-${i}`));
    await this.must("backup", source);
    const [first, second] = await this.bench.withRepository((repository) => repository.images());
    await this.must("forget", first?.id ?? "");
    return second?.id ?? "";
  }

  /** There is this image, and it is what the source is. */
  async assertWhole(image: string): Promise<void> {
    assert.deepEqual(await this.bench.withRepository(async (r) => (await r.images()).map(({ id }) => id)), [image]);
    assert.equal(await this.bench.assertSound(), 1);
    assert.deepEqual(this.bench.leftovers(), []);
  }

  get reserve(): string {
    return join(this.bench.repository, "reserve");
  }

  /** Until not one more byte can be written. */
  fill(): void {
    const file = openSync(join(dirname(this.bench.repository), "filling"), "a");
    for (let size = MIB; size >= 1; size = Math.floor(size / 2)) {
      try {
        for (;;) writeSync(file, Buffer.alloc(size, 1));
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
      }
    }
    closeSync(file);
    assert.equal(this.freeBytes(), 0);
  }

  /** After `fill`: so much is free again. */
  free(bytes: number): void {
    const file = join(dirname(this.bench.repository), "filling");
    truncateSync(file, statSync(file).size - bytes);
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(dirname(this.bench.repository));
    return bavail * bsize;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#space[Symbol.asyncDispose]();
    this.bench[Symbol.dispose]();
    this.#place[Symbol.dispose]();
  }
}

// Everything on every file system: HOLDFAST_TEST_ALL_FAULTS=1 node --test test/full-disk.test.ts
const ALL = process.env["HOLDFAST_TEST_ALL_FAULTS"] === "1";

const whyNoLoop = (): string | false => !existsSync("/dev/loop-control") && "there are no loop devices here";

const DISKS = [
  { name: "tmpfs", mount: mountTmpfs, tools: [], why: () => false as const },
  { name: "ext4", mount: mountExt4, tools: ["mkfs.ext4", "truncate"], why: whyNoLoop },
];

for (const { name, mount, tools, why } of DISKS) {
  const skip = whyNot({ root: true, tools: ["unshare", "nsenter", "mount", ...tools] }) || why();
  // What does not depend on the file system is tried on one.
  const onAny = (behaviour: string, body: () => Promise<void>): void => {
    if (name === "tmpfs" || ALL) void test(behaviour, body);
  };
  describe(`on a full ${name}`, { skip }, () => {
    test("a backup fails, forget and prune work and give the space back, and the reserve is there again", async () => {
      await using disk = await FullDisk.create(mount);
      await disk.must("backup", disk.bench.source);
      const forgotten = await disk.backUpNoise(7, 8 * MIB);
      const reserved = statSync(disk.reserve).size;
      assert.ok(reserved >= MIB);
      disk.fill();

      const change = join(disk.bench.source, "change");
      writeFileSync(change, noise(9, MIB));
      assert.equal((await disk.run("backup", disk.bench.source)).status, 1);
      rmSync(change);
      await disk.must("forget", forgotten);
      assert.ok(statSync(disk.reserve).size > 0.7 * reserved);
      const { stdout } = await disk.must("prune");
      assert.match(stdout, /^Freed 8/);
      assert.ok(disk.freeBytes() > 7 * MIB);
      assert.ok(statSync(disk.reserve).size > 0.7 * reserved);
      assert.deepEqual(disk.bench.leftovers(), []);
      assert.equal(await disk.bench.assertSound(), 1);
      await disk.must("backup", disk.bench.source);
    });

    onAny("what is needed in part is written anew as far as what was removed makes room", async () => {
      await using disk = await FullDisk.create(mount);
      const stays = await disk.backUpPartlyUnneeded(8 * MIB, 2 * MIB);
      const forgotten = await disk.backUpNoise(21, 4 * MIB);
      await disk.must("forget", forgotten);
      disk.fill();
      const { stdout } = await disk.must("prune", "--max-unused", "0");
      assert.match(stdout, /wrote [\d.]+ MiB anew/);
      assert.ok(disk.freeBytes() > 10 * MIB, `${disk.freeBytes()} free\n${stdout}`);
      await disk.assertWhole(stays);
    });

    onAny("what there is no room to write anew stays, prune says so, and what was written in vain is gone", async () => {
      await using disk = await FullDisk.create(mount);
      const stays = await disk.backUpPartlyUnneeded(8 * MIB, 6 * MIB);
      disk.fill();
      disk.free(2 * MIB);
      const before = disk.freeBytes();
      for (let i = 0; i < 2; i++) {
        const { status, stderr } = await disk.run("prune", "--max-unused", "0");
        assert.equal(status, 1, stderr);
        assert.match(stderr, /disk is full, and there is nothing that could be removed.*Forget more images/s);
        assert.ok(disk.freeBytes() > before - MIB / 4, `${disk.freeBytes()} of ${before} free`);
        assert.ok(statSync(disk.reserve).size > MIB / 2);
      }
      await disk.assertWhole(stays);
      await disk.must("prune", "--max-unused", "100%");
      await disk.assertWhole(stays);
    });

    test("however little room there is, the program is not ended by it", async () => {
      await using disk = await FullDisk.create(mount);
      await disk.must("backup", disk.bench.source);
      disk.fill();
      // Enough for a part of the pages that SQLite maps into memory, where blocks are smaller than pages.
      for (let kibibytes = 4; kibibytes <= 64; kibibytes += 6) {
        disk.free(kibibytes * 1024);
        await disk.must("prune");
        disk.fill();
      }
      assert.equal(await disk.bench.assertSound(), 1);
    });

    onAny("without a reserve and without a byte nothing can be done, and nothing is lost", async () => {
      await using disk = await FullDisk.create(mount);
      await disk.must("backup", disk.bench.source);
      rmSync(disk.reserve);
      disk.fill();
      const { status, stderr } = await disk.run("prune");
      assert.equal(status, 1, stderr);
      assert.match(stderr, /no space left.*Free space/s);
      disk.free(MIB);
      await disk.must("prune");
      assert.ok(statSync(disk.reserve).size > MIB / 2);
      assert.equal(await disk.bench.assertSound(), 1);
    });
  });
}
