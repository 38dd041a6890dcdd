// What a power failure may leave of a simulated disk. Every name that has changed since its directory was synced, and every
// file with bytes that were not synced, is a question with several answers; a state is one answer to each.

import { SimulatedDisk, ROOT } from "./simulated-disk.ts";
import type { DirectoryNode, DiskNode, FileNode, NameVersion } from "./simulated-disk.ts";
import { GrowingBytes } from "./growing-bytes.ts";
import { seededStream } from "./seeded-stream.ts";

export const PAGE_BYTES = 4096;
export const SECTOR_BYTES = 512;

/**
 * - nothing: nothing that was not synced.
 * - everything: all of it.
 * - names: names, but the bytes of their files only as they were synced.
 * - zeros: names and sizes, with zeros where bytes were not synced.
 * - data: bytes, but only names that were synced.
 */
export type Survival = "nothing" | "everything" | "names" | "zeros" | "data";
export const SURVIVALS: readonly Survival[] = ["nothing", "everything", "names", "data", "zeros"];

/** What may be left of a file's unsynced bytes. */
const CONTENT_ANSWERS = ["durable", "current", "zeros", "beginning", "pages"] as const;
type ContentAnswer = (typeof CONTENT_ANSWERS)[number];

type Question =
  | { readonly kind: "name"; readonly directory: number; readonly name: string; readonly versions: readonly NameVersion[] }
  | { readonly kind: "content"; readonly node: number };

export interface CrashStatesOptions {
  /** All states when there are no more than this, else so many. */
  readonly limit: number;
  readonly seed: number;
}

export interface CrashState {
  /** What survived: a Survival, or the answers to all questions, as numbers. */
  readonly survival: string;
  readonly disk: SimulatedDisk;
}

/** The five plain states first; then all others, or as many as the limit allows, chosen by the seed. */
export function* crashStates(disk: SimulatedDisk, { limit, seed }: CrashStatesOptions): Generator<CrashState> {
  const questions = questionsOf(disk);
  const counts = questions.map(answerCount);
  const total = counts.reduce((product, count) => product * count, 1);
  const tried = new Set<string>();
  const fresh = function* (answers: readonly number[], survival?: Survival): Generator<CrashState> {
    const key = answers.join(" ");
    if (tried.has(key)) return;
    tried.add(key);
    yield { survival: survival ?? `answers ${key}`, disk: survivor(disk, questions, answers, seed) };
  };
  for (const survival of SURVIVALS) yield* fresh(presetAnswers(questions, survival), survival);
  if (total <= limit) {
    for (let number = 0; number < total; number++) yield* fresh(digitsOf(number, counts));
    return;
  }
  const stream = seededStream(seed);
  for (let attempts = 0; tried.size < limit && attempts < 4 * limit; attempts++) {
    yield* fresh(counts.map((count) => stream.below(count)));
  }
}

/** One of the plain states. */
export function survivorOf(disk: SimulatedDisk, survival: Survival): SimulatedDisk {
  const questions = questionsOf(disk);
  return survivor(disk, questions, presetAnswers(questions, survival), 0);
}

// --- questions and answers -----------------------------------------------------------------------

function questionsOf(disk: SimulatedDisk): readonly Question[] {
  const questions: Question[] = [];
  const seen = new Set<number>();
  const look = (number: number): void => {
    if (seen.has(number)) return;
    seen.add(number);
    const node = disk.node(number);
    if (node.kind === "file") {
      if (node.durable !== node.content.view()) questions.push({ kind: "content", node: number });
      return;
    }
    for (const [name, versions] of node.versions) questions.push({ kind: "name", directory: number, name, versions });
    // Whatever bears a name in some state.
    for (const below of node.durable.values()) look(below);
    for (const versions of node.versions.values()) for (const { node: below } of versions) if (below !== undefined) look(below);
  };
  look(ROOT);
  return questions;
}

/** Of a name: the durable value, then each version. */
function answerCount(question: Question): number {
  return question.kind === "name" ? question.versions.length + 1 : CONTENT_ANSWERS.length;
}

function presetAnswers(questions: readonly Question[], survival: Survival): number[] {
  const keepsNames = survival === "everything" || survival === "names" || survival === "zeros";
  const content: ContentAnswer =
    keepsNames && survival !== "everything" ? (survival === "zeros" ? "zeros" : "durable") : "current";
  return questions.map((question) => {
    if (question.kind === "name") return keepsNames ? question.versions.length : 0;
    return CONTENT_ANSWERS.indexOf(survival === "nothing" ? "durable" : content);
  });
}

function digitsOf(number: number, counts: readonly number[]): number[] {
  let rest = number;
  return counts.map((count) => {
    const digit = rest % count;
    rest = Math.floor(rest / count);
    return digit;
  });
}

