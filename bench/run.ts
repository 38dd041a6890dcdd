// Runs the cases: round by round, in every round each tool once and each round beginning with another tool, so that a machine
// that slows down meanwhile slows all of them.

import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { Case, MeasureName } from "./cases.ts";
import { requireDataset, type Dataset, type DatasetOptions } from "./datasets.ts";
import { editTree, emptyDirectory, emptyFiles, readTree, removeTree, treeTotals } from "./files.ts";
import { DISTURBED, disturbance, measure, waitForQuiet, type Command, type Measurement } from "./measure.ts";
import type { Place, Tool, ToolName } from "./tools.ts";

export interface Run extends Measurement {
  readonly repositoryBytes?: number;
  readonly addedBytes?: number;
  /** What the tool keeps outside the repository (cache, track log). */
  readonly homeBytes?: number;
}

export interface CaseResult {
  readonly case: Case;
  readonly dataset: Pick<Dataset, "description" | "totals">;
  readonly runs: Readonly<Partial<Record<ToolName, readonly Run[]>>>;
}

export interface RunOptions {
  readonly runs: number;
  /** Seconds to wait for a quiet machine before each run; a run disturbed all the same is then repeated. 0: neither. */
  readonly patienceSeconds: number;
  readonly time: string;
  readonly work: string;
  readonly data: DatasetOptions;
  readonly say: (line: string) => void;
}

/** The figure of a run that a case speaks of, in seconds or bytes. */
export function figureOf(run: Run, name: MeasureName): number | undefined {
  switch (name) {
    case "wall":
      return run.wallSeconds;
    case "cpu":
      return run.cpuSeconds;
    case "memory":
      return run.peakMemoryBytes;
    case "repository":
      return run.repositoryBytes;
    case "added":
      return run.addedBytes;
  }
}

/** Runs the cases in order and tells each result as soon as it is there. */
export async function runCases(
  cases: readonly Case[],
  tools: readonly Tool[],
  options: RunOptions,
  finished: (result: CaseResult) => void,
): Promise<void> {
  emptyDirectory(options.work);
  const shelf = createShelf(options);
  for (const [position, one] of cases.entries()) {
    // Start-up is timed over a small repository by definition.
    const startUp = one.kind === "list" || one.kind === "version";
    const data: DatasetOptions = startUp ? { ...options.data, scale: "small" } : options.data;
    const dataset = await requireDataset(one.dataset, one.kind === "next", data);
    const isReused = cases[position + 1]?.dataset === one.dataset;
    const runs: Partial<Record<ToolName, Run[]>> = {};
    for (let round = 0; round < options.runs; round++) {
      for (let turn = 0; turn < tools.length; turn++) {
        const tool = tools[(round + turn) % tools.length] as Tool;
        const run = await leastDisturbed(options, () => runOnce(one, tool, dataset, shelf, options));
        (runs[tool.name] ??= []).push(run);
        // Three large repositories at once would double the disk that is needed.
        if (one.kind === "first" && !isReused) shelf.remove(tool);
        options.say(describe(one, tool, round, run));
      }
    }
    finished({ case: one, dataset: { description: dataset.description, totals: dataset.totals }, runs });
    removeTree(path.join(options.work, RESTORED));
    removeTree(path.join(options.work, "edited"));
    if (!isReused) shelf.clear();
  }
  removeTree(options.work);
}

interface Stored {
  readonly place: Place;
  backups: number;
  /** What the latest backup is of. */
  tree: string | undefined;
}

// The repositories of the tools, at most one for each.
interface Shelf {
  /** A new, initialised repository. */
  fresh(tool: Tool): Promise<Stored>;
  /** The tool's repository with the dataset as its latest backup, made now if need be. */
  filled(tool: Tool, dataset: Dataset): Promise<Stored>;
  /** The tool's repository with ten backups of a copy of the dataset that was edited between them; one less at each call. */
  aged(tool: Tool, dataset: Dataset): Promise<Stored>;
  remove(tool: Tool): void;
  clear(): void;
}

const AGED_BACKUPS = 10;
/** One file in so many is changed between two backups. */
const EDITED_SHARE = 60;

function createShelf({ work, time }: RunOptions): Shelf {
  const stored = new Map<ToolName, Stored>();
  const quietly = (command: Command) => measure(command, { time, log: path.join(work, "log") });

  async function fresh(tool: Tool): Promise<Stored> {
    const directory = emptyDirectory(path.join(work, tool.name));
    const place = { repository: path.join(directory, "repository"), home: path.join(directory, "home") };
    fs.mkdirSync(place.home);
    await quietly(tool.init(place));
    const result: Stored = { place, backups: 0, tree: undefined };
    stored.set(tool.name, result);
    return result;
  }

  function remove(tool: Tool): void {
    stored.delete(tool.name);
    removeTree(path.join(work, tool.name));
  }

  return {
    fresh,
    remove,
    async filled(tool, dataset) {
      const present = stored.get(tool.name);
      if (present?.tree === dataset.tree) return present;
      const made = await fresh(tool);
      await quietly(tool.backup(made.place, dataset.tree, ++made.backups));
      made.tree = dataset.tree;
      return made;
    },
    async aged(tool, dataset) {
      const present = stored.get(tool.name);
      const tree = path.join(work, "edited");
      // The rounds go on with what the one before has left, as long as that is more than half.
      const isAged = present?.tree === tree && present.backups > AGED_BACKUPS / 2;
      const made = isAged ? present : await fresh(tool);
      if (!isAged) {
        removeTree(tree);
        execFileSync("cp", ["-a", dataset.tree, tree]);
        while (made.backups < AGED_BACKUPS) {
          editTree(tree, made.backups, EDITED_SHARE);
          await quietly(tool.backup(made.place, tree, ++made.backups));
        }
        made.tree = tree;
      }
      await quietly(tool.forget(made.place, --made.backups));
      return made;
    },
    clear() {
      for (const name of stored.keys()) removeTree(path.join(work, name));
      stored.clear();
    },
  };
}

