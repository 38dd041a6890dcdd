// A backup from beginning to end: hooks, session, source, and the report.

import { HoldfastError } from "../base/errors.ts";
import type { ImageDescription } from "../model/image.ts";
import { backUpCommand } from "./back-up-command.ts";
import { backUpTree, rehearseTree } from "./back-up-tree.ts";
import type { RehearsalBase } from "./back-up-tree.ts";
import { BackupAccount } from "./backup-account.ts";
import { chooseBases } from "./choose-bases.ts";
import type { Opened } from "./opened.ts";
import { ReceivingHalf } from "./receiving-half.ts";
import type { SendingSide } from "./sending-side.ts";
import { inSession } from "./session.ts";
import type { BackupOptions, BackupReport } from "./types.ts";

/** Commits an image or throws; a source that could be read only in part is reported, not thrown. */
export async function runBackup(opened: Opened, options: BackupOptions): Promise<BackupReport> {
  const { services } = opened;
  const side = sendingSideOf(opened);
  const account = new BackupAccount(services, options);
  if (options.dryRun === true && options.command !== undefined) {
    throw new HoldfastError("USAGE", {
      message: "A command's output cannot be rehearsed: what it would write is not known before it runs",
    });
  }
  if (options.dryRun === true)
    return rehearseTree(side, options, account, (description) => latestBase(opened, description, account));
  let report: BackupReport | undefined;
  let failure: unknown;
  try {
    if (options.before !== undefined) await runBefore(opened, options.before);
    const backUp = options.command === undefined ? backUpTree : backUpCommand;
    report = await inSession(opened, (session) =>
      backUp(side, options, account, (backup) =>
        ReceivingHalf.open(opened, {
          ...backup,
          session,
          role: "read",
          compression: options.compression ?? "default",
          verifyBlocks: options.verifyBlocks ?? true,
          onNotice: (text) => account.notice(text),
          signal: options.signal,
        }),
      ),
    );
  } catch (error) {
    failure = error;
  }
  // What `before` has begun, such as a snapshot, is ended by `after` whatever became of the backup, and of `before`.
  const afterFailure = options.after === undefined ? undefined : await runAfter(opened, options.after, report);
  if (report === undefined) throw failure;
  return { ...report, afterFailure };
}

function sendingSideOf({ services, cacheDirectory, repository, fingerprinters }: Opened): SendingSide {
  const { id: repositoryId, layout, keyRing } = repository;
  const keys = { cutKey: keyRing.cut, trackLogKey: keyRing.trackLog };
  return { services, cacheDirectory, repositoryId, repositoryPath: layout.root, fingerprinters, ...keys };
}

async function latestBase(
  opened: Opened,
  description: ImageDescription,
  account: BackupAccount,
): Promise<RehearsalBase | undefined> {
  const { images } = await chooseBases(opened, description, { isWhole: true, onNotice: (text) => account.notice(text) });
  const [base] = images;
  if (base === undefined) return undefined;
  const { id, root, record } = base;
  return { id, root, statistics: record.statistics, pages: opened.reader };
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
