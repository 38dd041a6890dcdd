// Every kind of file of a repository damaged in every way: what is asked for afterwards is either right or fails with an
// error that was written for a person and names what is damaged. Nothing wrong is returned, and verify finds it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { crc32 } from "node:zlib";
import { open } from "../src/api/api.ts";
import type { Repository } from "../src/api/types.ts";
import { HoldfastError } from "../src/base/errors.ts";
import { services } from "../src/main/services.ts";
import { GONE, filesOfKind, flips, otherwiseBroken, truncations, withDamagedFile } from "./support/damage.ts";
import type { Damage, KindOfFile } from "./support/damage.ts";
import { PASSPHRASE, Workplace, assertNoStackTrace, expectStatus, holdfast, makeRepository } from "./support/holdfast-process.ts";
import { noise } from "./support/noise.ts";

// Every byte of every file instead of some: HOLDFAST_TEST_ALL_DAMAGE=1 node --test test/damage.test.ts
const ALL = process.env["HOLDFAST_TEST_ALL_DAMAGE"] === "1";

// --- a repository, and what it says when it is whole ---------------------------------------------

interface Whole {
  readonly place: Workplace;
  readonly repository: string;
  readonly source: string;
  /** Of the first backup and of the second, in which some of the content is other. */
  readonly imageIds: readonly string[];
  readonly answers: ReadonlyMap<Question, string>;
  readonly other: string;
}

type Question = "images" | "ls first" | "ls second" | "dump first" | "dump second" | "restore second";
const LISTINGS: readonly Question[] = ["images", "ls first", "ls second"];
const READINGS: readonly Question[] = [...LISTINGS, "dump first", "dump second"];
const EVERYTHING: readonly Question[] = [...READINGS, "restore second"];

let whole: Whole;

before(async () => {
  const place = new Workplace();
  const [source, repository, other] = [place.at("source"), place.at("repository"), place.at("other")];
  mkdirSync(join(source, "small"), { recursive: true });
  for (let i = 0; i < 20; i++) writeFileSync(join(source, "small", `file-${i}`), `${i} `.repeat(50));
  writeFileSync(join(source, "one"), noise(1, 700_000));
  writeFileSync(join(source, "two"), "two ".repeat(100_000));
  await makeRepository(repository);
  await makeRepository(other);
  const imageIds: string[] = [];
  await withRepository(repository, place, async (opened) => {
    imageIds.push((await opened.backup({ paths: [source], tags: ["first"] })).imageId ?? "");
    writeFileSync(join(source, "two"), noise(2, 400_000));
    imageIds.push((await opened.backup({ paths: [source] })).imageId ?? "");
    for (const id of imageIds) await opened.tag(id, { add: ["kept", id.slice(0, 4)] });
  });
  await withRepository(other, place, async (opened) => {
    await opened.tag((await opened.backup({ paths: [source] })).imageId ?? "", { add: ["other"] });
  });
  rmSync(join(repository, "catalog"), { recursive: true });
  const empty: Whole = { place, repository, source, imageIds, answers: new Map(), other };
  const answers = new Map<Question, string>();
  for (const [question, answer] of await ask(empty, EVERYTHING)) {
    assert.ok(typeof answer === "string", `${question}: ${String(answer)}`);
    answers.set(question, answer);
  }
  whole = { ...empty, answers };
});

after(() => whole.place[Symbol.dispose]());

async function withRepository<T>(path: string, place: Workplace, use: (repository: Repository) => Promise<T>): Promise<T> {
  const options = { repository: path, passphrase: () => PASSPHRASE, cacheDirectory: place.at("cache"), threads: 1 };
  await using opened = await open(services(), options);
  return await use(opened);
}

/** Every question in a program of its own, so to speak: nothing is remembered from one to the next. */
async function ask(of: Whole, questions: readonly Question[]): Promise<ReadonlyMap<Question, string | Error>> {
  const answers = new Map<Question, string | Error>();
  for (const question of questions) {
    const answer = withRepository(of.repository, of.place, (repository) => answerTo(of, repository, question));
    answers.set(question, await answer.catch((error: unknown) => (error instanceof Error ? error : new Error(String(error)))));
  }
  return answers;
}

