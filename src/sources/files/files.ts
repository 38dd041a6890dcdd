// Files as a source: what to back up (selection), what to leave out (patterns), the walk over the rest in the order of
// entries, and which cutting a file gets. docs/design/sources.md explains the choices.

export { identityOf } from "./file-identity.ts";
export { literalPattern, noPatterns, parsePatternFile, PatternList } from "./patterns.ts";
export { SelectionBuilder, type ListSeparator, type Selection } from "./selection.ts";
export { walkTree, type TreeWalk, type WalkOptions } from "./walk.ts";
export type { WalkCounts, WalkNotice, WalkNoticeKind, WalkProblem } from "./walk-report.ts";
export { chooseSegmentation, type FileShape, type Segmentation, type SegmentationRules } from "./segmentation.ts";
