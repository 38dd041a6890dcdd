// Where a workload is made ready and where something happens to it: a source that stays, repositories that are copied, and
// what a tree and an image of it are compared by.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFileSync, cpSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { open } from "../../src/api/api.ts";
import type { Repository } from "../../src/api/types.ts";
import { services } from "../../src/main/services.ts";
import { PASSPHRASE, Workplace, holdfast, makeRepository } from "../support/holdfast-process.ts";
import type { Outcome, ProcessOptions } from "../support/holdfast-process.ts";
import { noise } from "../support/noise.ts";

/** A tree as text: for each path below it what it is, its mode and time, and the hash of its content. */
export type Manifest = ReadonlyMap<string, string>;

/** A repository and the cache that goes with it: the template of a workload, or a copy in which something happens. */
export class Place {
  readonly directory: string;
  readonly repository: string;
  readonly cache: string;

  constructor(directory: string) {
    this.directory = directory;
    this.repository = join(directory, "repository");
    this.cache = join(directory, "cache");
  }

  words(...words: readonly string[]): string[] {
    return [...words, "--repository", this.repository, "--cache-directory", this.cache, "--threads", "1", "--json"];
  }

  /** Takes the place of whatever is at the other one. */
  copyTo(other: Place): void {
    rmSync(other.directory, { recursive: true, force: true });
    cpSync(this.directory, other.directory, { recursive: true, preserveTimestamps: true });
  }

  /** Temporary files, also those of the cache, and sessions. */
  leftovers(): string[] {
    const names = readdirSync(this.directory, { recursive: true, encoding: "utf8" });
    return names.filter((name) => name.includes("/.tmp-") || name.startsWith(join("repository", "sessions", "x").slice(0, -1)));
  }
}

/** Where a workload is made ready: a source that stays, and a template that every run starts from. */
export class Stage extends Workplace {
  readonly source = this.at("source");
  readonly template = new Place(this.at("template"));
  readonly images = new Map<string, Manifest>();

  /** About 1 MB in files of every handling: one segment, several, none, small ones that are grouped; links and directories. */
  makeSource(): void {
    mkdirSync(join(this.source, "small", "empty"), { recursive: true });
    for (let i = 0; i < 24; i++) writeFileSync(join(this.source, "small", `file-${i}`), `${i} `.repeat(i * 20));
    for (let i = 0; i < 2; i++) writeFileSync(join(this.source, `noise-${i}`), noise(i, 300_000));
    writeFileSync(join(this.source, "text"), "the quick brown fox ".repeat(10_000));
  }

  changeSource(seed: number): void {
    writeFileSync(join(this.source, "noise-1"), noise(100 + seed, 300_000));
    for (let i = 0; i < 5; i++) appendFileSync(join(this.source, "small", `file-${i}`), `changed ${seed}`);
    writeFileSync(join(this.source, "small", `new-${seed}`), noise(200 + seed, 5_000));
    rmSync(join(this.source, "small", `file-${23 - seed}`));
  }

  async makeRepository(): Promise<void> {
    mkdirSync(this.template.directory, { recursive: true });
    await makeRepository(this.template.repository);
  }

  run(words: readonly string[], place = this.template, options: ProcessOptions = {}): Promise<Outcome> {
    return holdfast(place.words(...words), options);
  }

  /** Backs the source up as it is now; the image is acknowledged. */
  async backUp(): Promise<string> {
    const outcome = await this.run(["backup", this.source]);
    assert.equal(outcome.status, 0, outcome.stderr);
    const { imageId } = lastLine(outcome.stdout) as { readonly imageId: string };
    this.images.set(imageId, manifestOf(this.source));
    return imageId;
  }

  /** A repository with so many images, each of another source content; the source has changed once more since. */
  async makeImages(count: number): Promise<void> {
    this.makeSource();
    await this.makeRepository();
    for (let i = 0; i < count; i++) {
      await this.backUp();
      this.changeSource(i);
    }
  }
}

/** The last line of the output of a command with --json: its result, when it has come to one. */
export function lastLine(stdout: string): unknown {
  try {
    return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as unknown;
  } catch {
    return undefined;
  }
}

/** Whether the command has told its caller that the work is done. */
export function isAcknowledged({ status, stdout }: Outcome): boolean {
  if (status !== undefined) return status === 0;
  const last = lastLine(stdout);
  if (typeof last !== "object" || last === null) return false;
  const { event = "summary" } = last as { readonly event?: unknown };
  return event === "summary";
}

export function manifestOf(directory: string): Manifest {
  const lines = new Map<string, string>();
  for (const name of ["", ...readdirSync(directory, { recursive: true, encoding: "utf8" })]) {
    const path = name === "" ? directory : join(directory, name);
    const stats = lstatSync(path, { bigint: true });
    const content = stats.isFile() ? hashOf([readFileSync(path)]) : "directory";
    lines.set(path, lineOf(Number(stats.mode), stats.mtimeNs, content));
  }
  return lines;
}

export async function manifestOfImage(repository: Repository, imageId: string, directory: string): Promise<Manifest> {
  const lines = new Map<string, string>();
  for await (const { path, kind, mode, modifiedSeconds, modifiedNanoseconds } of repository.entries(imageId, {
    path: directory,
  })) {
    const pieces: Uint8Array[] = [];
    if (kind === "file") for await (const piece of repository.dump(imageId, path)) pieces.push(piece);
    const time = BigInt(modifiedSeconds) * 1_000_000_000n + BigInt(modifiedNanoseconds);
    lines.set(path, lineOf(mode, time, kind === "file" ? hashOf(pieces) : kind));
  }
  return lines;
}

function lineOf(mode: number, modifiedNs: bigint, content: string): string {
  return `${(mode & 0o7777).toString(8)} ${modifiedNs} ${content}`;
}

function hashOf(pieces: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

export async function openPlace(place: Place, passphrase = PASSPHRASE): Promise<Repository> {
  const { repository, cache } = place;
  return open(services(), { repository, passphrase: () => passphrase, cacheDirectory: cache, threads: 1 });
}

export async function withPlace<T>(place: Place, use: (repository: Repository) => Promise<T>): Promise<T> {
  await using repository = await openPlace(place);
  return await use(repository);
}

export function isRepository(place: Place): boolean {
  return readdirSync(place.directory).includes("repository") && readdirSync(place.repository).includes("repository");
}
