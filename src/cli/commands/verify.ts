import { optionallyParsed, parsePercent } from "../arguments/options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import type { VerifyReport } from "../library.ts";
import { counted, formatBytes, formatCount, formatDuration } from "../text/units.ts";
import { withoutUndefined } from "../text/without-undefined.ts";

export const verifyCommand = defineCommand({
  name: "verify",
  summary: "Check that everything stored is there and whole",
  description: [
    "Checks that every image can be read: its record, its entries, and that every segment they speak of is there. With --read-data the content is read and checked too.",
    "A share of the data, others in each run, finds damage within a few runs at a fraction of the time.",
  ],
  positionals: [],
  options: {
    "read-data": optionallyParsed(parsePercent, 1, {
      valueName: "PERCENT",
      help: "read all stored data, or this share of it",
    }),
  },
  writes: "events",
  usesRepository: true,
  examples: [
    { command: "holdfast verify", explanation: "quick: everything but the content" },
    { command: "holdfast verify --read-data", explanation: "everything" },
    { command: "holdfast verify --read-data=5%", explanation: "a twentieth of the content, for every night" },
  ],
  exitStatuses: [],
  exitMeanings: { [EXIT.failed]: "failed, or damage was found (it is listed)" },
  endsOnSignal: true,
  async run(context, values) {
    await using repository = await context.openRepository();
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

function verifyLines({
  images,
  entries,
  segments,
  containersChecked,
  containers,
  bytesRead,
  damages,
  durationMs,
}: VerifyReport): string[] {
  const checked = [counted(images, "image"), counted(entries, "entry", "entries"), counted(segments, "segment")];
  const lines = [`Checked ${checked.join(", ")} in ${formatDuration(durationMs)}.`];
  if (bytesRead > 0) {
    const share = `${formatCount(containersChecked)} of ${counted(containers, "container")}`;
    lines.push(`Read ${formatBytes(bytesRead)} in ${share}.`);
  }
  return damages.length > 0 ? lines : [...lines, "No damage was found."];
}

function verifyFields({
  images,
  entries,
  segments,
  containersChecked,
  containers,
  bytesRead,
  damages,
  transients,
  durationMs,
}: VerifyReport) {
  const counts = { images, entries, segments, containersChecked, containers, bytesRead, damageCount: damages.length };
  return { ...counts, transientCount: transients.length, durationMs: Math.round(durationMs) };
}