const ATTEMPTS = 3;

// An ext4 without a journal avoids inodes that were freed in the last minutes by looking at each of them again for every file it
// creates: in a part of the disk where a tree was removed, files are created twenty times more slowly (measured), whatever the
// tool. So restored trees stay until the end of their case, with empty files, and each goes to another part of the disk.
const RESTORED = "restored";

async function leastDisturbed(options: RunOptions, attempt: () => Promise<Run>): Promise<Run> {
  let best = await attempt();
  for (let attempts = 1; options.patienceSeconds > 0 && disturbance(best) >= DISTURBED && attempts < ATTEMPTS; attempts++) {
    options.say(`repeating a run: ${Math.round(disturbance(best) * 100)} % of the processors were busy with something else`);
    const again = await attempt();
    if (disturbance(again) < disturbance(best)) best = again;
  }
  return best;
}

async function runOnce(one: Case, tool: Tool, dataset: Dataset, shelf: Shelf, options: RunOptions): Promise<Run> {
  const timed = async (command: Command, reads: readonly string[]) => {
    for (const tree of reads) readTree(tree);
    // What earlier work left to be written would otherwise be written during this run.
    if (options.data.scale === "full") execFileSync("sync");
    await waitForQuiet(options.patienceSeconds);
    return measure(command, { time: options.time, log: path.join(options.work, "log") });
  };
  const timedBackup = async (stored: Stored): Promise<Run> => {
    const { place } = stored;
    const before = treeTotals(place.repository).bytes;
    const measured = await timed(tool.backup(place, dataset.tree, ++stored.backups), [dataset.tree]);
    stored.tree = dataset.tree;
    const repositoryBytes = treeTotals(place.repository).bytes;
    return { ...measured, repositoryBytes, addedBytes: repositoryBytes - before, homeBytes: treeTotals(place.home).bytes };
  };

  switch (one.kind) {
    case "first":
      return timedBackup(await shelf.fresh(tool));
    case "unchanged":
      return timedBackup(await shelf.filled(tool, dataset));
    case "next": {
      shelf.remove(tool);
      const stored = await shelf.filled(tool, dataset);
      if (dataset.swapInNext === undefined) throw new Error(`the data "${dataset.name}" has no next version`);
      using _swapped = dataset.swapInNext();
      const run = await timedBackup(stored);
      shelf.remove(tool);
      return run;
    }
    case "restore": {
      const { place, backups } = await shelf.filled(tool, dataset);
      const target = newTarget(path.join(options.work, RESTORED));
      const run = await timed(tool.restore(place, target, backups), [place.repository]);
      requireSameTotals(target, tool, dataset);
      emptyFiles(target);
      return run;
    }
    case "verify": {
      const { place } = await shelf.filled(tool, dataset);
      return timed(tool.verify(place), [place.repository]);
    }
    case "prune": {
      const { place } = await shelf.aged(tool, dataset);
      const before = treeTotals(place.repository).bytes;
      const run = await timed(tool.prune(place), [place.repository]);
      const repositoryBytes = treeTotals(place.repository).bytes;
      return { ...run, repositoryBytes, addedBytes: repositoryBytes - before };
    }
    case "list": {
      const { place } = await shelf.filled(tool, dataset);
      return timed(tool.list(place), [place.repository]);
    }
    case "version":
      return timed(tool.version((await shelf.filled(tool, dataset)).place), []);
  }
}

function newTarget(directory: string): string {
  if (!fs.existsSync(directory)) {
    fs.mkdirSync(directory);
    // "Top of a hierarchy": its directories are spread over the disk. Other file systems do not know it and do not need it.
    spawnSync("chattr", ["+T", directory], { stdio: "ignore" });
  }
  return fs.mkdtempSync(`${directory}/`);
}

// A tool that leaves things out is fast. Tools differ in how much of the source's path they create below the target.
function requireSameTotals(target: string, tool: Tool, dataset: Dataset): void {
  const candidates = [path.join(target, dataset.tree), path.join(target, path.basename(dataset.tree)), target];
  const root = candidates.find((candidate) => fs.existsSync(candidate)) ?? target;
  const found = JSON.stringify(treeTotals(root));
  const expected = JSON.stringify(dataset.totals);
  if (found !== expected) throw new Error(`${tool.title} restored ${found} instead of ${expected}`);
}

function describe(one: Case, tool: Tool, round: number, run: Run): string {
  const mib = (bytes: number | undefined) => (bytes === undefined ? "" : `${(bytes / 2 ** 20).toFixed(1)} MiB`);
  const sizes = run.repositoryBytes === undefined ? "" : `, repository ${mib(run.repositoryBytes)} (+${mib(run.addedBytes)})`;
  const { wallSeconds, cpuSeconds, peakMemoryBytes, otherCpuSeconds } = run;
  return `${one.id}, round ${round + 1}, ${tool.title}: ${wallSeconds.toFixed(2)} s, CPU ${cpuSeconds.toFixed(2)} s, memory ${mib(peakMemoryBytes)}${sizes}; others' CPU ${otherCpuSeconds.toFixed(1)} s`;
}
