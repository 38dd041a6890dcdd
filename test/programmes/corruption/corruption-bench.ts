// A small real repository of three images, what it says when it is whole, and which blocks each file of each image needs. It is
// asked in this thread and by the parts that the program is made of: a hundred times a second instead of five.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { open } from "../../../src/api/api.ts";
import { dumpEntry } from "../../../src/api/dump.ts";
import { entriesOf } from "../../../src/api/entries.ts";
import { Opened } from "../../../src/api/opened.ts";
import type { ImageSummary, Repository } from "../../../src/api/types.ts";
import { HoldfastError } from "../../../src/base/errors.ts";
import { BlockIdentifier, BlockSealer } from "../../../src/engine/engine.ts";
import { wordyBytes } from "../../../src/engine/testing.ts";
import { services } from "../../../src/main/services.ts";
import { listImages, openRepository } from "../../../src/repository/repository.ts";
import { ContainerVerifier, VerifyRun } from "../../../src/restore/restore.ts";
import { treeRootOf } from "../../../src/server/server.ts";
import { filesOfKind } from "../../support/damage.ts";
import { PASSPHRASE, Workplace, makeRepository } from "../../support/holdfast-process.ts";
import { noise } from "../../support/noise.ts";
import { containerLayout, neededBlocks } from "./needed-blocks.ts";
import type { ContainerLayout } from "./needed-blocks.ts";

export const OTHER_PASSPHRASE = "battery staple";

const MEMORY_DIRECTORY = "/dev/shm";

export interface ExpectedFile {
  readonly image: string;
  readonly path: string;
  readonly sha256: string;
  /** "<container>:<offset>" of every block without which it cannot be read. */
  readonly blocks: ReadonlySet<string>;
}

interface ExpectedImage {
  readonly summary: ImageSummary;
  readonly listing: string;
  readonly pageBlocks: ReadonlySet<string>;
}

/** What was learnt by asking. */
export interface Answers {
  /** Why the repository does not open at all. */
  readonly refusal: HoldfastError | undefined;
  /** What opening, listing and verifying say is wrong. */
  readonly damages: readonly string[];
  /** Images that are missing or not readable as a whole, by identifier. */
  readonly lostImages: ReadonlySet<string>;
  /** Files that could not be read: "<image> <path>". */
  readonly lostFiles: ReadonlySet<string>;
  /** Anything that is neither right nor refused in a typed error. */
  readonly wrong: readonly string[];
}

export interface AskOptions {
  /** Verify the data as well. */
  readonly readData: boolean;
  readonly contents?: boolean;
  readonly passphrase?: string;
}

export class CorruptionBench extends Workplace {
  readonly repository = this.at("repository");
  /** Of another repository with the same passphrase. */
  readonly foreign = this.at("foreign");
  readonly source = this.at("source");
  images: readonly ExpectedImage[] = [];
  files: readonly ExpectedFile[] = [];
  containers: ReadonlyMap<string, ContainerLayout> = new Map();

  static async make(): Promise<CorruptionBench> {
    // In memory where the system offers it: thousands of files are written, and nothing here is about disks.
    const directory = existsSync(MEMORY_DIRECTORY) ? MEMORY_DIRECTORY : tmpdir();
    const bench = new CorruptionBench(mkdtempSync(join(directory, "holdfast-corruption-")));
    await bench.#fill();
    await bench.#learn();
    return bench;
  }

  // --- making ------------------------------------------------------------------------------------

