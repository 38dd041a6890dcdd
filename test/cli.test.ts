// The program as people and scripts use it, from the first command on.

import assert from "node:assert/strict";
import { appendFileSync, chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  Workplace,
  assertNoStackTrace,
  expectStatus,
  holdfast,
  isRoot,
  makeRepository,
  whyNot,
} from "./support/holdfast-process.ts";
import type { Outcome } from "./support/holdfast-process.ts";

class Session extends Workplace {
  readonly documents = this.at("documents");

  constructor() {
    super();
    mkdirSync(join(this.documents, "letters"), { recursive: true });
    writeFileSync(join(this.documents, "letters", "anna.txt"), "Dear Anna\n");
    writeFileSync(join(this.documents, "letters", "bert.txt"), "Dear Bert\n");
    writeFileSync(join(this.documents, "accounts.csv"), "1;2;3\n".repeat(2_000));
  }

  get env(): Record<string, string> {
    return { HOLDFAST_REPOSITORY: this.at("repository"), XDG_CACHE_HOME: this.at("cache"), HOME: this.path };
  }

  run(status: number, ...words: readonly string[]): Promise<Outcome> {
    return expectStatus(status, words, { env: this.env, cwd: this.path });
  }

  /** The last event of a command with --json. */
  async summary(...words: readonly string[]): Promise<Record<string, unknown>> {
    const { stdout } = await this.run(0, ...words, "--json");
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
  }
}

async function session(): Promise<Session> {
  const made = new Session();
  await makeRepository(made.at("repository"));
  return made;
}

test("a newcomer's first session", async () => {
  using s = new Session();
  const { stdout: made } = await s.run(0, "init");
  assert.match(made, /Made the repository [0-9a-f]{32}/);
  const { stdout: first } = await s.run(0, "backup", "documents");
  assert.match(first, /Made image [0-9a-f]{8} .*first of its source/);
  assert.match(first, /3 new, 0 changed, 0 unchanged/);

  appendFileSync(join(s.documents, "accounts.csv"), "4;5;6\n");
  rmSync(join(s.documents, "letters", "bert.txt"));
  writeFileSync(join(s.documents, "letters", "clara.txt"), "Dear Clara\n");
  const { stdout: second } = await s.run(0, "backup", "documents");
  assert.match(second, /1 new, 1 changed, 1 unchanged/);
  assert.match(second, /built on [0-9a-f]{8}/);

  const { stdout: listed } = await s.run(0, "images");
  const ids = [...listed.matchAll(/^([0-9a-f]{8,}) /gm)].map(([, id = ""]) => id);
  assert.equal(ids.length, 2);
  assert.match(listed, /2 images/);
  const [before = "", after = ""] = ids;

  const { stdout: differences } = await s.run(0, "diff", before, after, "documents");
  assert.match(differences, /^M .*accounts\.csv \(content, time\)$/m);
  assert.match(differences, /^- .*bert\.txt$/m);
  assert.match(differences, /^\+ .*clara\.txt$/m);
  assert.match(differences, /1 added, 1 removed, \d changed/);

  assert.match((await s.run(0, "ls", "latest", "documents")).stdout, /accounts\.csv/);
  assert.match((await s.run(0, "find", "bert*")).stdout, /bert\.txt/);
  assert.equal((await s.run(0, "dump", before, "documents/letters/bert.txt")).stdout, "Dear Bert\n");
  assert.match((await s.run(0, "stats")).stdout, /2/);

  await s.run(0, "restore", before, "--target", "restored");
  const restored = (name: string): string => readFileSync(s.at("restored", s.documents.slice(1), name), "utf8");
  assert.equal(restored("letters/bert.txt"), "Dear Bert\n");
  assert.equal(restored("accounts.csv"), "1;2;3\n".repeat(2_000));
  assert.ok(!existsSync(s.at("restored", s.documents.slice(1), "letters/clara.txt")));
  await s.run(0, "restore", "latest", "documents/letters/clara.txt", "--target", "restored");
  assert.equal(restored("letters/clara.txt"), "Dear Clara\n");

  rmSync(s.documents, { recursive: true });
  await s.run(0, "restore", "latest", "documents", "--target", "/");
  assert.equal(readFileSync(join(s.documents, "letters", "clara.txt"), "utf8"), "Dear Clara\n");

  assert.match((await s.run(0, "verify", "--read-data")).stdout, /No damage was found/);
  assert.match((await s.run(0, "tag", "latest", "--add", "monthly")).stdout, /monthly/);
  assert.match((await s.run(0, "images", "--tag", "monthly")).stdout, /1 image\b/);
  const { stdout: slots } = await s.run(0, "key", "list");
  assert.match(slots, /[0-9a-f]{8}/);
  assert.match((await s.run(0, "rebuild-index")).stdout, /\d/);
  assert.equal((await s.run(0, "dump", before, "documents/letters/bert.txt")).stdout, "Dear Bert\n");
});

