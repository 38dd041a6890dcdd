// What a backup has done so far, and how that becomes the image's record and the report to the caller.

import { textOf } from "../base/bytes.ts";
import { newBackupStatistics } from "../model/backup-report.ts";
import type { BackupStatistics, SourceProblem } from "../model/backup-report.ts";
import { NOTED_ITEMS_LIMIT, NO_STATISTICS } from "../model/image.ts";
import type { ImageDescription, ImageId, NotedItem, SentPart } from "../model/image.ts";
import type { WalkNotice, WalkProblem } from "../sources/files/files.ts";
import type { SourceName } from "./backup-source.ts";
import { ownerNames } from "./owner-names.ts";
import type { Services } from "./services.ts";
import type { BackupOptions, BackupReport } from "./types.ts";

export class BackupAccount {
  readonly statistics: BackupStatistics = newBackupStatistics();
  readonly owners = { users: new Set<number>(), groups: new Set<number>() };
  readonly startedAtMs: number;
  readonly #services: Services;
  readonly #options: BackupOptions;
  readonly #startedElapsedMs: number;
  readonly #problems: SourceProblem[] = [];
  readonly #notices: string[] = [];
  readonly #sockets: NotedItem[] = [];
  readonly #unsteady: NotedItem[] = [];
  #problemCount = 0;

  constructor(services: Services, options: BackupOptions) {
    this.#services = services;
    this.#options = options;
    this.startedAtMs = services.clock.now();
    this.#startedElapsedMs = services.clock.elapsedMs();
  }

  problem(problem: SourceProblem): void {
    this.#problemCount++;
    if (this.#problems.length < NOTED_ITEMS_LIMIT) this.#problems.push(problem);
    this.#options.onProblem?.(problem);
  }

  walkProblem({ path, action, code }: WalkProblem): void {
    this.problem({ path: `/${textOf(path)}`, action, code });
  }

  changedWhileRead(path: string): void {
    if (this.#unsteady.length < NOTED_ITEMS_LIMIT) this.#unsteady.push({ path, reason: "" });
  }

  notice(notice: string): void {
    this.#notices.push(notice);
    this.#options.onNotice?.(notice);
  }

  walkNotice({ path, kind }: WalkNotice): void {
    const shown = `/${textOf(path)}`;
    if (kind === "socket") {
      if (this.#sockets.length < NOTED_ITEMS_LIMIT) this.#sockets.push({ path: shown, reason: "" });
      return;
    }
    const texts: Readonly<Record<typeof kind, string>> = {
      "ancestor-unknown": `"${shown}" cannot be examined; what was named below it is backed up without it.`,
      "link-stored": `"${shown}" is a symbolic link and is stored as one; write "${shown}/" to back up what it leads to.`,
      "link-followed": `"${shown}" is a symbolic link; the directory it leads to is stored under its name.`,
      "own-data": `"${shown}" is the repository that this backup goes to; it is left out.`,
      excluded: `"${shown}" was named and is left out by a pattern.`,
    };
    this.notice(texts[kind]);
  }

  /** What is known of the image before anything is read. */
  describe(name: SourceName): ImageDescription {
    const { exclude = [], excludeFiles = [], excludeIfPresent = [], excludeCaches, oneFileSystem, compression } = this.#options;
    return {
      source: name.source,
      host: name.host,
      user: this.#services.host.userName,
      paths: name.paths,
      tags: this.#options.tags ?? [],
      startedAtMs: this.startedAtMs,
      options: {
        ...(exclude.length === 0 ? {} : { exclude }),
        ...(excludeFiles.length === 0 ? {} : { excludeFiles }),
        ...(excludeIfPresent.length === 0 ? {} : { excludeIfPresent }),
        ...(excludeCaches === true ? { excludeCaches } : {}),
        ...(oneFileSystem === true ? { oneFileSystem } : {}),
        ...(compression === undefined ? {} : { compression }),
      },
      holdfastVersion: this.#services.version,
    };
  }

  /** What this half says of the image when it commits. */
  sentPart(base: ImageId | null): SentPart {
    const { statistics } = this;
    return {
      base,
      statistics: {
        ...NO_STATISTICS,
        files: statistics.filesNew + statistics.filesChanged + statistics.filesUnchanged,
        directories: statistics.directories,
        symbolicLinks: statistics.symbolicLinks,
        otherEntries: statistics.others,
        newEntries: statistics.filesNew + statistics.othersNew,
        changedEntries: statistics.filesChanged + statistics.othersChanged,
        removedEntries: statistics.removed,
        contentBytes: statistics.sourceBytes,
        readBytes: statistics.bytesRead,
      },
      ...ownerNames(this.#services.files, this.owners),
      unreadable: {
        count: this.#problemCount,
        items: this.#problems.map(({ path, code }) => ({ path, reason: code })),
      },
      skippedSockets: { count: statistics.socketsSkipped, items: this.#sockets },
      changedWhileRead: { count: statistics.changedWhileRead, items: this.#unsteady },
    };
  }

  /** `stored`: what the repository grew by; nothing in a rehearsal. */
  report(
    { source }: SourceName,
    image: { readonly imageId?: string; readonly baseImageId: string | undefined },
    stored: { readonly plainBytes: number; readonly storedBytes: number } = NOTHING_STORED,
  ): BackupReport {
    return {
      imageId: image.imageId,
      source,
      baseImageId: image.baseImageId,
      statistics: this.statistics,
      addedPlainBytes: stored.plainBytes,
      addedStoredBytes: stored.storedBytes,
      problems: this.#problems,
      problemCount: this.#problemCount,
      skippedSockets: this.#sockets.map(({ path }) => path),
      notices: this.#notices,
      durationMs: this.#services.clock.elapsedMs() - this.#startedElapsedMs,
      afterFailure: undefined,
    };
  }
}

const NOTHING_STORED = { plainBytes: 0, storedBytes: 0 };
