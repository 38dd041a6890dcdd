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
import type { OpenOtherHalf, SendingSide } from "./sending-side.ts";
import type { Services } from "./services.ts";
import { inSession } from "./session.ts";
import type { BackupOptions, BackupReport } from "./types.ts";

/** Commits an image or throws; a source that could be read only in part is reported, not thrown. */
export function runBackup(opened: Opened, options: BackupOptions): Promise<BackupReport> {
  return backUpTo(options, {
    side: sendingSideOf(opened),
    latestBase: (description, account) => latestBaseIn(opened, description, account),
    receiving: (account, send) =>
      inSession(opened, (session) =>
        send((backup) =>
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
      ),
  });
}

/** Where a backup goes. */
export interface BackupDestination {
  readonly side: SendingSide;
  readonly latestBase: (description: ImageDescription, account: BackupAccount) => Promise<RehearsalBase | undefined>;
  /** Calls `send` with the way to the other half, and does around it what there is to do. */
  readonly receiving: (
    account: BackupAccount,
    send: (openOtherHalf: OpenOtherHalf) => Promise<BackupReport>,
  ) => Promise<BackupReport>;
}

/** With what comes before and after it, wherever the other half is. */
export async function backUpTo(
  options: BackupOptions,
  { side, latestBase, receiving }: BackupDestination,
): Promise<BackupReport> {
  const { services } = side;
  const account = new BackupAccount(services, options);
  if (options.dryRun === true && options.command !== undefined) {
    throw new HoldfastError("USAGE", {
      message: "A command's output cannot be rehearsed: what it would write is not known before it runs",
    });
  }
  if (options.dryRun === true) {
    return rehearseTree(side, options, account, (description) => latestBase(description, account));
  }
  let report: BackupReport | undefined;
  let failure: unknown;
  try {
    if (options.before !== undefined) await runBefore(services, options.before);
    const backUp = options.command === undefined ? backUpTree : backUpCommand;
    report = await receiving(account, (openOtherHalf) => backUp(side, options, account, openOtherHalf));
  } catch (error) {
    failure = error;
  }
  // What `before` has begun, such as a snapshot, is ended by `after` whatever became of the backup, and of `before`.
  const afterFailure = options.after === undefined ? undefined : await runAfter(services, options.after, report);
  if (report === undefined) throw failure;
  return { ...report, afterFailure };
}

function sendingSideOf({ services, cacheDirectory, repository, fingerprinters }: Opened): SendingSide {
  const { id: repositoryId, layout, keyRing } = repository;
  const keys = { cutKey: keyRing.cut, dataKey: keyRing.fingerprint("data"), trackLogKey: keyRing.trackLog };
  return { services, cacheDirectory, repositoryId, repositoryPath: layout.root, fingerprinters, ...keys };
}

async function latestBaseIn(
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

async function runBefore(services: Services, command: string): Promise<void> {
  const status = await services.runCommand(command, { HOLDFAST_HOOK: "before" });
  if (status === 0) return;
  throw new HoldfastError("HOOK_FAILED", {
    message: `The command before the backup failed with status ${status}: ${command}`,
    context: { status },
    hint: "Nothing was backed up. Correct the command, or leave out --before.",
  });
}

/** The image is safe by now, so a failure here is told and does not undo it. */
async function runAfter(services: Services, command: string, report: BackupReport | undefined): Promise<string | undefined> {
  const status = await services.runCommand(command, {
    HOLDFAST_HOOK: "after",
    HOLDFAST_RESULT: report === undefined ? "failed" : report.problemCount > 0 ? "partial" : "done",
    HOLDFAST_IMAGE: report?.imageId ?? "",
  });
  return status === 0 ? undefined : `The command after the backup failed with status ${status}: ${command}`;
}
