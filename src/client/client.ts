// What the room offers: the sending half of a backup.

export { BackupRun, STRETCH_BYTES } from "./backup-run.ts";
export type { BackupRunParts, BackupRunSettings } from "./backup-run.ts";
export type { BackupConnection } from "./entry-sender.ts";
export { attributesSize, entryBodyOf } from "./entry-body.ts";
export { FINE_WINDOW_BYTES, FileReader, MEDIUM_FILE_BYTES } from "./file-reader.ts";
export type { FileReaderParts } from "./file-reader.ts";
export { SegmentOutbox } from "./segment-outbox.ts";
export type { SegmentTransfer } from "./segment-outbox.ts";
export { StreamReader } from "./stream-reader.ts";
export { rehearsedRead } from "./rehearsal.ts";
export { ReaderPool } from "./reader-pool.ts";
export type { ReadingThread } from "./reader-pool.ts";
export { TrackLog, TrackLogWriter } from "./track-log.ts";
export type { TrackLogKeys } from "./track-log.ts";
export { TrackLogStore } from "./track-log-store.ts";
