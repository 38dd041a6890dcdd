import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { HoldfastError } from "../base/errors.ts";
import { seededRandom } from "../engine/testing.ts";
import type { ContainerName, VolumeId } from "../media/media.ts";
import { NO_STATISTICS } from "../model/image.ts";
import type { ImageAnnotation, ImageId, ImageRecord } from "../model/image.ts";
import { nodeFiles } from "../platform/node-files.ts";
import { openCatalog, rebuildCatalog } from "./catalog.ts";
import type { CatalogImage, CatalogSource, OpenCatalogOptions } from "./catalog.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-catalog-"));
after(() => rmSync(root, { recursive: true }));
let counter = 0;
const KEY = seededRandom("key").bytes(32);

/** A repository that holds nothing but records. */
class Records implements CatalogSource {
  readonly images = new Map<ImageId, ImageRecord | HoldfastError>();
  readonly annotations = new Map<string, ImageAnnotation>();
  reads = 0;

  add(seed: number, changes: Partial<ImageRecord> = {}): ImageId {
    const id = idOf(seed);
    this.images.set(id, record({ startedAtMs: 1_000 * seed, ...changes }));
    return id;
  }

  async imageIds(): Promise<readonly ImageId[]> {
    return [...this.images.keys()];
  }

  async readImage(id: ImageId): Promise<ImageRecord | undefined> {
    this.reads += 1;
    const found = this.images.get(id);
    if (found instanceof HoldfastError) throw found;
    return found;
  }

  async annotationNames(): Promise<readonly string[]> {
    return [...this.annotations.keys()];
  }

  async readAnnotation(name: string): Promise<ImageAnnotation | undefined> {
    return this.annotations.get(name);
  }
}

function idOf(seed: number): ImageId {
  return seed.toString(16).padStart(64, "0") as ImageId;
}

function record(changes: Partial<ImageRecord>): ImageRecord {
  return {
    source: "home",
    host: "secret-host",
    user: "secret-user",
    paths: ["/secret/path"],
    tags: ["secret-tag"],
    startedAtMs: 1,
    finishedAtMs: 2,
    base: null,
    root: { fingerprint: "00".repeat(32), level: 0, entryCount: 3, pageBytes: 4 },
    statistics: { ...NO_STATISTICS, files: 3 },
    owners: { "0": "root" },
    groups: {},
    unreadable: { count: 2, items: [{ path: "/secret/unreadable", reason: "EACCES" }] },
    skippedSockets: { count: 0, items: [] },
    changedWhileRead: { count: 1, items: [] },
    options: { excludes: ["secret-pattern"] },
    holdfastVersion: "0.1.0",
    ...changes,
  };
}

function place(source: CatalogSource = new Records()): OpenCatalogOptions {
  const directory = join(root, String(counter++));
  mkdirSync(directory);
  return { files: nodeFiles(), path: join(directory, "catalog.sqlite"), key: KEY, random: seededRandom(counter), source };
}

function ids(images: readonly CatalogImage[]): readonly ImageId[] {
  return images.map((image) => image.id);
}

async function open(where: OpenCatalogOptions): ReturnType<typeof openCatalog> {
  const opened = await openCatalog(where);
  assert.equal(opened.catalog.place, "file");
  return opened;
}

test("a new catalog takes in every image of the repository, oldest first", async () => {
  const source = new Records();
  for (const seed of [5, 1, 3]) source.add(seed);
  const { catalog, changes } = await open(place(source));
  assert.deepEqual(changes, { added: [idOf(5), idOf(1), idOf(3)], removed: [], damaged: [] });
  assert.deepEqual(ids(catalog.images()), [idOf(1), idOf(3), idOf(5)]);
  assert.deepEqual(catalog.images()[0], {
    id: idOf(1),
    source: "home",
    host: "secret-host",
    user: "secret-user",
    paths: ["/secret/path"],
    tags: ["secret-tag"],
    startedAtMs: 1_000,
    finishedAtMs: 2,
    base: null,
    entryCount: 3,
    statistics: { ...NO_STATISTICS, files: 3 },
    unreadableCount: 2,
    skippedSocketCount: 0,
    changedWhileReadCount: 1,
    holdfastVersion: "0.1.0",
  });
  catalog.close();
});

test("a catalog that is up to date reads no image again", async () => {
  const source = new Records();
  source.add(1);
  const where = place(source);
  (await open(where)).catalog.close();
  source.reads = 0;
  const { catalog, changes } = await open(where);
  assert.deepEqual([source.reads, changes.added, catalog.images().length], [0, [], 1]);
  catalog.close();
});

