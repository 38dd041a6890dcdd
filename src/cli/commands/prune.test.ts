import assert from "node:assert/strict";
import { test } from "node:test";
import type { PruneReport } from "../library.ts";
import { pruneReport } from "../testing/fake-repository.ts";
import { asked, run } from "../testing/run.ts";

process.env["TZ"] = "Europe/Berlin";

function answering(fields: Partial<PruneReport> = {}) {
  return { answers: { prune: () => Promise.resolve(pruneReport(fields)) } };
}

function optionsOf(ran: Awaited<ReturnType<typeof run>>): unknown {
  const [[, given] = []] = asked(ran);
  const { signal, onNotice, onProgress, ...options } = given as Record<string, unknown>;
  assert.ok(signal !== undefined && onNotice !== undefined && onProgress !== undefined);
  return options;
}

test("prune asks for what its options say", async () => {
  assert.deepEqual(optionsOf(await run(["prune"], answering())), { assumeDead: [] });
  const words = ["prune", "--dry-run", "--max-unused", "10%", "--assume-dead", "a", "--assume-dead", "b"];
  assert.deepEqual(optionsOf(await run(words, answering())), { dryRun: true, maxUnused: 0.1, assumeDead: ["a", "b"] });
  assert.equal((await run(["prune", "--max-unused", "200"])).status, 2);
});

test("prune says what was freed, what was written anew, and what stays", async () => {
  const { status, stdout } = await run(["prune"], answering({ rescuedSegments: 3 }));
  assert.deepEqual(
    [status, stdout],
    [
      0,
      `Freed 85.8 MiB.
  removed 3 containers (93.5 MiB)
  wrote 7.6 MiB anew in 1 container
  kept 3 segments that a backup had begun to use meanwhile
9.5 MiB (3.2%) stay unused in containers that hold needed content too.
It took 1.2 s.
`,
    ],
  );
});

test("prune --dry-run says what would be freed", async () => {
  const { stdout } = await run(["prune", "--dry-run"], answering({ outcome: "planned", unusedBytes: 0 }));
  assert.equal(
    stdout,
    `Would free 85.8 MiB:
  remove 2 containers of which nothing is needed
  write anew the 7.6 MiB that are needed of 1 container
`,
  );
});

test("prune says that there is nothing to remove", async () => {
  const { stdout } = await run(["prune"], answering({ outcome: "nothing", removedContainers: 0, unusedBytes: 0 }));
  assert.equal(stdout, "There is nothing to remove. Images need 286.1 MiB.\n");
});

test("prune says whom it waits for and what to do", async () => {
  const waitingFor = [
    { session: "0123456789abcdef", host: "laptop", processId: 4711, startedAtMs: Date.UTC(2026, 10, 20, 13, 3, 22) },
    { session: "fedcba9876543210", host: undefined, processId: undefined, startedAtMs: undefined },
  ];
  const answers = answering({ outcome: "waiting", removedContainers: 0, removedBytes: 0, waitingFor });
  const { status, stdout } = await run(["prune"], answers);
  assert.deepEqual(
    [status, stdout],
    [
      0,
      `93.5 MiB can be removed when these writers have ended, which may count on it:
  process 4711 on laptop, since 2026-11-20 14:03:22
  session fedcba9876543210, whose file cannot be read (if nobody has it any more: --assume-dead fedcba9876543210)
Run \`holdfast prune\` again then. For a machine that is gone: \`holdfast prune --assume-dead HOST\`.
`,
    ],
  );
  const json = JSON.parse((await run(["prune", "--json"], answers)).stdout) as { outcome: string; waitingFor: unknown[] };
  assert.equal(json.outcome, "waiting");
  assert.deepEqual(json.waitingFor, [
    { session: "0123456789abcdef", host: "laptop", processId: 4711, startedAt: "2026-11-20T13:03:22.000Z" },
    { session: "fedcba9876543210", host: null, processId: null, startedAt: null },
  ]);
});
