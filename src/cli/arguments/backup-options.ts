// The options of `holdfast backup`, and what they ask of the library.

import type { CommandContext } from "../context.ts";
import type { BackupOptions, FileList } from "../library.ts";
import { codeOf, describeCode } from "../text/platform-codes.ts";
import { withoutUndefined } from "../text/without-undefined.ts";
import { choice, flag, list, parsed, parseFraction, text, type Values } from "./options.ts";
import { usageError } from "./parse-arguments.ts";

const selection = { section: "What to back up" };
const naming = { section: "How the image is called" };
const reading = { section: "How it is read and stored" };
const around = { section: "Around it" };

export const BACKUP_OPTIONS = {
  exclude: list({
    ...selection,
    short: "e",
    valueName: "GLOB",
    help: "leave out what matches, as in a .gitignore file: NAME at any depth, DIR/NAME below each PATH, /DIR/NAME from the root, !GLOB takes back",
  }),
  "exclude-file": list({
    ...selection,
    valueName: "FILE",
    completes: "file",
    help: "read such patterns from FILE, one in a line",
  }),
  "exclude-caches": flag({ ...selection, help: "leave out directories that are marked by a CACHEDIR.TAG" }),
  "exclude-if-present": list({ ...selection, valueName: "NAME", help: "leave out directories that hold an entry of this name" }),
  "one-file-system": flag({ ...selection, short: "x", help: "stay on the file systems of the PATHs" }),
  "files-from": list({
    ...selection,
    valueName: "FILE",
    completes: "file",
    help: "back up the paths in FILE too, one in a line; - is standard input; name a list that changes with --source",
  }),
  "files-from0": list({
    ...selection,
    valueName: "FILE",
    completes: "file",
    help: "the same with paths that end with a zero byte, as `find -print0` writes them",
  }),
  "stdin-from-command": flag({ ...selection, help: "run the COMMAND that follows -- and back up its output as one file" }),
  "stdin-file-name": text({ ...selection, valueName: "NAME", help: 'how that file is called; "stdin" unless given' }),

  source: text({ ...naming, valueName: "SOURCE", help: "what is protected; the host and the PATHs unless given" }),
  host: text({ ...naming, valueName: "HOST", help: "the host it is said to come from; this one unless given" }),
  tag: list({ ...naming, valueName: "TAG", help: "give the image this tag" }),

  compression: choice(["off", "fast", "default", "best"] as const, {
    ...reading,
    valueName: "LEVEL",
    help: "how hard to compress",
  }),
  "no-verify-blocks": flag({ ...reading, help: "do not open what was sealed and compare it before it is written" }),
  "fixed-segments": list({
    ...reading,
    valueName: "GLOB",
    help: "cut files that match at fixed places, as suits disk images and databases",
  }),
  "force-rescan": flag({ ...reading, help: "read every file, also those that look unchanged" }),
  "rescan-fraction": parsed(parseFraction, {
    ...reading,
    valueName: "SHARE",
    help: "read this share of the files that look unchanged, others in each run: 1/30, 0.05 or 5%",
  }),
  "ignore-inode": flag({ ...reading, help: "a new inode number alone is no change" }),
  "ignore-ctime": flag({ ...reading, help: "a new change time (ctime) alone is no change" }),
  before: text({
    ...around,
    valueName: "COMMAND",
    completes: "command",
    help: "run this shell command first; when it fails, so does the backup",
  }),
  after: text({
    ...around,
    valueName: "COMMAND",
    completes: "command",
    help: "run this shell command afterwards, whatever came of the backup",
  }),
  "dry-run": flag({ ...around, short: "n", help: "walk and compare, and store nothing" }),
};

export type BackupValues = Values<typeof BACKUP_OPTIONS>;

const COMMAND = "holdfast backup";

/** What the library is asked to do. Complains about choices that cannot go together; reads lists of paths. */
export async function backupRequest(context: CommandContext, values: BackupValues): Promise<BackupOptions> {
  const command = commandOf(context, values);
  const filesFrom = await listsOf(context, values);
  // Without a command to run, -- only says that what follows are paths, even if they begin with a dash.
  const paths = command === undefined ? [...context.positionals, ...(context.commandWords ?? [])] : undefined;
  if (paths?.length === 0 && filesFrom.length === 0) {
    throw usageError("Nothing was named to back up", COMMAND, "Name at least one PATH.");
  }
  return withoutUndefined({
    paths,
    filesFrom: filesFrom.length > 0 ? filesFrom : undefined,
    command,
    source: values.source,
    host: values.host,
    tags: values.tag,
    exclude: values.exclude,
    excludeFiles: values["exclude-file"].map((path) => context.absolute(path)),
    excludeCaches: values["exclude-caches"],
    excludeIfPresent: values["exclude-if-present"],
    oneFileSystem: values["one-file-system"],
    compression: values.compression,
    verifyBlocks: values["no-verify-blocks"] ? false : undefined,
    forceRescan: values["force-rescan"],
    rescanFraction: values["rescan-fraction"],
    ignoreInode: values["ignore-inode"],
    ignoreChangeTime: values["ignore-ctime"],
    fixedSegments: values["fixed-segments"],
    dryRun: values["dry-run"],
    before: values.before,
    after: values.after,
  });
}

function commandOf({ positionals, commandWords }: CommandContext, values: BackupValues): BackupOptions["command"] {
  const hint = `It is written so: ${COMMAND} --stdin-from-command -- COMMAND ARGUMENT...`;
  if (!values["stdin-from-command"]) {
    if (values["stdin-file-name"] === undefined) return undefined;
    throw usageError("--stdin-file-name goes with --stdin-from-command only", COMMAND, hint);
  }
  if (commandWords === undefined || commandWords.length === 0) {
    throw usageError("--stdin-from-command needs a command after --", COMMAND, hint);
  }
  if (positionals.length + values["files-from"].length + values["files-from0"].length > 0) {
    throw usageError("With --stdin-from-command no other paths can be backed up", COMMAND, hint);
  }
  return { arguments: commandWords, fileName: values["stdin-file-name"] ?? "stdin" };
}

async function listsOf(context: CommandContext, values: BackupValues): Promise<FileList[]> {
  const wanted = [
    ...values["files-from"].map((path) => ({ path, separator: "newline" as const })),
    ...values["files-from0"].map((path) => ({ path, separator: "zero" as const })),
  ];
  if (wanted.filter(({ path }) => path === "-").length > 1) {
    throw usageError("Standard input can be read as one list only", COMMAND);
  }
  const lists: FileList[] = [];
  for (const { path, separator } of wanted) lists.push({ bytes: await listBytes(context, path), separator });
  return lists;
}

async function listBytes({ world, absolute }: CommandContext, path: string): Promise<Uint8Array> {
  if (path === "-") return world.input.readAll();
  try {
    return await world.files.read(absolute(path));
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    throw usageError(`Cannot read the list of paths "${path}": ${describeCode(code)}`, COMMAND);
  }
}
