// Which images go by which rules.

import type { RetentionRules } from "../../model/retention.ts";
import type { ImageFilter } from "./images.ts";

/** Rules, or images by name; one of them must be given. */
export interface ForgetOptions {
  /** What to keep of each source; everything else goes. */
  readonly rules?: RetentionRules;
  /** The retention floor in milliseconds: no younger image is removed, by rules or by name. Counts as a rule. 0 unless given. */
  readonly keepWithinMs?: number;
  /** These images, each by id, unique beginning, or "latest". */
  readonly images?: readonly string[];
  /** Only these images are judged, and may go; with `images` it says among which "latest" is the latest. */
  readonly filter?: ImageFilter;
  /** IANA name of the time zone whose days, weeks and months count; that of this machine unless given. */
  readonly timeZone?: string;
  /** Decide, remove nothing. */
  readonly dryRun?: boolean;
}

export interface ForgetReport {
  readonly dryRun: boolean;
  /** By name. Without images that were not judged. */
  readonly sources: readonly ForgottenSource[];
  readonly kept: number;
  /** After a dry run: as many as would be. */
  readonly removed: number;
}

export interface ForgottenSource {
  readonly source: string;
  /** Oldest first. */
  readonly images: readonly ForgetDecision[];
}

export interface ForgetDecision {
  readonly id: string;
  /** When the image was committed: what rules count by. */
  readonly finishedAtMs: number;
  readonly keeps: boolean;
  /** Why, for people: "daily 2026-11-20", "held: audit", "no rule keeps it". */
  readonly reasons: readonly string[];
}