async function answerTo(of: Whole, repository: Repository, question: Question): Promise<string> {
  const [first = "", second = ""] = of.imageIds;
  switch (question) {
    case "images":
      return JSON.stringify(await repository.images());
    case "ls first":
      return listing(repository, first);
    case "ls second":
      return listing(repository, second);
    case "dump first":
      return dumped(repository, first, of.source);
    case "dump second":
      return dumped(repository, second, of.source);
    case "restore second": {
      const target = of.place.at("restored");
      rmSync(target, { recursive: true, force: true });
      const { problems } = await repository.restore({ image: second, target, paths: [of.source] });
      const [problem] = problems;
      if (problem !== undefined)
        throw new HoldfastError("TARGET_WRITE_FAILED", { message: `${problem.path}: ${problem.action}: ${problem.code}` });
      return digestOfTree(target);
    }
  }
}

async function listing(repository: Repository, image: string, path = "/"): Promise<string> {
  const lines: string[] = [];
  for await (const entry of repository.entries(image, { path })) lines.push(JSON.stringify(entry));
  return lines.join("\n");
}

async function dumped(repository: Repository, image: string, path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of repository.dump(image, path)) hash.update(piece);
  return hash.digest("hex");
}

function digestOfTree(root: string): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" }).toSorted()) {
    hash.update(name);
    if (statSync(join(root, name)).isFile()) hash.update(readFileSync(join(root, name)));
  }
  return hash.digest("hex");
}

// --- damage --------------------------------------------------------------------------------------

interface Kind {
  readonly name: KindOfFile;
  readonly questions: readonly Question[];
  readonly flips: number;
  /** What is asked with every flipped bit; `questions` with every other damage. */
  readonly flipQuestions: readonly Question[];
}

const KINDS: readonly Kind[] = [
  { name: "repository record", questions: ["images"], flips: 64, flipQuestions: ["images"] },
  { name: "key slot", questions: ["images"], flips: 400, flipQuestions: ["images"] },
  { name: "trail", questions: READINGS, flips: 100, flipQuestions: ["images"] },
  { name: "volume label", questions: ["images"], flips: 400, flipQuestions: ["images"] },
  {
    name: "image record",
    questions: READINGS,
    flips: 40,
    flipQuestions: ["images", "ls first"],
  },
  { name: "annotation", questions: READINGS, flips: 40, flipQuestions: ["images"] },
  { name: "index run", questions: EVERYTHING, flips: 30, flipQuestions: ["dump second"] },
  {
    name: "container",
    questions: ["ls first", "dump second"],
    flips: 20,
    flipQuestions: ["dump first", "dump second"],
  },
];

const filesOf = (kind: Kind, repository: string): string[] => filesOfKind(kind.name, repository);

async function withDamage(path: string, damage: Damage, use: () => Promise<void>): Promise<void> {
  try {
    await withDamagedFile(path, damage, use);
  } finally {
    // What was derived meanwhile was derived from damage.
    rmSync(join(whole.repository, "catalog"), { recursive: true, force: true });
  }
}

/** Right, or refused in words that name the file. */
async function expectRightOrRefused(path: string, damage: string, questions: readonly Question[]): Promise<void> {
  for (const [question, answer] of await ask(whole, questions)) {
    const what = `${path.slice(whole.repository.length + 1)}, ${damage}, ${question}`;
    if (typeof answer === "string") assertRight(answer, question, path, what);
    else assertRefusal(answer, question, path, what);
  }
}

