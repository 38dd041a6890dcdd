import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { counted, formatDuration } from "../text/units.ts";

export const rebuildIndexCommand = defineCommand({
  name: "rebuild-index",
  summary: "Make the index and the catalog anew from what is stored",
  description: [
    "Reads the directory of every container and every image record, and makes the central index and the catalog anew. Both only speed things up: nothing is lost when they are.",
  ],
  positionals: [],
  options: {},
  writes: "events",
  usesRepository: true,
  examples: [{ command: "holdfast rebuild-index", explanation: "after the index was lost or damaged" }],
  exitStatuses: [],
  exitMeanings: { [EXIT.failed]: "failed, or some containers could not be read (they are listed)" },
  async run(context) {
    await using repository = await context.openRepository();
    const { output, world } = context;
    const startedMs = world.clock.elapsedMs();
    using progress = output.startProgress();
    const result = await repository.rebuildIndex((done, total) => {
      progress.update({ phase: "rebuild-index", unit: "containers", done, total });
    });
    progress.stop();
    const durationMs = Math.round(world.clock.elapsedMs() - startedMs);
    const { containers, segments, images, damaged } = result;
    const exitStatus = damaged.length > 0 ? EXIT.failed : EXIT.done;
    if (output.mode.json) {
      for (const { container, problem } of damaged) output.event("damage", { what: container, problem });
      const fields = { containers, segments, images, damageCount: damaged.length };
      output.event("summary", { ...fields, durationMs, exitStatus });
      return exitStatus;
    }
    for (const { container, problem } of damaged) output.line(`Damaged: ${container}: ${problem}`);
    if (!output.mode.quiet) {
      const counts = [counted(containers, "container"), counted(segments, "segment"), counted(images, "image")];
      output.line(`Indexed ${counts.join(", ")} in ${formatDuration(durationMs)}.`);
    }
    if (damaged.length > 0) output.message(`holdfast: ${counted(damaged.length, "container")} could not be read`);
    return exitStatus;
  },
});
