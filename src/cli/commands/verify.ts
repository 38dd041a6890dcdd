import { filterOf, IMAGE_FILTER_OPTIONS } from "../arguments/image-options.ts";
import { list, optionallyParsed, parsePercent, text } from "../arguments/options.ts";
import { usageError } from "../arguments/parse-arguments.ts";
import { defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { EXIT, type ExitStatus } from "../exit-status.ts";
import type { CompareReport, SourceDifference, VerifyReport } from "../library.ts";
import { describeCode } from "../text/platform-codes.ts";
import { safeText } from "../text/safe-text.ts";
import { counted, formatBytes, formatCount, formatDuration } from "../text/units.ts";
import { withoutUndefined } from "../text/without-undefined.ts";

export const verifyCommand = defineCommand({
  name: "verify",
  summary: "Check that everything stored is there and whole",
  description: [
    "Checks that every image can be read: its record, its entries, and that every segment they speak of is there. With --read-data the content is read and checked too.",
    "A share of the data, others in each run, finds damage within a few runs at a fraction of the time.",
    "With --against an image is compared with the files it was made of, as they are now: kind, permissions, owner, times, attributes, targets of links, and content by reading it. Nothing else is checked then.",
  ],
  positionals: [],
  options: {
    "read-data": optionallyParsed(parsePercent, 1, {
      valueName: "PERCENT",
      help: "read all stored data, or this share of it",
    }),
    against: list({ valueName: "PATH", completes: "file", help: "compare an image with this, as it is now" }),
    image: text({
      valueName: "IMAGE",
      completes: "image",
      help: "with --against: which one; the newest that was made of all these PATHs unless given",
    }),
    ...IMAGE_FILTER_OPTIONS,
  },
  writes: "events",
  usesRepository: true,
  examples: [
    { command: "holdfast verify", explanation: "quick: everything but the content" },
    { command: "holdfast verify --read-data", explanation: "everything" },
    { command: "holdfast verify --read-data=5%", explanation: "a twentieth of the content, for every night" },
    { command: "holdfast verify --against /home", explanation: "whether the newest image of /home is what is there now" },
  ],
  exitStatuses: [],
  exitMeanings: { [EXIT.failed]: "failed, or damage or a difference was found (it is listed)" },
  endsOnSignal: true,
  async run(context, values) {
    if (values.against.length > 0) return compare(context, values);
    if (values.image !== undefined || Object.keys(filterOf(values)).length > 0) {
      throw usageError(
        "An image is chosen only to be compared; otherwise all are checked",
        "holdfast verify",
        "Add --against PATH.",
      );
    }
    if (values["read-data"] === 0)
      throw usageError("--read-data=0% reads nothing; leave it out to check the structure alone", "holdfast verify");
    await using repository = await context.openRepository({ startThreads: values["read-data"] !== undefined });
    const { output, world } = context;
    using progress = output.startProgress();
    const report = await repository.verify(
      withoutUndefined({
        readData: values["read-data"],
        signal: world.signal,
        onProgress: ({ phase, done, total }: { phase: "images" | "containers"; done: number; total: number }) => {
          progress.update({ phase: "verify", unit: phase, done, total });
        },
      }),
    );
    progress.stop();
    const { damages } = report;
    const exitStatus = damages.length > 0 ? EXIT.failed : EXIT.done;
    if (output.mode.json) {
      for (const damage of damages) output.event("damage", damage);
      for (const transient of report.transients) output.event("transient", transient);
      output.event("summary", { ...verifyFields(report), exitStatus });
      return exitStatus;
    }
    for (const { what, problem, code } of damages) output.line(`Damaged: ${what}: ${problem} (${code})`);
    for (const { what, problem } of report.transients) output.line(`Read only the second time: ${what}: ${problem}`);
    if (!output.mode.quiet) output.lines(verifyLines(report));
    if (damages.length > 0) {
      output.message(`holdfast: ${counted(damages.length, "damage")} found; \`holdfast repair\` saves what can be saved`);
    }
    return exitStatus;
  },
});

type AgainstValues = Parameters<typeof filterOf>[0] & {
  readonly against: readonly string[];
  readonly image: string | undefined;
  readonly "read-data": number | undefined;
};

async function compare(context: CommandContext, values: AgainstValues): Promise<ExitStatus> {
  const { output, world } = context;
  if (values["read-data"] !== undefined) {
    throw usageError(
      "--read-data checks what is stored, --against compares with the source; do one after the other",
      "holdfast verify",
    );
  }
  await using repository = await context.openRepository();
  using progress = output.startProgress();
  const report = await repository.compareWithSource(
    withoutUndefined({
      paths: values.against.map((path) => context.absolute(path)),
      image: values.image,
      filter: filterOf(values),
      signal: world.signal,
      onDifference: (difference: SourceDifference) => {
        if (output.mode.json) output.event("difference", difference);
        else output.line(differenceText(difference));
      },
      onProgress: ({ entriesDone, bytesDone, currentPath }: { entriesDone: number; bytesDone: number; currentPath: string }) => {
        const unknown = { total: undefined, bytesTotal: undefined };
        progress.update({ phase: "compare", unit: "files", done: entriesDone, bytesDone, currentPath, ...unknown });
      },
    }),
  );
  progress.stop();
  const exitStatus = report.differenceCount > 0 ? EXIT.failed : EXIT.done;
  if (output.mode.json) output.event("summary", { ...compareFields(report), exitStatus });
  else if (!output.mode.quiet) output.lines(compareLines(report));
  return exitStatus;
}

const SIGNS: Readonly<Record<SourceDifference["kind"], string>> = { new: "+", missing: "-", changed: "M", unreadable: "?" };

function differenceText({ kind, path, changes, code }: SourceDifference): string {
  const what = code === undefined ? changes.join(", ") : describeCode(code);
  return `${SIGNS[kind]} ${safeText(path)}${what === "" ? "" : ` (${what})`}`;
}

function compareLines(report: CompareReport): string[] {
  const { newEntries, missing, changed, unreadable } = report;
  const read = `${counted(report.entries, "entry", "entries")}, ${formatBytes(report.bytesRead)} read`;
  const duration = formatDuration(report.durationMs);
  const head = `Compared image ${report.imageId.slice(0, 8)} with the source: ${read} in ${duration}.`;
  if (report.differenceCount === 0) return [head, "They agree."];
  return [
    head,
    `${formatCount(newEntries)} new, ${formatCount(missing)} missing, ${formatCount(changed)} changed, ${formatCount(unreadable)} unreadable.`,
  ];
}

/** The differences were events of their own. */
function compareFields({ differences: _differences, durationMs, ...counts }: CompareReport) {
  return { ...counts, durationMs: Math.round(durationMs) };
}

function verifyLines(report: VerifyReport): string[] {
  const { bytesRead, damages } = report;
  const images = counted(report.images, "image");
  const entries = counted(report.entries, "entry", "entries");
  const segments = counted(report.segments, "segment");
  const lines = [`Checked ${images}, ${entries}, ${segments} in ${formatDuration(report.durationMs)}.`];
  if (bytesRead > 0) {
    const share = `${formatCount(report.containersChecked)} of ${counted(report.containers, "container")}`;
    lines.push(`Read ${formatBytes(bytesRead)} in ${share}.`);
  }
  return damages.length > 0 ? lines : [...lines, "No damage was found."];
}

/** What was found were events of their own. */
function verifyFields({ damages, transients, durationMs, ...counts }: VerifyReport) {
  return { ...counts, damageCount: damages.length, transientCount: transients.length, durationMs: Math.round(durationMs) };
}