/** Not assert.equal: these texts are long. An image whose record is damaged is not listed, and tags that cannot be read are old. */
function assertRight(answer: string, question: Question, path: string, what: string): void {
  const right = whole.answers.get(question) ?? "";
  if (question === "images" && path.includes("/volumes/main/images/")) {
    const others = (JSON.parse(right) as { id: string }[]).filter(({ id }) => id !== basename(path));
    assert.deepEqual(JSON.parse(answer), others, what);
  } else if (question === "images" && path.includes("/annotations/")) {
    const withoutTags = (text: string): unknown => (JSON.parse(text) as object[]).map((image) => ({ ...image, tags: [] }));
    assert.deepEqual(withoutTags(answer), withoutTags(right), what);
  } else {
    assert.ok(answer === right, `${what}: the answer is wrong: ${answer.slice(0, 200)}`);
  }
}

function assertRefusal(error: Error, question: Question, path: string, what: string): void {
  assert.ok(error instanceof HoldfastError, `${what}: ${error.stack}`);
  // A restore goes on and lists the entries it could not bring back.
  if (question === "restore second" && error.message.startsWith(whole.source)) return;
  const { message } = error;
  const isNamed = message.includes(path) || message.includes(basename(path).slice(0, 16)) || message.includes("volumes/main");
  assert.ok(isNamed, `${what}: the message names no file: ${message}`);
}

/** At once when opening or by verify, and by name. */
async function expectDetection(path: string, damage: string): Promise<void> {
  const what = `${path.slice(whole.repository.length + 1)}, ${damage}`;
  const found: string[] = [];
  try {
    await withRepository(whole.repository, whole.place, async (repository) => {
      found.push(...repository.problems.map(({ message }) => message));
      const { damages } = await repository.verify({ readData: 1 });
      found.push(...damages.map(({ what: named, problem }) => `${named}: ${problem}`));
    });
  } catch (error) {
    assert.ok(error instanceof HoldfastError, `${what}: ${String(error)}`);
    found.push(error.message);
  }
  assert.ok(found.length > 0, `${what}: verify finds nothing`);
  const name = basename(path);
  assert.ok(
    found.some(
      (text) => text.includes(path) || text.includes(name.slice(0, 16)) || (name === "label" && text.includes("volumes/main")),
    ),
    `${what}: not named in ${found.join("; ")}`,
  );
}

for (const kind of KINDS) {
  test(`${kind.name}: cut off or overwritten, it is refused by name and verify finds it`, async () => {
    for (const path of filesOf(kind, whole.repository)) {
      const bytes = readFileSync(path);
      for (const [number, damage] of [...truncations(bytes), ...otherwiseBroken(bytes)].entries()) {
        await withDamage(path, damage, async () => {
          await expectRightOrRefused(path, damage.what, kind.questions);
          if (ALL || number % 2 === 0) await expectDetection(path, damage.what);
        });
      }
    }
  });

  test(`${kind.name}: with a flipped bit it is refused by name, and nothing wrong is read`, async () => {
    for (const path of filesOf(kind, whole.repository)) {
      for (const [number, damage] of flips(readFileSync(path), ALL ? Infinity : kind.flips).entries()) {
        await withDamage(path, damage, async () => {
          await expectRightOrRefused(path, damage.what, kind.flipQuestions);
          if (ALL || number % 40 === 0) await expectDetection(path, damage.what);
        });
      }
    }
  });

  test(`${kind.name}: another of its kind in its place is refused by name, and nothing wrong is read`, async () => {
    const own = filesOf(kind, whole.repository);
    for (const path of own) {
      const others = [...own.filter((candidate) => candidate !== path).slice(0, 2), ...filesOf(kind, whole.other).slice(0, 2)];
      for (const candidate of others) {
        const damage = { what: `replaced by ${candidate.slice(whole.place.path.length + 1)}`, bytes: readFileSync(candidate) };
        await withDamage(path, damage, async () => {
          for (const [question, answer] of await ask(whole, kind.questions)) {
            const what = `${path.slice(whole.repository.length + 1)}, ${damage.what}, ${question}`;
            if (typeof answer === "string") assertRight(answer, question, path, what);
            else assert.ok(answer instanceof HoldfastError, `${what}: ${answer.stack}`);
          }
        });
      }
    }
  });
}

