// The central index: fingerprint -> locations, as immutable sorted runs on disk (docs/design/central-index.md). It is
// derived from the containers: losing it costs time, an entry too few costs a segment stored twice, and nothing in it
// may be the only copy. This file is what the rest of Holdfast sees of it.

export { checkContainerContents } from "./central-index/container-contents.ts";
export type { ContainerContents, PackedBlocks, PackedSegments } from "./central-index/container-contents.ts";
export { dropContainers } from "./central-index/drop-containers.ts";
export { openLiveRuns } from "./central-index/live-runs.ts";
export {
  MergedSegments,
  containerKey,
  isFingerprintAt,
  mergedBlocks,
  mergedContainers,
  segmentLength,
  segmentOffset,
} from "./central-index/merged-sections.ts";
export type { BlockNumbers, ContainerNumbers, ContainerSet } from "./central-index/merged-sections.ts";
export { RecordCursor } from "./central-index/record-cursor.ts";
export { RunReader } from "./central-index/run-reader.ts";
export { contentsKnownToIndex } from "./central-index/known-contents.ts";
export { LocationBuffer } from "./central-index/location.ts";
export type { SegmentLocation } from "./central-index/location.ts";
export { CentralIndex } from "./central-index/lookup.ts";
export type { CentralIndexOptions, ContainerReference, SharedCentralIndex } from "./central-index/lookup.ts";
export { mergeRuns } from "./central-index/merge-runs.ts";
export type { MergeOutcome, MergeRunsOptions } from "./central-index/merge-runs.ts";
export { planMerge } from "./central-index/plan-merge.ts";
export type { RunSize } from "./central-index/plan-merge.ts";
export { rebuildIndex } from "./central-index/rebuild-index.ts";
export type { RebuildIndexOptions, RebuiltIndex } from "./central-index/rebuild-index.ts";
export { isIndexRunPath, isRunVanished, listRuns, removeRuns } from "./central-index/run-directory.ts";
export type { IndexLocation, RunName, WritableIndexLocation } from "./central-index/run-directory.ts";
export { SessionSegments } from "./central-index/session-segments.ts";
export type { SessionSegmentsOptions } from "./central-index/session-segments.ts";
export { tidyIndex } from "./central-index/tidy-index.ts";
export type { TidyIndexOptions } from "./central-index/tidy-index.ts";
export { writeIndexRun } from "./central-index/write-index-run.ts";
export type { WriteIndexRunOptions } from "./central-index/write-index-run.ts";
