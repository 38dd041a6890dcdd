// One run of the program in the simulated world: the real library on simulated files, with a process of its own that is dead when
// the run is over. The catalog, which SQLite keeps, lives in memory for each run: where the simulated disk is, the real one has
// no directory.

import { open } from "../../../src/api/api.ts";
import type { Repository } from "../../../src/api/api.ts";
import type { Services } from "../../../src/api/services.ts";
import { serveWorker } from "../../../src/api/worker.ts";
import type { WorkerReply, WorkerRequest } from "../../../src/api/worker.ts";
import { seededRandom } from "../../../src/engine/testing.ts";
import { loadBlake3 } from "../../../src/main/native-modules.ts";
import type { FileTree } from "../../../src/platform/file-tree.ts";
import { simulatedClock } from "../../../src/platform/simulated-clock.ts";
import { SimulatedFileTree } from "../../../src/platform/simulated-file-tree.ts";
import type { Files } from "../../../src/platform/files.ts";
import type { WorkerPort } from "../../../src/platform/threads.ts";
import { changePassphrase, createRepository, openRepository, startSession } from "../../../src/repository/repository.ts";

export const REPOSITORY = "/simulated-disk/repository";
export const CACHE = "/simulated-disk/cache";
/** The other machine. */
export const ELSEWHERE = "elsewhere";

/** The least that Argon2 takes. */
const WEAK_KDF = { memoryKiB: 8, passes: 1, lanes: 1 };

export interface ProcessContext {
  /** Of the machine; another after each power failure. */
  readonly bootId: string;
  readonly seed: string;
}

export interface ProcessOptions extends ProcessContext {
  readonly files: Files;
  /** Unlike that of any other process. */
  readonly processId: number;
  readonly isElsewhere?: boolean;
  /** Happens before the first file is read or written by a worker: in the middle of a backup, after it has looked at the index. */
  readonly beforeReading?: () => Promise<void>;
}

export class SimulatedProcess {
  readonly services: Services;
  /** What the library had to tell: nothing, unless something was damaged. A power failure damages nothing. */
  readonly notices: string[] = [];
  /** What it backs up, or restores to. */
  tree: FileTree = new SimulatedFileTree(simulatedClock());

  constructor({ files, processId, bootId, seed, isElsewhere = false, beforeReading }: ProcessOptions) {
    const random = seededRandom(`${seed} ${processId}`);
    // An hour between any two; standing still in between, so that what is alike is done alike.
    const clock = simulatedClock(1_750_000_000_000 + processId * 3_600_000, 0);
    const workerServices = { files, clock, random, openFileTree: () => ({ tree: this.tree }), loadBlake: loadBlake3 };
    this.services = {
      ...workerServices,
      host: {
        name: isElsewhere ? ELSEWHERE : "here",
        userName: "root",
        userId: 0,
        platform: "linux",
        processors: 2,
        processId,
        bootId,
        isAlive: (other) => other === processId,
        workingDirectory: "/",
        cacheDirectory: isElsewhere ? `${CACHE} ${ELSEWHERE}` : CACHE,
        configDirectory: "/config",
        timeZone: "UTC",
        environment: () => undefined,
      },
      workerEntry: {
        serve: (port: WorkerPort<WorkerRequest, WorkerReply>) =>
          serveWorker(beforeReading === undefined ? port : delayed(port, beforeReading), workerServices),
      },
      version: "0.0.0",
      runCommand: () => Promise.reject(new Error("No command is run here")),
      readCommand: () => {
        throw new Error("No command is run here");
      },
    };
  }

  async create(passphrase: string): Promise<void> {
    await createRepository({ ...this.services, path: REPOSITORY, passphrase, kdf: WEAK_KDF });
  }

  open(passphrase: string): Promise<Repository> {
    const onNotice = (notice: string): void => void this.notices.push(notice);
    return open(this.services, { repository: REPOSITORY, passphrase: () => passphrase, threads: 1, onNotice });
  }

  async changePassphrase(from: string, to: string): Promise<void> {
    const { files } = this.services;
    const { layout, id, unlocked } = await openRepository({ files, path: REPOSITORY, passphrase: () => from });
    // What the library does, but for the cost of deriving the key.
    const session = await startSession({ ...this.services, layout });
    const { temporaryNames } = session;
    const slot = { ...this.services, unlocked, passphrase: to, kdf: WEAK_KDF, temporaryNames };
    await changePassphrase({ files, layout, repositoryId: id }, slot);
    session.close();
  }
}

/** Hands on no message until that has happened. */
function delayed<In, Out>(port: WorkerPort<In, Out>, first: () => Promise<void>): WorkerPort<In, Out> {
  let happened: Promise<void> | undefined;
  const onMessage = (listener: (message: In) => void): void =>
    port.onMessage((message) => void (happened ??= first()).then(() => listener(message)));
  return { ...port, onMessage };
}
