// Two versions of the Linux source from Debian's package linux-source-6.1, or at small scale a made-up source tree and its
// next version.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { BOOKWORM, openAptRoot, requireProgram } from "./apt.ts";
import type { DatasetOptions } from "./datasets.ts";
import { emptyDirectory } from "./files.ts";
import { createGenerator } from "./generate.ts";

const PACKAGE = "linux-source-6.1";

/** Makes one of the two trees and returns what it is. */
export function makeKernelTree(tree: string, which: "first" | "next", options: DatasetOptions): string {
  emptyDirectory(tree);
  if (options.scale === "small") {
    makeSourceTree(tree, which);
    return `made-up source tree (${which})`;
  }
  for (const tool of ["xz", "tar", "bash"]) requireProgram(tool);
  const apt = openAptRoot(path.join(options.directory, "..", "apt-bookworm"), BOOKWORM, options.mirror);
  const versions = apt.versions(PACKAGE);
  const version = which === "first" ? versions[0] : versions.at(-1);
  if (version === undefined || versions.length < 2) {
    throw new Error(`Debian offers ${versions.length} versions of ${PACKAGE}; two are needed`);
  }
  options.say(`fetching ${PACKAGE} ${version} and unpacking it into ${tree}`);
  const file = apt.download(PACKAGE, version);
  const pipeline = `set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/${PACKAGE}.tar.xz" | xz -dc -T0 | tar -x --strip-components=1 -C "$2"`;
  execFileSync("bash", ["-c", pipeline, "bash", file, tree], { stdio: ["ignore", "ignore", "inherit"] });
  fs.rmSync(file);
  return `${PACKAGE} ${version}`;
}

// 40 directories of 15 files and a link. The next version changes some lines in every tenth file, adds a directory and drops one.
function makeSourceTree(tree: string, which: "first" | "next"): void {
  const [from, to] = which === "first" ? [0, 40] : [1, 41];
  for (let directory = from; directory < to; directory++) {
    const place = path.join(tree, directory % 3 === 0 ? "drivers" : "lib", `part-${directory}`);
    fs.mkdirSync(place, { recursive: true });
    for (let number = 0; number < 15; number++) {
      const { below, fillText } = createGenerator(directory * 100 + number);
      const text = Buffer.alloc(200 + below(20_000));
      fillText(text);
      if (which === "next" && number % 10 === 3) text.write("/* changed in the next version */", below(100));
      fs.writeFileSync(path.join(place, `file-${number}.c`), text);
    }
    fs.symlinkSync("file-0.c", path.join(place, "first.c"));
  }
}
