// A backup from beginning to end: opens what both halves need, lets them talk, and tells what came of it.

import { ByteWriter, textOf } from "../base/bytes.ts";
import { BackupRun, ReaderPool, TrackLogStore } from "../client/client.ts";
import type { BackupConnection, TrackLog, TrackLogWriter } from "../client/client.ts";
import { decodeReply, encodeReply, writeBaseOffer } from "../formats/stream.ts";
import { newBackupStatistics } from "../model/backup-report.ts";
import type { BackupStatistics, SourceProblem } from "../model/backup-report.ts";
import { NOTED_ITEMS_LIMIT } from "../model/image.ts";
import type { ImageId, ImageRecord, ImageRoot, NotedItem } from "../model/image.ts";
import { ImageBuilder, clearDeadSessions, openBaseImage, startSession, tidyIndex } from "../repository/repository.ts";
import type { BaseImage, Session, WritableIndexLocation, WrittenContainer } from "../repository/repository.ts";
import { BackupSession, ImageAssembler, treeRootOf } from "../server/server.ts";
import type { BackupSessionParts } from "../server/server.ts";
import type { WalkNotice } from "../sources/files/files.ts";
import { nameSource, openWalk, segmentationOf, selectionOf } from "./backup-source.ts";
import type { SourceName } from "./backup-source.ts";
import { BackupWriters } from "./backup-writers.ts";
import { chooseBases } from "./choose-bases.ts";
import type { BaseCandidate, BaseChoice } from "./choose-bases.ts";
import type { Opened } from "./opened.ts";
import { ownerNames } from "./owner-names.ts";
import { rescanChooser } from "./rescan.ts";
import type { BackupOptions, BackupReport } from "./types.ts";

const CHECKPOINT_MS = 60_000;
const CHECKPOINT_BYTES = 1024 * 1024 * 1024;

export async function runBackup(opened: Opened, options: BackupOptions): Promise<BackupReport> {
  const { services, repository } = opened;
  const { files, clock, random, host } = services;
  const place = { files, layout: repository.layout };
  clearDeadSessions(place, host);
  const session = await startSession({ ...place, host, clock, random });
  try {
    return await new BackupJob(opened, options, session).run();
  } finally {
    session.close();
  }
}

interface AcceptedBases {
  readonly images: readonly BaseImage[];
  /** Of the image among them, when the client has its track log. */
  readonly trackLog: TrackLog | undefined;
  readonly imageId: ImageId | undefined;
  readonly record: ImageRecord | undefined;
}

class BackupJob {
  readonly #opened: Opened;
  readonly #options: BackupOptions;
  readonly #session: Session;
  readonly #startedAtMs: number;
  readonly #startedElapsedMs: number;
  readonly #statistics: BackupStatistics = newBackupStatistics();
  readonly #problems: SourceProblem[] = [];
  readonly #notices: string[] = [];
  readonly #sockets: NotedItem[] = [];
  readonly #owners = { users: new Set<number>(), groups: new Set<number>() };
  #problemCount = 0;
  #containers = 0;
  #segments = 0;
  #storedBytes = 0;
  #plainBytes = 0;

  constructor(opened: Opened, options: BackupOptions, session: Session) {
    this.#opened = opened;
    this.#options = options;
    this.#session = session;
    this.#startedAtMs = opened.services.clock.now();
    this.#startedElapsedMs = opened.services.clock.elapsedMs();
  }

