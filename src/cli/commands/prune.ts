import { list, flag, parsePercent, parsed } from "../arguments/options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { pruneFields, pruneLines } from "../text/prune-text.ts";
import { withoutUndefined } from "../text/without-undefined.ts";

export const pruneCommand = defineCommand({
  name: "prune",
  summary: "Remove what no image needs any more",
  description: [
    "Removes the content that only forgotten images needed. Containers of which nothing is needed are removed; of others the needed part is written anew, until no more than --max-unused of what is stored is unused.",
    "Backups may run meanwhile, and are neither harmed nor stopped. Containers that a running backup may count on stay until it has ended; run prune again then. Nothing is removed from a repository of which anything is missing or cannot be read.",
    "When the disk is full, what can be removed without writing anything else goes first, which makes room for the rest. For this a repository keeps a small reserve that is given up and made again.",
    "A backup on another machine that died is waited for until it is said that the machine is gone. Should it live all the same, it fails and does no harm.",
  ],
  positionals: [],
  options: {
    "dry-run": flag({ short: "n", help: "show what would be removed, and remove nothing" }),
    "max-unused": parsed(parsePercent, {
      valueName: "PERCENT",
      help: "how much of what is stored may stay unused (5% unless given); less takes longer",
    }),
    "assume-dead": list({
      valueName: "HOST",
      help: "do not wait for backups of this machine, which is gone, or for this session",
    }),
  },
  writes: "events",
  usesRepository: true,
  examples: [
    { command: "holdfast prune --dry-run", explanation: "what would be freed" },
    { command: "holdfast prune", explanation: "after `holdfast forget`" },
    { command: "holdfast prune --assume-dead old-laptop", explanation: "a backup died with its machine" },
  ],
  exitStatuses: [],
  exitMeanings: {
    [EXIT.done]: "done, nothing to do, or waiting for a backup to end",
    [EXIT.failed]: "failed, or something is missing or damaged; nothing was removed",
  },
  endsOnSignal: true,
  async run(context, values) {
    await using repository = await context.openRepository();
    const { output, world } = context;
    using progress = output.startProgress();
    const report = await repository.prune(
      withoutUndefined({
        dryRun: values["dry-run"] ? true : undefined,
        maxUnused: values["max-unused"],
        assumeDead: values["assume-dead"],
        signal: world.signal,
        onNotice: (notice: string) => output.notice(`Warning: ${notice}`),
        onProgress: ({ phase, done, total }: { phase: string; done: number; total: number }) => {
          progress.update({ phase, unit: phase === "mark" ? "images" : "containers", done, total });
        },
      }),
    );
    progress.stop();
    if (output.mode.json) output.event("summary", { ...pruneFields(report), exitStatus: EXIT.done });
    else if (!output.mode.quiet) output.lines(pruneLines(report));
    return EXIT.done;
  },
});