test("images that came or went while the catalog was closed are noticed", async () => {
  const source = new Records();
  source.add(1);
  source.add(2);
  const where = place(source);
  (await open(where)).catalog.close();
  source.images.delete(idOf(1));
  source.add(3);
  const { catalog, changes } = await open(where);
  assert.deepEqual(changes, { added: [idOf(3)], removed: [idOf(1)], damaged: [] });
  assert.deepEqual(ids(catalog.images()), [idOf(2), idOf(3)]);
  catalog.close();
});

test("a damaged image record is reported every time, and the others are there", async () => {
  const source = new Records();
  source.add(1);
  const problem = new HoldfastError("REPOSITORY_DAMAGED", { message: "broken" });
  source.images.set(idOf(2), problem);
  const where = place(source);
  for (let round = 0; round < 2; round++) {
    const { catalog, changes } = await open(where);
    assert.deepEqual(changes.damaged, [{ name: idOf(2), problem }]);
    assert.deepEqual(ids(catalog.images()), [idOf(1)]);
    catalog.close();
  }
});

test("an image that vanishes between listing and reading is not damage", async () => {
  const source = new Records();
  source.images.set(idOf(1), new HoldfastError("IMAGE_UNKNOWN", { message: "gone" }));
  const { catalog, changes } = await open(place(source));
  assert.deepEqual([changes.damaged, catalog.images()], [[], []]);
  catalog.close();
});

test("an error of the repository's listing is not mistaken for one of the catalog", async () => {
  const source = new Records();
  const failing = Object.assign(source, {
    imageIds: () => Promise.reject(new HoldfastError("REPOSITORY_READ_FAILED", { message: "input/output error" })),
  });
  await assert.rejects(openCatalog(place(failing)), { code: "REPOSITORY_READ_FAILED" });
});

test("images are filtered by source, host and the tags that hold now", async () => {
  const source = new Records();
  source.add(1, { source: "mail", tags: ["old"] });
  source.add(2, { host: "other" });
  source.annotations.set("a", { image: idOf(1), generation: 1, tags: ["one"], madeAtMs: 1 });
  source.annotations.set("c", { image: idOf(1), generation: 2, tags: ["lower name"], madeAtMs: 3 });
  source.annotations.set("d", { image: idOf(1), generation: 2, tags: ["two"], madeAtMs: 2 });
  const { catalog } = await open(place(source));
  assert.deepEqual(ids(catalog.images({ source: "mail" })), [idOf(1)]);
  assert.deepEqual(ids(catalog.images({ host: "other" })), [idOf(2)]);
  assert.deepEqual(ids(catalog.images({ tag: "two" })), [idOf(1)]);
  for (const tag of ["old", "one", "lower name"]) assert.deepEqual(catalog.images({ tag }), [], tag);
  catalog.close();
});

test("an image recorded twice is there once, and one recorded by hand survives the next opening", async () => {
  const source = new Records();
  const where = place(source);
  const { catalog } = await open(where);
  const id = source.add(7);
  const image = { id, record: record({}) };
  catalog.putImages([image, image]);
  catalog.putImages([image]);
  assert.deepEqual(catalog.imageIds(), [id]);
  catalog.close();
  const again = await open(where);
  assert.deepEqual(again.changes.added, []);
  again.catalog.close();
});

test("nothing of what is backed up can be read from the catalog's files without the key", async () => {
  const source = new Records();
  for (let seed = 1; seed < 20; seed++) source.add(seed);
  source.annotations.set("a", { image: idOf(1), generation: 1, tags: ["secret-change"], madeAtMs: 1 });
  const where = place(source);
  const { catalog } = await open(where);
  catalog.putTrails([
    { trail: "11".repeat(16), generation: 1, kind: "backup", name: "secret-trail", volumes: ["22".repeat(16)], madeAtMs: 1 },
  ]);
  const job = catalog.startJob({ kind: "backup", startedAtMs: 1, host: "secret-host", processId: 2 });
  catalog.finishJob(job, { finishedAtMs: 2, outcome: "failed", detail: "secret-detail" });
  for (const name of readdirSync(join(where.path, ".."))) {
    assert.equal(readFileSync(join(where.path, "..", name)).includes("secret"), false, name);
  }
  catalog.close();
});

