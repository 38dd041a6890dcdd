// The demonstration: everything the program is for, on a directory of the person's own, in a repository that is gone
// afterwards. Nothing in that directory is touched.

import { join } from "node:path";
import type { Random } from "../../platform/random.ts";
import { backUp } from "../commands/backup.ts";
import { imageTable } from "../commands/images.ts";
import { restoreWithProgress } from "../commands/restore.ts";
import type { CommandContext } from "../context.ts";
import type { BackupReport, Repository, RestoreReport } from "../library.ts";
import { backupFields, backupLines } from "../text/backup-text.ts";
import { restoreFields, restoreLines } from "../text/restore-text.ts";
import { counted, formatBytes, formatCount, formatDuration } from "../text/units.ts";
import { compareRestored, newComparison, type Comparison } from "./comparison.ts";
import { isLarge, sampleOf } from "./sample.ts";

export interface DemoResult {
  readonly first: BackupReport;
  readonly second: BackupReport;
  readonly restore: RestoreReport;
  readonly comparison: Comparison;
}

export interface DemoPlace {
  /** Absolute. */
  readonly directory: string;
  readonly workDirectory: string;
  readonly repository: string;
  readonly passphrase: string;
}

export function demoPlace(directory: string, workDirectory: string, random: Random): DemoPlace {
  return { directory, workDirectory, repository: join(workDirectory, "repository"), passphrase: madeUpPassphrase(random) };
}

/** Backs up twice, restores and compares, and tells the person step by step. */
export async function demonstrate(context: CommandContext, place: DemoPlace): Promise<DemoResult> {
  const { output, world } = context;
  const step = (title: string): void => {
    if (output.mode.json) output.event("step", { title });
    else output.lines(["", title]);
  };
  const library = await world.library();
  step("1. A new repository");
  await using repository = await library.createRepository({
    repository: place.repository,
    passphrase: () => place.passphrase,
    cacheDirectory: join(place.workDirectory, "cache"),
  });
  if (!output.mode.json) output.line(`  ${place.repository}, encrypted with a passphrase that was made up for it`);

  step("2. The first backup reads everything");
  const first = await backUpDirectory(context, repository, place);
  step("3. The second backup costs only what changed");
  const second = await backUpDirectory(context, repository, place);
  step("4. Both are full images");
  if (!output.mode.json) output.lines(imageTable(await repository.images(), world.clock.now()).map((line) => `  ${line}`));

  const { restore, comparison } = await restoreAndCompare(context, repository, place, step);
  return { first, second, restore, comparison };
}

async function backUpDirectory(context: CommandContext, repository: Repository, place: DemoPlace): Promise<BackupReport> {
  // The repository may lie below the directory, as when somebody tries it on /.
  const exclude = [place.workDirectory.replace(/[\\*?[\]!#]/g, "\\$&")];
  const report = await backUp(context, repository, { paths: [place.directory], exclude });
  const { output } = context;
  if (output.mode.json) output.event("backup", backupFields(report));
  else output.lines(backupLines(report, output.mode.verbose).map((line) => `  ${line}`));
  return report;
}

async function restoreAndCompare(
  context: CommandContext,
  repository: Repository,
  place: DemoPlace,
  step: (title: string) => void,
): Promise<Pick<DemoResult, "restore" | "comparison">> {
  const { output, world } = context;
  const target = join(place.workDirectory, "restored");
  const image = await repository.image("latest");
  const entries = (): AsyncIterable<Parameters<typeof compareRestored>[1]> =>
    repository.entries(image.id, { path: place.directory });
  const { files } = image.record.statistics;
  const sample = isLarge(image) ? await sampleOf(entries(), files) : undefined;
  step(
    sample === undefined
      ? "5. Everything comes back"
      : `5. A sample comes back: ${counted(sample.length, "file")} of ${formatCount(files)}`,
  );

  const paths = sample === undefined ? [place.directory] : sample.map(({ pathBytes }) => pathBytes);
  const restore = await restoreWithProgress(context, repository, { image: image.id, target, paths });
  if (output.mode.json) output.event("restore", restoreFields(restore));
  else output.lines(restoreLines(restore, { isDryRun: false, target }).map((line) => `  ${line}`));

  const comparison = newComparison();
  using progress = output.startProgress();
  for await (const entry of sample ?? entries()) {
    world.signal.throwIfAborted();
    await compareRestored(world.files, entry, target, comparison);
    const total = sample?.length ?? files;
    progress.update({
      phase: "compare",
      unit: "files",
      done: comparison.files,
      total,
      bytesDone: comparison.bytes,
      currentPath: entry.path,
    });
  }
  progress.stop();
  if (!output.mode.json) output.lines(comparisonLines(comparison, place.directory).map((line) => `  ${line}`));
  return { restore, comparison };
}

function comparisonLines(
  { files, bytes, directories, others, changedMeanwhile, different }: Comparison,
  directory: string,
): string[] {
  const parts = [
    counted(files, "file"),
    counted(directories, "directory", "directories"),
    counted(others, "link or other entry", "links and other entries"),
  ];
  const same = parts.filter((part) => !part.startsWith("0 ")).join(", ");
  const lines = [`Compared byte for byte with ${directory}: ${same} (${formatBytes(bytes)}) are the same.`];
  if (changedMeanwhile > 0) lines.push(`${formatCount(changedMeanwhile)} changed in the meantime and could not be compared.`);
  return [...lines, ...different.map((path) => `Different: ${path}`)];
}

/** What it all meant, and how to go on. */
export function closingLines({ first, second, comparison }: DemoResult, place: DemoPlace, isKept: boolean): string[] {
  const { sourceBytes, bytesRead } = first.statistics;
  const share = sourceBytes === 0 ? "" : ` (${Math.round((first.addedStoredBytes * 100) / sourceBytes)}% of its size)`;
  const verdict =
    comparison.different.length === 0
      ? "What was restored is what is there now."
      : `But ${counted(comparison.different.length, "entry", "entries")} came back different: please report this.`;
  const repository = isKept ? place.repository : "/path/to/backup";
  return [
    "",
    "What happened",
    `  The first backup read ${formatBytes(bytesRead)} and stored ${formatBytes(first.addedStoredBytes)}${share}, encrypted.`,
    `  The second took ${formatDuration(second.durationMs)} and added ${formatBytes(second.addedStoredBytes)}; it is as complete as the first.`,
    `  ${verdict}`,
    "",
    "To go on",
    ...(isKept ? [`  The passphrase is ${place.passphrase}`] : [`  holdfast init --repository ${repository}`]),
    ...(isKept ? [] : [`  holdfast backup --repository ${repository} ${place.directory}`]),
    `  holdfast images --repository ${repository}`,
    `  holdfast restore --repository ${repository} latest --target /tmp/restored`,
    "",
    isKept
      ? `Everything is kept in ${place.workDirectory}`
      : "The repository of this demonstration is removed now; --keep keeps it.",
  ];
}

/** 100 bits, in characters that nobody mistakes for one another. */
function madeUpPassphrase(random: Random): string {
  const alphabet = "23456789abcdefghijkmnpqrstuvwxyz";
  const characters = [...random.bytes(20)].map((byte) => alphabet[byte % alphabet.length] ?? "");
  return [0, 5, 10, 15].map((start) => characters.slice(start, start + 5).join("")).join("-");
}
