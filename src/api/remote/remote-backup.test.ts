import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HoldfastError } from "../../base/errors.ts";
import { KIB, fill, serve, settled } from "./served-harness.contract.ts";

test("a backup over the network is whole, and comes back as it was on another client's way", async () => {
  await using s = await serve();
  fill(s.t);
  const { repository } = await s.client();
  const report = await repository.backup({ paths: [s.t.source] });
  assert.deepEqual([report.problemCount, report.notices, report.statistics.filesNew], [0, [], 63]);
  assert.ok(report.addedPlainBytes > 6_500 * KIB);
  const [image] = await repository.images();
  assert.deepEqual([image?.id, image?.record.host, image?.record.source], [report.imageId, "laptop", `laptop:${s.t.source}`]);
  const target = join(s.t.directory, "target");
  const restored = await repository.restore({ image: "latest", target });
  assert.deepEqual([restored.problems, restored.restoredFiles], [[], 63]);
  for (const name of ["medium", "large", "empty", "directory/small-7"]) {
    assert.deepEqual(readFileSync(join(target, s.t.source, name)), readFileSync(join(s.t.source, name)), name);
  }
  assert.deepEqual((await s.t.repository.verify({ readData: 1 })).damages, []);
});

test("a second backup claims what has not changed, and sends next to nothing", async () => {
  await using s = await serve();
  fill(s.t);
  const { repository, connection } = await s.client();
  await settled();
  await repository.backup({ paths: [s.t.source] });
  const before = connection.bytesSent;
  connection.questions.length = 0;
  const second = await repository.backup({ paths: [s.t.source] });
  assert.ok(second.statistics.entriesClaimed > 60);
  assert.ok(connection.bytesSent - before < 10 * KIB, `${connection.bytesSent - before} bytes`);
  assert.ok(connection.questions.length < 10, connection.questions.join(", "));
  writeFileSync(join(s.t.source, "directory", "small-3"), "something else");
  const third = await repository.backup({ paths: [s.t.source] });
  assert.deepEqual([third.statistics.filesChanged, third.baseImageId], [1, second.imageId]);
});

test("what the track log has lost is fetched from the server", async () => {
  await using s = await serve();
  fill(s.t);
  const { repository, connection } = await s.client();
  await settled();
  await repository.backup({ paths: [s.t.source] });
  rmSync(join(s.t.directory, "cache-laptop"), { recursive: true });
  connection.questions.length = 0;
  const second = await repository.backup({ paths: [s.t.source] });
  assert.deepEqual([second.statistics.filesUnchanged, second.statistics.bytesRead], [63, 0]);
  assert.ok(connection.questions.includes("POST /v1/pages"));
});

test("content that the repository has already is proved and not sent", async () => {
  await using s = await serve();
  fill(s.t);
  const laptop = await s.client("laptop");
  await laptop.repository.backup({ paths: [s.t.source] });
  const desktop = await s.client("desktop");
  const report = await desktop.repository.backup({ paths: [s.t.source] });
  assert.ok(desktop.connection.questions.includes("POST /v1/backups/:backup/proofs"));
  assert.ok(!desktop.connection.questions.includes("POST /v1/backups/:backup/blocks"), desktop.connection.questions.join(", "));
  assert.ok(report.addedPlainBytes < 64 * KIB);
  const target = join(s.t.directory, "target");
  await desktop.repository.restore({ image: "latest", target });
  assert.deepEqual(readFileSync(join(target, s.t.source, "large")), readFileSync(join(s.t.source, "large")));
});

test("clients do not see each other's images", async () => {
  await using s = await serve();
  fill(s.t);
  const laptop = await s.client("laptop");
  const { imageId = "" } = await laptop.repository.backup({ paths: [s.t.source] });
  const desktop = await s.client("desktop");
  assert.deepEqual(await desktop.repository.images(), []);
  await assert.rejects(desktop.repository.image(imageId), { code: "IMAGE_UNKNOWN" });
});

test("whichever question or answer is lost on the way, it is asked again and has one effect", async () => {
  await using s = await serve();
  fill(s.t);
  const lost = new Set<string>();
  const lose = (what: string): void => {
    // A server that does not answer the first question is told at once.
    if (lost.has(what) || what.endsWith("/v1/domain")) return;
    lost.add(what);
    throw new HoldfastError("SERVER_UNREACHABLE", { message: `${what} is lost`, retry: "later" });
  };
  const shown = ({ method, path }: { readonly method: string; readonly path: string }): string =>
    `${method} ${path.replace(/[0-9a-f]{32}/, "")}`;
  const { repository } = await s.client("laptop", {
    before: (question) => lose(`question ${shown(question)}`),
    after: (question) => lose(`answer ${shown(question)}`),
  });
  const report = await repository.backup({ paths: [s.t.source] });
  const images = await repository.images();
  assert.deepEqual(
    images.map(({ id }) => id),
    [report.imageId],
  );
  const target = join(s.t.directory, "target");
  await repository.restore({ image: "latest", target });
  assert.deepEqual(readFileSync(join(target, s.t.source, "large")), readFileSync(join(s.t.source, "large")));
  assert.deepEqual((await s.t.repository.verify({ readData: 1 })).damages, []);
  assert.ok(lost.size >= 18, [...lost].join(", "));
});

