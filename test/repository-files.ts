import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "..");

/** Paths of the files that are committed, or would be by `git add --all`; with a reason where git cannot tell. */
export function repositoryFiles(): { readonly paths: readonly string[]; readonly skip: string | false } {
  // The directory may belong to somebody else, as in a container that mounts it.
  const options = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const { status, stdout, stderr } = spawnSync("git", options, { cwd: root, encoding: "utf8" });
  if (status !== 0) return { paths: [], skip: `git cannot list the files of this directory: ${stderr ?? "it is not installed"}` };
  const paths = stdout.split("\0").filter((path) => path !== "" && existsSync(join(root, path)));
  return { paths, skip: false };
}
