// For tests: two trees compared by programs that know nothing of Holdfast. What one cannot see another does: rsync skips
// flags and paths over 4,096 bytes, find sees no attributes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { hasTool } from "./holdfast-process.ts";

const OUTPUT_LIMIT = 512 * 1024 * 1024;

/** Runs a shell command in a directory; its output as Latin-1, so that every byte is shown. */
export function shell(directory: string, command: string, options: { readonly mayFail?: boolean } = {}): string {
  const env = { ...process.env, LC_ALL: "C" };
  const result = spawnSync("bash", ["-c", command], { cwd: directory, env, maxBuffer: OUTPUT_LIMIT });
  if (options.mayFail !== true)
    assert.equal(result.status, 0, `${command}\n${result.stderr.toString()}${result.stdout.toString()}`);
  return result.stdout.toString("latin1");
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** What rsync would do to make `restored` equal to `source`: empty when they are. Sockets are not backed up. */
export function rsyncDifferences(source: string, restored: string): string[] {
  const options = "-aHAXSn --checksum --delete --itemize-changes --numeric-ids";
  const listed = shell("/", `rsync ${options} ${quoted(source)}/ ${quoted(restored)}/`);
  return listed.split("\n").filter((line) => line !== "" && !/^cS\+{9} .*socket$/.test(line));
}

// Sorted by name. Directories have sizes of their own on each file system, and sockets are not backed up.
const LISTING = `find . -type s -o -printf '%P\\0%y %m %U:%G %T@ %n %l\\0' ; find . -type f -printf '%P %s\\0'`;
const CONTENTS = "find . -type f -execdir sha256sum -z {} +";
const HARD_LINKS = "find . ! -type d ! -type s -links +1 -printf '%i %P\\0'";
const ATTRIBUTES = "getfattr -R -P -h -d -m - -e hex . 2>/dev/null";
const FLAGS = "lsattr -R -a . 2>/dev/null";

/** Fails with the first differences when the trees are not the same in every respect that these programs know. */
export function assertSameTrees(source: string, restored: string): void {
  if (hasTool("rsync") && !hasDeepPaths(source)) assert.deepEqual(rsyncDifferences(source, restored), []);
  const views: [string, (directory: string) => string[]][] = [
    ["find", (directory) => shell(directory, LISTING).split("\0")],
    ["sha256sum", (directory) => shell(directory, CONTENTS).split("\0")],
    ["hard links", hardLinkGroups],
  ];
  if (hasTool("getfattr")) views.push(["getfattr", (directory) => shell(directory, ATTRIBUTES, { mayFail: true }).split("\n\n")]);
  if (hasTool("lsattr")) views.push(["lsattr", (directory) => flagLines(shell(directory, FLAGS, { mayFail: true }))]);
  for (const [name, view] of views) {
    const [before, after] = [view(source).toSorted(), view(restored).toSorted()];
    assert.deepEqual({ name, ...difference(before, after) }, { name, missing: [], unexpected: [] });
  }
}

function hasDeepPaths(directory: string): boolean {
  return shell(directory, "find . -printf '%P\\0'")
    .split("\0")
    .some((path) => path.length > 3_000);
}

function difference(before: readonly string[], after: readonly string[]): { missing: string[]; unexpected: string[] } {
  const [inBefore, inAfter] = [new Set(before), new Set(after)];
  return {
    missing: before.filter((line) => !inAfter.has(line)).slice(0, 10),
    unexpected: after.filter((line) => !inBefore.has(line)).slice(0, 10),
  };
}

/** Which names are one entry; inode numbers themselves differ. */
function hardLinkGroups(directory: string): string[] {
  const groups = new Map<string, string[]>();
  for (const line of shell(directory, HARD_LINKS)
    .split("\0")
    .filter((text) => text !== "")) {
    const inode = line.slice(0, line.indexOf(" "));
    groups.set(inode, [...(groups.get(inode) ?? []), line.slice(inode.length + 1)]);
  }
  return [...groups.values()].map((names) => names.toSorted().join(" = "));
}

/** Without the flags by which a file system notes how it stores a file. */
function flagLines(listed: string): string[] {
  return listed.split("\n").map((line) => line.replace(/^[-a-zA-Z]{10,} /, (flags) => flags.replaceAll(/[eIEVNh]/g, "-")));
}

/** Where a file holds data, as "offset+length": the rest are holes. */
export function dataExtents(path: string): string[] {
  const script = `open my $f, "<", $ARGV[0] or die; my $at = 0;
    while (1) { my $data = sysseek $f, $at, 3; last unless defined $data; $data += 0; my $hole = sysseek($f, $data, 4) + 0;
      print "$data+", $hole - $data, "\\n"; $at = $hole }`;
  return shell("/", `perl -e ${quoted(script)} ${quoted(path)}`)
    .split("\n")
    .filter((line) => line !== "");
}
