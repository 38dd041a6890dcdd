import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { HoldfastError } from "../base/errors.ts";
import { temporaryNames } from "../media/media.ts";
import { NO_ITEMS } from "../model/image.ts";
import type { ImageRecord } from "../model/image.ts";
import { services } from "../main/services.ts";
import type { EpochMs } from "../platform/clock.ts";
import type { Files } from "../platform/files.ts";
import { openRepository, publishImage } from "../repository/repository.ts";
import { open } from "./api.ts";
import { newRepository, temporaryDirectory } from "./browsing-harness.contract.ts";
import { Opened } from "./opened.ts";
import type { Services } from "./services.ts";
import type { ForgetOptions, ForgetReport, ImageSummary, Repository } from "./types.ts";

const NOW_MS = Date.parse("2026-11-20T12:00:00Z");
const DAY_MS = 86_400_000;

interface Place {
  readonly directory: string;
  /** Images by the names that they were given. */
  readonly ids: Readonly<Record<string, string>>;
  readonly paths: { readonly images: string; readonly annotations: string };
  open(changes?: Partial<Services>): Promise<Repository>;
  /** What is there, by name, oldest first. */
  present(repository: Repository): Promise<string[]>;
}

/** A repository with one real image, which every test gets a copy of. */
const template = await newRepository();
const tree = temporaryDirectory();
writeFileSync(`${tree}/file`, "content");
const real = await template.backUp({ paths: [tree], source: "home" });

/** A repository with copies of a real image that say they are of these sources and times. */
async function place(images: Readonly<Record<string, Partial<ImageRecord>>>): Promise<Place> {
  const directory = temporaryDirectory();
  const path = `${directory}/repository`;
  cpSync(`${template.directory}/repository`, path, { recursive: true });
  const { files, random } = services();
  const { keyRing, defaultVolume } = await openRepository({ files, path, passphrase: () => "x" });
  const volume = defaultVolume.writable(temporaryNames("0123456789abcdef", random));
  const ids: Record<string, string> = {};
  for (const [name, changes] of Object.entries(images)) {
    const time = { startedAtMs: changes.finishedAtMs ?? NOW_MS, finishedAtMs: NOW_MS };
    ids[name] = (await publishImage({ volume, keyRing, random }, { ...real.record, ...time, ...changes })).id;
  }
  await volume.removeRecord("images", real.id);
  const names = new Map(Object.entries(ids).map(([name, image]) => [image, name]));
  return {
    directory,
    ids,
    paths: { images: `${volume.path}/images`, annotations: `${volume.path}/annotations` },
    open: (changes = {}) => {
      const clock = { now: () => NOW_MS as EpochMs, elapsedMs: () => 0 };
      const world = { ...services(), clock, host: { ...services().host, timeZone: "UTC" }, ...changes };
      return open(world, { repository: path, passphrase: () => "x", cacheDirectory: `${directory}/cache` });
    },
    present: async (repository) => (await repository.images()).map((image) => names.get(image.id) ?? image.id),
  };
}

const daysAgo = (days: number, changes: Partial<ImageRecord> = {}): Partial<ImageRecord> => {
  return { finishedAtMs: NOW_MS - days * DAY_MS, ...changes };
};

const WEEK = { now: daysAgo(0), d1: daysAgo(1), d2: daysAgo(2), d3: daysAgo(3), d40: daysAgo(40) };

/** Name → what was decided and why. */
function decisions({ ids }: Place, { sources }: ForgetReport): Record<string, string> {
  const names = new Map(Object.entries(ids).map(([name, id]) => [id, name]));
  const all = sources.flatMap(({ images }) => images);
  return Object.fromEntries(
    all.map(({ id, keeps, reasons }) => [names.get(id) ?? id, `${keeps ? "keep" : "remove"}: ${reasons.join(", ")}`]),
  );
}

