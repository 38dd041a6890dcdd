import { concatBytes, utf8 } from "../../base/bytes.ts";
import type { ListedEntry } from "../library.ts";
import { safePath } from "../text/safe-text.ts";
import type { CommandFiles } from "../world.ts";

export interface Comparison {
  files: number;
  bytes: number;
  directories: number;
  others: number;
  /** Originals that changed or went after they were backed up: nothing can be learned from them. */
  changedMeanwhile: number;
  readonly different: string[];
}

export function newComparison(): Comparison {
  return { files: 0, bytes: 0, directories: 0, others: 0, changedMeanwhile: 0, different: [] };
}

/** Compares an entry where it came from with what was restored of it below `target`, and adds it up. */
export async function compareRestored(files: CommandFiles, entry: ListedEntry, target: string, into: Comparison): Promise<void> {
  const { differences, originalModifiedSeconds } = await files.compareEntries(
    entry.pathBytes,
    concatBytes(utf8(target), entry.pathBytes),
  );
  if (differences.includes("original missing") || originalModifiedSeconds !== entry.modifiedSeconds) {
    into.changedMeanwhile++;
  } else if (differences.length > 0) {
    into.different.push(`${safePath(entry)} (${differences.join(", ")})`);
  } else if (entry.kind === "file") {
    into.files++;
    into.bytes += entry.sizeBytes;
  } else if (entry.kind === "directory") {
    into.directories++;
  } else {
    into.others++;
  }
}