  async run(): Promise<BackupReport> {
    const { services } = this.#opened;
    const { tree, notice } = services.openFileTree();
    if (notice !== undefined) this.#notice(notice);
    const selection = selectionOf(this.#options, services.host.workingDirectory);
    const name = nameSource(this.#options, selection, services.host.name);
    const walk = openWalk(tree, services.files, selection, this.#options, {
      onProblem: ({ path, action, code }) => this.#problem({ path: `/${textOf(path)}`, action, code }),
      onNotice: (walkNotice) => this.#walkNotice(walkNotice),
    });
    try {
      const choice = await chooseBases(this.#opened, name, (text) => this.#notice(text));
      const gathered: WrittenContainer[] = [];
      let server: BackupSession | undefined;
      await using writers = new BackupWriters(this.#opened, {
        session: this.#session,
        compression: this.#options.compression ?? "default",
        withAttributes: true,
        onContainer: (container) => {
          this.#count(container);
          if (server === undefined) gathered.push(container);
          else server.addContainer(container.contents);
        },
      });
      server = this.#openServer(writers, choice, name);
      const assembler = new ImageAssembler(server);
      const connection: BackupConnection = {
        send: async (batch) => {
          const reply = await assembler.receive(batch);
          return reply === undefined ? undefined : encodeReply(reply);
        },
      };
      const store = this.#trackLogStore(name);
      const bases = await this.#offerBases(choice, store, connection);
      const logWriter = store.begin(bases.trackLog);
      try {
        const run = new BackupRun({
          walk,
          tree,
          clock: services.clock,
          bases: bases.images,
          connection,
          pool: new ReaderPool(writers.pool.threads),
          mirror: this.#mirror(logWriter, bases.trackLog),
          pageFingerprintOf: (bytes) => this.#opened.fingerprinters.page.of(bytes),
          owners: this.#owners,
          attributeParts: (attributes) => writers.attributeParts(attributes),
          statistics: this.#statistics,
          onProblem: (problem) => this.#problem({ ...problem, path: `/${problem.path}` }),
          onProgress: (path) => this.#progress(path, bases.record),
          settings: {
            rules: {
              ignoreInode: this.#options.ignoreInode ?? false,
              ignoreChangeTime: this.#options.ignoreChangeTime ?? false,
            },
            withAttributes: true,
            rescans: rescanChooser(this.#options.forceRescan === true ? 1 : (this.#options.rescanFraction ?? 0), services.random),
            fixedSegmentBytes: segmentationOf(this.#options),
            checkpointMs: CHECKPOINT_MS,
            checkpointBytes: CHECKPOINT_BYTES,
          },
          signal: this.#options.signal,
        });
        await run.sendEntries();
        this.#statistics.vanished += walk.counts.vanished;
        this.#statistics.socketsSkipped = walk.counts.sockets;
        const imageId = await run.commit(JSON.stringify({ base: bases.imageId ?? null }));
        store.commit(logWriter, imageId, this.#startedAtMs);
        await tidyIndex(this.#indexLocation());
        return this.#report(imageId, name, bases.imageId);
      } catch (error) {
        logWriter.discard();
        throw error;
      } finally {
        bases.trackLog?.close();
      }
    } finally {
      walk.close();
    }
  }

  // --- the two halves ------------------------------------------------------------------------

  #openServer(writers: BackupWriters, choice: BaseChoice, name: SourceName): BackupSession {
    const { services, repository, fingerprinters, reader } = this.#opened;
    const known = new Map<string, BaseCandidate>();
    for (const candidate of choice.images) known.set(candidate.id, candidate);
    if (choice.checkpoint !== undefined) known.set(choice.checkpoint.id, choice.checkpoint);
    const description = this.#describe(name);
    return new BackupSession({
      volume: repository.defaultVolume.writable(this.#session.temporaryNames),
      keyRing: repository.keyRing,
      random: services.random,
      indexLocation: this.#indexLocation(),
      pages: reader,
      pageSink: writers.pages,
      flushData: () => writers.flushData(),
      pageFingerprintOf: (bytes) => fingerprinters.page.of(bytes),
      rootOf: (id) => Promise.resolve(known.get(id)?.root),
      description,
      complete: (record, root) => this.#completeRecord(description, record, root),
      oldCheckpoints: choice.checkpoints,
    });
  }

  #indexLocation(): WritableIndexLocation {
    return { ...this.#opened.indexLocation, random: this.#opened.services.random, session: this.#session.id };
  }

  #trackLogStore(name: SourceName): TrackLogStore {
    const { services, repository, fingerprinters, cacheDirectory } = this.#opened;
    return new TrackLogStore({
      files: services.files,
      random: services.random,
      key: repository.keyRing.trackLog,
      repositoryId: repository.id,
      fingerprintOf: (bytes) => fingerprinters.page.of(bytes),
      cacheDirectory,
      source: name.source,
      processId: services.host.processId,
      isAlive: (processId) => services.host.isAlive(processId),
    });
  }

  /** Offers the checkpoint, then images from the newest on until one is accepted. */
  async #offerBases(choice: BaseChoice, store: TrackLogStore, connection: BackupConnection): Promise<AcceptedBases> {
    const images: BaseImage[] = [];
    if (choice.checkpoint !== undefined && (await this.#offer(choice.checkpoint, connection))) {
      images.push(await openBaseImage(this.#opened.reader, treeRootOf(choice.checkpoint.root)));
      this.#notice("Continuing from the checkpoint of an interrupted backup.");
    }
    for (const candidate of choice.images) {
      if (!(await this.#offer(candidate, connection))) continue;
      const trackLog = store.find(candidate.id, (text) => this.#notice(text));
      images.push(trackLog?.image ?? (await openBaseImage(this.#opened.reader, treeRootOf(candidate.root))));
      return { images, trackLog, imageId: candidate.id as ImageId, record: candidate.record };
    }
    return { images, trackLog: undefined, imageId: undefined, record: undefined };
  }

  async #offer(candidate: BaseCandidate, connection: BackupConnection): Promise<boolean> {
    const writer = new ByteWriter();
    writeBaseOffer(writer, candidate.id);
    const encoded = await connection.send(writer.take());
    const reply = encoded === undefined ? undefined : decodeReply(encoded);
    if (reply?.type === "base-accepted") return true;
    if (reply?.type === "base-refused") this.#notice(`Image ${candidate.id.slice(0, 8)} cannot be the base: ${reply.reason}`);
    return false;
  }

  #mirror(logWriter: TrackLogWriter, trackLog: TrackLog | undefined): ImageBuilder {
    const { fingerprinters } = this.#opened;
    return new ImageBuilder({
      sink: { storePage: (kind, bytes) => fingerprinters[kind].of(bytes) },
      onPageBuilt: (reference, bytes) => logWriter.add(reference, bytes),
      onPageTaken: async (page, base) => {
        if (base === trackLog?.image) logWriter.add(page);
        else logWriter.add(page, await base.load(page));
      },
    });
  }

  // --- what came of it -----------------------------------------------------------------------

  #count(container: WrittenContainer): void {
    this.#containers++;
    this.#segments += container.contents.segments.lengths.length;
    this.#storedBytes += container.storedBytes;
    this.#plainBytes += container.plainBytes;
  }

  #describe(name: SourceName): BackupSessionParts["description"] {
    const { services } = this.#opened;
    const { exclude, oneFileSystem, compression } = this.#options;
    return {
      source: name.source,
      host: name.host,
      user: services.host.userName,
      paths: name.paths,
      tags: this.#options.tags ?? [],
      startedAtMs: this.#startedAtMs,
      options: {
        ...(exclude === undefined || exclude.length === 0 ? {} : { exclude }),
        ...(oneFileSystem === true ? { oneFileSystem } : {}),
        ...(compression === undefined ? {} : { compression }),
      },
      holdfastVersion: services.version,
    };
  }

  #completeRecord(description: BackupSessionParts["description"], record: string, root: ImageRoot): ImageRecord {
    const { base } = JSON.parse(record) as { base: ImageId | null };
    const statistics = this.#statistics;
    const files = statistics.filesNew + statistics.filesChanged + statistics.filesUnchanged;
    return {
      ...description,
      finishedAtMs: this.#opened.services.clock.now(),
      base,
      root,
      statistics: {
        files,
        directories: statistics.directories,
        symbolicLinks: 0,
        otherEntries: statistics.others,
        newEntries: statistics.filesNew,
        changedEntries: statistics.filesChanged,
        unchangedEntries: statistics.entriesClaimed,
        removedEntries: statistics.removed,
        contentBytes: statistics.sourceBytes,
        readBytes: statistics.bytesRead,
        newBytes: this.#plainBytes,
        addedBytes: this.#storedBytes,
        newSegments: this.#segments,
        newContainers: this.#containers,
      },
      ...ownerNames(this.#opened.services.files, this.#owners),
      unreadable: {
        count: this.#problemCount,
        items: this.#problems.slice(0, NOTED_ITEMS_LIMIT).map(({ path, code }) => ({ path, reason: code })),
      },
      skippedSockets: { count: statistics.socketsSkipped, items: this.#sockets },
      changedWhileRead: { count: statistics.changedWhileRead, items: [] },
    };
  }

  #report(imageId: string, name: SourceName, baseImageId: string | undefined): BackupReport {
    return {
      imageId,
      source: name.source,
      baseImageId,
      statistics: this.#statistics,
      addedPlainBytes: this.#plainBytes,
      addedStoredBytes: this.#storedBytes,
      problems: this.#problems,
      problemCount: this.#problemCount,
      notices: this.#notices,
      durationMs: this.#opened.services.clock.elapsedMs() - this.#startedElapsedMs,
      afterFailure: undefined,
    };
  }

  #problem(problem: SourceProblem): void {
    this.#problemCount++;
    if (this.#problems.length < NOTED_ITEMS_LIMIT) this.#problems.push(problem);
    this.#options.onProblem?.(problem);
  }

  #notice(notice: string): void {
    this.#notices.push(notice);
    this.#options.onNotice?.(notice);
  }

  #walkNotice({ path, kind }: WalkNotice): void {
    const shown = `/${textOf(path)}`;
    if (kind === "socket") {
      if (this.#sockets.length < NOTED_ITEMS_LIMIT) this.#sockets.push({ path: shown, reason: "" });
      return;
    }
    const texts: Readonly<Record<typeof kind, string>> = {
      "ancestor-unknown": `"${shown}" cannot be examined; what was named below it is backed up without it.`,
      "link-stored": `"${shown}" is a symbolic link and is stored as one; write "${shown}/" to back up what it leads to.`,
      "link-followed": `"${shown}" is a symbolic link; the directory it leads to is stored under its name.`,
      excluded: `"${shown}" was named and is left out by a pattern.`,
    };
    this.#notice(texts[kind]);
  }

  #progress(path: () => string, base: ImageRecord | undefined): void {
    const { filesNew, filesChanged, filesUnchanged, sourceBytes } = this.#statistics;
    this.#options.onProgress?.({
      filesDone: filesNew + filesChanged + filesUnchanged,
      bytesDone: sourceBytes,
      filesExpected: base?.statistics.files,
      bytesExpected: base?.statistics.contentBytes,
      currentPath: `/${path()}`,
    });
  }
}
