import { text } from "../arguments/options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";

export const initCommand = defineCommand({
  name: "init",
  summary: "Make a new repository",
  description: [
    "Makes an encrypted repository in a directory that does not exist yet or is empty, or in an object store: s3://bucket/prefix, in a bucket that exists.",
    "The passphrase is asked for twice, unless an option or the environment gives it. It cannot be recovered: without it nobody can read what is backed up, you included.",
  ],
  positionals: [],
  options: {
    "key-label": text({ valueName: "LABEL", help: "a name for this passphrase, shown by `holdfast key list`" }),
  },
  writes: "document",
  usesRepository: true,
  examples: [
    { command: "holdfast init --repository /media/disk/backup", explanation: "asks for a new passphrase" },
    {
      command: "holdfast init -r /srv/backup --passphrase-file /root/backup-passphrase",
      explanation: "without questions, for scripts",
    },
    {
      command: "HOLDFAST_S3_ENDPOINT=https://s3.example.org holdfast init -r s3://backups/laptop",
      explanation: "in a bucket, with credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    },
  ],
  exitStatuses: [],
  async run(context, values) {
    await using repository = await context.createRepository(values["key-label"]);
    const { output } = context;
    const { id, location } = repository;
    if (output.mode.json) output.document({ id, location });
    else if (!output.mode.quiet) {
      output.line(`Made the repository ${id} in ${location}`);
      output.line("Keep the passphrase safe: without it nobody can read the backups, and nobody can recover it.");
    }
    return EXIT.done;
  },
});
