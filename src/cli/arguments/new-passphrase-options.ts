import type { CommandContext } from "../context.ts";
import type { PassphraseSource } from "../library.ts";
import { checkPassphraseOptions, newPassphraseSource } from "../passphrase.ts";
import { text, type Values } from "./options.ts";

/** Where a passphrase to be comes from, beside the one that opens the repository now. */
export const NEW_PASSPHRASE_OPTIONS = {
  "new-passphrase-file": text({ valueName: "FILE", completes: "file", help: "read the new passphrase from this file" }),
  "new-passphrase-command": text({
    valueName: "COMMAND",
    completes: "command",
    help: "read it from the output of this shell command",
  }),
};

export function newPassphrase(context: CommandContext, values: Values<typeof NEW_PASSPHRASE_OPTIONS>): PassphraseSource {
  const file = values["new-passphrase-file"];
  const options = {
    file: file === undefined ? undefined : context.absolute(file),
    command: values["new-passphrase-command"],
    fileOption: "new-passphrase-file",
    commandOption: "new-passphrase-command",
    variable: undefined,
  };
  checkPassphraseOptions(options);
  return newPassphraseSource(context.world, options);
}