test("what is gone is missed by name, and everything that does not need it is still there", async () => {
  const gone = (path: string, use: () => Promise<void>): Promise<void> => withDamage(path, GONE, use);
  const refusals = async (questions: readonly Question[]): Promise<string[]> => {
    const answers = await ask(whole, questions);
    return [...answers].flatMap(([question, answer]) => {
      if (typeof answer === "string") assert.ok(answer === whole.answers.get(question), `${question}: ${answer.slice(0, 200)}`);
      else assert.ok(answer instanceof HoldfastError, `${question}: ${answer.stack}`);
      return typeof answer === "string" ? [] : [`${question}: ${answer.code}`];
    });
  };
  const { repository, imageIds } = whole;
  await gone(join(repository, "repository"), async () =>
    assert.deepEqual(await refusals(["images"]), ["images: REPOSITORY_NOT_RECOGNISED"]),
  );
  await gone(join(repository, "volumes/main/label"), async () =>
    assert.deepEqual(await refusals(["images"]), ["images: VOLUME_UNAVAILABLE"]),
  );
  for (const path of filesOf(KINDS[1] as Kind, repository))
    await gone(path, async () => assert.equal((await refusals(["images"])).length, 1));
  for (const path of filesOf(KINDS[2] as Kind, repository)) {
    await gone(path, async () => assert.deepEqual(await refusals(READINGS), []));
  }
  await gone(join(repository, "volumes/main/images", imageIds[0] ?? ""), async () => {
    assert.deepEqual(await refusals(["ls first", "dump first", "ls second", "restore second"]), [
      "ls first: IMAGE_UNKNOWN",
      "dump first: IMAGE_UNKNOWN",
    ]);
  });
  for (const path of readdirSync(join(repository, "index")).map((name) => join(repository, "index", name))) {
    await gone(path, async () => {
      for (const line of await refusals(EVERYTHING)) assert.match(line, /SEGMENT_MISSING|^restore/);
    });
  }
  for (const path of filesOf(KINDS[7] as Kind, repository)) {
    await gone(path, async () => {
      await expectRightOrRefused(path, "gone", EVERYTHING);
      await expectDetection(path, "gone");
    });
  }
  assert.deepEqual(await refusals(EVERYTHING), []);
});

test("a backup trail whose record is gone is missed", async () => {
  const directory = join(whole.repository, "trails");
  const [name = ""] = readdirSync(directory);
  await withDamage(join(directory, name), GONE, async () => {
    const problems = await withRepository(whole.repository, whole.place, async (repository) => {
      const { damages } = await repository.verify();
      return [...repository.problems.map(({ message }) => message), ...damages.map(({ what, problem }) => `${what}: ${problem}`)];
    });
    assert.match(problems.join("\n"), /trail/);
  });
});

for (const [what, keepsDirectory] of [
  ["every file of it", true],
  ["its directory", false],
] as const) {
  test(`the index is made anew when ${what} is gone`, async () => {
    const index = join(whole.repository, "index");
    const kept = whole.place.at("kept-index");
    cpSync(index, kept, { recursive: true });
    rmSync(index, { recursive: true });
    if (keepsDirectory) mkdirSync(index);
    try {
      assert.ok((await ask(whole, ["dump second"])).get("dump second") instanceof HoldfastError);
      await withRepository(whole.repository, whole.place, async (repository) => {
        assert.deepEqual((await repository.rebuildIndex()).damaged, []);
      });
      assert.deepEqual(await ask(whole, EVERYTHING), whole.answers);
    } finally {
      rmSync(index, { recursive: true, force: true });
      cpSync(kept, index, { recursive: true });
      rmSync(kept, { recursive: true });
      rmSync(join(whole.repository, "catalog"), { recursive: true, force: true });
    }
  });
}

