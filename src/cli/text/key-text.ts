import type { KeySlotSummary } from "../library.ts";
import { isoTime } from "./units.ts";

/** What `--json` says of a key slot (docs/scripting.md). */
export function keySlotDocument({ id, label, createdAtMs, isCurrent }: KeySlotSummary) {
  return { id, label, createdAt: isoTime(createdAtMs), isCurrent };
}
