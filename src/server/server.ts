// What the room offers: the receiving half of a backup.

export { BackupSession, imageRootOf, treeRootOf } from "./backup-session.ts";
export type { BackupSessionParts } from "./backup-session.ts";
export { SegmentReceiver } from "./segment-receiver.ts";
export { StoredCounts } from "./stored-counts.ts";
export { HeldSegments } from "./held-segments.ts";
export { ImageAssembler } from "./image-assembler.ts";
export type { AssemblerServices } from "./image-assembler.ts";
