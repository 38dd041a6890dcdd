// The library as the command line uses it: these types and nothing else. Types only, so that asking for help or for the
// version loads none of it.

import type { BackupOptions, CreateOptions, OpenOptions, Repository, ServedRepository } from "../api/api.ts";

export type {
  BackupOptions,
  BackupReport,
  CompareReport,
  Compression,
  CreateOptions,
  Damage,
  Difference,
  ForgetOptions,
  ForgetReport,
  ImageFilter,
  ImageHold,
  ImageSummary,
  KeySlotSummary,
  ListedEntry,
  ListedKind,
  OpenOptions,
  OverwriteMode,
  PassphraseSource,
  PruneReport,
  Repository,
  RepositoryStatistics,
  RequestCounts,
  RestorePlan,
  RestoreProblem,
  ImageLoss,
  RepairOptions,
  RepairReport,
  RepairedContainer,
  RestoreReport,
  ServedRepository,
  RetentionRules,
  SourceDifference,
  VerifyReport,
} from "../api/api.ts";

export type FileList = NonNullable<BackupOptions["filesFrom"]>[number];

export interface Library {
  openToServe(options: OpenOptions): Promise<ServedRepository>;
  openRepository(options: OpenOptions): Promise<Repository>;
  createRepository(options: CreateOptions): Promise<Repository>;
}