test("volumes, trails, checks and jobs are kept", async () => {
  const where = place();
  const volume = "ab".repeat(16) as VolumeId;
  const container = (seed: number): ContainerName => seed.toString(16).padStart(64, "0") as ContainerName;
  const trail = { trail: "11".repeat(16), generation: 2, kind: "backup", name: "main", volumes: [volume], madeAtMs: 5 } as const;
  const volumeRow = { id: volume, name: "main", mediaType: 1, capacityBytes: 0, seenAtMs: 9 };
  const first = await open(where);
  first.catalog.putVolumes([{ ...volumeRow, seenAtMs: 1 }]);
  first.catalog.putVolumes([volumeRow]);
  first.catalog.putTrails([trail]);
  first.catalog.recordChecks([
    { volume, container: container(1), checkedAtMs: 20, result: "intact" },
    { volume, container: container(2), checkedAtMs: 20, result: "damaged" },
    { volume, container: container(3), checkedAtMs: 20, result: "missing" },
  ]);
  first.catalog.recordChecks([
    { volume, container: container(1), checkedAtMs: 10, result: "damaged" },
    { volume, container: container(2), checkedAtMs: 30, result: "intact" },
  ]);
  first.catalog.removeChecks(volume, [container(3)]);
  const done = first.catalog.startJob({ kind: "backup", startedAtMs: 1, host: "h", processId: 7 });
  const killed = first.catalog.startJob({ kind: "verify", startedAtMs: 2, host: "h", processId: 8 });
  first.catalog.finishJob(done, { finishedAtMs: 3, outcome: "partial", image: idOf(4), detail: "1 file unreadable" });
  first.catalog.close();

  const { catalog } = await open(where);
  assert.deepEqual(catalog.volumes(), [volumeRow]);
  assert.deepEqual(catalog.trails(), [trail]);
  assert.deepEqual(
    [...catalog.checks(volume).values()],
    [
      { volume, container: container(1), checkedAtMs: 20, result: "intact" },
      { volume, container: container(2), checkedAtMs: 30, result: "intact" },
    ],
  );
  const started = { kind: "verify", startedAtMs: 2, host: "h", processId: 8 };
  assert.deepEqual(catalog.jobs(), [
    { id: killed, ...started },
    {
      id: done,
      kind: "backup",
      startedAtMs: 1,
      host: "h",
      processId: 7,
      finishedAtMs: 3,
      outcome: "partial",
      image: idOf(4),
      detail: "1 file unreadable",
    },
  ]);
  assert.deepEqual(catalog.jobs(1).length, 1);
  catalog.close();
});

test("a rebuilt catalog equals the one before and keeps verification ages and jobs", async () => {
  const source = new Records();
  for (let seed = 1; seed < 700; seed++) source.add(seed);
  source.annotations.set("a", { image: idOf(1), generation: 1, tags: ["x"], madeAtMs: 1 });
  const { catalog } = await open(place(source));
  const before = catalog.images();
  catalog.startJob({ kind: "backup", startedAtMs: 1, host: "h", processId: 7 });
  const changes = await rebuildCatalog(catalog, source);
  assert.equal(changes.added.length, 699);
  assert.deepEqual(catalog.images(), before);
  assert.equal(catalog.jobs().length, 1);
  catalog.close();
});

test("a missing file is made anew with the same images", async () => {
  const source = new Records();
  source.add(1);
  const where = place(source);
  (await open(where)).catalog.close();
  rmSync(where.path);
  const { catalog } = await open(where);
  assert.deepEqual(ids(catalog.images()), [idOf(1)]);
  catalog.close();
});

test("a file that is no database, or cut short, is set aside and made anew", async () => {
  for (const damage of [
    (path: string): void => writeFileSync(path, "this is not a database at all".repeat(500)),
    (path: string): void => truncateSync(path, 5_000),
    (path: string): void => writeFileSync(path, readFileSync(path).fill(0xee, 100, 9_000)),
  ]) {
    const source = new Records();
    for (let seed = 1; seed < 30; seed++) source.add(seed);
    const where = place(source);
    (await open(where)).catalog.close();
    damage(where.path);
    const { catalog } = await open(where);
    assert.equal(catalog.images().length, 29);
    assert.equal(existsSync(`${where.path}.damaged`), true);
    catalog.close();
  }
});

test("rows that were changed, exchanged or sealed under another key are derived again; verification ages stay", async () => {
  const volume = "ab".repeat(16) as VolumeId;
  for (const damage of [
    "UPDATE image SET sealed = x'00' WHERE id LIKE '%1'",
    "UPDATE image SET sealed = (SELECT sealed FROM image WHERE id LIKE '%2') WHERE id LIKE '%1'",
    "UPDATE annotation SET sealed = zeroblob(200)",
    "INSERT INTO trail VALUES ('11', x'01')",
  ]) {
    const source = new Records();
    source.add(1);
    source.add(2);
    source.annotations.set("a", { image: idOf(1), generation: 1, tags: ["x"], madeAtMs: 1 });
    const where = place(source);
    const first = await open(where);
    const before = first.catalog.images();
    first.catalog.recordChecks([{ volume, container: idOf(9) as string as ContainerName, checkedAtMs: 1, result: "intact" }]);
    first.catalog.startJob({ kind: "backup", startedAtMs: 1, host: "h", processId: 7 });
    first.catalog.close();
    const database = new DatabaseSync(where.path);
    database.exec(damage);
    database.exec("UPDATE job SET writer = x'00'");
    database.close();
    const { catalog } = await open(where);
    assert.deepEqual(catalog.images(), before, damage);
    assert.equal(catalog.checks(volume).size, 1);
    assert.deepEqual(
      catalog.jobs().map((job) => job.host),
      ["(damaged)"],
    );
    catalog.close();
  }
});

