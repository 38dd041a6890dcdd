// The catalog in SQLite.

import { textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { decodeAnnotation, encodeAnnotation } from "../formats/annotation-record.ts";
import { decodeImageRecord, encodeImageRecord } from "../formats/image-record.ts";
import { JsonFields, encodeJson } from "../formats/json-fields.ts";
import { decodeTrailRecord, encodeTrailRecord } from "../formats/trail-record.ts";
import type { TrailRecord } from "../formats/trail-record.ts";
import type { ContainerName, VolumeId } from "../media/media.ts";
import type { ImageAnnotation, ImageFilter, ImageId, ImageRecord, NotedItems } from "../model/image.ts";
import type { Catalog, CatalogImage, CatalogVolume, CheckResult, ContainerCheck, Job, JobOutcome, NewJob } from "./catalog.ts";
import type { Connection, Row } from "./connection.ts";
import type { RowSealer } from "./row-sealer.ts";

/** Older jobs are forgotten. */
const JOBS_KEPT = 10_000;

export class SqliteCatalog implements Catalog {
  readonly place: "file" | "memory";
  readonly reason: HoldfastError | undefined;
  readonly #connection: Connection;
  readonly #sealer: RowSealer;
  // Rows never change, and opening one costs more than keeping it.
  readonly #opened = new Map<ImageId, CatalogImage>();

  constructor(connection: Connection, sealer: RowSealer, reason?: HoldfastError) {
    this.place = connection.path === ":memory:" ? "memory" : "file";
    this.reason = reason;
    this.#connection = connection;
    this.#sealer = sealer;
  }

  // --- images ----------------------------------------------------------------------------------

  images(filter: ImageFilter = {}): readonly CatalogImage[] {
    const tags = this.#currentTags();
    const images = this.#connection
      .rows("SELECT id, sealed FROM image")
      .map((row) => this.#image(row))
      .map((image) => ({ ...image, tags: tags.get(image.id) ?? image.tags }))
      .filter((image) => matches(image, filter));
    return images.sort((a, b) => a.startedAtMs - b.startedAtMs || (a.id < b.id ? -1 : 1));
  }

  #image(row: Row): CatalogImage {
    const id = textIn(row, "id") as ImageId;
    let image = this.#opened.get(id);
    if (image === undefined) {
      image = summaryOf(id, decodeImageRecord(this.#sealer.open("image", id, row["sealed"])));
      this.#opened.set(id, image);
    }
    return image;
  }

  /** Of an image's annotations the highest generation holds, of equal ones the higher name. */
  #currentTags(): ReadonlyMap<ImageId, readonly string[]> {
    const latest = new Map<ImageId, ImageAnnotation>();
    for (const row of this.#connection.rows("SELECT name, sealed FROM annotation ORDER BY name")) {
      const annotation = decodeAnnotation(this.#sealer.open("annotation", textIn(row, "name"), row["sealed"]));
      const other = latest.get(annotation.image);
      if (other === undefined || other.generation <= annotation.generation) latest.set(annotation.image, annotation);
    }
    return new Map([...latest].map(([image, annotation]) => [image, annotation.tags]));
  }

  imageIds(): readonly ImageId[] {
    return this.#connection.rows("SELECT id FROM image ORDER BY id").map((row) => textIn(row, "id") as ImageId);
  }

  annotationNames(): readonly string[] {
    return this.#connection.rows("SELECT name FROM annotation ORDER BY name").map((row) => textIn(row, "name"));
  }

  putImages(images: readonly { readonly id: ImageId; readonly record: ImageRecord }[]): void {
    if (images.length === 0) return;
    const rows = images.map(({ id, record }) => [id, this.#sealer.seal("image", id, encodeImageRecord(brief(record)))] as const);
    this.#connection.transaction(() => {
      for (const [id, sealed] of rows) this.#connection.run("INSERT OR IGNORE INTO image(id, sealed) VALUES (?, ?)", id, sealed);
    });
  }

  putAnnotations(annotations: readonly { readonly name: string; readonly annotation: ImageAnnotation }[]): void {
    if (annotations.length === 0) return;
    const rows = annotations.map(({ name, annotation }) => {
      return [name, this.#sealer.seal("annotation", name, encodeAnnotation(annotation))] as const;
    });
    this.#connection.transaction(() => {
      const sql = "INSERT OR IGNORE INTO annotation(name, sealed) VALUES (?, ?)";
      for (const [name, sealed] of rows) this.#connection.run(sql, name, sealed);
    });
  }

  removeImages(ids: readonly ImageId[]): void {
    this.#removeEach("DELETE FROM image WHERE id = ?", ids);
    for (const id of ids) this.#opened.delete(id);
  }

  removeAnnotations(names: readonly string[]): void {
    this.#removeEach("DELETE FROM annotation WHERE name = ?", names);
  }

  #removeEach(sql: string, keys: readonly string[]): void {
    if (keys.length === 0) return;
    this.#connection.transaction(() => {
      for (const key of keys) this.#connection.run(sql, key);
    });
  }

  /** Everything that the repository can give again. */
  forgetDerived(): void {
    this.#connection.transaction(() => {
      for (const table of ["image", "annotation", "volume", "trail"]) this.#connection.run(`DELETE FROM ${table}`);
    });
    this.#opened.clear();
  }

  // --- volumes and trails ------------------------------------------------------------------------

  volumes(): readonly CatalogVolume[] {
    return this.#connection.rows("SELECT * FROM volume ORDER BY id").map((row) => ({
      id: textIn(row, "id") as VolumeId,
      name: textIn(row, "name"),
      mediaType: numberIn(row, "media_type"),
      capacityBytes: numberIn(row, "capacity_bytes"),
      seenAtMs: numberIn(row, "seen_at_ms"),
    }));
  }

  putVolumes(volumes: readonly CatalogVolume[]): void {
    this.#connection.transaction(() => {
      for (const { id, name, mediaType, capacityBytes, seenAtMs } of volumes) {
        this.#connection.run(
          "INSERT OR REPLACE INTO volume VALUES (?, ?, ?, ?, ?)",
          id,
          name,
          mediaType,
          capacityBytes,
          seenAtMs,
        );
      }
    });
  }

  trails(): readonly TrailRecord[] {
    return this.#connection
      .rows("SELECT id, sealed FROM trail ORDER BY id")
      .map((row) => decodeTrailRecord(this.#sealer.open("trail", textIn(row, "id"), row["sealed"])));
  }

  putTrails(trails: readonly TrailRecord[]): void {
    const rows = trails.map((trail) => [trail.trail, this.#sealer.seal("trail", trail.trail, encodeTrailRecord(trail))] as const);
    this.#connection.transaction(() => {
      for (const [id, sealed] of rows) this.#connection.run("INSERT OR REPLACE INTO trail VALUES (?, ?)", id, sealed);
    });
  }

  // --- verification ----------------------------------------------------------------------------

  recordChecks(checks: readonly ContainerCheck[]): void {
    if (checks.length === 0) return;
    // Of two verifications that overlap the later one counts, whichever is recorded first.
    const sql = `INSERT INTO container_check VALUES (?, ?, ?, ?)
       ON CONFLICT (volume, container) DO UPDATE SET checked_at_ms = excluded.checked_at_ms, result = excluded.result
       WHERE excluded.checked_at_ms >= container_check.checked_at_ms`;
    this.#connection.transaction(() => {
      for (const { volume, container, checkedAtMs, result } of checks) {
        this.#connection.run(sql, volume, container, checkedAtMs, result);
      }
    });
  }

  checks(volume: VolumeId): ReadonlyMap<ContainerName, ContainerCheck> {
    const rows = this.#connection.rows("SELECT * FROM container_check WHERE volume = ? ORDER BY container", volume);
    return new Map(
      rows.map((row) => {
        const container = textIn(row, "container") as ContainerName;
        const result = textIn(row, "result") as CheckResult;
        return [container, { volume, container, checkedAtMs: numberIn(row, "checked_at_ms"), result }];
      }),
    );
  }

  removeChecks(volume: VolumeId, containers: readonly ContainerName[]): void {
    if (containers.length === 0) return;
    this.#connection.transaction(() => {
      const sql = "DELETE FROM container_check WHERE volume = ? AND container = ?";
      for (const container of containers) this.#connection.run(sql, volume, container);
    });
  }

  // --- jobs ------------------------------------------------------------------------------------

  startJob(job: NewJob): number {
    return this.#connection.transaction(() => {
      // Not bound to the row: its number is known only afterwards.
      const writer = this.#sealer.seal("job", "writer", encodeJson({ host: job.host, processId: job.processId }));
      const sql = "INSERT INTO job(kind, started_at_ms, writer) VALUES (?, ?, ?)";
      const id = this.#connection.run(sql, job.kind, job.startedAtMs, writer);
      this.#connection.run("DELETE FROM job WHERE id <= ?", id - JOBS_KEPT);
      return id;
    });
  }

  finishJob(id: number, { finishedAtMs, outcome, image, detail }: JobOutcome): void {
    const sealed = this.#sealer.seal("job", String(id), utf8(detail));
    this.#connection.transaction(() => {
      const sql = "UPDATE job SET finished_at_ms = ?, outcome = ?, image = ?, detail = ? WHERE id = ?";
      this.#connection.run(sql, finishedAtMs, outcome, image ?? null, sealed, id);
    });
  }

  jobs(limit = JOBS_KEPT): readonly Job[] {
    return this.#connection.rows("SELECT * FROM job ORDER BY id DESC LIMIT ?", limit).map((row) => this.#job(row));
  }

  #job(row: Row): Job {
    const id = numberIn(row, "id");
    const image = row["image"];
    const started = {
      id,
      kind: textIn(row, "kind"),
      startedAtMs: numberIn(row, "started_at_ms"),
      ...this.#writerOf(row),
    };
    if (row["outcome"] === null) return started;
    return {
      ...started,
      finishedAtMs: numberIn(row, "finished_at_ms"),
      outcome: textIn(row, "outcome") as JobOutcome["outcome"],
      detail: this.#detailOf(row, id),
      ...(typeof image === "string" ? { image: image as ImageId } : {}),
    };
  }

  // History is for people. A damaged line of it says so and does not hide the others.

  #writerOf(row: Row): { readonly host: string; readonly processId: number } {
    try {
      const writer = JsonFields.decode(this.#sealer.open("job", "writer", row["writer"]), "a job", []);
      return { host: writer.text("host"), processId: writer.integer("processId") };
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      return { host: "(damaged)", processId: 0 };
    }
  }

  #detailOf(row: Row, id: number): string {
    try {
      return textOf(this.#sealer.open("job", String(id), row["detail"]));
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      return "(damaged)";
    }
  }

  close(): void {
    this.#connection.close();
  }
}

