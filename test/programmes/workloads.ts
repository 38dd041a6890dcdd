// The commands that the programmes interrupt, each with the repository it begins with and what must be true afterwards.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Repository } from "../../src/api/types.ts";
import { SECTIONS } from "../../src/cli/registry.ts";
import { PASSPHRASE } from "../support/holdfast-process.ts";
import { isRepository, manifestOf, withPlace } from "./stage.ts";
import type { Manifest, Place, Stage } from "./stage.ts";

const NEW_PASSPHRASE = "staple battery";

/** What a workload has made ready. */
export interface Prepared {
  /** The command that is interrupted, without the words that every command gets. */
  readonly command: readonly string[];
  /** Images that must be there and be right, whatever happens. */
  readonly acknowledged: ReadonlyMap<string, Manifest>;
  /** Images that may be there, and are right then. */
  readonly mayRemain?: ReadonlyMap<string, Manifest>;
  /** What an image holds that neither names. */
  readonly source: Manifest;
  /** What must be true when the command has said that it is done. */
  readonly effect: (repository: Repository) => Promise<void>;
  /** What the next run of the command may end with, in the state that the interrupted one left; success unless given. */
  readonly nextStatus?: (place: Place) => number;
  /** A command that writes, where the next run of this one may have nothing to do; it clears up after the dead. */
  readonly afterwards?: readonly string[];
  /** Verify may find damage until the command is done. */
  readonly beginsDamaged?: boolean;
  /** Any of these opens the repository. */
  readonly passphrases?: readonly string[];
  /** The only one that may open it once the command is done. */
  readonly passphraseAfterwards?: string;
}

export interface Workload {
  readonly name: string;
  /** Commands without which it cannot be. */
  readonly needs?: readonly string[];
  readonly prepare: (stage: Stage) => Promise<Prepared>;
}

const init: Workload = {
  name: "init",
  async prepare(stage) {
    mkdirSync(stage.template.directory, { recursive: true });
    stage.makeSource();
    return {
      command: ["init"],
      acknowledged: new Map(),
      source: manifestOf(stage.source),
      effect: async (repository) => assert.equal((await repository.keySlots()).length, 1),
      nextStatus: (place) => (isRepository(place) ? 1 : 0),
      afterwards: ["backup", stage.source],
    };
  },
};

const firstBackup: Workload = {
  name: "first backup",
  async prepare(stage) {
    await stage.makeImages(0);
    return backupOf(stage);
  },
};

const nextBackup: Workload = {
  name: "next backup",
  async prepare(stage) {
    await stage.makeImages(2);
    return backupOf(stage);
  },
};

/** The repository of a backup that was killed: what clears up after it and goes on can be killed as well. */
const backupAfterKill: Workload = {
  name: "backup after a killed one",
  async prepare(stage) {
    await stage.makeImages(1);
    const under = [
      "strace",
      "--quiet=all",
      "-o",
      stage.at("trace"),
      "-e",
      "trace=rename",
      "-e",
      "inject=rename:signal=KILL:when=2",
    ];
    const { signal } = await stage.run(["backup", stage.source], stage.template, { under });
    assert.equal(signal, "SIGKILL");
    return backupOf(stage);
  },
};

function backupOf(stage: Stage): Prepared {
  const source = manifestOf(stage.source);
  const before = new Set(stage.images.keys());
  return {
    command: ["backup", stage.source],
    acknowledged: stage.images,
    source,
    effect: async (repository) => {
      const made = (await repository.images()).filter(({ id }) => !before.has(id));
      assert.ok(made.length > 0, "a backup that was done has left no image");
    },
  };
}

const keyChange: Workload = {
  name: "key change",
  async prepare(stage) {
    await stage.makeImages(1);
    const file = stage.at("new-passphrase");
    writeFileSync(file, NEW_PASSPHRASE);
    return {
      command: ["key", "change", "--new-passphrase-file", file],
      acknowledged: stage.images,
      source: manifestOf(stage.source),
      effect: async (repository) => assert.ok((await repository.keySlots()).length <= 2),
      passphrases: [PASSPHRASE, NEW_PASSPHRASE],
      passphraseAfterwards: NEW_PASSPHRASE,
    };
  },
};

const rebuildIndex: Workload = {
  name: "rebuild-index",
  async prepare(stage) {
    await stage.makeImages(2);
    const containers = (await withPlace(stage.template, (repository) => repository.statistics())).containers;
    return {
      command: ["rebuild-index"],
      acknowledged: stage.images,
      source: manifestOf(stage.source),
      effect: async (repository) => assert.equal((await repository.statistics()).containers, containers),
    };
  },
};

const tag: Workload = {
  name: "tag",
  async prepare(stage) {
    await stage.makeImages(1);
    return {
      command: ["tag", "latest", "--add", "kept"],
      acknowledged: stage.images,
      source: manifestOf(stage.source),
      effect: async (repository) => assert.deepEqual((await repository.images()).at(-1)?.tags, ["kept"]),
    };
  },
};

const forget: Workload = {
  name: "forget",
  needs: ["forget"],
  async prepare(stage) {
    await stage.makeImages(3);
    const [newest, ...older] = [...stage.images].toReversed();
    assert.ok(newest !== undefined);
    return {
      command: ["forget", "--keep-last", "1"],
      acknowledged: new Map([newest]),
      mayRemain: new Map(older),
      source: manifestOf(stage.source),
      effect: async (repository) => assert.equal((await repository.images()).length, 1),
    };
  },
};

/** Containers of which parts are needed are rewritten, others go as they are. */
const prune: Workload = {
  name: "prune",
  needs: ["forget", "prune"],
  async prepare(stage) {
    await stage.makeImages(4);
    const kept = new Map([...stage.images].slice(2));
    const outcome = await stage.run(["forget", "--keep-last", "2"]);
    assert.equal(outcome.status, 0, outcome.stderr);
    const before = (await withPlace(stage.template, (repository) => repository.statistics())).containerBytes;
    return {
      command: ["prune"],
      acknowledged: kept,
      source: manifestOf(stage.source),
      effect: async (repository) => assert.ok((await repository.statistics()).containerBytes < before),
    };
  },
};

/** A container whose last bytes are damaged: what it holds can still be read, and is stored again. */
const repair: Workload = {
  name: "repair",
  needs: ["repair"],
  async prepare(stage) {
    await stage.makeImages(2);
    const { repository } = stage.template;
    const names = readdirSync(join(repository, "volumes", "main", "containers"), { recursive: true, encoding: "utf8" });
    const path = join(repository, "volumes", "main", "containers", names.find((name) => name.includes("/")) ?? "");
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    rmSync(path);
    writeFileSync(path, bytes, { mode: 0o440 });
    return {
      command: ["repair"],
      acknowledged: stage.images,
      source: manifestOf(stage.source),
      effect: () => Promise.resolve(),
      beginsDamaged: true,
    };
  },
};

const commandNames: ReadonlySet<string> = new Set(SECTIONS.flatMap(({ entries }) => entries.map(({ name }) => name)));

export const WORKLOADS: readonly Workload[] = [
  init,
  firstBackup,
  nextBackup,
  backupAfterKill,
  keyChange,
  rebuildIndex,
  tag,
  forget,
  prune,
  repair,
].filter(({ needs = [] }) => needs.every((command) => commandNames.has(command)));
