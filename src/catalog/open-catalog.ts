// Opening the catalog never stands in the way of the work: a missing file is made, a damaged one set aside and made
// anew, and where no file can be written (read-only medium, full disk, newer version) the catalog lives in memory.

import { HoldfastError, hasCode } from "../base/errors.ts";
import type { Files } from "../platform/files.ts";
import type { Random } from "../platform/random.ts";
import type { Catalog } from "./catalog.ts";
import { CatalogError, connect } from "./connection.ts";
import { bringUpToDate } from "./reconcile.ts";
import type { CatalogChanges, CatalogSource } from "./reconcile.ts";
import { RowSealer } from "./row-sealer.ts";
import { SqliteCatalog } from "./sqlite-catalog.ts";

export interface OpenCatalogOptions {
  /** For setting a damaged file aside; SQLite itself reads and writes the path. */
  readonly files: Files;
  /** Absolute; its directory is made when it is missing. */
  readonly path: string;
  /** The 32-byte record key of the repository. */
  readonly key: Uint8Array;
  readonly random: Random;
  readonly source: CatalogSource;
  /** Do not even try to write the file. */
  readonly readOnly?: boolean;
}

export interface OpenedCatalog {
  readonly catalog: Catalog;
  /** How it differed from the repository before it was brought up to date. */
  readonly changes: CatalogChanges;
}

/**
 * With less room than this the file is not opened. SQLite keeps an index of its log in memory that it shares through a file; when
 * the file system finds no room for a page of that, as it may where blocks are smaller than pages or are copied on writing, it does
 * not fail a call but ends the process.
 */
const LEAST_ROOM_BYTES = 4 * 1024 * 1024;

/** The catalog, equal to the repository. Close it when done. */
export async function openCatalog(options: OpenCatalogOptions): Promise<OpenedCatalog> {
  if (options.readOnly === true || isFull(options)) return openInMemory(options, undefined);
  try {
    return await openFile(options);
  } catch (error) {
    if (!isCatalogProblem(error)) throw error;
    if (!needsReplacing(error)) return openInMemory(options, error);
    return replaceFile(options, error);
  }
}

function isFull({ files, path }: OpenCatalogOptions): boolean {
  const free = files.freeBytes(path.slice(0, path.lastIndexOf("/")));
  return free !== undefined && free < LEAST_ROOM_BYTES;
}

async function openFile(options: OpenCatalogOptions): Promise<OpenedCatalog> {
  makeDirectoryOf(options);
  const connection = await connect(options.path);
  return upToDate(options, new SqliteCatalog(connection, new RowSealer(options.key, options.random)));
}

/** Whoever removed the catalog may have removed its directory with it; without one nothing would be remembered any more. */
function makeDirectoryOf({ files, path }: OpenCatalogOptions): void {
  const directory = path.slice(0, path.lastIndexOf("/"));
  try {
    if (files.information(directory) === undefined) files.makeDirectory(directory);
  } catch (error) {
    // A repository that is only read: SQLite will say so too.
    if (!hasCode(error, "PERMISSION_DENIED", "REPOSITORY_WRITE_FAILED")) throw error;
  }
}

async function openInMemory(options: OpenCatalogOptions, reason: HoldfastError | undefined): Promise<OpenedCatalog> {
  const connection = await connect(":memory:");
  return upToDate(options, new SqliteCatalog(connection, new RowSealer(options.key, options.random), reason));
}

async function upToDate(options: OpenCatalogOptions, catalog: SqliteCatalog): Promise<OpenedCatalog> {
  try {
    try {
      return await checked(options, catalog);
    } catch (error) {
      if (!isRowDamage(error)) throw error;
      // Derived again from the repository; verification ages and jobs stay.
      catalog.forgetDerived();
      return await checked(options, catalog);
    }
  } catch (error) {
    catalog.close();
    throw error;
  }
}

async function checked(options: OpenCatalogOptions, catalog: SqliteCatalog): Promise<OpenedCatalog> {
  const changes = await bringUpToDate(catalog, options.source);
  // Opens every row once, so that damage shows here, where it can be mended.
  catalog.images();
  catalog.trails();
  return { catalog, changes };
}

async function replaceFile(options: OpenCatalogOptions, reason: HoldfastError): Promise<OpenedCatalog> {
  try {
    setAside(options.files, options.path);
    return await openFile(options);
  } catch (error) {
    if (isCatalogProblem(error) || hasCode(error, "PERMISSION_DENIED", "REPOSITORY_WRITE_FAILED"))
      return openInMemory(options, reason);
    throw error;
  }
}

/** The damaged file stays for whoever wants to look; one is enough. */
function setAside(files: Files, path: string): void {
  if (files.information(path) !== undefined) files.rename(path, `${path}.damaged`);
  // They belong to the file that was moved and would corrupt a new one.
  for (const companion of [`${path}-wal`, `${path}-shm`]) files.remove(companion);
}

/** Anything that is wrong with the file, as opposed to the repository or the program. */
function isCatalogProblem(error: unknown): error is HoldfastError {
  return error instanceof CatalogError || hasCode(error, "REPOSITORY_TOO_NEW") || isRowDamage(error);
}

function needsReplacing(error: HoldfastError): boolean {
  return error instanceof CatalogError ? error.isDamage : isRowDamage(error);
}

/** A row that does not open, or opens to something else than it should. */
function isRowDamage(error: unknown): boolean {
  return error instanceof HoldfastError && (error.code === "SEAL_BROKEN" || error.code.startsWith("FORMAT_"));
}
