// Repositories made by earlier versions, kept as they were: every later version reads them, restores what they hold, and goes on
// writing to them.

import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { open } from "../src/api/api.ts";
import type { Repository } from "../src/api/types.ts";
import { HoldfastError } from "../src/base/errors.ts";
import { services } from "../src/main/services.ts";
import { describeTree } from "./support/describe-tree.ts";
import type { GoldenManifest } from "./support/golden-manifest.ts";
import { Workplace, isRoot, whyNot } from "./support/holdfast-process.ts";

const GOLDEN = join(import.meta.dirname, "fixtures", "golden");
const linux = { skip: whyNot({}) };

/** A copy: the original stays as it is. */
function copyOf(version: string, place: Workplace): GoldenManifest {
  const manifest = JSON.parse(readFileSync(join(GOLDEN, version, "manifest.json"), "utf8")) as GoldenManifest;
  cpSync(join(GOLDEN, version, "repository"), place.at("repository"), { recursive: true });
  for (const directory of manifest.directories) mkdirSync(place.at("repository", directory), { recursive: true });
  return manifest;
}

async function withRepository<T>(place: Workplace, { passphrase }: GoldenManifest, use: (opened: Repository) => Promise<T>) {
  const options = {
    repository: place.at("repository"),
    passphrase: () => passphrase,
    cacheDirectory: place.at("cache"),
    threads: 2,
  };
  await using opened = await open(services(), options);
  return await use(opened);
}

/** As whoever runs this can make them: owners and devices need root. */
function shownAs(lines: readonly string[]): readonly string[] {
  if (isRoot) return lines;
  return lines.filter((line) => !/^(character|block)-device /.test(line)).map((line) => line.replace(/^(\S+ \S+) \S+/, "$1 -"));
}

for (const version of readdirSync(GOLDEN)) {
  test(`a repository of version ${version} is whole, and all of its images come back as they were`, linux, async () => {
    using place = new Workplace();
    const manifest = copyOf(version, place);
    await withRepository(place, manifest, async (repository) => {
      assert.deepEqual(repository.problems, []);
      assert.deepEqual((await repository.verify({ readData: 1 })).damages, []);
      const images = await repository.images();
      assert.deepEqual(
        images.map(({ id, tags }) => ({ id, tags })),
        manifest.images.map(({ id, tags }) => ({ id, tags })),
      );
      for (const { id, entries } of manifest.images) {
        const target = place.at(id.slice(0, 8));
        const { problems } = await repository.restore({ image: id, target, paths: [manifest.source], verify: true });
        if (isRoot) assert.deepEqual(problems, []);
        assert.deepEqual(describeTree(join(target, manifest.source), { asOrdinaryUser: !isRoot }), shownAs(entries));
      }
    });
  });

  test(`a repository of version ${version} takes another image that builds on its last one`, linux, async () => {
    using place = new Workplace();
    const manifest = copyOf(version, place);
    const { id: last = "" } = manifest.images.at(-1) ?? {};
    await withRepository(place, manifest, async (repository) => {
      const restored = place.at("restored");
      await repository.restore({ image: last, target: restored, paths: [manifest.source] });
      const path = join(restored, manifest.source);
      writeFileSync(join(path, "added"), "added by a later version");
      const expected = describeTree(path, { asOrdinaryUser: !isRoot });
      const { imageId = "", addedPlainBytes } = await repository.backup({ paths: [path], source: "golden", forceRescan: true });
      // All content is there already; pages are new, since the paths are.
      assert.ok(addedPlainBytes < 100_000, `${addedPlainBytes} bytes were stored again`);
      const again = place.at("again");
      await repository.restore({ image: imageId, target: again, paths: [path] });
      assert.deepEqual(describeTree(join(again, path), { asOrdinaryUser: !isRoot }), expected);
      assert.deepEqual((await repository.verify({ readData: 1 })).damages, []);
    });
  });

  test(`a repository of version ${version} is read by its second key slot, and its index is made again`, linux, async () => {
    using place = new Workplace();
    const manifest = { ...copyOf(version, place), passphrase: "battery staple" };
    rmSync(place.at("repository", "index"), { recursive: true });
    mkdirSync(place.at("repository", "index"));
    await withRepository(place, manifest, async (repository) => {
      assert.deepEqual((await repository.rebuildIndex()).damaged, []);
      assert.deepEqual((await repository.verify({ readData: 1 })).damages, []);
    });
  });

  test(`a repository like one of version ${version}, but of a newer format, is refused and says so`, linux, async () => {
    using place = new Workplace();
    const manifest = copyOf(version, place);
    const path = place.at("repository", "repository");
    const record = readFileSync(path);
    record.writeUInt16LE(record.readUInt16LE(8) + 1, 8);
    record.writeUInt32LE(crc32(record.subarray(0, record.length - 4)), record.length - 4);
    chmodSync(path, 0o600);
    writeFileSync(path, record);
    await assert.rejects(
      withRepository(place, manifest, async () => undefined),
      (error) => {
        assert.ok(error instanceof HoldfastError, String(error));
        assert.equal(error.code, "REPOSITORY_TOO_NEW");
        assert.match(error.message, /version is 2, this program knows 1/);
        assert.match(error.hint ?? "", /newer version of Holdfast/);
        return true;
      },
    );
  });
}