test("what --json writes is JSON: a document or one event in each line, and errors too", async () => {
  using s = await session();
  await s.run(0, "backup", "documents", "--tag", "one");
  await s.run(0, "backup", "documents");
  for (const command of [
    ["images"],
    ["ls", "latest", "-R"],
    ["find", "*.txt"],
    ["diff", "latest", "latest"],
    ["stats"],
    ["key", "list"],
    ["verify"],
    ["restore", "latest", "--target", "restored"],
    ["version"],
    ["cat", "repository"],
  ]) {
    const { stdout, stderr } = await s.run(0, ...command, "--json");
    const lines = stdout.trim().split("\n");
    assert.notEqual(stdout, "", command.join(" "));
    for (const line of lines) assert.ok(isObject(JSON.parse(line)), `${command.join(" ")}: ${line}`);
    assert.equal(stderr, "", command.join(" "));
  }
  const { stdout, stderr } = await s.run(1, "ls", "0123456789", "--json");
  const [error] = `${stdout}${stderr}`
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    { event: error?.["event"], code: error?.["code"], exitStatus: error?.["exitStatus"] },
    { event: "error", code: "IMAGE_UNKNOWN", exitStatus: 1 },
  );
});

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

test("exit statuses: 1 failed, 2 not understood, 10 no repository, 12 wrong passphrase", async () => {
  using s = await session();
  await s.run(1, "ls", "latest");
  await s.run(1, "backup", "missing-directory");
  assert.match((await s.run(1, "init")).stderr, /already|exists|repository/);
  for (const words of [
    ["no-such-command"],
    ["backup", "--no-such-option"],
    ["restore", "latest"],
    ["backup"],
    ["images", "extra"],
    ["verify", "--read-data=200%"],
    ["backup", ".", "--compression", "most"],
  ]) {
    const { stderr } = await s.run(2, ...words);
    assert.match(stderr, /holdfast/, words.join(" "));
  }
  await expectStatus(10, ["images"], { env: { ...s.env, HOLDFAST_REPOSITORY: s.at("nowhere") } });
  await expectStatus(2, ["images"], { env: { ...s.env, HOLDFAST_REPOSITORY: undefined } });
  await expectStatus(12, ["images"], { env: { ...s.env, HOLDFAST_PASSPHRASE: "wrong" } });
  await s.run(0, "--version");
  await s.run(0, "--help");
});

test("the passphrase comes from a file or a command just as well", async () => {
  using s = await session();
  writeFileSync(s.at("passphrase"), "correct horse\n");
  const env = { ...s.env, HOLDFAST_PASSPHRASE: undefined };
  await expectStatus(0, ["images", "--passphrase-file", s.at("passphrase")], { env });
  await expectStatus(0, ["images", "--passphrase-command", "echo correct horse"], { env });
  const { stderr } = await expectStatus(1, ["images", "--passphrase-command", "exit 5"], { env });
  assert.match(stderr, /5/);
  const without = await holdfast(["images"], { env });
  assert.ok(without.status === 1 || without.status === 2, `${without.status}: ${without.stderr}`);
  assert.match(without.stderr, /passphrase/i);
  assertNoStackTrace(without);
});

