// The tools Holdfast is compared with, taken from Debian's newest suite and unpacked beside the system. restic is one static
// program. borg is Python, built for a newer Python and C library than the system may have: its whole dependency closure is
// unpacked into one directory and started through the dynamic loader found there, which needs no chroot and no root.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { BOOKWORM, SID, openAptRoot, unpackPackage } from "./apt.ts";
import { emptyDirectory } from "./files.ts";

export type PeerName = "restic" | "borg";

export interface Peer {
  readonly version: string;
  /** Program and first arguments. */
  readonly command: readonly string[];
  /** What must be in the environment for the program to run, apart from repository and passphrase. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface PeerOptions {
  readonly directory: string;
  readonly mirror: string | undefined;
  readonly say: (line: string) => void;
}

const OLDEST: Readonly<Record<PeerName, readonly [number, number]>> = { restic: [0, 19], borg: [1, 4] };

/** Finds the peer in the cache, or fetches it there. Throws with the reason when it can be neither found nor fetched. */
export function obtainPeer(name: PeerName, options: PeerOptions): Peer {
  const place = path.join(options.directory, name);
  const cached = findPeer(name, place);
  if (cached !== undefined) return cached;
  options.say(`fetching ${name} from Debian packages into ${place}`);
  try {
    const apt = openAptRoot(path.join(options.directory, "apt-sid"), SID, options.mirror);
    const partial = emptyDirectory(`${place}.partial`);
    const packages = name === "restic" ? [apt.download("restic")] : apt.downloadWithDependencies("borgbackup");
    for (const file of packages) unpackPackage(file, partial);
    if (name === "borg") compilePython(partial);
    fs.renameSync(partial, place);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${name} could not be obtained: ${reason}\nCompare without it with --tools, or try --mirror URL.`, {
      cause: error,
    });
  }
  const fetched = findPeer(name, place);
  if (fetched === undefined) throw new Error(`${name} was unpacked into ${place}, but no program is there`);
  return fetched;
}

function findPeer(name: PeerName, place: string): Peer | undefined {
  const found = name === "restic" ? resticIn(place) : borgIn(place);
  if (found === undefined) return undefined;
  const [program = "", ...args] = found.command;
  const text = execFileSync(program, [...args, name === "restic" ? "version" : "--version"], {
    encoding: "utf8",
    env: { ...process.env, ...found.environment },
  });
  const version = /\d+\.\d+(\.\d+)?/.exec(text)?.[0] ?? "";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST[name];
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    throw new Error(
      `${place} holds ${name} ${version}; at least ${oldestMajor}.${oldestMinor} is wanted. Remove the directory to fetch it again.`,
    );
  }
  return { ...found, version };
}

function resticIn(place: string): Omit<Peer, "version"> | undefined {
  const program = path.join(place, "usr/bin/restic");
  return fs.existsSync(program) ? { command: [program], environment: {} } : undefined;
}

function borgIn(place: string): Omit<Peer, "version"> | undefined {
  const script = path.join(place, "usr/bin/borg");
  if (!fs.existsSync(script)) return undefined;
  const python = fs.readdirSync(path.join(place, "usr/bin")).find((file) => /^python3\.\d+$/.test(file));
  const libraries = fs.readdirSync(path.join(place, "usr/lib")).find((file) => file.endsWith("-linux-gnu"));
  if (python === undefined || libraries === undefined) return undefined;
  const libraryDirectory = path.join(place, "usr/lib", libraries);
  const loader = fs.readdirSync(libraryDirectory).find((file) => /^ld-linux.*\.so\.\d$/.test(file));
  if (loader === undefined) return undefined;
  return {
    command: [
      path.join(libraryDirectory, loader),
      "--library-path",
      libraryDirectory,
      path.join(place, "usr/bin", python),
      "-s", // no packages of the user's
      script,
    ],
    environment: { PYTHONHOME: path.join(place, "usr"), PYTHONDONTWRITEBYTECODE: "1" },
  };
}

// Debian compiles Python's modules when a package is installed. Without that, every start of borg would compile them anew.
// One process: a helper process would be started without our loader and fail.
function compilePython(place: string): void {
  const found = borgIn(place);
  if (found === undefined) return;
  const [program = "", ...args] = found.command.slice(0, -1);
  const directories = ["usr/lib/python3/dist-packages", `usr/lib/${path.basename(args.at(-2) ?? "")}`];
  execFileSync(program, [...args, "-m", "compileall", "-q", ...directories.map((name) => path.join(place, name))], {
    env: { ...process.env, ...found.environment, PYTHONDONTWRITEBYTECODE: "" },
    stdio: "ignore",
  });
}

/** GNU time, which reports what the kernel accounted to a finished process and its children. */
export function obtainTime(options: PeerOptions): string {
  const place = path.join(options.directory, "time");
  const own = path.join(place, "usr/bin/time");
  for (const candidate of ["/usr/bin/time", own]) {
    if (fs.existsSync(candidate) && isGnuTime(candidate)) return candidate;
  }
  options.say(`fetching GNU time from Debian packages into ${place}`);
  try {
    const apt = openAptRoot(path.join(options.directory, "apt-bookworm"), BOOKWORM, options.mirror);
    unpackPackage(apt.download("time"), place);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`GNU time is not installed and could not be obtained: ${reason}`, { cause: error });
  }
  return own;
}

function isGnuTime(program: string): boolean {
  try {
    return execFileSync(program, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).includes("GNU");
  } catch {
    return false;
  }
}
