// For tests of faults: a source that stays as it is, a repository for it, and a judge that looks at what is left.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { open } from "../../src/api/api.ts";
import type { Repository } from "../../src/api/types.ts";
import { services } from "../../src/main/services.ts";
import { PASSPHRASE, Workplace, holdfast, makeRepository } from "./holdfast-process.ts";
import type { Outcome, ProcessOptions } from "./holdfast-process.ts";
import { noise } from "./noise.ts";

export class FaultyBench extends Workplace {
  readonly source = this.at("source");
  readonly repository: string;

  /** `repository`: elsewhere than beside the source. */
  constructor(repository?: string) {
    super();
    this.repository = repository ?? this.at("repository");
  }

  /** About 6 MiB, in files of every handling: one segment, several, none, small ones that are grouped. */
  async prepare(options: { readonly noiseBytes?: number } = {}): Promise<void> {
    mkdirSync(join(this.source, "small"), { recursive: true });
    for (let i = 0; i < 40; i++) writeFileSync(join(this.source, "small", `file-${i}`), `${i} `.repeat(i * 20));
    for (let i = 0; i < 2; i++) writeFileSync(join(this.source, `noise-${i}`), noise(i, options.noiseBytes ?? 2_500_000));
    writeFileSync(join(this.source, "text"), "the quick brown fox ".repeat(50_000));
    await makeRepository(this.repository);
  }

  words(...words: readonly string[]): string[] {
    return [...words, "--repository", this.repository, "--cache-directory", this.at("cache"), "--threads", "2"];
  }

  backUp(options: ProcessOptions = {}, ...words: readonly string[]): Promise<Outcome> {
    return holdfast(this.words("backup", this.source, ...words), options);
  }

  async withRepository<T>(use: (repository: Repository) => Promise<T>): Promise<T> {
    const cacheDirectory = this.at("cache");
    await using repository = await open(services(), {
      repository: this.repository,
      passphrase: () => PASSPHRASE,
      cacheDirectory,
      threads: 2,
    });
    return await use(repository);
  }

  imageCount(): Promise<number> {
    return this.withRepository(async (repository) => (await repository.images()).length);
  }

  /** The next run, without a fault: it must succeed whatever happened before, and clear up after the dead. */
  async backUpAgain(): Promise<void> {
    await this.withRepository((repository) => repository.backup({ paths: [this.source], forceRescan: true }));
    assert.deepEqual(this.leftovers(), []);
  }

  /** The repository is whole, and every image that is listed holds the source, or only the newest. Returns how many there are. */
  assertSound(options: { readonly newestOnly?: boolean } = {}): Promise<number> {
    return this.withRepository(async (repository) => {
      const images = await repository.images();
      for (const { id } of options.newestOnly === true ? images.slice(-1) : images) {
        const found = new Set<string>();
        for await (const entry of repository.entries(id, { path: this.source })) found.add(entry.path);
        for (const name of readdirSync(this.source, { recursive: true, encoding: "utf8" })) {
          const path = join(this.source, name);
          assert.ok(found.has(path), `image ${id.slice(0, 8)} lacks ${path}`);
          if (!statSync(path).isFile()) continue;
          const pieces: Uint8Array[] = [];
          for await (const piece of repository.dump(id, path)) pieces.push(piece);
          assert.ok(Buffer.concat(pieces).equals(readFileSync(path)), `image ${id.slice(0, 8)} has ${path} wrong`);
        }
      }
      const { damages } = await repository.verify({ readData: 1 });
      assert.deepEqual(damages, []);
      return images.length;
    });
  }

  /** Gives the source content that no repository has seen. */
  change(seed: number): void {
    for (let i = 0; i < 2; i++)
      writeFileSync(join(this.source, `noise-${i}`), noise(1_000 + 2 * seed + i, statSync(join(this.source, `noise-${i}`)).size));
  }

  /** Resolves when a run has begun to write. */
  async writerAppears(): Promise<void> {
    const containers = join(this.repository, "volumes", "main", "containers");
    while (!readdirSync(containers).some((name) => name.startsWith(".tmp-"))) await setTimeout(2);
  }

  /** Temporary files and sessions of writers that are gone. */
  leftovers(): string[] {
    const temporary = readdirSync(this.repository, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.includes(".tmp-"),
    );
    return [...temporary, ...readdirSync(join(this.repository, "sessions"))];
  }
}

/** A mount namespace of its own, alive until disposed of; nothing of it is seen outside or left behind. */
export class MountSpace implements AsyncDisposable {
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async create(): Promise<MountSpace> {
    const holder = spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", "echo ready; exec sleep 600"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await Promise.race([once(holder.stdout, "data"), once(holder, "exit").then(() => assert.fail("unshare does not work here"))]);
    return new MountSpace(holder);
  }

  /** For `under` of a process that is to see the mounts. */
  get under(): readonly string[] {
    return ["nsenter", `--target=${this.#holder.pid}`, "--mount", "--wd=/"];
  }

  /** Where this process sees what lies at a path in there. */
  outside(path: string): string {
    return `/proc/${this.#holder.pid}/root${path}`;
  }

  async mount(...words: readonly string[]): Promise<void> {
    const [command = "", ...rest] = this.under;
    const [status] = (await once(spawn(command, [...rest, "mount", ...words], { stdio: "inherit" }), "exit")) as [number];
    assert.equal(status, 0, `mount ${words.join(" ")}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#holder, "exit");
    this.#holder.kill("SIGKILL");
    await gone;
  }
}
