import { flag, text } from "../arguments/options.ts";
import { usageError } from "../arguments/parse-arguments.ts";
import { defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { EXIT, type ExitStatus } from "../exit-status.ts";
import type { OpenOptions, RepairOptions } from "../library.ts";
import { lossFields, lossText, repairFields, repairLines } from "../text/repair-text.ts";
import { withoutUndefined } from "../text/without-undefined.ts";

/** More are counted for a person; programs get all of them. */
const LOSSES_SHOWN = 200;

export const repairCommand = defineCommand({
  name: "repair",
  summary: "Save what can be read of damaged containers and say what is lost",
  description: [
    "Reads everything that is stored. What can be read of a damaged container is stored again, the container is moved to a directory of its own, and index and catalog are made anew. Nothing is deleted, and a repair that was interrupted is simply run again.",
    "Then it lists which files of which images are lost. Where their content still exists at the source, the next backup reads it again and stores it, and the images are whole again. With --from it is taken from another repository that holds the same files; that one is only read.",
  ],
  positionals: [],
  options: {
    from: text({ valueName: "LOCATION", completes: "directory", help: "take what is lost from this repository" }),
    "from-passphrase-file": text({ valueName: "FILE", completes: "file", help: "read its passphrase from this file" }),
    "from-passphrase-command": text({
      valueName: "COMMAND",
      completes: "command",
      help: "read it from the output of this shell command",
    }),
    "dry-run": flag({ short: "n", help: "show what would be done, and do nothing" }),
  },
  writes: "events",
  usesRepository: true,
  examples: [
    { command: "holdfast repair --dry-run", explanation: "what is damaged, and what that costs" },
    { command: "holdfast repair", explanation: "save what can be saved; back up again afterwards" },
    { command: "holdfast repair --from /mnt/second/repository", explanation: "take what is lost from a second repository" },
  ],
  exitStatuses: [],
  exitMeanings: { [EXIT.failed]: "failed, or something is lost (it is listed)" },
  endsOnSignal: true,
  async run(context, values) {
    const from = fromOf(context, values);
    await using repository = await context.openRepository();
    const { output, world } = context;
    const isDryRun = values["dry-run"];
    let shown = 0;
    using progress = output.startProgress();
    const request: RepairOptions = withoutUndefined({
      dryRun: isDryRun,
      from,
      signal: world.signal,
      onProgress: ({ phase, done, total }: Parameters<NonNullable<RepairOptions["onProgress"]>>[0]) => {
        progress.update({ phase: "repair", unit: phase === "images" ? "images" : "containers", done, total });
      },
      onLoss: (loss: Parameters<NonNullable<RepairOptions["onLoss"]>>[0]) => {
        if (output.mode.json) output.event("loss", lossFields(loss));
        else if (shown++ < LOSSES_SHOWN) output.line(lossText(loss));
      },
    });
    const report = await repository.repair(request);
    progress.stop();
    const exitStatus: ExitStatus = isWhole(report) ? EXIT.done : EXIT.failed;
    if (output.mode.json) {
      for (const container of report.damagedContainers)
        output.event("damage", { what: `container ${container.container}`, ...container });
      for (const container of report.missingContainers)
        output.event("damage", { what: `container ${container}`, problem: "it is missing" });
      for (const record of report.damagedRecords) output.event("damage", record);
      for (const transient of report.transients) output.event("transient", transient);
      output.event("summary", { ...repairFields(report), exitStatus });
      return exitStatus;
    }
    if (!output.mode.quiet) output.lines(repairLines(report, { isDryRun, shown: Math.min(shown, LOSSES_SHOWN) }));
    return exitStatus;
  },
});

function isWhole({
  lossCount,
  lossesKnown,
  damagedRecords,
}: {
  lossCount: number;
  lossesKnown: boolean;
  damagedRecords: readonly unknown[];
}): boolean {
  return lossCount === 0 && lossesKnown && damagedRecords.length === 0;
}

interface FromValues {
  readonly from: string | undefined;
  readonly "from-passphrase-file": string | undefined;
  readonly "from-passphrase-command": string | undefined;
}

function fromOf(context: CommandContext, values: FromValues): Pick<OpenOptions, "repository" | "passphrase"> | undefined {
  const [file, command] = [values["from-passphrase-file"], values["from-passphrase-command"]];
  if (values.from === undefined) {
    if (file === undefined && command === undefined) return undefined;
    throw usageError("A passphrase of another repository goes with --from only", "holdfast repair");
  }
  return context.otherRepository(values.from, {
    file,
    command,
    fileOption: "from-passphrase-file",
    commandOption: "from-passphrase-command",
    variable: "HOLDFAST_FROM_PASSPHRASE",
  });
}