describe("forgetting by rules", () => {
  test("removes what no rule keeps, of each source by itself, and leaves the rest readable", async () => {
    const where = await place({
      ...WEEK,
      other: daysAgo(9, { source: "other" }),
      older: daysAgo(10, { source: "other" }),
    });
    await using repository = await where.open();
    const report = await repository.forget({ rules: { last: 1, daily: 2 } });
    assert.deepEqual(
      report.sources.map(({ source, images }) => [source, images.length]),
      [
        ["home", 5],
        ["other", 2],
      ],
    );
    assert.deepEqual(decisions(where, report), {
      d40: "remove: no rule keeps it",
      d3: "remove: no rule keeps it",
      d2: "remove: no rule keeps it",
      d1: "keep: daily 2026-11-19",
      now: "keep: last 1 of 1, daily 2026-11-20",
      older: "keep: daily 2026-11-10",
      other: "keep: last 1 of 1, daily 2026-11-11",
    });
    assert.deepEqual([report.kept, report.removed, report.dryRun], [4, 3, false]);
    assert.deepEqual(await where.present(repository), ["older", "other", "d1", "now"]);
    assert.deepEqual((await repository.verify({ readData: 1 })).damages, []);
    assert.deepEqual((await repository.forget({ rules: { last: 1, daily: 2 } })).removed, 0);
  });

  test("rehearsed, decides the same and writes nothing", async () => {
    const where = await place(WEEK);
    await using repository = await where.open();
    const before = filesOf(`${where.directory}/repository`);
    const rehearsed = await repository.forget({ rules: { last: 2 }, dryRun: true });
    assert.deepEqual(filesOf(`${where.directory}/repository`), before);
    assert.equal(rehearsed.dryRun, true);
    assert.deepEqual(await repository.forget({ rules: { last: 2 } }), { ...rehearsed, dryRun: false });
  });

  test("judges only what passes the filter", async () => {
    const where = await place({ a: daysAgo(1, { tags: ["x"] }), b: daysAgo(2, { tags: ["x"] }), c: daysAgo(3), d: daysAgo(4) });
    await using repository = await where.open();
    const report = await repository.forget({ rules: { last: 1 }, filter: { tag: "x" } });
    assert.deepEqual(decisions(where, report), { a: "keep: last 1 of 1", b: "remove: no rule keeps it" });
    assert.deepEqual(await where.present(repository), ["d", "c", "a"]);
    assert.deepEqual((await repository.forget({ rules: { last: 1 }, filter: { host: "nowhere" } })).sources, []);
  });

  test("counts by when images were committed, in the time zone that is asked for", async () => {
    const at = (time: string): Partial<ImageRecord> => ({ finishedAtMs: Date.parse(time) });
    const where = await place({ a: at("2026-11-19T10:00:00Z"), b: at("2026-11-19T14:00:00Z"), c: at("2026-11-19T16:00:00Z") });
    await using repository = await where.open();
    const rehearse = async (timeZone?: string): Promise<unknown> => {
      const zone = timeZone === undefined ? {} : { timeZone };
      return decisions(where, await repository.forget({ rules: { daily: 9 }, dryRun: true, ...zone }));
    };
    const c = "keep: daily 2026-11-20";
    assert.deepEqual(await rehearse("Asia/Tokyo"), { a: "remove: no rule keeps it", b: "keep: daily 2026-11-19", c });
    const removed = "remove: no rule keeps it";
    assert.deepEqual(await rehearse(), { a: removed, b: removed, c: "keep: daily 2026-11-19" });
  });

  test("keeps a complete image beside an incomplete one of its day", async () => {
    const unreadable = { count: 1, items: [] };
    const where = await place({
      whole: daysAgo(0.2),
      gaps: daysAgo(0.1, { unreadable }),
      old: daysAgo(9, { unreadable: NO_ITEMS }),
    });
    await using repository = await where.open();
    await repository.forget({ rules: { daily: 1 } });
    assert.deepEqual(await where.present(repository), ["whole", "gaps"]);
  });
});