test(
  "an unreadable file is listed, the rest is backed up, and the exit status is 3",
  { skip: whyNot({ tools: isRoot ? ["setpriv"] : [] }) },
  async () => {
    using s = new Session();
    const closed = join(s.documents, "letters", "anna.txt");
    mkdirSync(join(s.documents, "closed"));
    writeFileSync(join(s.documents, "closed", "inside"), "x");
    chmodSync(closed, 0);
    chmodSync(join(s.documents, "closed"), 0);
    chmodSync(s.path, 0o777);
    if (isRoot) {
      chownSync(closed, 0, 0);
      mkdirSync(s.at("home"));
      chownSync(s.at("home"), 65534, 65534);
    }
    const under = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
    const home = isRoot ? s.at("home") : s.path;
    const env = { HOLDFAST_REPOSITORY: join(home, "repository"), XDG_CACHE_HOME: home, HOME: home };
    await expectStatus(0, ["init"], { under, env });
    const { stdout, stderr } = await expectStatus(3, ["backup", s.documents], { under, env });
    assert.match(stdout, /2 unreadable/);
    assert.match(stderr, /anna\.txt.*EACCES/);
    assert.match(stderr, /closed.*EACCES/);
    assert.match(stderr, /2 items/);
    assert.match((await expectStatus(0, ["images"], { under, env })).stdout, /2 unreadable/);
    const { stdout: listed } = await expectStatus(0, ["ls", "latest", s.documents, "-R"], { under, env });
    assert.match(listed, /bert\.txt/);
    assert.doesNotMatch(listed, /anna\.txt/);
    const json = await expectStatus(3, ["backup", s.documents, "--json"], { under, env });
    const events = json.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(events.filter(({ event }) => event === "problem").length, 2);
    assert.equal(events.at(-1)?.["exitStatus"], 3);
  },
);

test("the output of a command becomes a file, unless the command fails", async () => {
  using s = await session();
  await s.run(0, "backup", "--stdin-from-command", "--stdin-file-name", "numbers.txt", "--", "seq", "1", "200000");
  const expected = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join("");
  assert.ok((await s.run(0, "dump", "latest", "/numbers.txt")).stdout === expected);
  for (const command of [["sh", "-c", "seq 1 1000; exit 3"], ["sh", "-c", "seq 1 1000; kill -9 $$"], ["/no/such/program"]]) {
    const { stderr } = await s.run(1, "backup", "--stdin-from-command", "--", ...command);
    assert.match(stderr, /seq|program|status 3|SIGKILL|killed/);
  }
  await s.run(2, "backup", "--stdin-from-command");
  assert.match((await s.run(0, "images")).stdout, /1 image\b/);
});

test("commands before and after: the first must succeed, the second always runs", async () => {
  using s = await session();
  const mark = s.at("mark");
  const { stdout } = await s.run(
    0,
    "backup",
    "documents",
    "--before",
    `echo before > ${mark}`,
    "--after",
    `echo "$HOLDFAST_RESULT" >> ${mark}`,
  );
  assert.match(stdout, /Made image/);
  assert.equal(readFileSync(mark, "utf8"), "before\ndone\n");
  assert.match((await s.run(1, "backup", "documents", "--before", "exit 7")).stderr, /7/);
  assert.match((await s.run(0, "images")).stdout, /1 image\b/);
  const { stderr } = await s.run(1, "backup", "documents", "--after", "exit 8");
  assert.match(stderr, /8/);
  assert.match((await s.run(0, "images")).stdout, /2 images/);
  rmSync(mark);
  await s.run(1, "backup", "missing", "--after", `echo "$HOLDFAST_RESULT" > ${mark}`);
  assert.equal(readFileSync(mark, "utf8"), "failed\n");
});

