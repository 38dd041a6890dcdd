// A repository that tests fill with answers. It remembers what it was asked.

import { textOf, utf8 } from "../../base/bytes.ts";
import { newBackupStatistics } from "../../model/backup-report.ts";
import { NO_ITEMS, NO_STATISTICS, type ImageId, type ImageRecord } from "../../model/image.ts";
import type {
  BackupReport,
  ForgetReport,
  ImageHold,
  ImageSummary,
  Library,
  ListedEntry,
  OpenOptions,
  PruneReport,
  Repository,
  RestorePlan,
  CompareReport,
  RepairReport,
  RestoreReport,
  ServedRepository,
  VerifyReport,
} from "../library.ts";

export interface FakeLibrary extends Library {
  /** Every call: its name, then its arguments. Passphrases are fetched, as opening would. */
  readonly calls: unknown[][];
}

/** A library whose repository answers as `answers` say, and with something plain otherwise. */
export function fakeLibrary(answers: Partial<Repository> = {}): FakeLibrary {
  const calls: unknown[][] = [];
  const open = async (call: string, options: OpenOptions): Promise<Repository> => {
    const { onNotice: _onNotice, ...rest } = options;
    calls.push([call, { ...rest, passphrase: await options.passphrase() }]);
    return fakeRepository(calls, answers);
  };
  return {
    calls,
    openToServe: async (options) => {
      const { id, location, problems, [Symbol.asyncDispose]: dispose } = await open("open", options);
      // Nothing is asked of it here.
      return { id, location, problems, [Symbol.asyncDispose]: dispose } as ServedRepository;
    },
    openRepository: (options) => open("open", options),
    createRepository: (options) => open("create", options),
  };
}

function fakeRepository(calls: unknown[][], answers: Partial<Repository>): Repository {
  const close = (): Promise<void> => {
    calls.push(["close"]);
    return Promise.resolve();
  };
  const plain: Repository = {
    id: "00112233445566778899aabbccddeeff",
    location: "/backup",
    problems: [],
    backup: () => Promise.resolve(backupReport()),
    images: () => Promise.resolve([]),
    image: (reference) => Promise.resolve(image({ id: reference })),
    entries: () => listed([]),
    find: () => listed([]),
    diff: () => listed([]),
    dump: () => listed([]),
    restore: () => Promise.resolve(restoreReport()),
    verify: () => Promise.resolve(verifyReport()),
    compareWithSource: () => Promise.resolve(compareReport()),
    statistics: () => Promise.reject(new Error("not set")),
    tag: () => Promise.resolve([]),
    prune: () => Promise.resolve(pruneReport()),
    hold: () => Promise.resolve(),
    forget: () => Promise.resolve(forgetReport()),
    repair: () => Promise.resolve(repairReport()),
    rebuildIndex: () => Promise.resolve({ containers: 0, segments: 0, images: 0, damaged: [] }),
    inspect: () => Promise.resolve({}),
    keySlots: () => Promise.resolve([]),
    addKeySlot: (_passphrase, label) => Promise.resolve({ id: "1122334455667788", label, createdAtMs: 0, isCurrent: false }),
    removeKeySlot: () => Promise.resolve(),
    changePassphrase: () => Promise.resolve({ id: "8877665544332211", label: "", createdAtMs: 0, isCurrent: true }),
    close,
    [Symbol.asyncDispose]: close,
    ...answers,
  };
  return new Proxy(plain, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== "function" || typeof name === "symbol" || name === "close") return value;
      return (...given: unknown[]): unknown => {
        calls.push([name, ...given]);
        return (value as (...words: unknown[]) => unknown).apply(target, given);
      };
    },
  });
}

export async function* listed<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

const ID = "3f2a9c81d4e5f60718293a4b5c6d7e8f3f2a9c81d4e5f60718293a4b5c6d7e8f";

export interface FakeImage extends Partial<ImageRecord> {
  readonly id?: string;
  readonly hold?: ImageHold;
}

export function image({ id = ID, hold, ...record }: FakeImage = {}): ImageSummary {
  const tags = record.tags ?? [];
  const statistics = { ...NO_STATISTICS, files: 12_345, contentBytes: 1_400_000_000, addedBytes: 360_000_000 };
  return {
    id,
    tags,
    ...(hold === undefined ? {} : { hold }),
    record: {
      source: "hal:/home/anna",
      host: "hal",
      user: "anna",
      paths: ["/home/anna"],
      startedAtMs: Date.UTC(2026, 10, 20, 13, 3, 22),
      finishedAtMs: Date.UTC(2026, 10, 20, 13, 3, 40),
      base: null,
      root: { fingerprint: "ab".repeat(32), level: 1, entryCount: 13_000, pageBytes: 4096 },
      statistics,
      owners: {},
      groups: {},
      unreadable: NO_ITEMS,
      skippedSockets: NO_ITEMS,
      changedWhileRead: NO_ITEMS,
      options: {},
      holdfastVersion: "1.2.3",
      ...record,
      tags,
    },
  };
}

