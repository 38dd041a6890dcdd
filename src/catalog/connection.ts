// A connection to the catalog's SQLite file, set up so that several processes may use it at once and a commit survives
// a power failure: write-ahead log, full synchronisation, no memory mapping.
//
// node:sqlite is loaded when the first catalog is opened: commands that need none start sooner without it.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { HoldfastError, messageOf } from "../base/errors.ts";
import { SCHEMA_STEPS, SCHEMA_VERSION } from "./schema.ts";

/** Before 3.51.3, a writer and a checkpoint of another connection at the same instant could lose pages (the WAL-reset bug). */
const OLDEST_SQLITE = [3, 51, 3] as const;
/** Longer than any transaction of ours takes. */
const BUSY_TIMEOUT_MS = 10_000;

const BUSY = 5;
const LOCKED = 6;
const CORRUPT = 11;
const NOT_A_DATABASE = 26;

/** A failure of SQLite. `resultCode` is SQLite's primary result code. */
export class CatalogError extends HoldfastError {
  readonly resultCode: number;

  constructor(resultCode: number, path: string, cause: unknown) {
    const damaged = resultCode === CORRUPT || resultCode === NOT_A_DATABASE;
    super(damaged ? "REPOSITORY_DAMAGED" : "REPOSITORY_WRITE_FAILED", {
      message: `Cannot use the catalog "${path}": ${messageOf(cause)}`,
      retry: resultCode === BUSY || resultCode === LOCKED ? "later" : "never",
      context: { path, resultCode },
      hint: damaged ? "Remove the file: the catalog is rebuilt from the images." : "Backups do not depend on the catalog.",
      cause,
    });
    this.resultCode = resultCode;
  }

  get isDamage(): boolean {
    return this.code === "REPOSITORY_DAMAGED";
  }
}

/** Opens or creates the file; ":memory:" for none. CatalogError when SQLite cannot; RUNTIME_TOO_OLD when SQLite is too old. */
export async function connect(path: string): Promise<Connection> {
  const { DatabaseSync: Database } = await import("node:sqlite");
  const database = guarded(path, () => new Database(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true }));
  const connection = new Connection(path, database);
  try {
    connection.setUp();
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

export type Value = string | number | Uint8Array | null;
export type Row = Readonly<Record<string, unknown>>;

export class Connection {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string, database: DatabaseSync) {
    this.path = path;
    this.#database = database;
  }

  setUp(): void {
    requireVersion(this.rows("SELECT sqlite_version() AS version")[0]?.["version"]);
    this.#execute("PRAGMA mmap_size = 0");
    this.#execute("PRAGMA synchronous = FULL");
    if (this.path !== ":memory:") this.#writeAhead();
    // Proves that the file can be written, before anyone relies on it.
    this.transaction(() => this.#migrate());
  }

  /** Two processes that open a new file at once may both want to switch it; SQLite does not wait by itself here. */
  #writeAhead(): void {
    const mode = this.rows("PRAGMA journal_mode")[0]?.["journal_mode"];
    if (mode === "wal") return;
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let attempts = 50; ; attempts--) {
      try {
        this.#execute("PRAGMA journal_mode = WAL");
        return;
      } catch (error) {
        const busy = error instanceof CatalogError && error.retry === "later";
        if (!busy || attempts === 0) throw error;
        Atomics.wait(pause, 0, 0, 20);
      }
    }
  }

  #migrate(): void {
    const version = Number(this.rows("PRAGMA user_version")[0]?.["user_version"]);
    if (version > SCHEMA_VERSION) {
      throw new HoldfastError("REPOSITORY_TOO_NEW", {
        message: `Cannot use the catalog "${this.path}": its version is ${version}, this program knows ${SCHEMA_VERSION}`,
        context: { path: this.path, version, known: SCHEMA_VERSION },
        hint: "Use a newer version of Holdfast.",
      });
    }
    for (const step of SCHEMA_STEPS.slice(version)) this.#execute(step);
    if (version < SCHEMA_VERSION) this.#execute(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  }

  /** All or nothing. Takes the right to write at once, so that it cannot fail halfway for want of it. */
  transaction<T>(work: () => T): T {
    this.#execute("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#execute("COMMIT");
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #rollBack(): void {
    try {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
    } catch {
      // The error on its way says what happened; SQLite rolls back by itself when the connection closes.
    }
  }

  rows(sql: string, ...values: readonly Value[]): readonly Row[] {
    return guarded(this.path, () => this.#statement(sql).all(...values));
  }

  /** Returns the rowid of the last inserted row. */
  run(sql: string, ...values: readonly Value[]): number {
    return guarded(this.path, () => Number(this.#statement(sql).run(...values).lastInsertRowid));
  }

  close(): void {
    this.#statements.clear();
    if (this.#database.isOpen) this.#database.close();
  }

  #execute(sql: string): void {
    guarded(this.path, () => this.#database.exec(sql));
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function requireVersion(found: unknown): void {
  const parts = String(found).split(".").map(Number);
  for (const [position, needed] of OLDEST_SQLITE.entries()) {
    const part = parts[position] ?? 0;
    if (part > needed) return;
    if (part < needed) {
      throw new HoldfastError("RUNTIME_TOO_OLD", {
        message: `The SQLite of this Node.js is ${String(found)}, at least ${OLDEST_SQLITE.join(".")} is needed`,
        hint: "Earlier ones can damage a database that several processes use. Use a newer Node.js.",
      });
    }
  }
}

function guarded<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const resultCode: unknown = error instanceof Error ? Reflect.get(error, "errcode") : undefined;
    if (typeof resultCode !== "number") throw error;
    // The upper bits refine the primary result code.
    throw new CatalogError(resultCode & 0xff, path, error);
  }
}