describe("forgetting is refused, and nothing is removed,", () => {
  async function refusal(options: ForgetOptions, code: string, message: RegExp): Promise<void> {
    const where = await place({ ...WEEK, other: daysAgo(9, { source: "other", tags: ["x"] }) });
    await using repository = await where.open();
    for (const dryRun of [true, false]) {
      await assert.rejects(repository.forget({ ...options, dryRun }), (error: unknown) => {
        assert.ok(error instanceof HoldfastError);
        assert.deepEqual([error.code, typeof error.hint], [code, "string"]);
        assert.match(error.message, message);
        return true;
      });
    }
    assert.equal((await repository.images()).length, 6);
  }

  test("when rules would remove every image of a source", async () => {
    await refusal(
      { rules: { tags: ["x"] } },
      "RETENTION_REFUSED",
      /^These rules would remove every image of home; nothing was removed$/,
    );
    await refusal(
      { rules: { tags: ["y"] } },
      "RETENTION_REFUSED",
      /^These rules would remove every image of home, and of 1 other source; /,
    );
  });

  test("when nothing but a hold would keep any image of a source", async () => {
    const where = await place(WEEK);
    await using repository = await where.open();
    await repository.hold(where.ids["d40"] ?? "", { reason: "audit" });
    await assert.rejects(repository.forget({ rules: { tags: ["typing mistake"] } }), {
      code: "RETENTION_REFUSED",
      message: "These rules would remove every image of home that is not held; nothing was removed",
    });
    assert.equal((await repository.images()).length, 5);
  });

  test("when rules keep nothing", async () => {
    await refusal({ rules: { last: 0 } }, "USAGE", /^These rules keep nothing/);
    await refusal({ rules: { last: 0, within: { daily: 0 }, tags: [] }, keepWithinMs: 0 }, "USAGE", /^These rules keep nothing/);
    await refusal({}, "USAGE", /^These rules keep nothing/);
  });

  test("when options make no sense", async () => {
    const where = await place({});
    await using repository = await where.open();
    for (const options of [
      { rules: { last: -1 } },
      { rules: { daily: 1.5 } },
      { rules: { within: { daily: Number.POSITIVE_INFINITY } } },
      { keepWithinMs: Number.NaN },
      { rules: { last: 1 }, images: ["latest"] },
      { rules: { last: 1 }, timeZone: "Europe/Atlantis" },
    ])
      await assert.rejects(repository.forget(options), { code: "USAGE" });
  });
});

describe("forgetting by name", () => {
  test("removes these images and no others, even all of a source", async () => {
    const where = await place({ ...WEEK, other: daysAgo(9, { source: "other" }) });
    await using repository = await where.open();
    const { ids } = where;
    const report = await repository.forget({ images: [ids["d2"] ?? "", ids["other"]?.slice(0, 20) ?? "", ids["d2"] ?? ""] });
    assert.deepEqual(decisions(where, report), { d2: "remove: named", other: "remove: named" });
    assert.deepEqual(await where.present(repository), ["d40", "d3", "d1", "now"]);
    await repository.forget({ images: ["latest"], filter: { source: "home" } });
    assert.deepEqual(await where.present(repository), ["d40", "d3", "d1"]);
  });

  test("removes nothing when one of the names means no image", async () => {
    const where = await place(WEEK);
    await using repository = await where.open();
    await assert.rejects(repository.forget({ images: [where.ids["d2"] ?? "", "0".repeat(64)] }), { code: "IMAGE_UNKNOWN" });
    await assert.rejects(repository.forget({ images: ["latest"], filter: { source: "x" } }), { code: "IMAGE_UNKNOWN" });
    assert.equal((await repository.images()).length, 5);
  });

  test("does not undercut the floor", async () => {
    const where = await place(WEEK);
    await using repository = await where.open();
    const images = [where.ids["d40"] ?? "", where.ids["d3"] ?? ""];
    const wanted = { code: "RETENTION_REFUSED", message: /must stay \(younger than 30 days\); nothing was removed$/ };
    await assert.rejects(repository.forget({ images, keepWithinMs: 30 * DAY_MS }), wanted);
    assert.equal((await repository.images()).length, 5);
    await repository.forget({ images: images.slice(0, 1), keepWithinMs: 30 * DAY_MS });
    assert.deepEqual(await where.present(repository), ["d3", "d2", "d1", "now"]);
  });
});

