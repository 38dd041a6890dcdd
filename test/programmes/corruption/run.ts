// Tries every case and judges it: noticed, never wrong, and no more lost than what was damaged.

import { basename } from "node:path";
import { PASSPHRASE } from "../../support/holdfast-process.ts";
import { withDamagedFile } from "../../support/damage.ts";
import type { Damage } from "../../support/damage.ts";
import { corruptionCases } from "./cases.ts";
import type { CaseGroup, CaseOptions, CorruptionCase } from "./cases.ts";
import { CorruptionBench, OTHER_PASSPHRASE } from "./corruption-bench.ts";
import type { Answers } from "./corruption-bench.ts";

export interface CorruptionOptions extends CaseOptions {
  /** Ends it early. */
  readonly seconds?: number;
  /** Only every `of`-th case, from the `part`-th on: for several processes. */
  readonly part?: number;
  readonly of?: number;
  /** Every so many cases are also restored by the program itself, with its threads. */
  readonly restoreEvery: number;
  readonly onProgress?: (line: string) => void;
}

export interface GroupFigures {
  cases: number;
  detected: number;
  /** Nothing can tell it from what a person may do (an image or a key slot was removed), or it changed nothing but names. */
  undetectable: number;
}

export interface CorruptionReport {
  readonly cases: number;
  readonly planned: number;
  readonly restores: number;
  readonly groups: Readonly<Record<CaseGroup, GroupFigures>>;
  /** Files that could not be read, per case in which any could not; the most. */
  readonly mostFilesLost: number;
  readonly violations: readonly string[];
  readonly seconds: number;
}

const VIOLATIONS_KEPT = 50;

export async function tryCorruption(options: CorruptionOptions): Promise<CorruptionReport> {
  const { seconds = Infinity, part = 0, of = 1, restoreEvery } = options;
  using bench = await CorruptionBench.make();
  const figures = (): GroupFigures => ({ cases: 0, detected: 0, undetectable: 0 });
  const groups: Record<CaseGroup, GroupFigures> = {
    "structure flips": figures(),
    "payload flips": figures(),
    truncations: figures(),
    replaced: figures(),
    swapped: figures(),
    removed: figures(),
    overwritten: figures(),
  };
  const violations: string[] = [];
  const begin = performance.now();
  const elapsed = (): number => (performance.now() - begin) / 1_000;
  let [planned, cases, restores, mostFilesLost] = [0, 0, 0, 0];
  for (const [number, tried] of [...corruptionCases(bench, options)].entries()) {
    if (number % of !== part) continue;
    planned += 1;
    if (elapsed() > seconds || violations.length >= VIOLATIONS_KEPT) continue;
    const damage = tried.damage();
    const what = `${tried.path.slice(bench.repository.length + 1)}, ${damage.what}`;
    const note = (problem: string): void => void violations.push(`${what}: ${problem}`);
    const group = groups[tried.group];
    await withDamage(tried, damage, async () => {
      // What is in files depends on nothing else.
      const contents = tried.kind === "container" || tried.kind === "index run" || cases % 10 === 0;
      const answers = await bench.ask({ readData: tried.kind === "container", contents });
      judge(bench, tried, answers, note);
      mostFilesLost = Math.max(mostFilesLost, answers.lostFiles.size);
      const detection = await isDetected(bench, tried, answers);
      if (detection === "detected") group.detected += 1;
      else if (detection === "undetectable") group.undetectable += 1;
      else note("nobody notices");
      if (tried.kind === "key slot") await expectOtherSlots(bench, note);
      if (cases % restoreEvery !== 0) return;
      restores += 1;
      const restored = await bench.restoreAll();
      for (const problem of restored.wrong) note(problem);
      if (detection === "detected" && restored.damages.length === 0) note("`verify --read-data` finds nothing");
      if (restored.lost.size > 0 && answers.refusal === undefined) expectConfined(bench, tried, restored.lost, note);
    });
    group.cases += 1;
    cases += 1;
    if (cases % 500 === 0) options.onProgress?.(`${cases} cases in ${Math.round(elapsed())} s, ${violations.length} violations`);
  }
  const whole = await bench.ask({ readData: true });
  if (whole.damages.length > 0 || whole.refusal !== undefined) violations.push("the repository is not what it was before");
  return { cases, planned, restores, groups, mostFilesLost, violations, seconds: elapsed() };
}

