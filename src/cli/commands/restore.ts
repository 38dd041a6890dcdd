import { filterOf, IMAGE_FILTER_OPTIONS, IMAGE_REFERENCE } from "../arguments/image-options.ts";
import { choice, flag, requiredText } from "../arguments/options.ts";
import { defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { EXIT, type ExitStatus } from "../exit-status.ts";
import type { Repository, RestoreProblem, RestoreReport } from "../library.ts";
import type { Output } from "../output/output.ts";
import { removedLines, restoreFields, restoreLines, restoreProblemText } from "../text/restore-text.ts";
import { counted, formatCount } from "../text/units.ts";
import { withoutUndefined } from "../text/without-undefined.ts";

const writing = { section: "How it is written" };

export const restoreCommand = defineCommand({
  name: "restore",
  summary: "Bring files back from an image",
  description: [
    `Restores an image, or the PATHs of it, below DIR: /home/anna/letter becomes DIR/home/anna/letter. With --target / everything goes back to its place. ${IMAGE_REFERENCE}`,
    "Files that are there already are left alone when size and modification time are those of the image, and replaced when not; --overwrite changes that. So a restore that was interrupted is simply run again. Nothing outside of DIR is ever written, whatever the image says.",
    "A directory that is not empty never gives way to a file, link or other entry of the image, unless --delete is given: that is a problem which is listed, and the directory stays. An empty one is replaced as a file would be. Where the image has a directory, something else gives way only with --overwrite always or --delete. With --overwrite never everything stays.",
  ],
  positionals: [
    { name: "IMAGE", completes: "image" },
    { name: "PATH", isOptional: true, isRepeatable: true, completes: "file" },
  ],
  options: {
    target: requiredText({
      ...writing,
      short: "t",
      valueName: "DIR",
      completes: "directory",
      help: "where to; made when missing",
    }),
    overwrite: choice(["never", "if-changed", "always"] as const, {
      ...writing,
      valueName: "WHEN",
      help: "which files that are there already to replace; if-changed unless given",
    }),
    delete: flag({
      ...writing,
      help: "remove what the image does not have from the directories that are restored, and whole directories that are in the way; --verbose lists it",
    }),
    "delete-excluded": flag({ ...writing, help: "with --delete: also what the backup left out on purpose or could not read" }),
    owners: choice(["number", "name", "none"] as const, {
      ...writing,
      valueName: "HOW",
      help: "owners by the stored number, by their name on this machine, or none; number for root and none for others unless given",
    }),
    verify: flag({ ...writing, help: "read what was written and compare it with the image" }),
    "dry-run": flag({
      ...writing,
      short: "n",
      help: "look at DIR and show what this restore would write, replace, leave alone and remove there, and do nothing",
    }),
    ...IMAGE_FILTER_OPTIONS,
  },
  writes: "events",
  usesRepository: true,
  examples: [
    { command: "holdfast restore latest --target /tmp/restored", explanation: "everything, into a new directory" },
    {
      command: "holdfast restore latest /home/anna/letters --target /",
      explanation: "one directory, back to its place",
    },
    { command: "holdfast restore 3f2a9c81 --target / --delete --dry-run", explanation: "what it would take to go back in time" },
  ],
  exitStatuses: [EXIT.incomplete],
  exitMeanings: { [EXIT.incomplete]: "done, but some items could not be restored as stored (they are listed)" },
  endsOnSignal: true,
  async run(context, values) {
    await using repository = await context.openRepository({ startThreads: true });
    const [image = "", ...paths] = context.positionals;
    const request = withoutUndefined({
      image,
      filter: filterOf(values),
      paths: paths.length === 0 ? undefined : paths.map((path) => context.absolute(path)),
      target: context.absolute(values.target),
      overwrite: values.overwrite ?? ("if-changed" as const),
      delete: values.delete,
      deleteExcluded: values["delete-excluded"],
      verify: values.verify,
      dryRun: values["dry-run"],
      owners: values.owners,
    });
    const report = await restoreWithProgress(context, repository, request);
    return tellReport(context, report, { isDryRun: values["dry-run"], target: request.target });
  },
});

type RestoreRequest = Parameters<Repository["restore"]>[0];

/** Restores and shows how far it is. */
export async function restoreWithProgress(
  { output, world }: CommandContext,
  repository: Repository,
  request: RestoreRequest,
): Promise<RestoreReport> {
  using progress = output.startProgress();
  const heard: RestoreProblem[] = [];
  const restored = repository.restore({
    ...request,
    signal: world.signal,
    onProgress: ({ phase, filesDone, filesTotal, bytesDone, bytesTotal, currentPath }) => {
      progress.update({ phase, unit: "files", done: filesDone, total: filesTotal, bytesDone, bytesTotal, currentPath });
    },
    onProblem: (problem) => {
      if (output.mode.json) output.event("problem", problem);
      else if (heard.length < PROBLEMS_SHOWN) heard.push(problem);
    },
  });
  try {
    const report = await restored;
    progress.stop();
    if (!output.mode.json) tellProblems(output, report.problems, report.problemCount);
    return report;
  } catch (error) {
    progress.stop();
    tellProblems(output, heard, heard.length);
    throw error;
  }
}

const PROBLEMS_SHOWN = 100;

/** When all is done, in the order of paths: threads meet them in another order each time. */
function tellProblems(output: Output, problems: readonly RestoreProblem[], count: number): void {
  const shown = output.mode.verbose ? problems : problems.slice(0, PROBLEMS_SHOWN);
  for (const problem of shown) output.message(restoreProblemText(problem));
  if (count > shown.length) output.message(`and ${formatCount(count - shown.length)} more; --json lists all of them`);
}

function tellReport(
  { output }: CommandContext,
  report: RestoreReport,
  { isDryRun, target }: { readonly isDryRun: boolean; readonly target: string },
): ExitStatus {
  const exitStatus = report.problemCount > 0 ? EXIT.incomplete : EXIT.done;
  if (output.mode.json) {
    output.event("summary", { ...restoreFields(report), target, dryRun: isDryRun, exitStatus });
    return exitStatus;
  }
  if (output.mode.verbose) output.lines(removedLines(report, isDryRun));
  if (!output.mode.quiet) output.lines(restoreLines(report, { isDryRun, target }));
  if (report.problemCount > 0) {
    const could = isDryRun ? "can" : "could";
    output.message(`Not everything ${could} be restored as stored: ${counted(report.problemCount, "problem")}, listed above.`);
  }
  return exitStatus;
}