test("a catalog that is damaged or gone costs nothing", async () => {
  const directory = join(whole.repository, "catalog");
  mkdirSync(directory, { recursive: true });
  await ask(whole, ["restore second"]);
  const bytes = readFileSync(join(directory, "catalog.sqlite"));
  for (const damage of [...truncations(bytes), ...otherwiseBroken(bytes), ...flips(bytes, 5)]) {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory);
    writeFileSync(join(directory, "catalog.sqlite"), damage.bytes ?? "");
    for (const [question, answer] of await ask(whole, ["images", "restore second"])) {
      assert.ok(answer === whole.answers.get(question), `${damage.what}, ${question}: ${String(answer).slice(0, 500)}`);
    }
  }
});

test("a damaged track log is never believed", async () => {
  using place = new Workplace();
  const { repository, source } = whole;
  cpSync(repository, place.at("repository"), { recursive: true });
  const backUp = (): Promise<string> =>
    withRepository(place.at("repository"), place, async (opened) => {
      const { imageId = "" } = await opened.backup({ paths: [source] });
      // Not the directories above: others change the directory of temporary files at any time.
      return listing(opened, imageId, source);
    });
  const newestLog = (): string => {
    const logs = readdirSync(place.at("cache"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".track"));
    return place.at("cache", logs.toSorted().at(-1) ?? "");
  };
  const right = await backUp();
  const bytes = readFileSync(newestLog());
  const damages = (now: Buffer): Damage[] => [...truncations(now), ...otherwiseBroken(now), ...flips(now, 6)];
  for (let number = 0; number < damages(bytes).length; number++) {
    const log = newestLog();
    const damage = damages(readFileSync(log))[number];
    rmSync(log);
    writeFileSync(log, damage?.bytes ?? "");
    assert.ok((await backUp()) === right, damage?.what ?? "");
  }
});

test("a backup into a repository that lost a container never refers to what is gone", async () => {
  using place = new Workplace();
  const { source, repository } = whole;
  for (const [number, lost] of filesOf(KINDS[7] as Kind, repository).entries()) {
    for (const forceRescan of [true, false]) {
      const copy = place.at(`copy-${number}-${forceRescan}`);
      cpSync(repository, copy, { recursive: true });
      rmSync(join(copy, lost.slice(repository.length)));
      await withRepository(copy, place, async (opened) => {
        const report = await opened.backup({ paths: [source], forceRescan }).catch((error: unknown) => {
          assert.ok(error instanceof HoldfastError, String(error));
        });
        if (report?.imageId === undefined) return;
        await dumped(opened, report.imageId, source);
      }).catch((error: unknown) => assert.fail(`without ${basename(lost)}, force-rescan ${forceRescan}: ${String(error)}`));
    }
  }
});

// --- the same, as a person sees it ---------------------------------------------------------------

test("every command fails, names the damaged file and shows no stack trace", async () => {
  using place = new Workplace();
  const { source, repository, imageIds } = whole;
  cpSync(repository, place.at("repository"), { recursive: true });
  const words = (...command: string[]): string[] => [
    ...command,
    "--repository",
    place.at("repository"),
    "--cache-directory",
    place.at("cache"),
  ];
  const image = imageIds[1] ?? "";
  const [container = "", index = ""] = ["volumes/main/containers", "index"].map((area) =>
    largestIn(place.at("repository"), area),
  );
  const reading = [
    ["dump", image, source],
    ["restore", image, "--target", place.at("restored"), "--overwrite", "always"],
    ["verify", "--read-data"],
  ];
  const everything = [["images"], ["ls", image, source], ["backup", source], ...reading];
  const cases: [string, string[][]][] = [
    ["repository", everything],
    ["volumes/main/label", everything],
    [`volumes/main/images/${image}`, [["ls", image, source], ...reading]],
    [container, reading],
    [index, reading],
  ];
  for (const [name, commands] of cases) {
    const path = place.at("repository", name);
    const bytes = readFileSync(path);
    rmSync(path);
    writeFileSync(path, bytes.subarray(0, bytes.length >> 1));
    for (const command of commands) {
      const { status, stdout, stderr } = await holdfast(words(...command));
      // A restore that lacks only some items is done with the others.
      const isSome = command[0] === "restore" && status === 3;
      assert.ok(isSome || status === 1, `${command[0]} with ${name} cut off: ${status}`);
      const named = name === "volumes/main/label" ? "volumes/main" : basename(name).slice(0, 16);
      // A restore goes on and lists what it could not bring back.
      if (command[0] === "restore" && stderr.includes(source)) continue;
      assert.ok(`${stdout}${stderr}`.includes(named), `${command[0]} with ${name} cut off: ${stdout}${stderr}`);
    }
    rmSync(path);
    writeFileSync(path, bytes);
  }
});