function matches(image: CatalogImage, filter: ImageFilter): boolean {
  return (
    (filter.source === undefined || image.source === filter.source) &&
    (filter.host === undefined || image.host === filter.host) &&
    (filter.tag === undefined || image.tags.includes(filter.tag))
  );
}

/** The record without what only a restore or a close look needs. */
function brief(record: ImageRecord): ImageRecord {
  const counted = (list: NotedItems): NotedItems => ({ count: list.count, items: [] });
  return {
    ...record,
    owners: {},
    groups: {},
    options: {},
    unreadable: counted(record.unreadable),
    skippedSockets: counted(record.skippedSockets),
    changedWhileRead: counted(record.changedWhileRead),
  };
}

function summaryOf(id: ImageId, record: ImageRecord): CatalogImage {
  return {
    id,
    source: record.source,
    host: record.host,
    user: record.user,
    paths: record.paths,
    tags: record.tags,
    startedAtMs: record.startedAtMs,
    finishedAtMs: record.finishedAtMs,
    ...(record.sequence === undefined ? {} : { sequence: record.sequence }),
    base: record.base,
    entryCount: record.root.entryCount,
    statistics: record.statistics,
    unreadableCount: record.unreadable.count,
    skippedSocketCount: record.skippedSockets.count,
    changedWhileReadCount: record.changedWhileRead.count,
    holdfastVersion: record.holdfastVersion,
  };
}

function textIn(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === "string") return value;
  throw unexpected(column);
}

function numberIn(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === "number") return value;
  throw unexpected(column);
}

function unexpected(column: string): HoldfastError {
  return new HoldfastError("FORMAT_INVALID", { message: `Cannot read the catalog: its column "${column}" is of another type` });
}