// --- the disk that is left -------------------------------------------------------------------------

function survivor(disk: SimulatedDisk, questions: readonly Question[], answers: readonly number[], seed: number): SimulatedDisk {
  const names = withWhatTheyNeed(chosenNames(questions, answers));
  const contents = new Map<number, ContentAnswer>();
  for (const [position, question] of questions.entries()) {
    if (question.kind === "content") contents.set(question.node, CONTENT_ANSWERS[answers[position] ?? 0] ?? "durable");
  }
  const nodes = new Map<number, DiskNode>();
  const owner = {};
  const keep = (number: number): void => {
    if (nodes.has(number)) return;
    const node = disk.node(number);
    nodes.set(
      number,
      node.kind === "file" ? leftOfFile(node, contents.get(number), seed + number) : leftOfDirectory(node, number),
    );
    const left = nodes.get(number);
    if (left?.kind === "directory") for (const below of left.names.values()) keep(below);
  };
  const leftOfDirectory = (node: DirectoryNode, number: number): DirectoryNode => {
    const left = new Map(node.durable);
    for (const name of node.versions.keys()) {
      const choice = names.get(keyOf(number, name));
      if (choice === undefined || choice.answer === 0) continue;
      const value = choice.versions[choice.answer - 1]?.node;
      if (value === undefined) left.delete(name);
      else left.set(name, value);
    }
    return { kind: "directory", owner, names: left, durable: new Map(left), versions: new Map() };
  };
  keep(ROOT);
  return new SimulatedDisk(nodes);
}

interface ChosenName {
  readonly versions: readonly NameVersion[];
  answer: number;
}

function keyOf(directory: number, name: string): string {
  return `${directory} ${name}`;
}

function chosenNames(questions: readonly Question[], answers: readonly number[]): Map<string, ChosenName> {
  const chosen = new Map<string, ChosenName>();
  for (const [position, question] of questions.entries()) {
    if (question.kind !== "name") continue;
    chosen.set(keyOf(question.directory, question.name), { versions: question.versions, answer: answers[position] ?? 0 });
  }
  return chosen;
}

/** A name that went by a rename went with the new name: that, or something later, is there too. */
function withWhatTheyNeed(chosen: Map<string, ChosenName>): Map<string, ChosenName> {
  for (let changed = true; changed;) {
    changed = false;
    for (const { versions, answer } of chosen.values()) {
      for (const { needs } of versions.slice(0, answer)) {
        const other = needs && chosen.get(keyOf(needs.directory, needs.name));
        if (needs === undefined || other === undefined) continue;
        const least = other.versions.findIndex(({ serial }) => serial === needs.serial) + 1;
        if (other.answer >= least) continue;
        other.answer = least;
        changed = true;
      }
    }
  }
  return chosen;
}

function leftOfFile(node: FileNode, answer: ContentAnswer | undefined, seed: number): FileNode {
  const bytes = leftOfContent(node.durable, node.content.view(), answer ?? "durable", seed);
  return {
    kind: "file",
    owner: {},
    content: new GrowingBytes(bytes),
    durable: bytes,
    forgotten: false,
    modifiedMs: node.modifiedMs,
  };
}

function leftOfContent(durable: Uint8Array, current: Uint8Array, answer: ContentAnswer, seed: number): Uint8Array {
  switch (answer) {
    case "durable":
      return durable;
    case "current":
      return current;
    case "zeros":
      return extended(durable, current.length);
    case "beginning": {
      const length = seededStream(seed).below(Math.floor(current.length / SECTOR_BYTES) + 1) * SECTOR_BYTES;
      return length <= durable.length ? durable : current.slice(0, length);
    }
    case "pages":
      return mixedPages(durable, current, seed);
  }
}

function extended(durable: Uint8Array, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(length, durable.length));
  bytes.set(durable);
  return bytes;
}

/** The new size; each page that was not synced is lost, kept, torn between two sectors, or garbage. */
function mixedPages(durable: Uint8Array, current: Uint8Array, seed: number): Uint8Array {
  const stream = seededStream(seed);
  const left = extended(durable, current.length);
  for (let start = 0; start < current.length; start += PAGE_BYTES) {
    const page = current.subarray(start, start + PAGE_BYTES);
    if (Buffer.compare(page, left.subarray(start, start + PAGE_BYTES)) === 0) continue;
    const fate = stream.below(4);
    const tear = stream.below(Math.ceil(page.length / SECTOR_BYTES) + 1) * SECTOR_BYTES;
    if (fate === 1) left.set(page, start);
    else if (fate === 2) left.set(page.subarray(0, tear), start);
    else if (fate === 3) left.set(stream.bytes(page.length), start);
  }
  return left;
}
