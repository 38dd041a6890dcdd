// Says what lies where a repository was expected, because "not a repository" alone sends people searching.

import { HoldfastError } from "../base/errors.ts";
import type { Files } from "../platform/files.ts";
import { isTemporaryName } from "../media/media.ts";
import type { RepositoryLayout } from "./layout.ts";

// Names that other programs give to the files at the top of their repositories.
const OTHERS: readonly { readonly program: string; readonly names: readonly string[] }[] = [
  { program: "restic", names: ["config", "data", "index", "keys", "snapshots"] },
  { program: "borg", names: ["config", "data", "README"] },
  { program: "kopia", names: ["kopia.repository.f"] },
  { program: "Proxmox Backup Server", names: [".chunks"] },
];

const UNFINISHED = ["keys", "volumes"];

/** REPOSITORY_NOT_RECOGNISED, saying what was found. */
export function notRecognised(
  files: Files,
  layout: RepositoryLayout,
  found: { readonly kind: "file" | "directory" | "other" },
): HoldfastError {
  const { description, hint } =
    found.kind === "directory" ? describe(files, layout) : { description: "it is not a directory", hint: undefined };
  return new HoldfastError("REPOSITORY_NOT_RECOGNISED", {
    message: `"${layout.root}" is not a Holdfast repository: ${description}`,
    context: { path: layout.root },
    hint: hint ?? "Check the path. A repository is a directory made by `holdfast init`.",
  });
}

function describe(files: Files, layout: RepositoryLayout): { readonly description: string; readonly hint?: string } {
  const names = (files.list(layout.root) ?? []).filter((name) => !isTemporaryName(name)).toSorted();
  if (names.length === 0) {
    return { description: "the directory is empty", hint: "Mount the medium, or create a repository with `holdfast init`." };
  }
  const other = OTHERS.find((candidate) => candidate.names.every((name) => names.includes(name)));
  if (other !== undefined) return { description: `it looks like one of ${other.program}` };
  if (names.includes("repository")) return { description: 'its file "repository" is something else' };
  if (UNFINISHED.every((name) => names.includes(name))) {
    return {
      description: 'its file "repository" is missing',
      hint: "If `holdfast init` was interrupted here, run it again; if there were backups, bring the file back from a copy.",
    };
  }
  const shown = names.slice(0, 3).map((name) => `"${name}"`);
  const more = names.length > shown.length ? ` and ${names.length - shown.length} more` : "";
  return { description: `it holds ${shown.join(", ")}${more}` };
}
