import { usageError } from "../arguments/parse-arguments.ts";
import { defineCommand } from "../command.ts";
import type { CompletionModel } from "../completion/words.ts";
import { EXIT } from "../exit-status.ts";

const SHELLS: Readonly<Record<string, () => Promise<(model: CompletionModel) => string>>> = {
  bash: async () => (await import("../completion/bash.ts")).bashCompletion,
  zsh: async () => (await import("../completion/zsh.ts")).zshCompletion,
  fish: async () => (await import("../completion/fish.ts")).fishCompletion,
};

export const completionCommand = defineCommand({
  name: "completion",
  summary: "Write a completion script for a shell",
  description: ["Writes a script that lets bash, zsh or fish complete commands, options and their values."],
  positionals: [{ name: "SHELL" }],
  options: {},
  writes: "content",
  usesRepository: false,
  examples: [
    { command: "source <(holdfast completion bash)", explanation: "in ~/.bashrc" },
    { command: 'holdfast completion zsh > "${fpath[1]}/_holdfast"', explanation: "once, for zsh" },
    { command: "holdfast completion fish > ~/.config/fish/completions/holdfast.fish", explanation: "once, for fish" },
  ],
  exitStatuses: [],
  async run({ output, positionals }) {
    const [shell = ""] = positionals;
    const script = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
    const known = Object.keys(SHELLS).join(", ");
    if (script === undefined)
      throw usageError(`There is no completion for "${shell}"; there is one for ${known}`, "holdfast completion");
    const { completionModel } = await import("../completion/words.ts");
    const { loadAllCommands } = await import("../registry.ts");
    await output.bytes((await script())(completionModel(await loadAllCommands())));
    return EXIT.done;
  },
});