function largestIn(repository: string, area: string): string {
  const names = readdirSync(join(repository, area), { recursive: true, encoding: "utf8" }).map((name) => join(area, name));
  const sizes = names.map((name) => ({ name, info: statSync(join(repository, name)) })).filter(({ info }) => info.isFile());
  return sizes.toSorted((a, b) => b.info.size - a.info.size)[0]?.name ?? "";
}

test("an image whose record is damaged is missed by whoever lists images or wants the latest one", async () => {
  using place = new Workplace();
  const { repository, source, imageIds } = whole;
  cpSync(repository, place.at("repository"), { recursive: true });
  const name = imageIds[1] ?? "";
  const path = place.at("repository", "volumes/main/images", name);
  const bytes = readFileSync(path);
  rmSync(path);
  writeFileSync(path, bytes.subarray(0, bytes.length >> 1));
  const words = ["--repository", place.at("repository"), "--cache-directory", place.at("cache")];
  for (const command of [["images"], ["ls", "latest", source], ["restore", "latest", "--target", place.at("restored")]]) {
    const outcome = await holdfast([...command, ...words]);
    assertNoStackTrace(outcome);
    assert.ok(outcome.stderr.includes(name.slice(0, 16)), `${command[0]}: ${outcome.stdout}${outcome.stderr}`);
  }
});

test("a repository that is missing, none, too new, or locked with another passphrase: each is told from the others", async () => {
  using place = new Workplace();
  const { repository } = whole;
  const say = async (status: number, path: string, env: Record<string, string> = {}): Promise<string> => {
    const { stdout, stderr } = await expectStatus(status, ["images", "-r", path], { env });
    assert.equal(stdout, "");
    return stderr;
  };
  assert.match(await say(10, place.at("missing")), /There is no repository/);
  mkdirSync(place.at("empty"));
  assert.match(await say(10, place.at("empty")), /empty|no repository|not a/i);
  mkdirSync(place.at("photos"));
  writeFileSync(place.at("photos", "photo.jpg"), "photo");
  assert.match(await say(10, place.at("photos")), /not a|no Holdfast/i);
  writeFileSync(place.at("file"), "file");
  assert.match(await say(10, place.at("file")), /file|not a/i);
  mkdirSync(place.at("restic"));
  writeFileSync(place.at("restic", "config"), "x");
  for (const name of ["data", "index", "keys", "locks", "snapshots"]) mkdirSync(place.at("restic", name));
  assert.match(await say(10, place.at("restic")), /restic/);
  assert.match(await say(12, repository, { HOLDFAST_PASSPHRASE: "wrong" }), /passphrase/);
  const empty = await holdfast(["images", "-r", repository], { env: { HOLDFAST_PASSPHRASE: "" } });
  assert.ok([1, 2, 12].includes(empty.status ?? -1), `${empty.status} ${empty.stderr}`);
  assert.match(empty.stderr, /passphrase/i);
  assertNoStackTrace(empty);

  cpSync(repository, place.at("newer"), { recursive: true });
  const record = readFileSync(place.at("newer", "repository"));
  record.writeUInt16LE(record.readUInt16LE(8) + 1, 8);
  record.writeUInt32LE(crc32(record.subarray(0, record.length - 4)), record.length - 4);
  rmSync(place.at("newer", "repository"));
  writeFileSync(place.at("newer", "repository"), record);
  assert.match(await say(1, place.at("newer")), /newer/);
});
