// A verification from beginning to end: structure of all images, then the data that is due.

import type { ContainerCheck } from "../catalog/catalog.ts";
import { listImages } from "../repository/repository.ts";
import { VerifyRun } from "../restore/restore.ts";
import type { ContainerAges, RepositoryDamage, VerifyOutcome } from "../restore/restore.ts";
import { treeRootOf } from "../server/server.ts";
import { asJob } from "./job-history.ts";
import type { Opened } from "./opened.ts";
import type { VerifyOptions, VerifyReport } from "./types.ts";
import { unreadableCollection } from "./repair-collection.ts";
import { WorkerPool } from "./worker-pool.ts";

/** Never stops at damage: all of it is in the report. */
export function runVerify(opened: Opened, options: VerifyOptions): Promise<VerifyReport> {
  return asJob(
    opened,
    "verify",
    () => verifyRepository(opened, options),
    ({ damages, containersChecked, containers }) => ({
      outcome: damages.length > 0 ? "partial" : "done",
      detail: `${damages.length} damages; ${containersChecked} of ${containers} containers read`,
    }),
  );
}

const CHECKS_AT_ONCE = 64;
/** So often everything is verified when collections go on removing. */
const ATTEMPTS = 5;

async function verifyRepository(opened: Opened, options: VerifyOptions): Promise<VerifyReport> {
  const { services, repository, index, reader, places } = opened;
  const { clock } = services;
  const startedMs = clock.elapsedMs();
  const catalog = await opened.catalog();
  const listing = await listImages(places);
  const damages: RepositoryDamage[] = [...repository.problems, ...listing.damaged.map(({ problem }) => problem)].map(
    (problem) => ({
      what: "repository",
      problem: problem.message,
      code: problem.code,
    }),
  );
  const collection = unreadableCollection(opened)?.records ?? [];
  damages.push(...collection.map(({ what, problem, code }) => ({ what, problem, code })));
  const checks: ContainerCheck[] = [];
  const known = new Map(repository.volumes.map(({ id }) => [id, catalog.checks(id)]));
  const ages: ContainerAges = {
    lastCheck: (volume, container) => {
      const check = known.get(volume)?.get(container);
      return check === undefined ? undefined : { atMs: check.checkedAtMs, isIntact: check.result === "intact" };
    },
    noteVerified: (volume, container, result) => {
      checks.push({ volume, container, checkedAtMs: clock.now(), result });
      // A killed verification has verified what it has, too.
      if (checks.length >= CHECKS_AT_ONCE) catalog.recordChecks(checks.splice(0));
    },
  };
  await using pool = new WorkerPool(opened.spareThreads, opened.threadCount, { ...opened.workerSetup(), role: "verify" });
  const run = new VerifyRun({ source: reader, index, volumes: repository.volumes, threads: pool.threads, ages });
  try {
    const verify = (): ReturnType<VerifyRun["run"]> =>
      run.run({
        images: listing.images.map(({ id, record }) => ({ id, root: treeRootOf(record.root) })),
        readData: options.readData,
        onProgress: options.onProgress,
        signal: options.signal,
      });
    let outcome = await verify();
    // A collection may have removed containers meanwhile, and moved what they held: then the index has changed, and the new one counts.
    for (let again = 1; again < ATTEMPTS && isSomethingMissing(outcome) && index.refresh(); again++) outcome = await verify();
    return { ...outcome, damages: [...damages, ...outcome.damages], durationMs: clock.elapsedMs() - startedMs };
  } finally {
    // An interrupted verification has verified what it has.
    catalog.recordChecks(checks);
  }
}

function isSomethingMissing({ damages }: VerifyOutcome): boolean {
  return damages.some(({ code }) => code === "SEGMENT_MISSING");
}
