// Takes what is lost here from another repository.

import type { Session } from "../repository/repository.ts";
import type { Opened } from "./opened.ts";
import type { RepairOptions, RepairReport } from "./types.ts";

export async function takeFromOther(
  _opened: Opened,
  _options: RepairOptions,
  _session: Session | undefined,
): Promise<Pick<RepairReport, "takenSegments" | "takenBytes">> {
  return { takenSegments: 0, takenBytes: 0 };
}