describe("a hold", () => {
  const untilMs = NOW_MS + 30 * DAY_MS;

  async function held(): Promise<Place & { readonly image: string }> {
    const where = await place(WEEK);
    await using repository = await where.open();
    const image = where.ids["d40"] ?? "";
    await repository.hold(image.slice(0, 16), { reason: "audit", untilMs });
    return { ...where, image };
  }

  const later = (nowMs: number): Partial<Services> => ({ clock: { now: () => nowMs as EpochMs, elapsedMs: () => 0 } });

  test("is shown with its image and by what inspects it", async () => {
    const { open: openAgain, image } = await held();
    await using repository = await openAgain();
    assert.deepEqual((await repository.image(image)).hold, { reason: "audit", untilMs });
    assert.deepEqual(((await repository.inspect({ kind: "image", id: image })) as ImageSummary).hold, {
      reason: "audit",
      untilMs,
    });
    assert.deepEqual(
      (await repository.images()).map(({ hold }) => hold?.reason),
      ["audit", undefined, undefined, undefined, undefined],
    );
  });

  test("keeps its image from rules and from being named", async () => {
    const where = await held();
    await using repository = await where.open();
    await assert.rejects(repository.forget({ images: [where.ids["d2"] ?? "", where.image] }), {
      code: "IMAGE_HELD",
      message: `Image ${where.image.slice(0, 16)} must stay (held: audit until 2026-12-20); nothing was removed`,
      hint: `\`holdfast hold --remove ${where.image.slice(0, 16)}\` ends the hold.`,
    });
    const report = await repository.forget({ rules: { last: 1 } });
    assert.equal(decisions(where, report)["d40"], "keep: held: audit until 2026-12-20");
    assert.deepEqual(await where.present(repository), ["d40", "now"]);
  });

  test("protects no more when it has ended, was removed, or was replaced by one that has", async () => {
    for (const end of ["time", "removal", "replacement"]) {
      const where = await held();
      const nowMs = end === "removal" ? NOW_MS : untilMs;
      await using before = await where.open();
      if (end === "removal") await before.hold(where.image, undefined);
      if (end === "replacement") await before.hold(where.image, { reason: "shorter", untilMs: NOW_MS + 1 });
      await using repository = await where.open(later(nowMs));
      await repository.forget({ rules: { last: 1 } });
      assert.deepEqual(await where.present(repository), ["now"], end);
    }
  });

  test("stays when tags are changed, and tags stay when it is set", async () => {
    const where = await held();
    await using repository = await where.open();
    await repository.tag(where.image, { add: ["a"] });
    await repository.tag(where.image, { add: ["b"], remove: ["a"] });
    await repository.hold(where.image, { reason: "audit" });
    const { tags, hold } = await repository.image(where.image);
    assert.deepEqual({ tags, hold }, { tags: ["b"], hold: { reason: "audit" } });
    const annotations = readdirSync(where.paths.annotations).length;
    await repository.hold(where.image, { reason: "audit" });
    assert.equal(readdirSync(where.paths.annotations).length, annotations);
  });

  test("outlives tags that were changed at the same time, whichever record has the higher name", async () => {
    for (let round = 0; round < 6; round++) {
      const where = await held();
      const [hold = ""] = readdirSync(where.paths.annotations);
      const [path, aside] = [`${where.paths.annotations}/${hold}`, `${where.directory}/aside`];
      // What a program does that looks before the hold is there, and writes after.
      renameSync(path, aside);
      await using repository = await where.open();
      await repository.tag(where.image, { add: ["x"] });
      renameSync(aside, path);
      assert.deepEqual((await repository.image(where.image)).hold, { reason: "audit", untilMs });
      await repository.hold(where.image, undefined);
      assert.equal((await repository.image(where.image)).hold, undefined);
    }
  });

  test("needs a reason that can be shown, and an end that is still to come", async () => {
    const where = await held();
    await using repository = await where.open();
    for (const hold of [
      { reason: "" },
      { reason: " " },
      { reason: "a\nb" },
      { reason: "x".repeat(1_025) },
      { reason: "x", untilMs: NOW_MS },
      { reason: "x", untilMs: 1.5 },
      { reason: "x", untilMs: Number.MAX_SAFE_INTEGER },
    ])
      await assert.rejects(repository.hold(where.image, hold), { code: "USAGE" });
    assert.deepEqual((await repository.image(where.image)).hold, { reason: "audit", untilMs });
  });

  test("that may stand in an annotation nobody can read keeps everything", async () => {
    const where = await held();
    const [name = ""] = readdirSync(where.paths.annotations);
    const path = `${where.paths.annotations}/${name}`;
    const bytes = readFileSync(path);
    bytes[90] = (bytes[90] ?? 0) ^ 1;
    rmSync(path);
    writeFileSync(path, bytes);
    await using repository = await where.open();
    const wanted = { code: "REPOSITORY_DAMAGED", message: /^Nothing is forgotten while an annotation cannot be read/ };
    await assert.rejects(repository.forget({ rules: { last: 1 } }), wanted);
    await assert.rejects(repository.forget({ images: [where.ids["d2"] ?? ""], dryRun: true }), wanted);
    assert.equal((await repository.images()).length, 5);
  });

  test("that is set while images are being forgotten still saves its own", async () => {
    const where = await place(WEEK);
    await using other = await where.open();
    await other.hold(where.ids["d2"] ?? "", { reason: "just now" });
    const [hold = ""] = readdirSync(where.paths.annotations);
    const [aside, path] = [`${where.directory}/aside`, `${where.paths.annotations}/${hold}`];
    renameSync(path, aside);
    const files: Files = { ...services().files };
    files.remove = (removed) => {
      // The oldest image goes first; the hold is on one that comes after it.
      if (removed.startsWith(where.paths.images) && existsSync(aside)) renameSync(aside, path);
      return services().files.remove(removed);
    };
    await using repository = await where.open({ files });
    const report = await repository.forget({ rules: { last: 1 } });
    assert.deepEqual(decisions(where, report), {
      d40: "remove: no rule keeps it",
      d3: "remove: no rule keeps it",
      d2: "keep: held: just now",
      d1: "remove: no rule keeps it",
      now: "keep: last 1 of 1",
    });
    assert.deepEqual(await where.present(repository), ["d2", "now"]);
  });
});