test("a dry run says what a backup would read, of files that are new, changed, unchanged and too fresh to tell", async () => {
  using s = await session();
  assert.match((await s.run(0, "backup", "documents", "--dry-run")).stdout, /nothing was stored/);
  assert.match((await s.run(0, "images")).stdout, /No images/);
  await s.run(0, "backup", "documents");
  appendFileSync(join(s.documents, "accounts.csv"), "4;5;6\n");
  writeFileSync(join(s.documents, "new"), "new");
  assert.match((await s.run(0, "backup", "documents", "--dry-run")).stdout, /1 new, 1 changed, 2 unchanged/);
  assert.match((await s.run(0, "backup", "documents", "--dry-run", "--force-rescan")).stdout, /to read +11\.\d KiB/);
});

test("what is excluded stays out, and lists choose what comes in", async () => {
  using s = await session();
  const fill = (name: string): void => {
    mkdirSync(join(s.documents, name, ".."), { recursive: true });
    writeFileSync(join(s.documents, name), name);
  };
  for (const name of [
    "a.tmp",
    "letters/b.tmp",
    "keep.tmp",
    "cache/data",
    "build/out",
    "build/keep",
    "skip/data",
    "deep/er/build/x",
    "core",
  ])
    fill(name);
  writeFileSync(join(s.documents, "cache", "CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n");
  writeFileSync(join(s.documents, "skip", ".nobackup"), "");
  writeFileSync(s.at("patterns"), "# comment\n/core\n*.csv\n");
  const listed = async (...words: string[]): Promise<string[]> => {
    await s.run(words.includes("list") ? 3 : 0, "backup", ...words);
    const { stdout } = await s.run(0, "ls", "latest", "documents", "-R", "--json");
    const entries = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { path?: string; kind?: string });
    return entries.flatMap(({ path = "", kind }) => (kind === "file" ? [path.slice(s.documents.length + 1)] : [])).toSorted();
  };
  assert.deepEqual(
    await listed(
      "documents",
      "-e",
      "*.tmp",
      "-e",
      "!keep.tmp",
      "-e",
      "build/",
      "--exclude-caches",
      "--exclude-if-present",
      ".nobackup",
    ),
    ["accounts.csv", "cache/CACHEDIR.TAG", "core", "keep.tmp", "letters/anna.txt", "letters/bert.txt", "skip/.nobackup"],
  );
  assert.ok(!(await listed("documents", "--exclude-file", "patterns")).includes("accounts.csv"));
  writeFileSync(s.at("list"), "documents/core\ndocuments/letters\ndocuments/missing\n");
  assert.deepEqual(await listed("--files-from", "list"), ["core", "letters/anna.txt", "letters/b.tmp", "letters/bert.txt"]);
  writeFileSync(s.at("list0"), "documents/core\0documents/keep.tmp\0");
  assert.deepEqual(await listed("--files-from0", "list0"), ["core", "keep.tmp"]);
});

test("a cache directory that cannot be made costs a notice, not the backup", async () => {
  using s = await session();
  writeFileSync(s.at("file"), "");
  const { stderr } = await s.run(0, "backup", "documents", "--cache-directory", s.at("file", "below"));
  assert.match(stderr, /track log/);
});

test("a restore that finds files in its way says so, and goes by --overwrite", async () => {
  using s = await session();
  await s.run(0, "backup", "documents");
  const letter = join(s.documents, "letters", "anna.txt");
  writeFileSync(letter, "Something else\n");
  writeFileSync(join(s.documents, "new.txt"), "new");
  await s.run(0, "restore", "latest", "documents", "--target", "/", "--overwrite", "never");
  assert.equal(readFileSync(letter, "utf8"), "Something else\n");
  const plan = await s.run(
    0,
    "restore",
    "latest",
    "documents",
    "--target",
    "/",
    "--overwrite",
    "if-changed",
    "--delete",
    "--dry-run",
  );
  assert.match(plan.stdout, /\d/);
  assert.equal(readFileSync(letter, "utf8"), "Something else\n");
  await s.run(0, "restore", "latest", "documents", "--target", "/", "--overwrite", "if-changed", "--delete", "--verify");
  assert.equal(readFileSync(letter, "utf8"), "Dear Anna\n");
  assert.ok(!existsSync(join(s.documents, "new.txt")));
  assert.ok(existsSync(s.at("repository")));
});
