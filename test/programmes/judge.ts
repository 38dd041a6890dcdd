// What must hold after a command was interrupted, whichever call it was interrupted at.

import assert from "node:assert/strict";
import { hasCode } from "../../src/base/errors.ts";
import type { Repository } from "../../src/api/types.ts";
import { PASSPHRASE, assertNoStackTrace } from "../support/holdfast-process.ts";
import { runHere } from "./run-here.ts";
import { isRepository, manifestOfImage, openPlace } from "./stage.ts";
import type { Manifest, Place } from "./stage.ts";
import type { Prepared } from "./workloads.ts";

/**
 * Every acknowledged image is there and gives back what was backed up, whatever other image is there does too, and verify
 * finds no damage. With `isDone`, what the command promised holds as well.
 */
export async function assertPromiseKept(place: Place, prepared: Prepared, isDone: boolean): Promise<void> {
  if (!isRepository(place)) {
    assert.ok(prepared.command[0] === "init" && !isDone, "the repository is gone");
    return;
  }
  const passphrases = await openingPassphrases(place, prepared);
  if (isDone && prepared.passphraseAfterwards !== undefined) assert.deepEqual(passphrases, [prepared.passphraseAfterwards]);
  const [passphrase] = passphrases;
  assert.ok(passphrase !== undefined, "no passphrase opens the repository");
  await using repository = await openPlace(place, passphrase);
  assert.deepEqual(repository.problems, []);
  await assertImages(repository, prepared);
  // Without the content: every byte of every image has been read by now.
  const { damages } = await repository.verify();
  if (isDone || prepared.beginsDamaged !== true) assert.deepEqual(damages, []);
  if (isDone) await prepared.effect(repository);
}

async function assertImages(repository: Repository, { acknowledged, mayRemain, source }: Prepared): Promise<void> {
  const images = await repository.images();
  const lost = [...acknowledged.keys()].filter((id) => !images.some((image) => image.id === id));
  assert.deepEqual(lost, [], LOST);
  for (const { id, record } of images) {
    const whole = acknowledged.get(id) ?? mayRemain?.get(id) ?? source;
    const top = whole.keys().next().value ?? "";
    const found = await manifestOfImage(repository, id, top);
    // The source may have been unreadable too. What lies at or below a place of which the image says so may be missing.
    const unreadable = acknowledged.has(id) ? [] : record.unreadable.items;
    const mayLack = (path: string): boolean => unreadable.some((item) => path === item.path || path.startsWith(`${item.path}/`));
    const expected = new Map([...whole].filter(([path]) => found.has(path) || !mayLack(path)));
    const difference = firstDifference(expected, found);
    assert.equal(difference, undefined, `${acknowledged.has(id) ? LOST : "an image is not what was backed up"}: ${difference}`);
  }
}

/** Begins the message of the one failure that is worse than the others. */
export const LOST = "an acknowledged image is lost";

function firstDifference(expected: Manifest, found: Manifest): string | undefined {
  for (const [path, line] of expected)
    if (found.get(path) !== line) return `${path}: ${found.get(path) ?? "missing"}, not ${line}`;
  for (const path of found.keys()) if (!expected.has(path)) return `${path} should not be there`;
  return undefined;
}

async function openingPassphrases(place: Place, prepared: Prepared): Promise<readonly string[]> {
  const opening: string[] = [];
  for (const passphrase of prepared.passphrases ?? [PASSPHRASE]) {
    try {
      await (await openPlace(place, passphrase)).close();
      opening.push(passphrase);
    } catch (error) {
      if (!hasCode(error, "WRONG_PASSPHRASE")) throw error;
    }
  }
  return opening;
}

/** The next run of the same command, undisturbed: it works, the promise holds, and no dead writer has left anything. */
export async function assertNextRunWorks(place: Place, prepared: Prepared): Promise<void> {
  const expected = prepared.nextStatus?.(place) ?? 0;
  const [passphrase = PASSPHRASE] = isRepository(place) ? await openingPassphrases(place, prepared) : [];
  const outcome = await runHere(place.words(...prepared.command), passphrase);
  assert.equal(outcome.status, expected, `the next run: ${outcome.stdout}${outcome.stderr}`);
  assertNoStackTrace(outcome);
  await assertPromiseKept(place, prepared, true);
  if (prepared.afterwards !== undefined) {
    const { status, stdout, stderr } = await runHere(place.words(...prepared.afterwards), passphrase);
    assert.equal(status, 0, `afterwards: ${stdout}${stderr}`);
  }
  assert.deepEqual(place.leftovers(), [], "left behind after the next run");
}
