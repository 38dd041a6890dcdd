// What the tests of collections share: repositories with something to remove, other programs that have them open, and what
// must be true of them at the end.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TemporaryRepository } from "../../test/support/temporary-repository.ts";
import { repositoryLayout } from "../repository/layout.ts";
import { startSession } from "../repository/repository.ts";
import type { Session } from "../repository/repository.ts";
import type { Services } from "./services.ts";
import type { Repository } from "./types.ts";

export const KIB = 1024;

/** Three images: files that stay, files that came with the second and are gone but for a few in the third, and a file that changes in each. */
export async function threeImages(t: TemporaryRepository): Promise<readonly string[]> {
  const images: string[] = [];
  writeFiles(join(t.source, "stays"), 20);
  for (let i = 0; i < 3; i++) {
    writeFileSync(join(t.source, "changes"), randomBytes(300 * KIB));
    if (i === 1) writeFiles(join(t.source, "passes"), 30);
    if (i === 2) for (let file = 5; file < 30; file++) rmSync(join(t.source, "passes", `file-${file}`));
    const { imageId } = await t.backUp();
    images.push(imageId ?? "");
  }
  return images;
}

export function writeFiles(directory: string, count: number, bytes = 40 * KIB): void {
  mkdirSync(directory, { recursive: true });
  for (let i = 0; i < count; i++) writeFileSync(join(directory, `file-${i}`), randomBytes(bytes));
}

/** Removes the record of an image, as `forget` does. */
export function forget({ path }: TemporaryRepository, image: string | undefined): void {
  assert.ok(image !== undefined);
  rmSync(join(path, "volumes/main/images", image));
}

/** Another machine: whether what runs there is alive, nobody here can say. */
export function elsewhere(t: TemporaryRepository): Services["host"] {
  return { ...t.services.host, name: "laptop", bootId: "another boot" };
}

/** A writer that collections wait for. */
export function writerElsewhere(t: TemporaryRepository, { rebuilds = false } = {}): Promise<Session> {
  return startSession({ ...t.services, layout: repositoryLayout(t.path), host: elsewhere(t), rebuilds });
}

/** The content of all files of an image, by path. */
export async function contentsOf(repository: Repository, image: string): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  for await (const { path, kind } of repository.entries(image)) {
    if (kind !== "file") continue;
    const pieces: Uint8Array[] = [];
    for await (const piece of repository.dump(image, path)) pieces.push(piece);
    contents.set(path, Buffer.concat(pieces).toString("base64"));
  }
  return contents;
}

/** Every image is whole, and nothing is wrong with the data. */
export async function assertWhole(repository: Repository): Promise<void> {
  const { damages } = await repository.verify({ readData: 1 });
  assert.deepEqual(damages, []);
}
