// For tests: a real repository in a temporary directory, opened through the library, with a weak passphrase function so
// that hundreds of them open in a second.

import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "../../src/api/api.ts";
import type { Services } from "../../src/api/services.ts";
import type { BackupOptions, BackupReport, Repository } from "../../src/api/types.ts";
import { services } from "../../src/main/services.ts";
import { createRepository } from "../../src/repository/repository.ts";

const WEAK_KDF = { memoryKiB: 64, passes: 1, lanes: 1 };
export const PASSPHRASE = "correct horse";

export interface TemporaryRepository extends AsyncDisposable {
  /** Everything of this test lies below it. */
  readonly directory: string;
  /** An empty directory to be filled and backed up. */
  readonly source: string;
  readonly path: string;
  readonly cache: string;
  readonly services: Services;
  readonly repository: Repository;
  /** Backs `source` up; problems and notices are in the report. */
  backUp(options?: BackupOptions): Promise<BackupReport>;
  /** Closes and opens again, as the next run of the program would. */
  reopen(changes?: Partial<Services>): Promise<TemporaryRepository>;
}

export async function temporaryRepository(changes: Partial<Services> = {}, threads = 2): Promise<TemporaryRepository> {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  const path = join(directory, "repository");
  mkdirSync(join(directory, "source"));
  const world = services();
  await createRepository({ ...world, path, passphrase: PASSPHRASE, kdf: WEAK_KDF });
  return openIn(directory, changes, threads);
}

async function openIn(directory: string, changes: Partial<Services>, threads: number): Promise<TemporaryRepository> {
  const path = join(directory, "repository");
  const cache = join(directory, "cache");
  const source = join(directory, "source");
  const world: Services = { ...services(), ...changes };
  const repository = await open(world, { repository: path, passphrase: () => PASSPHRASE, cacheDirectory: cache, threads });
  return {
    directory,
    source,
    path,
    cache,
    services: world,
    repository,
    backUp: (options = {}) => repository.backup({ paths: [source], ...options }),
    reopen: async (more = {}) => {
      await repository.close();
      return openIn(directory, { ...changes, ...more }, threads);
    },
    async [Symbol.asyncDispose]() {
      await repository.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The same repository, opened by another process as it were. */
export function another(t: TemporaryRepository, changes: Partial<Services> = {}): Promise<Repository> {
  const options = { repository: t.path, passphrase: () => PASSPHRASE, threads: 2, cacheDirectory: t.cache };
  return open({ ...t.services, ...changes }, options);
}

/** The files of all containers, sorted. What is not finished lies beside their directories and is none. */
export function containersOf({ path }: TemporaryRepository): string[] {
  const root = join(path, "volumes", "main", "containers");
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.parentPath !== root)
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** As byte 10 of a container says. */
export function kindOf(container: string): "data" | "metadata" {
  return readFileSync(container)[10] === 1 ? "data" : "metadata";
}
