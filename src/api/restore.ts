// A restore from beginning to end: threads, plan, passes, report.

import { utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { Restore, ownerRules } from "../restore/restore.ts";
import type { RestoreParts } from "../restore/restore.ts";
import { treeRootOf } from "../server/server.ts";
import type { ImageId } from "../model/image.ts";
import { asJob } from "./job-history.ts";
import type { Opened } from "./opened.ts";
import type { Services } from "./services.ts";
import type { ImageSummary, RestoreOptions, RestoreReport } from "./types.ts";
import { WorkerPool } from "./worker-pool.ts";

/** Restores what was chosen; problems with single entries are in the report. */
export function runRestore(opened: Opened, image: ImageSummary, options: RestoreOptions): Promise<RestoreReport> {
  requireComplete(image, options);
  const { services, index, reader } = opened;
  const restore = async (): Promise<RestoreReport> => {
    await using pool = new WorkerPool(opened.spareThreads, opened.threadCount, { ...opened.workerSetup(), role: "restore" });
    return await restoreImage({ services, source: reader, index, threads: pool.threads }, image, options);
  };
  if (options.dryRun === true) return opened.refresh().then(restore);
  return asJob(opened, "restore", restore, ({ problemCount }) => ({
    outcome: problemCount > 0 ? "partial" : "done",
    image: image.id as ImageId,
    detail: options.target,
  }));
}

/** What a backup left out on purpose, or could not read, is no reason to remove it. */
export function requireComplete({ id, record }: ImageSummary, options: RestoreOptions): void {
  if (options.delete !== true || options.deleteExcluded === true) return;
  const leftOut = LEAVING_OUT.filter((option) => option in record.options);
  const unreadable = record.unreadable.count > 0 ? [`${record.unreadable.count} entries could not be read`] : [];
  const reasons = [...leftOut, ...unreadable];
  if (reasons.length === 0) return;
  throw new HoldfastError("TARGET_CONFLICT", {
    message: `Image ${id.slice(0, 8)} does not hold all there was (${reasons.join(", ")}), so what it lacks must not be deleted`,
    context: { image: id },
    hint: "Restore without --delete, or add --delete-excluded to delete those things as well.",
  });
}

const LEAVING_OUT = ["exclude", "excludeFiles", "excludeIfPresent", "excludeCaches", "oneFileSystem"] as const;

export interface RestoreOrigin extends Pick<RestoreParts, "source" | "index" | "threads"> {
  readonly services: Services;
}

export async function restoreImage(origin: RestoreOrigin, image: ImageSummary, options: RestoreOptions): Promise<RestoreReport> {
  const { services, source, index, threads } = origin;
  const { clock, files, host, random } = services;
  const startedMs = clock.elapsedMs();
  const { record } = image;
  const restore = new Restore({
    source,
    index,
    tree: services.openFileTree().tree,
    threads,
    random,
    userId: host.userId,
  });
  const outcome = await restore.run({
    root: treeRootOf(record.root),
    target: utf8(options.target.startsWith("/") ? options.target : `${host.workingDirectory}/${options.target}`),
    paths: options.paths?.map((path) => (typeof path === "string" ? utf8(path) : path)),
    completePaths: record.paths.map(utf8),
    overwrite: options.overwrite,
    delete: options.delete,
    verify: options.verify,
    dryRun: options.dryRun,
    owners: ownerRules(
      options.owners ?? (host.userId === 0 ? "number" : "none"),
      { owners: record.owners, groups: record.groups },
      files,
    ),
    expected: { files: record.statistics.files, bytes: record.statistics.contentBytes },
    onProgress: options.onProgress,
    onProblem: options.onProblem,
    signal: options.signal,
  });
  return { imageId: image.id, ...outcome, durationMs: clock.elapsedMs() - startedMs };
}
