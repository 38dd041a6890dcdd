// What creating a repository may find in its directory: nothing, the remains of an earlier attempt that was cut off, or
// somebody's data. Remains are cleared; anything else is left alone and named.

import { utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { directoriesOf, isTemporaryName } from "../media/media.ts";
import type { Files } from "../platform/files.ts";
import { MAIN_VOLUME } from "./layout.ts";
import type { RepositoryLayout } from "./layout.ts";
import { TRAIL_FILE_NAME } from "./trails.ts";

// mkfs makes the directory "lost+found" at the top of every ext4 file system.
const HARMLESS = new Set(["lost+found"]);

const MAGIC_BYTES = 8;

/** Removes what an interrupted `createRepository` left. TARGET_CONFLICT when the directory holds anything else. */
export function clearHalfMade(files: Files, layout: RepositoryLayout): void {
  const names = files.list(layout.root) ?? [];
  const ours = [layout.keys, layout.trails, layout.volumes, layout.index, layout.catalog, layout.sessions, layout.collections];
  const foreign = names.filter(
    (name) => !isTemporaryName(name) && !HARMLESS.has(name) && !ours.includes(pathIn(layout.root, name)),
  );
  if (foreign.length > 0) throw conflict(layout, foreign, "it holds other things");

  // Found first, removed after: a directory that turns out to be somebody's is left as it was.
  const remains = [
    ...filesIn(files, layout.root).filter((file) => isTemporaryName(file.name)),
    ...remainsIn(files, layout.keys, { pattern: /^(\.removing-)?[0-9a-f]{16}$/, magic: "HFKEYSLT" }),
    ...remainsIn(files, layout.trails, { pattern: TRAIL_FILE_NAME, magic: "HFRECORD" }),
    ...remainsIn(files, layout.index),
    ...remainsIn(files, layout.catalog),
    ...remainsIn(files, layout.sessions),
    ...remainsIn(files, layout.collections),
    ...remainsInVolumes(files, layout),
  ];
  for (const file of remains) {
    if (!file.recognised) throw lostRecord(layout, file.path);
  }
  for (const file of remains) files.remove(file.path);
}

interface FoundFile {
  readonly name: string;
  readonly path: string;
  /** An interrupted attempt could have left it, and it is worth nothing. */
  readonly recognised: boolean;
}

function filesIn(files: Files, directory: string): readonly FoundFile[] {
  return (files.list(directory) ?? []).map((name) => {
    return { name, path: pathIn(directory, name), recognised: isTemporaryName(name) };
  });
}

function remainsIn(
  files: Files,
  directory: string,
  expected?: { readonly pattern: RegExp; readonly magic: string },
): readonly FoundFile[] {
  return filesIn(files, directory).map((file) => {
    if (file.recognised || expected === undefined || !expected.pattern.test(file.name)) return file;
    return { ...file, recognised: beginsWith(files, file.path, expected.magic) };
  });
}

function remainsInVolumes(files: Files, layout: RepositoryLayout): readonly FoundFile[] {
  const others = filesIn(files, layout.volumes).filter((file) => file.name !== MAIN_VOLUME);
  const [volume, ...areas] = directoriesOf(layout.mainVolume);
  if (volume === undefined) return others;
  const top = remainsIn(files, volume, { pattern: /^label$/, magic: "HFVOLUME" });
  return [
    ...others,
    ...top.filter((file) => !areas.includes(file.path)),
    // A container or an image here means that backups were made: the record was lost, not never written.
    ...areas.flatMap((area) => remainsIn(files, area)),
  ];
}

function beginsWith(files: Files, path: string, magic: string): boolean {
  if (files.information(path)?.kind !== "file") return false;
  const file = files.open(path);
  if (file === undefined) return false;
  try {
    const found = new Uint8Array(MAGIC_BYTES);
    return file.read(found, 0) === MAGIC_BYTES && Buffer.compare(found, utf8(magic)) === 0;
  } finally {
    file.close();
  }
}

function pathIn(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

function conflict(layout: RepositoryLayout, found: readonly string[], why: string): HoldfastError {
  const shown = found
    .toSorted()
    .slice(0, 3)
    .map((name) => `"${name}"`);
  const more = found.length > shown.length ? ` and ${found.length - shown.length} more` : "";
  return new HoldfastError("TARGET_CONFLICT", {
    message: `Cannot create a repository in "${layout.root}": ${why} (${shown.join(", ")}${more})`,
    context: { path: layout.root, found: found.length },
    hint: "Choose an empty or a new directory.",
  });
}

function lostRecord(layout: RepositoryLayout, path: string): HoldfastError {
  return new HoldfastError("TARGET_CONFLICT", {
    message: `Cannot create a repository in "${layout.root}": "${path}" looks like part of a repository whose file "repository" is missing`,
    context: { path },
    hint: `Bring back "${layout.record}" from a copy, or choose another directory. Nothing was changed.`,
  });
}
