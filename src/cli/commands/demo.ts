import { flag } from "../arguments/options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";

export const demoCommand = defineCommand({
  name: "demo",
  summary: "Try everything on a directory, in a repository that is removed afterwards",
  description: [
    "Makes a repository in a temporary directory, backs up DIR into it, backs up again to show what that costs, restores it (a sample, if it is large) and compares the result with DIR. Nothing in DIR is changed.",
    "It takes as much temporary space as the restored files and the repository need; TMPDIR says where.",
  ],
  positionals: [{ name: "DIR", completes: "directory" }],
  options: { keep: flag({ help: "leave the repository and the restored files where they are" }) },
  writes: "events",
  usesRepository: false,
  examples: [{ command: "holdfast demo ~/documents", explanation: "what it does, on real files" }],
  exitStatuses: [],
  exitMeanings: { [EXIT.failed]: "failed, or something came back different" },
  endsOnSignal: true,
  async run(context, { keep }) {
    const { closingLines, demonstrate, demoPlace } = await import("../demo/demo.ts");
    const { output, positionals, world } = context;
    const [directory = ""] = positionals;
    const workDirectory = await world.files.makeTemporaryDirectory();
    try {
      const place = demoPlace(context.absolute(directory), workDirectory, world.random);
      if (!output.mode.json) output.line(`Backing up ${place.directory} and bringing it back. Nothing in it is changed.`);
      const result = await demonstrate(context, place);
      const { files, bytes, different } = result.comparison;
      const exitStatus = different.length > 0 ? EXIT.failed : EXIT.done;
      if (output.mode.json) output.event("summary", { comparedFiles: files, comparedBytes: bytes, different, exitStatus });
      else output.lines(closingLines(result, place, keep));
      return exitStatus;
    } finally {
      if (!keep) await world.files.removeDirectory(workDirectory);
    }
  },
});
