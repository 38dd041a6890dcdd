// How each tool is asked to do the same thing: default settings, encryption on, passphrase from the environment, caches in a
// home of their own beside the repository so that one run cannot profit from another.

import fs from "node:fs";
import path from "node:path";
import type { Command } from "./measure.ts";
import { newestModification } from "./files.ts";
import { obtainPeer, type PeerOptions } from "./peers.ts";

export type ToolName = "holdfast" | "restic" | "borg";
export const TOOL_NAMES: readonly ToolName[] = ["holdfast", "restic", "borg"];

/** Where one tool keeps one repository and whatever it wants to remember about it. */
export interface Place {
  readonly repository: string;
  readonly home: string;
}

export interface Tool {
  readonly name: ToolName;
  readonly title: string;
  /** What was run, for the report. */
  readonly command: readonly string[];
  init(place: Place): Command;
  /** `number` tells the backups of one repository apart. */
  backup(place: Place, tree: string, number: number): Command;
  /** Restores backup `number`, which is the latest. */
  restore(place: Place, target: string, number: number): Command;
  verify(place: Place): Command;
  /** Lets go of all but the newest `keep` backups, without freeing the space. */
  forget(place: Place, keep: number): Command;
  /** Frees the space of what was let go of. */
  prune(place: Place): Command;
  list(place: Place): Command;
  version(place: Place): Command;
}

const PASSPHRASE = "bench passphrase, not a secret";

export interface ToolOptions extends PeerOptions {
  readonly projectDirectory: string;
  readonly holdfast?: string | undefined;
}

export function openTool(name: ToolName, options: ToolOptions): Tool {
  if (name === "holdfast") return holdfastTool(options);
  const peer = obtainPeer(name, options);
  return name === "restic" ? resticTool(peer) : borgTool(peer);
}

interface Program {
  readonly version: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

type Invoke = (place: Place, args: readonly string[], directory?: string) => Command;

function invoker({ command, environment }: Program, own: (place: Place) => Readonly<Record<string, string>>): Invoke {
  return (place, args, directory = path.dirname(place.repository)) => ({
    command: [...command, ...args],
    environment: {
      ...environment,
      HOME: place.home,
      XDG_CACHE_HOME: path.join(place.home, "cache"),
      XDG_CONFIG_HOME: path.join(place.home, "config"),
      XDG_DATA_HOME: path.join(place.home, "data"),
      XDG_STATE_HOME: path.join(place.home, "state"),
      ...own(place),
    },
    directory,
  });
}

function holdfastTool(options: ToolOptions): Tool {
  const program = holdfastProgram(options);
  const run = invoker(program, () => ({ HOLDFAST_PASSPHRASE: PASSPHRASE }));
  const at = (place: Place) => ["--repository", place.repository];
  return {
    name: "holdfast",
    title: "Holdfast",
    command: program.command,
    init: (place) => run(place, ["init", ...at(place)]),
    backup: (place, tree) => run(place, ["backup", ...at(place), tree]),
    restore: (place, target) => run(place, ["restore", "latest", ...at(place), "--target", target]),
    verify: (place) => run(place, ["verify", "--read-data", ...at(place)]),
    forget: (place, keep) => run(place, ["forget", ...at(place), "--keep-last", String(keep)]),
    prune: (place) => run(place, ["prune", ...at(place)]),
    list: (place) => run(place, ["images", ...at(place)]),
    version: (place) => run(place, ["--version"]),
  };
}

function resticTool(peer: Program): Tool {
  const run = invoker(peer, (place) => ({
    RESTIC_PASSWORD: PASSPHRASE,
    RESTIC_REPOSITORY: place.repository,
    RESTIC_CACHE_DIR: path.join(place.home, "cache"),
  }));
  return {
    name: "restic",
    title: `restic ${peer.version}`,
    command: peer.command,
    init: (place) => run(place, ["init"]),
    backup: (place, tree) => run(place, ["backup", tree]),
    restore: (place, target) => run(place, ["restore", "latest", "--target", target]),
    verify: (place) => run(place, ["check", "--read-data"]),
    forget: (place, keep) => run(place, ["forget", "--keep-last", String(keep)]),
    prune: (place) => run(place, ["prune"]),
    list: (place) => run(place, ["snapshots"]),
    version: (place) => run(place, ["version"]),
  };
}

function borgTool(peer: Program): Tool {
  const run = invoker(peer, (place) => ({ BORG_PASSPHRASE: PASSPHRASE, BORG_BASE_DIR: place.home }));
  const archive = (place: Place, number: number) => `${place.repository}::backup-${number}`;
  return {
    name: "borg",
    title: `borg ${peer.version}`,
    command: peer.command,
    init: (place) => run(place, ["init", "-e", "repokey-blake2", place.repository]),
    backup: (place, tree, number) => run(place, ["create", archive(place, number), tree]),
    // borg extracts into the working directory.
    restore: (place, target, number) => run(place, ["extract", archive(place, number)], target),
    verify: (place) => run(place, ["check", "--verify-data", place.repository]),
    forget: (place, keep) => run(place, ["prune", "--keep-last", String(keep), place.repository]),
    prune: (place) => run(place, ["compact", place.repository]),
    list: (place) => run(place, ["list", place.repository]),
    version: (place) => run(place, ["--version"]),
  };
}

// The self-contained executable is what people install, so it is measured when it was built.
function holdfastProgram({ projectDirectory, holdfast, say }: ToolOptions): Program {
  const executable = holdfast ?? path.join(projectDirectory, "build/holdfast");
  if (fs.existsSync(executable)) {
    const sources = ["src", "bin", "package-lock.json"].map((name) => path.join(projectDirectory, name));
    if (newestModification(sources) > fs.statSync(executable).mtimeMs) {
      say(`warning: ${executable} is older than the sources; build it again or the figures are of another version`);
    }
    return { version: "", command: [executable], environment: {} };
  }
  if (holdfast !== undefined) throw new Error(`${holdfast} does not exist`);
  const script = path.join(projectDirectory, "bin/holdfast.js");
  if (!fs.existsSync(script))
    throw new Error(`neither ${executable} nor ${script} exists; build Holdfast or leave it out with --tools`);
  return { version: "", command: [process.execPath, script], environment: {} };
}