/** Both files of a case that has two. */
function withDamage({ path, second }: CorruptionCase, damage: Damage, use: () => Promise<void>): Promise<void> {
  const other = second?.damage();
  return withDamagedFile(path, damage, () =>
    second === undefined || other === undefined ? use() : withDamagedFile(second.path, other, use),
  );
}

function judge(bench: CorruptionBench, tried: CorruptionCase, answers: Answers, note: (problem: string) => void): void {
  for (const problem of answers.wrong) note(problem);
  const { refusal, lostImages, lostFiles } = answers;
  if (refusal !== undefined) {
    if (!mayRefuse(tried)) note(`everything is refused: ${refusal.message}`);
    if (!namesIt(refusal.message, tried)) note(`the refusal does not name the file: ${refusal.message}`);
    return;
  }
  for (const image of lostImages) {
    const pages = bench.images.find(({ summary }) => summary.id === image)?.pageBlocks ?? new Set();
    const isHit =
      imagesOf(tried).includes(image) || [...tried.blocks].some((block) => pages.has(block)) || tried.kind === "index run";
    if (!isHit) note(`image ${image} is lost, and nothing of it was damaged`);
  }
  expectConfined(bench, tried, lostFiles, note);
}

/** Images whose records are damaged are named like them. */
function imagesOf({ path, second }: CorruptionCase): string[] {
  return [basename(path), ...(second === undefined ? [] : [basename(second.path)])];
}

/** Without these nothing can be read, but each of them has a copy or can be made anew. */
function mayRefuse({ kind }: CorruptionCase): boolean {
  return kind === "repository record" || kind === "volume label" || kind === "key slot" || kind === "index run";
}

function namesIt(message: string, { path, second }: CorruptionCase): boolean {
  const name = basename(path);
  if (second !== undefined && message.includes(basename(second.path).slice(0, 16))) return true;
  return (
    message.includes(path) ||
    message.includes(name.slice(0, 16)) ||
    (name === "label" && message.includes("volumes/main")) ||
    /passphrase/.test(message)
  );
}

/** Only files are lost that need a damaged block, or belong to an image whose record is damaged. */
function expectConfined(
  bench: CorruptionBench,
  tried: CorruptionCase,
  lost: ReadonlySet<string>,
  note: (problem: string) => void,
): void {
  if (mayRefuse(tried)) return;
  for (const { image, path, blocks } of bench.files) {
    if (!lost.has(`${image} ${path}`) || imagesOf(tried).includes(image)) continue;
    if ([...tried.blocks].some((block) => blocks.has(block))) continue;
    note(`${path} of image ${image} is lost, and nothing of it was damaged`);
    return;
  }
}

async function isDetected(
  bench: CorruptionBench,
  tried: CorruptionCase,
  answers: Answers,
): Promise<"detected" | "undetectable" | "unnoticed"> {
  if (answers.refusal !== undefined || answers.damages.length > 0) return "detected";
  if (tried.kind !== "container") {
    const again = await bench.ask({ readData: true });
    if (again.refusal !== undefined || again.damages.length > 0) return "detected";
  }
  // A slot in the place of another is the same as one slot fewer.
  const isRemoval = tried.group === "removed" || (tried.group === "replaced" && tried.kind === "key slot");
  if (isRemoval && ["image record", "annotation", "key slot"].includes(tried.kind)) return "undetectable";
  // Key slots and index runs say nothing of their names: with names exchanged they are what they were together.
  const isNameless = tried.kind === "key slot" || tried.kind === "index run";
  const isWhole = answers.lostFiles.size === 0 && answers.lostImages.size === 0;
  if (tried.group === "swapped" && isNameless && isWhole) return "undetectable";
  return "unnoticed";
}

/** One slot is enough: with one damaged, the other passphrase still opens everything. */
async function expectOtherSlots(bench: CorruptionBench, note: (problem: string) => void): Promise<void> {
  const refusals: string[] = [];
  for (const passphrase of [PASSPHRASE, OTHER_PASSPHRASE]) {
    const { refusal } = await bench.ask({ readData: false, contents: false, passphrase });
    if (refusal !== undefined) refusals.push(refusal.message);
  }
  if (refusals.length === 2) note(`no passphrase opens it any more: ${refusals.join("; ")}`);
}
