// Takes what is lost here from another repository. Its fingerprints are made with another key, so what is compared is content:
// the file of the same path is read there piece by piece, and a piece that has the fingerprint of a lost segment here is stored here.
// A copy of this very repository has the same keys; from it pages and segments are taken by their names.

import { ByteWriter, equalBytes } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { ENTRY_FILE, writeAttributes } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";
import { readOnlyFiles } from "../platform/read-only-files.ts";
import {
  PageWriter,
  SegmentWriter,
  SessionSegments,
  listImages,
  openRepository,
  rebuildIndex,
  segmentsOf,
} from "../repository/repository.ts";
import type { ContainerContents, PageSource, Session } from "../repository/repository.ts";
import { treeRootOf } from "../server/server.ts";
import { lookUp } from "./entries.ts";
import { contentOf } from "./file-content.ts";
import type { RawEntry } from "./listed-entry.ts";
import { Opened } from "./opened.ts";
import { PieceTaker } from "./piece-taker.ts";
import { lossSurvey } from "./repair-losses.ts";
import type { LossTest } from "./repair-losses.ts";
import type { RepairOptions, RepairReport } from "./types.ts";

/** Versions of one path that are looked at; the same content in many images counts once. */
const VERSIONS_TRIED = 16;

export interface TakenFromOther extends Pick<RepairReport, "takenSegments" | "takenBytes"> {
  /** Without a session nothing is stored; then what would have been. */
  readonly has: LossTest;
}

/** `isStored`: what is stored here by now; undefined when that is not known, and then nothing is taken. */
export async function takeFromOther(
  opened: Opened,
  options: RepairOptions,
  { session, isStored }: { readonly session: Session | undefined; readonly isStored: LossTest | undefined },
): Promise<TakenFromOther> {
  const nothing: TakenFromOther = { takenSegments: 0, takenBytes: 0, has: () => false };
  if (options.from === undefined || isStored === undefined) return nothing;
  const other = await openOther(opened, options.from);
  try {
    await using taking = new Taking(opened, other, { session, isStored });
    await taking.run(options);
    return { takenSegments: taking.segments, takenBytes: taking.bytes, has: taking.has };
  } finally {
    await other.close();
  }
}

/** Strictly for reading: nothing that is opened here can change a file there. */
async function openOther(opened: Opened, { repository, passphrase }: NonNullable<RepairOptions["from"]>): Promise<Opened> {
  const { services } = opened;
  const files = readOnlyFiles(services.files);
  const path = repository.startsWith("/") ? repository : `${services.host.workingDirectory}/${repository}`;
  const other = await openRepository({ files, path, passphrase });
  if (other.layout.root === opened.repository.layout.root) {
    throw new HoldfastError("USAGE", { message: `"${repository}" is the repository that is to be repaired; name another one` });
  }
  return new Opened({ ...services, files }, other, { cacheDirectory: opened.cacheDirectory, threads: 1 });
}

class Taking implements AsyncDisposable {
  segments = 0;
  bytes = 0;
  readonly #opened: Opened;
  readonly #other: Opened;
  readonly #session: Session | undefined;
  readonly #isStored: LossTest;
  readonly #isCopy: boolean;
  readonly #taken = new Set<string>();
  readonly #written: ContainerContents[] = [];
  readonly #data: SegmentWriter | undefined;
  readonly #pageSegments: SegmentWriter | undefined;
  readonly #pages: PageWriter | undefined;

  constructor(
    opened: Opened,
    other: Opened,
    { session, isStored }: { readonly session: Session | undefined; readonly isStored: LossTest },
  ) {
    this.#opened = opened;
    this.#other = other;
    this.#session = session;
    this.#isStored = isStored;
    this.#isCopy = equalBytes(opened.repository.id, other.repository.id);
    if (session === undefined) return;
    const sessionSegments = SessionSegments.create();
    const writer = (kind: "data" | "metadata"): SegmentWriter =>
      new SegmentWriter({
        kind,
        volume: opened.repository.defaultVolume.writable(session.temporaryNames),
        keyRing: opened.repository.keyRing,
        random: opened.services.random,
        compression: "default",
        index: opened.index,
        session: sessionSegments,
        loadBlake: opened.services.loadBlake,
        onContainer: ({ contents }) => void this.#written.push(contents),
      });
    this.#data = writer("data");
    this.#pageSegments = writer("metadata");
    this.#pages = new PageWriter(this.#pageSegments, opened.fingerprinters);
  }

  readonly has: LossTest = (fingerprint) => this.#taken.has(latin1(fingerprint));