  async #fill(): Promise<void> {
    const at = (...parts: string[]): string => join(this.source, ...parts);
    mkdirSync(at("small"), { recursive: true });
    for (let i = 0; i < 12; i++) writeFileSync(at("small", `file-${i}`), `${i} `.repeat(60));
    for (let i = 0; i < 2; i++) writeFileSync(at(`text-${i}`), repeated(i, 1_060_000));
    // Cut finely: more segments than an entry lists by itself.
    writeFileSync(at("listed"), wordyBytes(9, 200_000));
    writeFileSync(at("noise"), noise(1, 20_000));
    await makeRepository(this.repository);
    await this.backUp(this.repository, ["first"]);
    writeFileSync(at("text-0"), repeated(10, 1_070_000));
    for (let i = 0; i < 3; i++) writeFileSync(at("small", `file-${i}`), `changed ${i} `.repeat(60));
    await this.backUp(this.repository, ["second"]);
    writeFileSync(at("new"), noise(3, 15_000));
    writeFileSync(at("text-1"), Buffer.concat([readFileSync(at("text-1")), wordyBytes(4, 5_000)]));
    await this.backUp(this.repository);
    await this.withRepository(async (repository) => {
      const [first] = await repository.images();
      for (const tag of ["kept", "checked"]) await repository.tag(first?.id ?? "", { add: [tag] });
      await repository.addKeySlot(OTHER_PASSPHRASE, "other");
    });
    await makeRepository(this.foreign);
    await this.backUp(this.foreign, ["foreign"]);
    for (const path of [this.repository, this.foreign]) rmSync(join(path, "catalog"), { recursive: true, force: true });
  }

  async backUp(repository: string, tags: readonly string[] = []): Promise<void> {
    await this.withRepository((opened) => opened.backup({ paths: [this.source], tags }), repository);
  }

  async withRepository<T>(use: (repository: Repository) => Promise<T>, path = this.repository): Promise<T> {
    const options = { repository: path, passphrase: () => PASSPHRASE, cacheDirectory: this.at("cache"), threads: 1 };
    await using opened = await open(services(), options);
    return await use(opened);
  }

  async #learn(): Promise<void> {
    await this.#withOpened(async (opened) => {
      const { images, damaged } = await listImages(opened.places);
      assert.deepEqual(damaged, []);
      this.containers = await containerLayout(
        opened,
        filesOfKind("container", this.repository).map((path) => basename(path)),
      );
      const files: ExpectedFile[] = [];
      const expected: ExpectedImage[] = [];
      for (const image of images) {
        const needed = await neededBlocks(opened, treeRootOf(image.record.root));
        expected.push({ summary: image, listing: await listingOf(opened, image), pageBlocks: needed.pages });
        for (const [path, blocks] of needed.files)
          files.push({ image: image.id, path, sha256: await sha256Of(opened, image, path), blocks });
      }
      this.images = expected;
      this.files = files;
    });
    const { damages, wrong, lostFiles } = await this.ask({ readData: true });
    assert.deepEqual({ damages, wrong, lost: [...lostFiles] }, { damages: [], wrong: [], lost: [] });
  }

  async #withOpened<T>(use: (opened: Opened) => Promise<T>, passphrase = PASSPHRASE): Promise<T> {
    const world = services();
    const repository = await openRepository({ files: world.files, path: this.repository, passphrase: () => passphrase });
    const opened = new Opened(world, repository, { cacheDirectory: this.at("cache"), threads: 1 });
    try {
      return await use(opened);
    } finally {
      await opened.close();
    }
  }

  // --- asking ------------------------------------------------------------------------------------

  /** Opens, verifies, lists every image and, unless told otherwise, reads every file, as if nothing were known. */
  async ask(options: AskOptions): Promise<Answers> {
    const wrong: string[] = [];
    try {
      return await this.#withOpened((opened) => this.#examine(opened, options, wrong), options.passphrase);
    } catch (error) {
      if (!(error instanceof HoldfastError)) wrong.push(`opening fails with ${String(error)}`);
      const refusal = error instanceof HoldfastError ? error : undefined;
      return { refusal, damages: [], lostImages: new Set(), lostFiles: new Set(), wrong };
    }
  }

  async #examine(opened: Opened, { readData, contents = true }: AskOptions, wrong: string[]): Promise<Answers> {
    // A damaged index is refused as a whole: nothing can be found without it, and it can be made again.
    void opened.index;
    const { images, damaged } = await listImages(opened.places);
    const damages = [...opened.repository.problems, ...damaged.map(({ problem }) => problem)].map(({ message }) => message);
    damages.push(...(await verify(opened, images, readData)));
    const lostImages = new Set<string>();
    const lostFiles = new Set<string>();
    const typed = (error: unknown, what: string): void => {
      if (!(error instanceof HoldfastError)) wrong.push(`${what}: ${error instanceof Error ? error.stack : String(error)}`);
    };
    for (const expected of this.images) {
      const { summary, listing } = expected;
      const found = images.find(({ id }) => id === summary.id);
      if (found === undefined) {
        lostImages.add(summary.id);
        continue;
      }
      if (JSON.stringify(found.record) !== JSON.stringify(summary.record)) wrong.push(`image ${summary.id} has another record`);
      try {
        if ((await listingOf(opened, found)) !== listing) wrong.push(`image ${summary.id} lists other entries`);
      } catch (error) {
        typed(error, `listing ${summary.id}`);
        lostImages.add(summary.id);
      }
    }
    const read = new Set<string>();
    for (const { image, path, sha256 } of contents ? this.files.toReversed() : []) {
      const key = `${path} ${sha256}`;
      const found = images.find(({ id }) => id === image);
      if (found === undefined || read.has(key)) continue;
      try {
        if ((await sha256Of(opened, found, path)) !== sha256) wrong.push(`${path} of image ${image} has other content`);
        read.add(key);
      } catch (error) {
        typed(error, `reading ${path} of ${image}`);
        lostFiles.add(`${image} ${path}`);
      }
    }
    return { refusal: undefined, damages, lostImages, lostFiles, wrong };
  }

  // --- restoring, as the program does it -----------------------------------------------------------

  /** Restores every image with real threads. Returns what it says of verification and which files are not as they were. */
  async restoreAll(): Promise<{
    readonly damages: readonly string[];
    readonly lost: ReadonlySet<string>;
    readonly wrong: readonly string[];
  }> {
    const [lost, wrong, damages] = [new Set<string>(), [] as string[], [] as string[]];
    try {
      await this.withRepository(async (repository) => {
        const present = new Set((await repository.images()).map(({ id }) => id));
        damages.push(...repository.problems.map(({ message }) => message));
        damages.push(...(await repository.verify({ readData: 1 })).damages.map(({ what, problem }) => `${what}: ${problem}`));
        for (const { summary } of this.images) {
          if (!present.has(summary.id)) continue;
          const restored = await this.#restore(repository, summary.id);
          wrong.push(...restored.wrong);
          for (const path of restored.lost) lost.add(`${summary.id} ${path}`);
        }
      });
    } catch (error) {
      if (!(error instanceof HoldfastError)) wrong.push(`opening fails with ${String(error)}`);
      else damages.push(error.message);
      for (const { image, path } of this.files) lost.add(`${image} ${path}`);
    }
    rmSync(join(this.repository, "catalog"), { recursive: true, force: true });
    return { damages, lost, wrong };
  }

  /** The files of one image that did not come back as they were, and what was not said of it. */
  async #restore(repository: Repository, image: string): Promise<{ readonly lost: string[]; readonly wrong: string[] }> {
    const target = this.at("restored");
    const files = this.files.filter((file) => file.image === image);
    rmSync(target, { recursive: true, force: true });
    try {
      const { problems } = await repository.restore({ image, target, paths: [this.source] });
      const told = (path: string): boolean =>
        problems.some((problem) => path === problem.path || problem.path === "/" || path.startsWith(`${problem.path}/`));
      const lost = files.filter(({ path, sha256 }) => contentOf(join(target, path)) !== sha256).map(({ path }) => path);
      // A page that cannot be read is told once, by the path where it begins.
      const untold = lost.filter((path) => !told(path) && (problems.length === 0 || contentOf(join(target, path)) !== undefined));
      return { lost, wrong: untold.map((path) => `${path} of image ${image} is not restored as it was, and nobody says so`) };
    } catch (error) {
      // Refused as a whole, as when the page with the selected path is damaged.
      const wrong = error instanceof HoldfastError ? [] : [`restoring image ${image} fails with ${String(error)}`];
      return { lost: files.map(({ path }) => path), wrong };
    }
  }
}

