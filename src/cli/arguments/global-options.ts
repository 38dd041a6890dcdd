import { flag, parseCount, parsed, text, type Values } from "./options.ts";

/** Understood by every command, before or after its name. */
export const GLOBAL_OPTIONS = {
  repository: text({
    short: "r",
    valueName: "LOCATION",
    completes: "directory",
    help: "the repository; otherwise HOLDFAST_REPOSITORY",
  }),
  "passphrase-file": text({ valueName: "FILE", completes: "file", help: "read the passphrase from this file" }),
  "passphrase-command": text({
    valueName: "COMMAND",
    completes: "command",
    help: "read it from the output of this shell command",
  }),
  "cache-directory": text({
    valueName: "DIR",
    completes: "directory",
    help: "where to keep what speeds up the next backup",
  }),
  threads: parsed(parseCount, { valueName: "N", help: "worker threads; otherwise one per processor" }),
  json: flag({ help: "write JSON for programs" }),
  quiet: flag({ short: "q", help: "nothing but results, problems and errors" }),
  verbose: flag({ short: "v", help: "say more" }),
  help: flag({ short: "h", help: "show help" }),
  version: flag({ help: "show the version" }),
};

export type GlobalValues = Values<typeof GLOBAL_OPTIONS>;

/** What a command that opens no repository has no use for; accepted all the same. */
export const REPOSITORY_OPTIONS: readonly string[] = [
  "repository",
  "passphrase-file",
  "passphrase-command",
  "cache-directory",
  "threads",
];