test("two runs at once that keep different images leave one", async () => {
  const where = await place({ a: daysAgo(1, { tags: ["a"] }), b: daysAgo(2), c: daysAgo(3, { tags: ["c"] }) });
  const files: Files = { ...services().files };
  files.remove = (removed) => {
    // The other run, which keeps c, is done between two removals of this one.
    if (removed.startsWith(where.paths.images)) rmSync(`${where.paths.images}/${where.ids["a"]}`);
    return services().files.remove(removed);
  };
  await using repository = await where.open({ files });
  await assert.rejects(repository.forget({ rules: { tags: ["a"] } }), {
    code: "RETENTION_REFUSED",
    message: "The images of home that were to stay were removed by somebody else meanwhile; no more of it is removed",
  });
  assert.deepEqual(await where.present(repository), ["b"]);
});

describe("what a forgotten image leaves", () => {
  test("is nothing in lists, in the catalog, and among annotations; the job is in the history", async () => {
    const where = await place(WEEK);
    await using repository = await where.open();
    for (const name of ["d1", "d2", "d3"]) await repository.tag(where.ids[name] ?? "", { add: [name] });
    await repository.forget({ rules: { last: 2 } });
    assert.equal(readdirSync(where.paths.images).length, 2);
    assert.equal(readdirSync(where.paths.annotations).length, 1);
    const { files } = services();
    const stored = await openRepository({ files, path: `${where.directory}/repository`, passphrase: () => "x" });
    const opened = new Opened(services(), stored, { cacheDirectory: `${where.directory}/cache`, threads: 1 });
    const catalog = await opened.catalog();
    assert.deepEqual(
      catalog.images().map(({ id, tags }) => [id, tags]),
      [
        [where.ids["d1"], ["d1"]],
        [where.ids["now"], []],
      ],
    );
    assert.equal(catalog.annotationNames().length, 1);
    const [job] = catalog.jobs();
    assert.deepEqual([job?.kind, job?.outcome, job?.detail], ["forget", "done", "3 removed, 2 kept"]);
    await opened.close();
    assert.deepEqual(readdirSync(`${where.directory}/repository/sessions`), []);
  });

  test("after being cut off at any removal is a sound repository, and the next run finishes the work", async () => {
    let isDone = false;
    for (let at = 1; !isDone; at++) {
      assert.ok(at < 30, "it comes to its end");
      const where = await place(WEEK);
      await using first = await where.open();
      for (const name of ["now", "d2", "d3"]) await first.tag(where.ids[name] ?? "", { add: [name] });
      let removals = 0;
      const files: Files = { ...services().files };
      files.remove = (path) => {
        const isRecord = path.startsWith(where.paths.images) || path.startsWith(where.paths.annotations);
        if (isRecord && ++removals === at) throw new HoldfastError("REPOSITORY_WRITE_FAILED", { message: "cut off" });
        return services().files.remove(path);
      };
      await using broken = await where.open({ files });
      try {
        await broken.forget({ rules: { last: 1 } });
        isDone = true;
      } catch (error) {
        assert.ok(error instanceof HoldfastError && error.message === "cut off");
      }
      await using repository = await where.open();
      const present = await repository.images();
      assert.ok(present.length >= 1 && present.length <= 5);
      assert.deepEqual((await repository.verify()).damages, []);
      // Images that are still there still have their tags.
      const names = new Map(Object.entries(where.ids).map(([name, id]) => [id, name]));
      for (const { id, tags } of present) {
        const name = names.get(id) ?? "";
        assert.deepEqual(tags, ["now", "d2", "d3"].includes(name) ? [name] : []);
      }
      await repository.forget({ rules: { last: 1 } });
      assert.deepEqual(await where.present(repository), ["now"]);
      assert.equal(readdirSync(where.paths.annotations).length, 1, `cut off at ${at}`);
    }
  });

  test("does not trouble the next backup, which builds on another image or on none", async () => {
    const where = await place({});
    const { clock } = services();
    await using repository = await where.open({ clock });
    const first = await repository.backup({ paths: [tree] });
    const second = await repository.backup({ paths: [tree] });
    assert.equal(second.baseImageId, first.imageId);
    await repository.forget({ images: [second.imageId ?? ""] });
    const third = await repository.backup({ paths: [tree] });
    assert.equal(third.baseImageId, first.imageId);
    await repository.forget({ images: [first.imageId ?? "", third.imageId ?? ""] });
    assert.deepEqual(await repository.images(), []);
    const fourth = await repository.backup({ paths: [tree] });
    assert.equal(fourth.baseImageId, undefined);
    assert.deepEqual((await repository.verify({ readData: 1 })).damages, []);
  });
});

function filesOf(directory: string): string[] {
  return (readdirSync(directory, { recursive: true }) as string[]).toSorted();
}