/** Compresses well, and no two parts are alike. */
function repeated(seed: number, length: number): Buffer {
  const lines: string[] = [];
  for (let number = 0, bytes = 0; bytes < length; number++) {
    const line = `This is line ${number} of text ${seed}, and there are many like it. `.repeat(4);
    lines.push(line);
    bytes += line.length;
  }
  return Buffer.from(lines.join("\n")).subarray(0, length);
}

async function listingOf(opened: Opened, image: ImageSummary): Promise<string> {
  const lines: string[] = [];
  for await (const entry of entriesOf(opened, image)) lines.push(JSON.stringify(entry));
  return lines.join("\n");
}

async function sha256Of(opened: Opened, image: ImageSummary, path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of dumpEntry(opened, image, path)) hash.update(piece);
  return hash.digest("hex");
}

function contentOf(path: string): string | undefined {
  try {
    return statSync(path).isFile() ? createHash("sha256").update(readFileSync(path)).digest("hex") : undefined;
  } catch {
    return undefined;
  }
}

/** As `holdfast verify --read-data`, without threads of its own. */
async function verify(opened: Opened, images: readonly ImageSummary[], readData: boolean): Promise<string[]> {
  const { keyRing, volumes } = opened.repository;
  const thread = new ContainerVerifier({
    volumes: new Map(volumes.map((volume) => [volume.id, volume])),
    repositoryId: keyRing.repositoryId,
    sealer: new BlockSealer({ blockKey: keyRing.block, repositoryId: keyRing.repositoryId, random: opened.services.random }),
    identifier: new BlockIdentifier(keyRing.identity),
    fingerprinters: opened.fingerprinters,
  });
  const ages = { lastCheck: () => undefined, noteVerified: () => undefined };
  const run = new VerifyRun({ source: opened.reader, index: opened.index, volumes, threads: [thread], ages });
  const { damages } = await run.run({
    images: images.map(({ id, record }) => ({ id, root: treeRootOf(record.root) })),
    readData: readData ? 1 : 0,
  });
  return damages.map(({ what, problem }) => `${what}: ${problem}`);
}
