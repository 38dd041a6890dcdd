// docs/scripting.md is a contract: what it shows is what the program does.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { HoldfastError } from "../base/errors.ts";
import { newBackupStatistics } from "../model/backup-report.ts";
import { EXIT_MEANINGS, EXIT_OF_CODE } from "./exit-status.ts";
import type { Repository } from "./library.ts";
import { loadAllCommands } from "./registry.ts";
import {
  backupReport,
  compareReport,
  entry,
  fakeLibrary,
  image,
  listed,
  repairReport,
  verifyReport,
} from "./testing/fake-repository.ts";
import { run, type RunOptions } from "./testing/run.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../docs/scripting.md"), "utf8");

function tableAfter(heading: string): readonly (readonly string[])[] {
  const rest = PAGE.slice(PAGE.indexOf(heading));
  const rows = /(?:^\|.*\n)+/m.exec(rest)?.[0].trimEnd().split("\n") ?? [];
  return rows.slice(2).map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

test("the exit statuses are those of the program", () => {
  assert.deepEqual(
    tableAfter("## Exit statuses"),
    Object.entries(EXIT_MEANINGS).map(([status, meaning]) => [status, meaning]),
  );
});

test("the statuses of error codes are those of the program", () => {
  assert.deepEqual(
    tableAfter("| code | status |"),
    Object.entries(EXIT_OF_CODE).map(([code, status]) => [code, String(status)]),
  );
});

test("every command is named with the form of its JSON", async () => {
  const lists = { events: /\*\*Events\*\*[^]*?(?=\n- )/, content: /\*\*Content\*\*[^]*?\n\n/ };
  for (const { name, writes } of await loadAllCommands()) {
    for (const [form, pattern] of Object.entries(lists)) {
      const named = pattern.exec(PAGE)?.[0].includes(`\`${name}\``) ?? false;
      assert.equal(named, writes === form, `${name} writes ${writes}`);
    }
  }
});

test("the summary of a backup has all fields that are described, and no others", async () => {
  const { stdout } = await run(["backup", "/x", "--json"]);
  const { event: _event, statistics, ...summary } = JSON.parse(stdout) as Record<string, unknown>;
  const rows = tableAfter("## backup").map(([field = ""]) => field.split(", "));
  assert.deepEqual(
    Object.keys(summary).sort(),
    rows
      .flat()
      .filter((field) => field !== "statistics")
      .sort(),
  );
  const [, described = ""] = tableAfter("## backup").find(([field]) => field === "statistics") ?? [];
  for (const field of Object.keys(statistics as object)) assert(described.includes(field), field);
});

const STATISTICS = {
  images: 2,
  sources: 1,
  containers: 8,
  containerBytes: 3.6e8,
  condemned: { containers: 2, bytes: 4e7 },
  segments: 14_000,
  indexRuns: 1,
  indexBytes: 700_000,
  reserveBytes: 2_100_000,
  requests: undefined,
  logicalBytes: 2.8e9,
};
const ID = image().id;

const ANSWERS: Partial<Repository> = {
  images: () => Promise.resolve([image()]),
  image: () => Promise.resolve(image()),
  find: () => listed([{ entry: entry("/home/anna/a.txt"), imageIds: [ID] }]),
  verify: () => {
    const damages = [{ what: "containers/ab/abcd", problem: "its checksum differs", code: "FORMAT_CHECKSUM" }];
    return Promise.resolve(verifyReport({ damages, containersChecked: 8, bytesRead: 5e8 }));
  },
  compareWithSource: ({ onDifference }) => {
    onDifference?.({ kind: "changed", path: "/home/anna/a.txt", changes: ["content", "time"] });
    return Promise.resolve(compareReport({ changed: 1, differenceCount: 1 }));
  },
  repair: ({ onLoss } = {}) => {
    const startedAtMs = Date.UTC(2026, 0, 2, 3, 4, 5);
    const loss = { kind: "file", path: "/home/anna/a.txt", entries: 1, bytes: 4_096 } as const;
    onLoss?.({ image: "3f2a9c81", source: "home", startedAtMs, ...loss });
    const container = { container: "abcd", volume: "main", problem: "the block at byte 64 is broken" };
    const segments = { savedSegments: 40, safeSegments: 2, lostSegments: 1, isKnown: true };
    const damaged = { ...container, ...segments, setAside: "/backup/volumes/main/damaged/containers/abcd" };
    return Promise.resolve(repairReport({ damagedContainers: [damaged], wholeImages: 1, lossCount: 1 }));
  },
  statistics: () => Promise.resolve(STATISTICS),
  tag: () => Promise.resolve(["weekly"]),
  rebuildIndex: () => Promise.resolve({ containers: 8, segments: 14_000, images: 2, damaged: [] }),
  keySlots: () => {
    return Promise.resolve([
      { id: "0123456789abcdef", label: "first", createdAtMs: Date.UTC(2026, 0, 2, 3, 4, 5), isCurrent: true },
    ]);
  },
};

/** Makes the world as the example says. */
function optionsFor(example: string): RunOptions {
  if (example.includes("wrong passphrase")) {
    const library = fakeLibrary();
    const hint = "Check HOLDFAST_PASSPHRASE.";
    library.openRepository = () => {
      return Promise.reject(
        new HoldfastError("WRONG_PASSPHRASE", { message: "The passphrase opens none of the key slots", hint }),
      );
    };
    return { library };
  }
  return {
    prepare: (world) => {
      const backup: Repository["backup"] = ({ onProgress, onProblem, onNotice }) => {
        const progress = { filesDone: 1_000, bytesDone: 96e6, filesExpected: 12_300, bytesExpected: 1.4e9 };
        onProgress?.({ ...progress, currentPath: "/home/anna/letters/a.txt" });
        world.clock.pass(1000);
        onProblem?.({ path: "/home/anna/secret", action: "open", code: "EACCES" });
        onNotice?.("The track log was lost; it is fetched from the last image");
        const statistics = { ...newBackupStatistics(), filesNew: 12_345 };
        return Promise.resolve(backupReport({ statistics, addedStoredBytes: 360e6, problemCount: 1 }));
      };
      world.library = () => Promise.resolve(fakeLibrary({ ...ANSWERS, backup }));
    },
  };
}

describe("the examples are what the program writes", () => {
  const examples = [...PAGE.matchAll(/<!-- \$ holdfast (.*?) -->\n```json\n([^]*?)```/g)];

  test("as many as there are", () => {
    assert.equal(examples.length, PAGE.split("```json").length - 1);
  });

  for (const [, command = "", shown = ""] of examples) {
    test(`for ${command}`, async () => {
      const [words = ""] = command.split(",");
      const { stdout } = await run(words.split(" "), optionsFor(command));
      assert.deepEqual(shortened(stdout.trimEnd().split("\n").map(parsed)), valuesIn(shown));
    });
  }
});

function valuesIn(text: string): unknown[] {
  try {
    return [parsed(text)];
  } catch {
    return text.trimEnd().split("\n").map(parsed);
  }
}

function parsed(text: string): unknown {
  return JSON.parse(text) as unknown;
}

/** The page shows one of the many counts of a backup; the test above sees to the others. */
function shortened(events: unknown[]): unknown[] {
  return events.map((event) => {
    const { statistics } = event as { readonly statistics?: Record<string, unknown> };
    if (statistics?.["filesNew"] === undefined) return event;
    return { ...(event as object), statistics: { filesNew: statistics["filesNew"] } };
  });
}
