// What the room offers: bringing images back, and proving that they can be brought back.

export { Restore } from "./restore-run.ts";
export type { RestoreParts, RestoreRunOptions } from "./restore-run.ts";
export { RestoreWriter } from "./restore-writer.ts";
export type { RestoreWriterParts } from "./restore-writer.ts";
export { ownerRules } from "./owners.ts";
export type { OwnerMode, OwnerNames, OwnerRules } from "./owners.ts";
export type { BlockSource, ContentFingerprinter, RestoreThread, SegmentLookup } from "./parts.ts";
export type { OverwriteMode, RestoreOutcome, RestorePlan, RestoreProblem, RestoreProgress } from "./report.ts";
export { VerifyRun } from "./verify-repository.ts";
export type { ContainerAges, RepositoryDamage, VerifyOutcome, VerifyParts, VerifyRunOptions } from "./verify-repository.ts";
export { ContentCheck } from "./content-check.ts";
export { describeDamage, readContainers, resultOf } from "./container-pass.ts";
export type { ContainerPlace, ContainerReport } from "./container-report.ts";
export { LossSurvey } from "./loss-survey.ts";
export type { Loss, LossSurveyParts } from "./loss-survey.ts";
export { ContainerVerifier } from "./container-verifier.ts";
export type { ContainerVerifierParts } from "./container-verifier.ts";