  async run({ signal }: RepairOptions): Promise<void> {
    const { opened, images } = { opened: this.#opened, images: (await listImages(this.#opened.places)).images };
    const source: PageSource = { loadPage: (kind, fingerprint, pageBytes) => this.#loadPage(kind, fingerprint, pageBytes) };
    const survey = lossSurvey(opened, (fingerprint) => this.#isStored(fingerprint) || this.has(fingerprint), signal, {
      source,
      onLossy: (path, body) => this.#heal(path, body),
    });
    for (const { record } of images) await survey.lossesOf(treeRootOf(record.root));
    await this.#data?.flush();
    await this.#pageSegments?.flush();
    if (this.#session === undefined || this.#written.length === 0) return;
    const written = this.#written;
    const containers = (async function* () {
      yield* written;
    })();
    await rebuildIndex({ ...opened.indexLocation, random: opened.services.random, session: this.#session.id, containers });
    opened.refreshIndex();
  }

  /** A copy of this repository has the very page that is lost here. */
  async #loadPage(kind: "page" | "list", fingerprint: Fingerprint, pageBytes: number): Promise<Uint8Array> {
    try {
      return await this.#opened.reader.loadPage(kind, fingerprint, pageBytes);
    } catch (error) {
      if (!this.#isCopy || !(error instanceof HoldfastError)) throw error;
      const page = await this.#other.reader.loadPage(kind, fingerprint, pageBytes);
      this.#pages?.storePage(kind, page);
      this.#count(fingerprint, page.length);
      await this.#pageSegments?.settle();
      return page;
    }
  }

  async #heal(path: Uint8Array, body: EntryBody): Promise<void> {
    if (this.#isCopy) return this.#healFromCopy(body);
    for (const version of await this.#versionsOf(path, body)) {
      const taker = new PieceTaker({
        keyRing: this.#opened.repository.keyRing,
        fingerprinters: this.#opened.fingerprinters,
        pages: this.#opened.reader,
        isMissing: (fingerprint) => !this.#isStored(fingerprint) && !this.has(fingerprint),
        keep: (fingerprint, bytes) => this.#keep(fingerprint, bytes),
        keepPage: (kind, bytes) => this.#keepPage(kind, bytes),
      });
      await leniently(() => this.#healAttributes(body, version));
      if (body.kind !== ENTRY_FILE) continue;
      await leniently(() => taker.take(body, version, contentOf(this.#other, { path, body: version })));
      await this.#data?.settle();
      if (taker.isComplete) return;
    }
  }

  async #healFromCopy(body: EntryBody): Promise<void> {
    const { reader } = this.#other;
    const take = (references: readonly SegmentReference[]): Promise<void>[] =>
      references.map(async (reference) => {
        if (reference.kind === "hole" || this.#isStored(reference.fingerprint) || this.has(reference.fingerprint)) return;
        await leniently(async () => this.#keep(reference.fingerprint, await reader.load("data", reference.fingerprint)));
      });
    await Promise.all(take(body.storedAttributes === undefined ? [] : [body.storedAttributes]));
    const pages: PageSource = { loadPage: (kind, fingerprint, bytes) => this.#loadPage(kind, fingerprint, bytes) };
    await leniently(async () => {
      for await (const references of segmentsOf(pages, body)) {
        for (const taken of take(references)) await taken;
        await this.#data?.settle();
      }
    });
  }

  /** Attributes too large for an entry are a segment of their own. */
  async #healAttributes(body: EntryBody, version: EntryBody): Promise<void> {
    const { storedAttributes } = body;
    if (storedAttributes?.kind !== "data" || this.#isStored(storedAttributes.fingerprint)) return;
    let bytes: Uint8Array;
    if (version.storedAttributes?.kind === "data") {
      bytes = await this.#other.reader.load("data", version.storedAttributes.fingerprint);
    } else {
      const writer = new ByteWriter();
      writeAttributes(writer, version.attributes ?? []);
      bytes = writer.take();
    }
    if (this.#opened.fingerprinters.data.matches(bytes, storedAttributes.fingerprint)) {
      this.#keep(storedAttributes.fingerprint, bytes);
    }
  }

  #keep(fingerprint: Fingerprint, bytes: Uint8Array): void {
    this.#data?.put(fingerprint, bytes);
    this.#count(fingerprint, bytes.length);
  }

  #keepPage(kind: "page" | "list", bytes: Uint8Array): void {
    this.#pages?.storePage(kind, bytes);
    this.#count(this.#opened.fingerprinters[kind].of(bytes), bytes.length);
  }

  #count(fingerprint: Fingerprint, bytes: number): void {
    if (this.#isStored(fingerprint) || this.#taken.has(latin1(fingerprint))) return;
    this.#taken.add(latin1(fingerprint));
    this.segments++;
    this.bytes += bytes;
  }

  /** The different contents that the other repository has under this path: first those that look the same, then from the newest back. */
  async #versionsOf(path: Uint8Array, body: EntryBody): Promise<readonly EntryBody[]> {
    const found = new Map<string, RawEntry>();
    for (const { record } of (await this.#otherImages()).toReversed()) {
      if (found.size >= VERSIONS_TRIED) break;
      const entry = await leniently(() => lookUp(this.#other.reader, treeRootOf(record.root), path));
      if (entry?.entry === undefined || entry.entry.body.kind !== body.kind) continue;
      const key = contentKey(entry.entry.body);
      if (!found.has(key)) found.set(key, entry.entry);
    }
    const versions = [...found.values()].map((entry) => entry.body);
    return versions.sort((a, b) => Number(looksSame(b, body)) - Number(looksSame(a, body)));
  }

  #images: Promise<Awaited<ReturnType<typeof listImages>>["images"]> | undefined;

  #otherImages(): Promise<Awaited<ReturnType<typeof listImages>>["images"]> {
    return (this.#images ??= listImages(this.#other.places).then(({ images }) => images));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#data?.discard();
    this.#pageSegments?.discard();
    return Promise.resolve();
  }
}

function looksSame(a: EntryBody, b: EntryBody): boolean {
  const { modified } = a;
  return (
    a.sizeBytes === b.sizeBytes && modified.seconds === b.modified.seconds && modified.nanoseconds === b.modified.nanoseconds
  );
}

function contentKey({ segments = [], segmentList, storedAttributes, sizeBytes }: EntryBody): string {
  const names = segments.map((segment) => (segment.kind === "hole" ? `${segment.length}` : latin1(segment.fingerprint)));
  if (segmentList !== undefined) names.push(latin1(segmentList.fingerprint));
  if (storedAttributes?.kind === "data") names.push(latin1(storedAttributes.fingerprint));
  return `${sizeBytes} ${names.join(" ")}`;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** What the other repository cannot give is not to be had from it; that is no failure of the repair. */
async function leniently<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HoldfastError && error.code !== "INTERRUPTED" && error.code !== "REPOSITORY_WRITE_FAILED")
      return undefined;
    throw error;
  }
}
