// What the room offers: our data at rest. Everything else in this folder is private to it.

export { listAnnotationNames, publishTags, readAnnotation, readAnnotations, removeAnnotation } from "./annotations.ts";
export { BaseImage, openBaseImage } from "./base-image.ts";
export type { RangePiece } from "./base-image.ts";
export { BlockReader } from "./block-reader.ts";
export { ContainerReader } from "./container-reader.ts";
export {
  CentralIndex,
  LocationBuffer,
  SessionSegments,
  containerKey,
  dropContainers,
  contentsKnownToIndex,
  isIndexRunPath,
  isRunVanished,
  listRuns,
  rebuildIndex,
  removeRuns,
  tidyIndex,
  writeIndexRun,
} from "./central-index.ts";
export type {
  ContainerContents,
  ContainerReference,
  ContainerSet,
  IndexLocation,
  SegmentLocation,
  SharedCentralIndex,
  WritableIndexLocation,
} from "./central-index.ts";
export { publishCheckpoint, readCheckpoints, removeCheckpoint } from "./checkpoints.ts";
export { condemn } from "./collection/collection.ts";
export type { CollectionParts, CollectionPhase, CondemnOutcome } from "./collection/collection.ts";
export { presentContainers } from "./collection/containers.ts";
export { finishGeneration } from "./collection/finish.ts";
export type { AwaitedSession, FinishOutcome } from "./collection/finish.ts";
export { condemnedSetOf, readGeneration } from "./collection/generations.ts";
export type { Generation } from "./collection/generations.ts";
export { createRepository } from "./create-repository.ts";
export type { CreateRepositoryOptions } from "./create-repository.ts";
export { EntryTreeWriter, pagesOf } from "./entry-tree.ts";
export type { EntryTreeRoot, PositionedPage } from "./entry-tree.ts";
export { publishHold } from "./holds.ts";
export { ImageBuilder } from "./image-builder.ts";
export type { ImageBuilderOptions } from "./image-builder.ts";
export {
  findImage,
  latestOf,
  listImageIds,
  listImages,
  publishImage,
  readImageRecord,
  removeImage,
  resolveImageId,
} from "./images.ts";
export type { FoundImage, ImageListing } from "./images.ts";
export { KeyRing } from "./key-ring.ts";
export type { FingerprintKind, KeyRingData } from "./key-ring.ts";
export { publishTrail, readTrails } from "./trails.ts";
export { addKeySlot, changePassphrase, listKeySlots, removeKeySlot } from "./key-slots.ts";
export type { KeySlotsPlace } from "./key-slots.ts";
export { openRepository, readRepositoryRecord } from "./open-repository.ts";
export type { OpenedRepository } from "./open-repository.ts";
export { addWholeImage, beginLossEpoch, endLosses, readLosses } from "./loss-records.ts";
export type { Losses, LossesPlace, WritableLossesPlace } from "./loss-records.ts";
export type { PageKind, PageSink, PageSource } from "./pages.ts";
export { giveUpReserve, isNoRoom, keepReserve, reserveBytes } from "./reserve.ts";
export { Salvage } from "./salvage.ts";
export type { SalvagedContainer } from "./salvage.ts";
export { FileContentBuilder, segmentsOf } from "./segment-list-tree.ts";
export { SegmentReader } from "./segment-reader.ts";
export type { BlockSource } from "./segment-reader.ts";
export type { SegmentSink } from "./segment-sink.ts";
export { PageWriter, SegmentWriter } from "./segment-writer.ts";
export type { WrittenContainer } from "./segment-writer.ts";
export { clearDeadSessions, endSessionsOf, listSessions, startSession } from "./sessions.ts";
export type { Session, SessionPlace } from "./sessions.ts";
export { clearUnownedFiles } from "./unowned-files.ts";
export { clearUnownedUploads } from "./unowned-uploads.ts";
export type { DamagedRecord, RecordPlaces } from "./stored-records.ts";
