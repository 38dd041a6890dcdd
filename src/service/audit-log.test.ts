import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { textOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { auditLineHash, decodeAuditRecord } from "../formats/audit-record.ts";
import { nodeFiles, openForAppending } from "../platform/node-files.ts";
import { withProcessLock } from "../platform/process-lock.ts";
import { simulatedClock } from "../platform/simulated-clock.ts";
import { AUDIT_FILE, AuditLog } from "./audit-log.ts";
import type { AuditEntry, AuditPlace } from "./audit-log.ts";
import { verifyAuditLog } from "./verify-audit.ts";

const directories: string[] = [];
after(() => directories.forEach((directory) => rmSync(directory, { recursive: true })));
const files = nodeFiles();

function place(changes: Partial<AuditPlace> = {}): AuditPlace & { readonly path: string } {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  directories.push(directory);
  const world = { files, openForAppending, withLock: withProcessLock, clock: simulatedClock(), directory };
  return { ...world, ...changes, path: join(changes.directory ?? directory, AUDIT_FILE) };
}

function entry(object: string): AuditEntry {
  return { actor: "client:hal", address: "127.0.0.1", action: "enrol", object, outcome: "done", code: "" };
}

async function logOf(count: number) {
  const where = place();
  const log = new AuditLog(where);
  for (let i = 1; i <= count; i++) await log.append(entry(`object ${i}`));
  return where;
}

const linesOf = (path: string): string[] => readFileSync(path, "utf8").trimEnd().split("\n");
const verify = (where: AuditPlace) => verifyAuditLog(where);
const problemsOf = (where: AuditPlace) => verify(where).problems.map(({ line }) => line);

describe("the audit log", () => {
  test("numbers its records, and each names the hash of the line before", async () => {
    const where = await logOf(3);
    const lines = linesOf(where.path);
    const records = lines.map((line) => decodeAuditRecord(Buffer.from(line)));
    assert.deepEqual(
      records.map(({ sequence, object, previous }) => ({ sequence, object, previous })),
      [
        { sequence: 1, object: "object 1", previous: "0".repeat(64) },
        { sequence: 2, object: "object 2", previous: auditLineHash(Buffer.from(lines[0] ?? "")) },
        { sequence: 3, object: "object 3", previous: auditLineHash(Buffer.from(lines[1] ?? "")) },
      ],
    );
    const head = { sequence: 3, hash: auditLineHash(Buffer.from(lines[2] ?? "")) };
    assert.deepEqual(verify(where), { records: 3, head, problems: [], problemCount: 0, recoveries: 0, tornBytes: 0 });
  });

  test("is one chain when several processes write to it at once", async () => {
    const where = place();
    const logs = [new AuditLog(where), new AuditLog(where), new AuditLog(where)];
    const entries = Array.from({ length: 20 }, (_, i) => logs.map((log) => log.append(entry(`object ${i}`))));
    await Promise.all(entries.flat());
    const { records, problems } = verify(where);
    assert.deepEqual({ records, problems }, { records: 60, problems: [] });
  });

  test("shows what was edited, removed, moved or put in between", async () => {
    const changes: readonly [string, (lines: string[]) => string[], readonly number[]][] = [
      ["edited", (lines) => lines.with(2, (lines[2] ?? "").replace("object 3", "object 9")), [4]],
      ["removed", (lines) => lines.toSpliced(2, 1), [3, 3]],
      ["the first removed", (lines) => lines.slice(1), [1, 1]],
      ["moved", (lines) => [lines[0], lines[2], lines[1], lines[3], lines[4]].map(String), [2, 2, 3, 3, 4, 4]],
      ["repeated", (lines) => lines.toSpliced(2, 0, lines[1] ?? ""), [3, 3]],
      ["put in between", (lines) => lines.toSpliced(2, 0, "{}"), [3]],
    ];
    for (const [name, change, expected] of changes) {
      const where = await logOf(5);
      writeFileSync(where.path, `${change(linesOf(where.path)).join("\n")}\n`);
      assert.deepEqual(problemsOf(where), expected, name);
    }
  });

  test("shows that its end was cut off to who remembers a record", async () => {
    const where = await logOf(4);
    const { head } = verify(where);
    assert.deepEqual(verifyAuditLog({ ...where, contains: head }).problems, []);
    writeFileSync(where.path, `${linesOf(where.path).slice(0, 3).join("\n")}\n`);
    assert.deepEqual(verify(where).problems, []);
    assert.match(verifyAuditLog({ ...where, contains: head }).problems[0]?.problem ?? "", /does not have the record 4/);
  });

  test("goes on after a line that a crash tore at any byte, and says what was left", async () => {
    const whole = readFileSync((await logOf(2)).path);
    const secondLine = whole.indexOf("\n") + 1;
    for (let length = secondLine; length < whole.length; length += 23) {
      const where = place();
      writeFileSync(where.path, whole.subarray(0, length));
      assert.equal(verify(where).tornBytes, length - secondLine);
      await new AuditLog(where).append(entry("after the crash"));
      await new AuditLog(where).append(entry("and later"));
      const { records, problems, recoveries, tornBytes } = verify(where);
      const isTorn = length > secondLine;
      assert.deepEqual(
        { records, problems, recoveries, tornBytes },
        { records: 3, problems: [], recoveries: isTorn ? 1 : 0, tornBytes: 0 },
      );
    }
  });

  test("goes on after garbage of any kind and length", async () => {
    const kinds = ["\0".repeat(10), "\n\n", "{}\n", "x".repeat(100_000), "y\n".repeat(5_000), "z".repeat(600_000)];
    for (const garbage of kinds) {
      const where = await logOf(2);
      appendFileSync(where.path, garbage);
      await new AuditLog(where).append(entry("after"));
      const { records, problems, recoveries } = verify(where);
      assert.deepEqual({ records, problems, recoveries }, { records: 3, problems: [], recoveries: 1 });
    }
  });

  test("does not take garbage for a crash that nobody noticed, nor a change of what a crash left", async () => {
    const where = await logOf(2);
    appendFileSync(where.path, "garbage\n");
    assert.deepEqual(problemsOf(where), [3]);
    await new AuditLog(where).append(entry("after"));
    assert.deepEqual(problemsOf(where), []);
    writeFileSync(where.path, readFileSync(where.path, "utf8").replace("garbage", "gArbage"));
    assert.deepEqual(problemsOf(where), [4]);
  });

  test("rejects what could not be written, and goes on with the next", async () => {
    let fails = true;
    const failing = (path: string) => {
      const file = openForAppending(path);
      return {
        ...{ read: file.read.bind(file), sizeBytes: file.sizeBytes.bind(file), close: file.close.bind(file) },
        sync: () => file.sync(),
        syncNow: () => file.syncNow(),
        write: (bytes: Uint8Array, position: number) => {
          if (!fails) return file.write(bytes, position);
          file.write(bytes.subarray(0, 40), position);
          throw new HoldfastError("REPOSITORY_WRITE_FAILED", { message: "no space" });
        },
      };
    };
    const where = place({ openForAppending: failing });
    const log = new AuditLog(where);
    await assert.rejects(log.append(entry("lost")), { code: "REPOSITORY_WRITE_FAILED" });
    fails = false;
    await log.append(entry("kept"));
    const { records, problems, recoveries } = verify(where);
    assert.deepEqual({ records, problems, recoveries }, { records: 1, problems: [], recoveries: 1 });
  });

  test("cuts what strangers make too long, and stays readable", async () => {
    const where = place();
    const long = { ...entry("\u0001".repeat(100_000)), actor: "a".repeat(1_000), action: '"'.repeat(1_000) };
    await new AuditLog(where).append(long);
    const { records, problems } = verify(where);
    assert.deepEqual({ records, problems }, { records: 1, problems: [] });
    assert.ok(readFileSync(where.path).length < 8_192);
  });

  test("is empty where there is none, and after its last line was cut away it is torn and no more", async () => {
    assert.deepEqual(verify(place()), {
      records: 0,
      head: undefined,
      problems: [],
      problemCount: 0,
      recoveries: 0,
      tornBytes: 0,
    });
    const where = await logOf(1);
    truncateSync(where.path, 5);
    const { records, tornBytes } = verify(where);
    assert.deepEqual([records, tornBytes, textOf(readFileSync(where.path))], [0, 5, '{"seq']);
  });
});
