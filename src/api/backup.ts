// A backup from beginning to end: hooks, session, source, and the report.

import { HoldfastError } from "../base/errors.ts";
import { backUpCommand } from "./back-up-command.ts";
import { backUpTree, rehearseTree } from "./back-up-tree.ts";
import { BackupAccount } from "./backup-account.ts";
import type { Opened } from "./opened.ts";
import { inSession } from "./session.ts";
import type { BackupOptions, BackupReport } from "./types.ts";

/** Commits an image or throws; a source that could be read only in part is reported, not thrown. */
export async function runBackup(opened: Opened, options: BackupOptions): Promise<BackupReport> {
  const { services } = opened;
  const account = new BackupAccount(services, options);
  if (options.dryRun === true && options.command !== undefined) {
    throw new HoldfastError("USAGE", {
      message: "A command's output cannot be rehearsed: what it would write is not known before it runs",
    });
  }
  if (options.dryRun === true) return rehearseTree(opened, options, account);
  let report: BackupReport | undefined;
  let failure: unknown;
  try {
    if (options.before !== undefined) await runBefore(opened, options.before);
    const backUp = options.command === undefined ? backUpTree : backUpCommand;
    report = await inSession(opened, (session) => backUp(opened, options, { account, session }));
  } catch (error) {
    failure = error;
  }
  // What `before` has begun, such as a snapshot, is ended by `after` whatever became of the backup, and of `before`.
  const afterFailure = options.after === undefined ? undefined : await runAfter(opened, options.after, report);
  if (report === undefined) throw failure;
  return { ...report, afterFailure };
}

async function runBefore(opened: Opened, command: string): Promise<void> {
  const status = await opened.services.runCommand(command, { HOLDFAST_HOOK: "before" });
  if (status === 0) return;
  throw new HoldfastError("HOOK_FAILED", {
    message: `The command before the backup failed with status ${status}: ${command}`,
    context: { status },
    hint: "Nothing was backed up. Correct the command, or leave out --before.",
  });
}

/** The image is safe by now, so a failure here is told and does not undo it. */
async function runAfter(opened: Opened, command: string, report: BackupReport | undefined): Promise<string | undefined> {
  const status = await opened.services.runCommand(command, {
    HOLDFAST_HOOK: "after",
    HOLDFAST_RESULT: report === undefined ? "failed" : report.problemCount > 0 ? "partial" : "done",
    HOLDFAST_IMAGE: report?.imageId ?? "",
  });
  return status === 0 ? undefined : `The command after the backup failed with status ${status}: ${command}`;
}
