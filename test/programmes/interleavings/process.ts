// One run of the program, with files of its own choosing and everything else simulated.

import { open } from "../../../src/api/api.ts";
import type { Repository } from "../../../src/api/api.ts";
import type { Services } from "../../../src/api/services.ts";
import { serveWorker } from "../../../src/api/worker.ts";
import type { WorkerReply, WorkerRequest } from "../../../src/api/worker.ts";
import { hasCode } from "../../../src/base/errors.ts";
import { seededRandom } from "../../../src/engine/testing.ts";
import { loadBlake3 } from "../../../src/main/native-modules.ts";
import type { FileTree } from "../../../src/platform/file-tree.ts";
import type { Files } from "../../../src/platform/files.ts";
import { simulatedClock } from "../../../src/platform/simulated-clock.ts";
import { SimulatedFileTree } from "../../../src/platform/simulated-file-tree.ts";
import type { WorkerPort } from "../../../src/platform/threads.ts";
import { changePassphrase, createRepository, openRepository, startSession } from "../../../src/repository/repository.ts";
import { REPOSITORY, ROOT } from "./gated-files.ts";

/** The least that Argon2 takes. */
const WEAK_KDF = { memoryKiB: 8, passes: 1, lanes: 1 };
export const PASSPHRASES = ["first", "second"] as const;
export const ELSEWHERE = "elsewhere";
const START_MS = 1_750_000_000_000;
const MINUTE_MS = 60_000;

export interface SimulatedRunOptions {
  readonly files: Files;
  readonly seed: string;
  readonly processId: number;
  readonly isElsewhere?: boolean;
  readonly isAlive: (processId: number) => boolean;
}

export class SimulatedRun {
  readonly services: Services;
  readonly notices: string[] = [];
  tree: FileTree = new SimulatedFileTree(simulatedClock());

  constructor({ files, seed, processId, isElsewhere, isAlive }: SimulatedRunOptions) {
    const random = seededRandom(seed);
    const clock = simulatedClock(START_MS + processId * MINUTE_MS);
    const workerServices = { files, clock, random, openFileTree: () => ({ tree: this.tree }), loadBlake: loadBlake3 };
    this.services = {
      ...workerServices,
      host: {
        name: isElsewhere === true ? ELSEWHERE : "here",
        userName: "root",
        userId: 0,
        platform: "linux",
        processors: 1,
        processId,
        bootId: "boot",
        isAlive,
        workingDirectory: "/",
        cacheDirectory: `${ROOT}/cache-${processId}`,
        configDirectory: `${ROOT}/config`,
        timeZone: "UTC",
        environment: () => undefined,
      },
      workerEntry: { serve: (port: WorkerPort<WorkerRequest, WorkerReply>) => serveWorker(port, workerServices) },
      version: "0.0.0",
      runCommand: () => Promise.reject(new Error("No command is run here")),
      readCommand: () => {
        throw new Error("No command is run here");
      },
    };
  }

  async create(): Promise<void> {
    await createRepository({ ...this.services, path: REPOSITORY, passphrase: PASSPHRASES[0], kdf: WEAK_KDF });
  }

  /** With whichever passphrase holds: another process may be changing it. */
  async open(): Promise<Repository> {
    return this.#withPassphrase((passphrase) =>
      open(this.services, {
        repository: REPOSITORY,
        passphrase: () => passphrase,
        threads: 1,
        onNotice: (notice) => void this.notices.push(notice),
      }),
    );
  }

  /** As the library does it, but for the cost of deriving the key. */
  async changeKey(): Promise<void> {
    const { files } = this.services;
    const { layout, id, unlocked } = await this.#withPassphrase((passphrase) =>
      openRepository({ files, path: REPOSITORY, passphrase: () => passphrase }),
    );
    const session = await startSession({ ...this.services, layout });
    try {
      const { temporaryNames } = session;
      const slot = { ...this.services, unlocked, passphrase: PASSPHRASES[1], kdf: WEAK_KDF, temporaryNames };
      await changePassphrase({ files, layout, repositoryId: id }, slot);
    } finally {
      session.close();
    }
  }

  /** As `forget` does it, without its rules. */
  async forget(id: string): Promise<boolean> {
    const { files } = this.services;
    const repository = await this.#withPassphrase((passphrase) =>
      openRepository({ files, path: REPOSITORY, passphrase: () => passphrase }),
    );
    return repository.defaultVolume.removeRecord("images", id);
  }

  async #withPassphrase<T>(work: (passphrase: string) => Promise<T>): Promise<T> {
    for (const passphrase of [...PASSPHRASES, ...PASSPHRASES]) {
      try {
        return await work(passphrase);
      } catch (error) {
        if (!hasCode(error, "WRONG_PASSPHRASE")) throw error;
      }
    }
    return work(PASSPHRASES[1]);
  }
}