test("where no file can be written the catalog lives in memory, says why, and is complete", async () => {
  const source = new Records();
  source.add(1);
  writeFileSync(join(root, "no directory"), "");
  const missing = { ...place(source), path: join(root, "no directory", "catalog.sqlite") };
  const { catalog } = await openCatalog(missing);
  assert.equal(catalog.place, "memory");
  assert.match(catalog.reason?.message ?? "", /unable to open/);
  assert.deepEqual(ids(catalog.images()), [idOf(1)]);
  catalog.startJob({ kind: "verify", startedAtMs: 1, host: "h", processId: 1 });
  catalog.close();

  const where = place(source);
  const readOnly = await openCatalog({ ...where, readOnly: true });
  assert.equal(readOnly.catalog.place, "memory");
  assert.equal(readOnly.catalog.reason, undefined);
  assert.equal(existsSync(where.path), false);
  readOnly.catalog.close();
});

test("a directory that was removed with the catalog in it is made again", async () => {
  const source = new Records();
  source.add(1);
  const where = { ...place(source), path: join(root, "removed", "catalog.sqlite") };
  const { catalog } = await openCatalog(where);
  assert.equal(catalog.place, "file");
  assert.equal(existsSync(where.path), true);
  catalog.close();
});

test("a catalog of a newer version is left alone and not used", async () => {
  const source = new Records();
  source.add(1);
  const where = place(source);
  (await open(where)).catalog.close();
  const database = new DatabaseSync(where.path);
  database.exec("PRAGMA user_version = 99");
  database.close();
  const { catalog } = await openCatalog(where);
  assert.equal(catalog.place, "memory");
  assert.equal(catalog.reason?.code, "REPOSITORY_TOO_NEW");
  assert.deepEqual(ids(catalog.images()), [idOf(1)]);
  catalog.close();
});

test("the file is in write-ahead mode and the connection waits for every commit to be durable", async () => {
  const where = place();
  (await open(where)).catalog.close();
  const database = new DatabaseSync(where.path);
  assert.deepEqual({ ...database.prepare("PRAGMA journal_mode").get() }, { journal_mode: "wal" });
  database.close();
});

test("several processes that open a new catalog and write to it at once lose nothing", async () => {
  const where = place();
  const writer = `
    import { openCatalog } from ${JSON.stringify(new URL("catalog.ts", import.meta.url).href)};
    import { nodeFiles } from ${JSON.stringify(new URL("../platform/node-files.ts", import.meta.url).href)};
    import { systemRandom } from ${JSON.stringify(new URL("../platform/system-random.ts", import.meta.url).href)};
    const [path, key, name] = process.argv.slice(1);
    const source = { imageIds: async () => [], annotationNames: async () => [] };
    const { catalog } = await openCatalog({ files: nodeFiles(), path, key: Buffer.from(key, "hex"), random: systemRandom, source });
    if (catalog.place !== "file") throw catalog.reason;
    for (let job = 0; job < 20; job++) {
      const id = catalog.startJob({ kind: name, startedAtMs: job, host: "h", processId: process.pid });
      catalog.finishJob(id, { finishedAtMs: job, outcome: "done", detail: "" });
    }
    catalog.close();`;
  const names = ["a", "b", "c"];
  await Promise.all(
    names.map(async (name) => {
      const child = spawn(process.execPath, [
        "--input-type=module",
        "-e",
        writer,
        where.path,
        Buffer.from(KEY).toString("hex"),
        name,
      ]);
      let errors = "";
      child.stderr.on("data", (data: Buffer) => (errors += data.toString()));
      const code = await new Promise((resolve) => child.on("close", resolve));
      assert.equal(code, 0, errors);
    }),
  );
  const { catalog } = await open(where);
  const jobs = catalog.jobs();
  for (const name of names) assert.equal(jobs.filter((job) => job.kind === name && job.outcome === "done").length, 20);
  catalog.close();
});
