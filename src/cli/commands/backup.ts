import { HoldfastError } from "../../base/errors.ts";
import { BACKUP_OPTIONS, backupRequest } from "../arguments/backup-options.ts";
import { defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { EXIT, exitStatusOf, type ExitStatus } from "../exit-status.ts";
import type { BackupOptions, BackupReport, Repository } from "../library.ts";
import { backupFields, backupLines, problemText } from "../text/backup-text.ts";
import { counted } from "../text/units.ts";

export const backupCommand = defineCommand({
  name: "backup",
  summary: "Back up files and directories",
  description: [
    "Makes an image of the PATHs: a full one that costs only what changed since the last image of the same source. Files that cannot be read are listed and do not stop the backup.",
    "An interrupted backup leaves no image, but what it stored is kept: the next run goes on from there.",
  ],
  positionals: [{ name: "PATH", isOptional: true, isRepeatable: true, completes: "file" }],
  moreUsage: ["[OPTIONS] --stdin-from-command -- COMMAND [ARGUMENT...]"],
  takesCommandWords: true,
  options: BACKUP_OPTIONS,
  writes: "events",
  usesRepository: true,
  examples: [
    { command: "holdfast backup ~/documents ~/pictures", explanation: "two directories" },
    {
      command: "holdfast backup / --one-file-system --exclude-caches --exclude /tmp --exclude /var/tmp",
      explanation: "a whole system, without caches and temporary files",
    },
    {
      command: "holdfast backup --stdin-from-command --stdin-file-name shop.sql -- mysqldump shop",
      explanation: "a database dump, without a file in between; a failing command fails the backup",
    },
    { command: "find . -name '*.c' -print0 | holdfast backup --files-from0 -", explanation: "what another program chooses" },
  ],
  exitStatuses: [EXIT.incomplete],
  endsOnSignal: true,
  async run(context, values) {
    const request = await backupRequest(context, values);
    await using repository = await context.openRepository({ startThreads: true });
    const report = await backUp(context, repository, request);
    return tellReport(context, report);
  },
});

/** Runs a backup and shows how far it is. */
export async function backUp(
  { output, world }: CommandContext,
  repository: Repository,
  request: BackupOptions,
): Promise<BackupReport> {
  using progress = output.startProgress();
  const report = await repository.backup({
    ...request,
    signal: world.signal,
    onProgress: ({ filesDone, bytesDone, filesExpected, bytesExpected, currentPath }) => {
      const totals = { total: filesExpected, bytesTotal: bytesExpected };
      progress.update({ phase: "backup", unit: "files", done: filesDone, bytesDone, ...totals, currentPath });
    },
    onProblem: (problem) => {
      if (output.mode.json) output.event("problem", problem);
      else output.message(problemText(problem));
    },
    onNotice: (notice) => output.notice(notice),
  });
  progress.stop();
  return report;
}

function tellReport({ output }: CommandContext, report: BackupReport): ExitStatus {
  const failure = report.afterFailure === undefined ? undefined : afterError(report.afterFailure);
  const done = report.problemCount > 0 ? EXIT.incomplete : EXIT.done;
  const exitStatus = failure === undefined ? done : exitStatusOf(failure);
  if (output.mode.json) {
    output.event("summary", { ...backupFields(report), exitStatus });
    return exitStatus;
  }
  if (!output.mode.quiet) output.lines(backupLines(report, output.mode.verbose));
  if (report.problemCount > 0) {
    const items = counted(report.problemCount, "item");
    output.message(`${items} of the source could not be read, listed above. The image holds everything else.`);
  }
  if (failure !== undefined) throw failure;
  return exitStatus;
}

function afterError(problem: string): HoldfastError {
  return new HoldfastError("HOOK_FAILED", {
    message: problem,
    hint: "The backup itself is complete.",
  });
}