export const SECOND_ID = "77b0c4d2e1f00918273645546372819a77b0c4d2e1f00918273645546372819a";

export function secondImage(): ImageSummary {
  const statistics = { ...NO_STATISTICS, files: 12_360, contentBytes: 1_400_500_000, addedBytes: 88_000 };
  const startedAtMs = Date.UTC(2026, 10, 21, 13, 3, 22);
  return image({
    id: SECOND_ID,
    base: ID as ImageId,
    startedAtMs,
    finishedAtMs: startedAtMs + 900,
    statistics,
    tags: ["weekly", "keep"],
  });
}

export function entry(path: string | Uint8Array, fields: Partial<ListedEntry> = {}): ListedEntry {
  const pathBytes = typeof path === "string" ? utf8(path) : path;
  return {
    path: textOf(pathBytes),
    pathBytes,
    kind: "file",
    mode: 0o644,
    userId: 1000,
    groupId: 100,
    userName: "anna",
    groupName: "users",
    sizeBytes: 1_234,
    modifiedSeconds: Date.UTC(2026, 9, 1, 6, 30, 5) / 1000,
    modifiedNanoseconds: 123_456_789,
    linkTarget: undefined,
    hasHardLinks: false,
    inode: "4711",
    ...fields,
  };
}

export function backupReport(fields: Partial<BackupReport> = {}): BackupReport {
  return {
    imageId: ID,
    source: "hal:/home/anna",
    baseImageId: undefined,
    statistics: newBackupStatistics(),
    addedPlainBytes: 0,
    addedStoredBytes: 0,
    problems: [],
    problemCount: 0,
    skippedSockets: [],
    notices: [],
    durationMs: 12_340,
    afterFailure: undefined,
    ...fields,
  };
}

export const PLAN: RestorePlan = {
  files: 120,
  directories: 14,
  others: 3,
  bytes: 5_000_000,
  segments: 150,
  containers: 2,
  storedBytes: 2_000_000,
};

export function restoreReport(fields: Partial<RestoreReport> = {}): RestoreReport {
  return {
    imageId: ID,
    plan: PLAN,
    restoredFiles: 120,
    restoredBytes: 5_000_000,
    replacedFiles: 0,
    restoredOthers: 3,
    madeDirectories: 14,
    skippedUnchanged: 0,
    skippedExisting: 0,
    deleted: 0,
    removed: [],
    verifiedFiles: 0,
    problems: [],
    problemCount: 0,
    durationMs: 2_000,
    ...fields,
  };
}

export function forgetReport(fields: Partial<ForgetReport> = {}): ForgetReport {
  const { id, record } = image();
  const second = secondImage();
  return {
    dryRun: false,
    sources: [
      {
        source: record.source,
        images: [
          { id, finishedAtMs: record.finishedAtMs, keeps: false, reasons: ["no rule keeps it"] },
          {
            id: second.id,
            finishedAtMs: second.record.finishedAtMs,
            keeps: true,
            reasons: ["last 1 of 1", "daily 2026-11-21"],
          },
        ],
      },
    ],
    kept: 1,
    removed: 1,
    ...fields,
  };
}

export function verifyReport(fields: Partial<VerifyReport> = {}): VerifyReport {
  return {
    images: 2,
    entries: 26_000,
    segments: 14_000,
    containersChecked: 0,
    containers: 8,
    bytesRead: 0,
    damages: [],
    transients: [],
    durationMs: 900,
    ...fields,
  };
}

export function pruneReport(fields: Partial<PruneReport> = {}): PruneReport {
  return {
    outcome: "done",
    storedBytes: 400_000_000,
    liveBytes: 300_000_000,
    unusedBytes: 10_000_000,
    deadContainers: 2,
    deadBytes: 50_000_000,
    rewrittenContainers: 1,
    rewrittenBytes: 48_000_000,
    writtenContainers: 1,
    writtenBytes: 8_000_000,
    rescuedSegments: 0,
    removedContainers: 3,
    removedBytes: 98_000_000,
    finishedEarlier: false,
    waitingFor: [],
    durationMs: 1_200,
    ...fields,
  };
}

export function compareReport(fields: Partial<CompareReport> = {}): CompareReport {
  return {
    imageId: "3f2a9c81".repeat(8),
    entries: 26_000,
    bytesRead: 5e8,
    newEntries: 0,
    missing: 0,
    changed: 0,
    unreadable: 0,
    differences: [],
    differenceCount: 0,
    durationMs: 1_200,
    ...fields,
  };
}

export function repairReport(fields: Partial<RepairReport> = {}): RepairReport {
  return {
    isDryRun: false,
    containers: 8,
    bytesRead: 300_000_000,
    damagedContainers: [],
    missingContainers: [],
    damagedRecords: [],
    indexProblem: undefined,
    savedSegments: 0,
    savedBytes: 0,
    takenSegments: 0,
    takenBytes: 0,
    images: 2,
    wholeImages: 2,
    losses: [],
    lossCount: 0,
    lossesKnown: true,
    transients: [],
    durationMs: 1_900,
    ...fields,
  };
}
