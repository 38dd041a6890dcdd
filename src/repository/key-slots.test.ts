import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { test } from "node:test";
import { viewOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { seededRandom } from "../engine/testing.ts";
import { SimulatedFiles } from "../platform/simulated-files.ts";
import type { Survival } from "../platform/simulated-files.ts";
import { coded } from "../media/volume.contract.ts";
import {
  DEFAULT_KDF,
  KEY_SLOTS_LIMIT,
  addKeySlot,
  changePassphrase,
  listKeySlots,
  removeKeySlot,
  unlockKeySlots,
} from "./key-slots.ts";
import type { KeySlotSummary, KeySlotsPlace, NewKeySlot } from "./key-slots.ts";
import { repositoryLayout } from "./layout.ts";
import { WEAK_KDF, failingEachCall, tickingClock } from "./testing.ts";

const MASTER_KEY = seededRandom("master").bytes(32);
const REPOSITORY_ID = seededRandom("repository").bytes(16);
const layout = repositoryLayout("/r");
const clock = tickingClock();

function place(disk = new SimulatedFiles()): KeySlotsPlace & { readonly files: SimulatedFiles } {
  disk.makeDirectory(layout.keys);
  return { files: disk, layout, repositoryId: REPOSITORY_ID };
}

let seed = 0;
function slot(passphrase: string, label = passphrase): NewKeySlot {
  return { masterKey: MASTER_KEY, passphrase, label, kdf: WEAK_KDF, clock, random: seededRandom(`slot ${seed++}`) };
}

function add(where: KeySlotsPlace, passphrase: string): Promise<KeySlotSummary> {
  return addKeySlot(where, slot(passphrase));
}

async function opens(where: KeySlotsPlace, passphrase: string): Promise<boolean> {
  return unlockKeySlots(where, passphrase).then(
    (unlocked) => {
      assert.deepEqual(unlocked.masterKey, MASTER_KEY);
      return true;
    },
    (error: unknown) => {
      assert.ok(coded("WRONG_PASSPHRASE")(error));
      return false;
    },
  );
}

test("any of several passphrases opens the same key", async () => {
  const where = place();
  const added = [await add(where, "one"), await add(where, "two"), await add(where, "drei äöü")];
  for (const [position, passphrase] of ["one", "two", "drei äöü"].entries()) {
    const unlocked = await unlockKeySlots(where, passphrase);
    assert.deepEqual(unlocked, { masterKey: MASTER_KEY, slotId: added[position]?.id, unusable: [] });
  }
  assert.equal(await opens(where, "three"), false);
  assert.equal(await opens(where, ""), false);
});

test("the real parameters open, and are what a slot gets unless told otherwise", async () => {
  const where = place();
  const { kdf: _kdf, ...withDefaults } = slot("strong");
  const added = await addKeySlot(where, withDefaults);
  assert.deepEqual(added.kdf, { memoryKiB: 64 * 1024, passes: 3, lanes: 4 });
  assert.deepEqual(added.kdf, DEFAULT_KDF);
  assert.equal(await opens(where, "strong"), true);
});

test("an accent composed in another way is the same passphrase", async () => {
  const where = place();
  await add(where, "caf\u00e9");
  assert.equal(await opens(where, "cafe\u0301"), true);
});

test("slots are listed without a passphrase, oldest first, with their labels", async () => {
  const where = place();
  const added = [await add(where, "b"), await add(where, "a"), await add(where, "c")];
  assert.deepEqual(listKeySlots(where), { slots: added, unusable: [] });
  assert.deepEqual(
    added.map((entry) => entry.label),
    ["b", "a", "c"],
  );
});

test("a label of any length is cut to whole characters that fit", async () => {
  const where = place();
  const added = await addKeySlot(where, slot("x", "ü".repeat(100)));
  assert.equal(added.label, "ü".repeat(32));
});

test("a slot is removed by the beginning of its identifier, and its passphrase no longer opens", async () => {
  const where = place();
  const old = await add(where, "old");
  await add(where, "new");
  assert.equal(removeKeySlot(where, old.id.slice(0, 6)), old.id);
  assert.equal(await opens(where, "old"), false);
  assert.equal(await opens(where, "new"), true);
  assert.deepEqual(where.files.list(layout.keys)?.length, 1);
});

test("an unknown and an ambiguous identifier are refused", async () => {
  const where = place();
  await add(where, "a");
  await add(where, "b");
  for (const id of ["", "xyz", "0123456789abcdef0"]) assert.throws(() => removeKeySlot(where, id), coded("KEY_SLOT_UNKNOWN"));
  const many = place();
  for (let count = 0; count < 17; count++) await add(many, `p${count}`);
  const first = new Map<string, number>();
  for (const { id } of listKeySlots(many).slots) first.set(id.charAt(0), (first.get(id.charAt(0)) ?? 0) + 1);
  const shared = [...first].find(([, count]) => count > 1)?.[0] ?? assert.fail("17 slots share a first digit");
  assert.throws(() => removeKeySlot(many, shared), coded("KEY_SLOT_UNKNOWN"));
});

test("the last slot is not removed, even when damaged ones lie beside it", async () => {
  const where = place();
  const last = await add(where, "last");
  const damaged = await add(where, "damaged");
  where.files.tamper(`${layout.keys}/${damaged.id}`, (bytes) => bytes.subarray(0, 99));
  assert.throws(() => removeKeySlot(where, last.id), coded("KEY_SLOT_LAST"));
  removeKeySlot(where, damaged.id);
  assert.throws(() => removeKeySlot(where, last.id), coded("KEY_SLOT_LAST"));
  assert.equal(await opens(where, "last"), true);
});

test("two people who remove the last two slots at once do not lock everybody out", async () => {
  const where = place();
  const [one, two] = [await add(where, "one"), await add(where, "two")];
  // The second removal happens just after the first has looked and set its slot aside.
  let done = false;
  const racing: KeySlotsPlace = {
    ...where,
    files: interposed(where.files, "rename", () => {
      if (done) return;
      done = true;
      assert.throws(() => removeKeySlot(where, two.id), coded("KEY_SLOT_LAST"));
    }),
  };
  removeKeySlot(racing, one.id);
  assert.equal(await opens(where, "two"), true);
});

test("a set-aside slot opens when two cut off removals left nothing else", async () => {
  const where = place();
  const { id } = await add(where, "last");
  where.files.rename(`${layout.keys}/${id}`, `${layout.keys}/.removing-${id}`);
  assert.equal(await opens(where, "last"), true);
  const unlocked = await unlockKeySlots(where, "last");
  await changePassphrase(where, { ...slot("next"), unlocked });
  assert.equal(await opens(where, "next"), true);
});

test("a passphrase that is changed between the listing of the slots and the reading of them keeps nobody out", async () => {
  class ChangingFiles extends SimulatedFiles {
    beforeRead: (() => void) | undefined;

    override read(path: string, limitBytes: number): Uint8Array | undefined {
      const before = this.beforeRead;
      this.beforeRead = undefined;
      before?.();
      return super.read(path, limitBytes);
    }
  }
  const disk = new ChangingFiles();
  const where = place(disk);
  const old = await add(where, "old");
  const added = await add(where, "new");
  const [path, kept] = [`${layout.keys}/${added.id}`, `/kept/${added.id}`];
  disk.makeDirectory("/kept");
  disk.rename(path, kept);
  disk.beforeRead = () => {
    disk.rename(kept, path);
    removeKeySlot(where, old.id);
  };
  assert.ok(await opens(where, "new"));
  assert.equal(disk.beforeRead, undefined);
});

test("there are at most 32 slots", async () => {
  const where = place();
  for (let count = 0; count < KEY_SLOTS_LIMIT; count++) await add(where, `p${count}`);
  await assert.rejects(add(where, "one too many"), coded("KEY_SLOT_LIMIT"));
  assert.equal(await opens(where, "p31"), true);
});

test("an empty passphrase is refused", async () => {
  await assert.rejects(add(place(), ""), coded("USAGE"));
});

test("a changed passphrase opens, the old one no longer does, and the label stays", async () => {
  const where = place();
  await add(where, "other");
  await addKeySlot(where, slot("old", "laptop"));
  const { label: _label, ...fresh } = slot("new");
  const changed = await changePassphrase(where, { ...fresh, unlocked: await unlockKeySlots(where, "old") });
  assert.equal(changed.label, "laptop");
  assert.deepEqual(await Promise.all(["old", "new", "other"].map((passphrase) => opens(where, passphrase))), [false, true, true]);
});

test("a change removes the old slot also when it cannot be read any more: it might open again later", async () => {
  const where = place();
  const old = await add(where, "old");
  const unlocked = await unlockKeySlots(where, "old");
  let reads = 0;
  const files = interposed(where.files, "read", (path) => {
    if (String(path).endsWith(old.id) && ++reads > 1) {
      throw new HoldfastError("REPOSITORY_READ_FAILED", { message: "Cannot read it: EIO" });
    }
  });
  await changePassphrase({ ...where, files }, { ...slot("new"), unlocked });
  assert.deepEqual([await opens(where, "old"), await opens(where, "new")], [false, true]);
});

test("every truncation, flipped bit and overlength of a slot is reported, hides no other, and never opens wrongly", async () => {
  const where = place();
  const damaged = await add(where, "damaged");
  await add(where, "intact");
  const path = `${layout.keys}/${damaged.id}`;
  const bytes = where.files.read(path, 1_000) ?? new Uint8Array();
  const variants = [
    ...Array.from({ length: bytes.length }, (_, length) => bytes.subarray(0, length)),
    ...Array.from({ length: bytes.length * 8 }, (_, bit) => flipped(bytes, bit)),
    Buffer.concat([bytes, bytes]),
  ];
  for (const variant of variants) {
    where.files.tamper(path, () => variant);
    const listing = listKeySlots(where);
    assert.deepEqual(
      listing.unusable.map((entry) => entry.id),
      [damaged.id],
    );
    assert.match(listing.unusable[0]?.problem.code ?? "", /^FORMAT_(TRUNCATED|CHECKSUM|MAGIC|INVALID)$/);
  }
  const unlocked = await unlockKeySlots(where, "intact");
  assert.equal(unlocked.unusable.length, 1);
  await assert.rejects(
    unlockKeySlots(where, "damaged"),
    (error: Error) => coded("WRONG_PASSPHRASE")(error) && error.message.includes(damaged.id),
  );
});

test("every bit changed with a checksum made right again is an error, a wrong passphrase, or a broken seal", async () => {
  const where = place();
  const { id } = await add(where, "mine");
  const path = `${layout.keys}/${id}`;
  const bytes = where.files.read(path, 1_000) ?? new Uint8Array();
  for (let bit = 64; bit < (bytes.length - 4) * 8; bit++) {
    // Raised Argon2 parameters only make the test slow.
    if (bit >= 12 * 8 + 4 && bit < 24 * 8) continue;
    const changed = flipped(bytes, bit);
    viewOf(changed).setUint32(252, crc32(changed.subarray(0, 252)), true);
    where.files.tamper(path, () => changed);
    await assert.rejects(unlockKeySlots(where, "mine"), (error: unknown) => {
      return (
        error instanceof Error &&
        "code" in error &&
        /^(WRONG_PASSPHRASE|REPOSITORY_TOO_NEW|REPOSITORY_DAMAGED)$/.test(String(error.code))
      );
    });
  }
});

test("a slot that asks for too much memory, time or threads is refused before anything is computed", async () => {
  for (const [offset, value] of [
    [12, 1_048_577],
    [12, 7],
    [16, 17],
    [16, 0],
    [20, 17],
    [20, 0],
  ] as const) {
    const where = place();
    const { id } = await add(where, "x");
    where.files.tamper(`${layout.keys}/${id}`, (bytes) => {
      viewOf(bytes).setUint32(offset, value, true);
      viewOf(bytes).setUint32(252, crc32(bytes.subarray(0, 252)), true);
      return bytes;
    });
    assert.equal(listKeySlots(where).unusable[0]?.problem.code, "FORMAT_INVALID", `${value} at ${offset}`);
  }
});

test("with no usable slot the error says why: none, damaged, foreign, newer", async () => {
  await assert.rejects(unlockKeySlots(place(), "x"), coded("REPOSITORY_DAMAGED"));
  const damaged = place();
  const { id } = await add(damaged, "x");
  damaged.files.tamper(`${layout.keys}/${id}`, (bytes) => bytes.fill(0, 100, 120));
  await assert.rejects(unlockKeySlots(damaged, "x"), coded("REPOSITORY_DAMAGED"));
  const foreign = place();
  await add(foreign, "x");
  await assert.rejects(unlockKeySlots({ ...foreign, repositoryId: new Uint8Array(16) }, "x"), coded("REPOSITORY_DAMAGED"));
  const newer = place();
  const added = await add(newer, "x");
  newer.files.tamper(`${layout.keys}/${added.id}`, (bytes) => {
    bytes[8] = 2;
    viewOf(bytes).setUint32(252, crc32(bytes.subarray(0, 252)), true);
    return bytes;
  });
  await assert.rejects(unlockKeySlots(newer, "x"), coded("REPOSITORY_TOO_NEW"));
  const missing = { files: new SimulatedFiles(), layout, repositoryId: REPOSITORY_ID };
  await assert.rejects(unlockKeySlots(missing, "x"), coded("REPOSITORY_DAMAGED"));
});

test("a slot that may not be read hides no other, and says so when there is no other", async () => {
  const where = place();
  const { id } = await add(where, "closed");
  await add(where, "open");
  const denied = new HoldfastError("PERMISSION_DENIED", { message: "not yours" });
  const closing = (...names: readonly string[]): KeySlotsPlace => ({
    ...where,
    files: new Proxy(where.files, {
      get: (_, method) => {
        if (method === "list") return (path: string) => where.files.list(path);
        return (path: string, limit: number) => {
          if (names.some((name) => path.endsWith(name))) throw denied;
          return where.files.read(path, limit);
        };
      },
    }),
  });
  assert.deepEqual((await unlockKeySlots(closing(id), "open")).unusable, [{ id, problem: denied }]);
  const all = listKeySlots(where).slots.map((entry) => entry.id);
  await assert.rejects(unlockKeySlots(closing(...all), "open"), coded("PERMISSION_DENIED"));
});

test("a slot that cannot be opened again is not relied on", async () => {
  const where = place();
  await add(where, "old");
  const files = interposed(where.files, "link", (_from, to) => {
    where.files.tamper(String(to), (bytes) => bytes.fill(7, 200, 201));
  });
  const unlocked = await unlockKeySlots(where, "old");
  await assert.rejects(changePassphrase({ ...where, files }, { ...slot("new"), unlocked }));
  assert.equal(await opens(where, "old"), true);
});

test("cut off or failing at any call of a change, with any survival of a power loss, the old or the new passphrase opens", async () => {
  const made = place();
  await add(made, "old");
  const unlocked = await unlockKeySlots(made, "old");
  let states = 0;
  for (const kind of ["once", "for good"] as const) {
    const runs = await failingEachCall(async (atCall) => {
      const disk = made.files.afterPowerLoss("nothing", { atCall, kind });
      const outcome = await changePassphrase({ ...made, files: disk }, { ...slot("new"), unlocked }).then(
        () => "completed" as const,
        () => "failed" as const,
      );
      const lefts = (["nothing", "names", "everything"] as Survival[]).map((survival) => disk.afterPowerLoss(survival));
      // Without a power loss: the machine runs on after the error.
      for (const left of kind === "once" ? [...lefts, disk] : lefts) {
        const where = { ...made, files: left };
        const [old, fresh] = [await opens(where, "old"), await opens(where, "new")];
        assert.ok(old || fresh, `failed at call ${atCall} ${kind}`);
        if (outcome === "completed") assert.deepEqual([old, fresh], [false, true]);
        states += 1;
      }
      return disk;
    });
    assert.ok(runs > 10, `${runs} runs`);
  }
  assert.ok(states > 60, `${states} states`);
});

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = bytes.slice();
  changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return changed;
}

/** The disk, with something happening right after every call of one method. */
function interposed(
  disk: SimulatedFiles,
  method: keyof SimulatedFiles,
  after: (...parameters: unknown[]) => void,
): SimulatedFiles {
  return new Proxy(disk, {
    get: (_, name) => {
      const value: unknown = Reflect.get(disk, name, disk);
      if (typeof value !== "function") return value;
      return (...parameters: unknown[]): unknown => {
        const result: unknown = Reflect.apply(value, disk, parameters);
        if (name === method) after(...parameters);
        return result;
      };
    },
  });
}