test("a server that starts again in the middle costs the run; the next one sends what is missing, and nothing is left behind", async () => {
  await using s = await serve();
  fill(s.t);
  let blocks = 0;
  const { repository, connection } = await s.client("laptop", {
    before: async ({ path }) => {
      if (path.endsWith("/blocks") && ++blocks === 4) await s.restart();
    },
  });
  await assert.rejects(repository.backup({ paths: [s.t.source] }), { code: "SESSION_ENDED", retry: "now" });
  assert.deepEqual(await repository.images(), []);
  const { imageId } = await repository.backup({ paths: [s.t.source] });
  assert.deepEqual(
    (await repository.images()).map(({ id }) => id),
    [imageId],
  );
  assert.ok(connection.bytesSent > 0);
  assert.deepEqual((await s.t.repository.verify({ readData: 1 })).damages, []);
  assert.equal((await s.t.repository.prune()).outcome === "waiting", false);
});

test("a client that goes away leaves no session behind when the server has waited long enough", async () => {
  await using s = await serve({ patienceMs: 0 });
  fill(s.t);
  const controller = new AbortController();
  const { repository } = await s.client("laptop", {
    before: ({ method, path }) => {
      if (path.endsWith("/blocks")) controller.abort();
      if (method === "DELETE") throw new HoldfastError("PLATFORM_UNSUPPORTED", { message: "gone" });
    },
  });
  await assert.rejects(repository.backup({ paths: [s.t.source], signal: controller.signal }), { code: "INTERRUPTED" });
  await s.served.endIdle();
  const pruned = await s.t.repository.prune({ maxUnused: 0 });
  assert.notEqual(pruned.outcome, "waiting");
  assert.equal((await s.t.repository.statistics()).images, 0);
});

test("the output of a command, and a rehearsal, go over the network like files", async () => {
  await using s = await serve();
  fill(s.t);
  const { repository } = await s.client();
  await settled();
  await repository.backup({ paths: [s.t.source] });
  const rehearsed = await repository.backup({ paths: [s.t.source], dryRun: true });
  assert.deepEqual([rehearsed.imageId, rehearsed.statistics.filesUnchanged], [undefined, 63]);
  const dumped = await repository.backup({
    command: { arguments: ["cat", join(s.t.source, "large")], fileName: "dump" },
  });
  assert.equal(dumped.source, "laptop:/dump");
  const pieces: Uint8Array[] = [];
  for await (const piece of repository.dump("latest", "/dump")) pieces.push(piece);
  assert.deepEqual(Buffer.concat(pieces), readFileSync(join(s.t.source, "large")));
});

test("listing, finding and comparing read only pages of the client's own images", async () => {
  await using s = await serve();
  fill(s.t);
  const { repository } = await s.client();
  const first = await repository.backup({ paths: [s.t.source] });
  writeFileSync(join(s.t.source, "medium"), "changed");
  const second = await repository.backup({ paths: [s.t.source] });
  const names: string[] = [];
  for await (const { path } of repository.entries("latest", { path: s.t.source, recursive: false })) names.push(path);
  assert.deepEqual(
    names.map((name) => name.slice(s.t.source.length)),
    ["", "/directory", "/empty", "/large", "/medium"],
  );
  const found: string[] = [];
  for await (const { entry, imageIds } of repository.find("small-7")) found.push(`${entry.path} ${imageIds.length}`);
  assert.deepEqual(found, [`${s.t.source}/directory/small-7 2`]);
  const changed: string[] = [];
  for await (const difference of repository.diff(first.imageId ?? "", second.imageId ?? "")) {
    if (difference.kind === "changed") changed.push(difference.after.path);
  }
  assert.ok(changed.includes(join(s.t.source, "medium")));
});

test("a client that has nothing to say for longer than the server's patience keeps its backup", async () => {
  await using s = await serve({ patienceMs: 300 });
  const { repository } = await s.client();
  const tidying = setInterval(() => void s.served.endIdle(), 50);
  try {
    const report = await repository.backup({ command: { arguments: ["sh", "-c", "sleep 2; echo done"], fileName: "out" } });
    assert.ok(report.imageId !== undefined);
  } finally {
    clearInterval(tidying);
  }
});

test("an answer to the beginning that is lost again and again does not fill all places", async () => {
  await using s = await serve({ backupsAtOnce: 3 });
  fill(s.t);
  let lost = 0;
  const { repository } = await s.client("laptop", {
    after: ({ method, path }) => {
      if (method === "POST" && path === "/v1/backups" && lost++ < 4)
        throw new HoldfastError("SERVER_UNREACHABLE", { message: "lost", retry: "later" });
    },
  });
  assert.ok((await repository.backup({ paths: [s.t.source] })).imageId !== undefined);
});
