import assert from "node:assert/strict";
import { lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { noise } from "../../test/support/noise.ts";
import { hexOf } from "../base/bytes.ts";
import { newRepository, temporaryDirectory } from "./browsing-harness.contract.ts";
import { inspectStored } from "./inspect.ts";
import { listImageSummaries, selectImage } from "./select-image.ts";
import { repositoryStatistics } from "./statistics.ts";

describe("a repository of two images", async () => {
  const tree = temporaryDirectory();
  mkdirSync(`${tree}/sub`);
  writeFileSync(`${tree}/sub/small`, "small content");
  writeFileSync(`${tree}/large`, noise(1, 14_000_000));
  const { opened, directory, backUp } = await newRepository();
  const first = await backUp({ paths: [tree], tags: ["one"] });
  writeFileSync(`${tree}/sub/small`, "another content");
  const second = await backUp({ paths: [`${tree}/sub`], source: "other", host: "elsewhere" });
  const repository = `${directory}/repository`;
  const volume = opened.repository.defaultVolume;

  const filesBelow = (path: string): string[] =>
    readdirSync(path, { recursive: true, withFileTypes: true }).flatMap((file) =>
      file.isFile() ? [join(file.parentPath, file.name)] : [],
    );

  test("is chosen from by identifier, beginning, or what is latest", async () => {
    assert.deepEqual(await selectImage(opened, first.id), first);
    assert.deepEqual(await selectImage(opened, first.id.slice(0, 12).toUpperCase()), first);
    assert.deepEqual(await selectImage(opened, "latest"), second);
    assert.deepEqual(await selectImage(opened, "latest", { tag: "one" }), first);
    assert.deepEqual(first.tags, ["one"]);
    await assert.rejects(selectImage(opened, "latest", { tag: "two" }), { code: "IMAGE_UNKNOWN" });
    await assert.rejects(selectImage(opened, "0".repeat(64)), { code: "IMAGE_UNKNOWN" });
    await assert.rejects(selectImage(opened, ""), { code: "IMAGE_UNKNOWN" });
  });

  test("lists its images, oldest first, those that pass a filter", async () => {
    assert.deepEqual(await listImageSummaries(opened), [first, second]);
    assert.deepEqual(await listImageSummaries(opened, { host: "elsewhere" }), [second]);
    assert.deepEqual(await listImageSummaries(opened, { source: first.record.source, tag: "one" }), [first]);
    assert.deepEqual(await listImageSummaries(opened, { tag: "none" }), []);
  });

  test("counts what it holds", async () => {
    const containers = filesBelow(`${repository}/volumes/main/containers`);
    const runs = filesBelow(`${repository}/index`);
    const bytes = (paths: readonly string[]): number => paths.reduce((sum, path) => sum + lstatSync(path).size, 0);
    const { segments, ...counted } = await repositoryStatistics(opened);
    assert.deepEqual(counted, {
      images: 2,
      sources: 2,
      containers: containers.length,
      containerBytes: bytes(containers),
      condemned: { containers: 0, bytes: 0 },
      indexRuns: runs.length,
      indexBytes: bytes(runs),
      reserveBytes: lstatSync(`${repository}/reserve`).size,
      requests: undefined,
      logicalBytes: 14_000_000 + 13 + 15,
    });
    // Three contents, one of them in more than eight segments; their list; two pages of entries.
    assert.ok(segments > 3 + 8 + 1, `${segments} segments`);
  });

  test("describes itself", async () => {
    assert.deepEqual(await inspectStored(opened, { kind: "repository" }), {
      id: hexOf(opened.repository.id),
      location: repository,
      createdAtMs: opened.repository.createdAtMs,
      trails: opened.repository.trails,
      defaultVolume: volume.id,
      volumes: [
        {
          id: volume.id,
          name: "main",
          path: `${repository}/volumes/main`,
          mediaType: 1,
          createdAtMs: opened.repository.createdAtMs,
          capacityBytes: 0,
        },
      ],
      problems: [],
    });
  });

  test("describes its key slots without what they protect", async () => {
    const id = opened.repository.unlocked.slotId;
    const slot = {
      id,
      label: "first",
      createdAtMs: opened.repository.createdAtMs,
      kdf: { memoryKiB: 8, passes: 1, lanes: 1 },
      isCurrent: true,
    };
    const described = (await inspectStored(opened, { kind: "key" })) as { createdAtMs: number }[];
    assert.deepEqual(described, [{ ...slot, createdAtMs: described[0]?.createdAtMs }]);
    assert.deepEqual(await inspectStored(opened, { kind: "key", id: id.slice(0, 5) }), described[0]);
    await assert.rejects(inspectStored(opened, { kind: "key", id: "xyz" }), { code: "KEY_SLOT_UNKNOWN" });
  });

  test("shows the record of an image", async () => {
    assert.deepEqual(await inspectStored(opened, { kind: "image", id: first.id.slice(0, 16) }), first);
    await assert.rejects(inspectStored(opened, { kind: "image" }), { code: "USAGE" });
  });

  test("shows what a container says of itself", async () => {
    const kinds: string[] = [];
    for (const path of filesBelow(`${repository}/volumes/main/containers`)) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      const described = (await inspectStored(opened, { kind: "container", id: name.slice(0, 20) })) as {
        kind: string;
        segmentCount: number;
        plainBytes: number;
        blocks: {
          offset: number;
          storedLength: number;
          plainLength: number;
          kind: string;
          identity: string;
          segmentCount: number;
        }[];
      };
      const { kind, segmentCount, plainBytes, blocks, ...rest } = described;
      assert.deepEqual(rest, { name, volume: volume.id, sizeBytes: readFileSync(path).length });
      kinds.push(kind);
      let offset = 64;
      for (const block of blocks) {
        assert.deepEqual([block.offset, block.kind, block.identity.length], [offset, kind, 32]);
        offset += block.storedLength;
      }
      assert.equal(
        blocks.reduce((sum, block) => sum + block.segmentCount, 0),
        segmentCount,
      );
      assert.equal(
        blocks.reduce((sum, block) => sum + block.plainLength, 0),
        plainBytes,
      );
    }
    assert.deepEqual(new Set(kinds), new Set(["data", "metadata"]));
    await assert.rejects(inspectStored(opened, { kind: "container", id: "zz" }), { code: "USAGE" });
  });

  test("shows the entries of a page, and the segments of a large file", async () => {
    const { fingerprint, pageBytes } = first.record.root;
    const page = (await inspectStored(opened, { kind: "page", id: fingerprint })) as { entries: Record<string, unknown>[] };
    const { entries, ...header } = page;
    assert.deepEqual(header, { fingerprint, kind: "entries", level: 0, sizeBytes: pageBytes });
    assert.deepEqual(
      entries.slice(-4).map(({ path }) => path),
      [tree, `${tree}/large`, `${tree}/sub`, `${tree}/sub/small`],
    );
    const { ino, uid, gid, mode } = lstatSync(`${tree}/sub`);
    const { modified, changed, birth: _, ...rest } = entries.at(-2) ?? {};
    assert.deepEqual(rest, {
      path: `${tree}/sub`,
      kind: "directory",
      mode: (mode & 0o7777).toString(8).padStart(4, "0"),
      userId: uid,
      groupId: gid,
      inode: `${ino}`,
      sizeBytes: 0,
      recheck: false,
      changedWhileRead: false,
    });
    assert.ok(modified !== undefined && changed !== undefined);
    const { segments: inline } = entries.at(-1) as { segments: { kind: string; length: number; fingerprint: string }[] };
    assert.deepEqual(inline, [{ kind: "data", length: 13, fingerprint: inline[0]?.fingerprint }]);

    const { segmentList } = entries.at(-3) as { segmentList: { fingerprint: string; pageBytes: number; level: number } };
    const listed = (await inspectStored(opened, { kind: "page", id: segmentList.fingerprint.toUpperCase() })) as {
      segments: { length: number }[];
    };
    const { segments, ...listHeader } = listed;
    assert.deepEqual(listHeader, {
      fingerprint: segmentList.fingerprint,
      kind: "segments",
      level: 0,
      sizeBytes: segmentList.pageBytes,
    });
    assert.equal(
      segments.reduce((sum, { length }) => sum + length, 0),
      14_000_000,
    );
  });

  test("shows nothing that would not go through JSON as it is", async () => {
    const all = [
      { kind: "repository" } as const,
      { kind: "key" } as const,
      { kind: "image", id: first.id } as const,
      { kind: "page", id: first.record.root.fingerprint } as const,
    ];
    for (const what of all) {
      const described = await inspectStored(opened, what);
      assert.deepEqual(JSON.parse(JSON.stringify(described)), described);
    }
  });

  test("says that a page is not there, or that nothing of that name can be", async () => {
    await assert.rejects(inspectStored(opened, { kind: "page", id: "0".repeat(64) }), { code: "SEGMENT_MISSING" });
    await assert.rejects(inspectStored(opened, { kind: "page", id: "latest" }), { code: "USAGE" });
  });

  test("tells of a record that cannot be read, and goes on with the others", async () => {
    const broken = `${repository}/volumes/main/images/${"ab".repeat(32)}`;
    writeFileSync(broken, "not a record");
    const heard: string[] = [];
    const onDamage = (damaged: readonly { name: string }[]): void => void heard.push(...damaged.map(({ name }) => name));
    assert.deepEqual(await listImageSummaries(opened, {}, onDamage), [first, second]);
    assert.deepEqual(await selectImage(opened, "latest", {}, onDamage), second);
    assert.equal((await repositoryStatistics(opened, onDamage)).images, 2);
    assert.deepEqual(heard, Array<string>(3).fill("ab".repeat(32)));
  });
});
