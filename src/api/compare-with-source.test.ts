import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { noise } from "../../test/support/noise.ts";
import { temporaryRepository } from "../../test/support/temporary-repository.ts";
import type { TemporaryRepository } from "../../test/support/temporary-repository.ts";
import type { CompareReport } from "./types.ts";

async function made(): Promise<TemporaryRepository> {
  const t = await temporaryRepository();
  mkdirSync(join(t.source, "d"));
  writeFileSync(join(t.source, "d", "small"), "small");
  writeFileSync(join(t.source, "large"), noise(1, 3_000_000));
  writeFileSync(join(t.source, "sparse"), "");
  truncateSync(join(t.source, "sparse"), 5_000_000);
  writeFileSync(join(t.source, "gone"), "gone");
  symlinkSync("d/small", join(t.source, "link"));
  await t.backUp({ exclude: ["*.tmp"] });
  return t;
}

function differencesOf(t: TemporaryRepository, { differences }: CompareReport): Record<string, string> {
  const shown = differences.map(({ kind, path, changes }) => [path.slice(t.source.length + 1), [kind, ...changes].join(" ")]);
  return Object.fromEntries(shown) as Record<string, string>;
}

/** The same bytes apart from one, and the same times: only reading can tell. */
function changeSilently(path: string): void {
  const { atime, mtime } = statSync(path);
  const bytes = readFileSync(path);
  bytes[bytes.length - 7] = (bytes[bytes.length - 7] as number) ^ 1;
  writeFileSync(path, bytes);
  utimesSync(path, atime, mtime);
}

test("a source that has not changed agrees with its image, and what the backup left out is not new", async () => {
  await using t = await made();
  writeFileSync(join(t.source, "d", "left.tmp"), "");
  const { mtime, atime } = statSync(join(t.source, "link"));
  utimesSync(join(t.source, "d"), atime, mtime);
  await t.backUp({ exclude: ["*.tmp"] });
  const report = await t.repository.compareWithSource({ paths: [t.source] });
  assert.deepEqual(differencesOf(t, report), {});
  assert.deepEqual([report.entries, report.bytesRead], [7, 3_000_000 + 5_000_000 + 5 + 4]);
});

test("every kind of difference is found and named, silent ones too", async () => {
  await using t = await made();
  changeSilently(join(t.source, "large"));
  changeSilently(join(t.source, "sparse"));
  chmodSync(join(t.source, "d", "small"), 0o600);
  rmSync(join(t.source, "gone"));
  mkdirSync(join(t.source, "gone"));
  writeFileSync(join(t.source, "gone", "new"), "new");
  unlinkSync(join(t.source, "link"));
  symlinkSync("large", join(t.source, "link"));
  const report = await t.repository.compareWithSource({ paths: [t.source] });
  const found = differencesOf(t, report);
  assert.match(found["large"] ?? "", /^changed content/);
  assert.match(found["sparse"] ?? "", /^changed content/);
  assert.match(found["link"] ?? "", /^changed target/);
  assert.match(found["gone"] ?? "", /^changed kind/);
  assert.equal(found["d/small"], "changed mode");
  assert.equal(found["gone/new"], "new");
  assert.equal(report.differenceCount, report.newEntries + report.missing + report.changed);
});

test("what is gone is missing, also when it is all that was asked for", async () => {
  await using t = await made();
  rmSync(join(t.source, "d"), { recursive: true });
  const report = await t.repository.compareWithSource({ paths: [join(t.source, "d")] });
  assert.deepEqual(
    report.differences.map(({ kind, path }) => [kind, path]),
    [
      ["missing", join(t.source, "d")],
      ["missing", join(t.source, "d", "small")],
    ],
  );
});

test("the newest image that was made of the paths is taken, or the one that is named", async () => {
  await using t = await made();
  const [first] = await t.repository.images();
  writeFileSync(join(t.source, "gone"), "otherwise");
  const second = await t.backUp({ paths: [join(t.source, "gone")] });
  const newest = await t.repository.compareWithSource({ paths: [join(t.source, "gone")] });
  assert.deepEqual([newest.imageId, newest.differenceCount], [second.imageId, 0]);
  const named = await t.repository.compareWithSource({ paths: [join(t.source, "gone")], image: first?.id ?? "" });
  assert.deepEqual(differencesOf(t, named)["gone"]?.split(" ").slice(0, 2), ["changed", "content"]);
  await assert.rejects(t.repository.compareWithSource({ paths: ["/nowhere at all"] }), { code: "IMAGE_UNKNOWN" });
  await assert.rejects(t.repository.compareWithSource({ paths: [join(t.source, "never")] }), { code: "PATH_NOT_IN_IMAGE" });
});
