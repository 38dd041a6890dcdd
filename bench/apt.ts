// Debian packages without installing them: apt is given its own lists, cache and (empty) package database in a directory
// of ours and packages are only unpacked there, so the installed system is neither changed nor asked. Needs no root.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** The mirror that this system itself uses, without the path of an archive. */
export function systemMirror(): string {
  const directory = "/etc/apt/sources.list.d";
  const lists = [
    "/etc/apt/sources.list",
    ...(fs.existsSync(directory) ? fs.readdirSync(directory).map((name) => path.join(directory, name)) : []),
  ];
  for (const list of lists) {
    if (!fs.existsSync(list)) continue;
    const [, mirror] = /^(?:URIs:|deb .*?)\s*(https?:\/\/\S+?)\/debian\/?(?:\s|$)/m.exec(fs.readFileSync(list, "utf8")) ?? [];
    if (mirror !== undefined) return mirror;
  }
  throw new Error(`No Debian mirror is named in ${lists.join(", ")}; name one with --mirror`);
}

/** Which suites an apt root sees: path below the mirror, and suite. */
export interface AptSource {
  readonly archive: "debian" | "debian-security";
  readonly suite: string;
}

export const SID: readonly AptSource[] = [{ archive: "debian", suite: "sid" }];
export const BOOKWORM: readonly AptSource[] = [
  { archive: "debian", suite: "bookworm" },
  { archive: "debian", suite: "bookworm-updates" },
  { archive: "debian-security", suite: "bookworm-security" },
];

export interface AptRoot {
  /** Versions of a package in the suites, oldest first. */
  versions(name: string): readonly string[];
  /** Downloads one package file and returns its path. */
  download(name: string, version?: string): string;
  /** Downloads a package and everything it depends on; recommended packages are left out. */
  downloadWithDependencies(name: string): readonly string[];
}

/** Prepares a private apt below `directory` and fetches the package lists. */
export function openAptRoot(directory: string, sources: readonly AptSource[], mirror: string = systemMirror()): AptRoot {
  for (const tool of ["apt-get", "apt-cache", "dpkg-deb"]) requireProgram(tool);
  if (!fs.existsSync(KEYRING)) {
    throw new Error(`${KEYRING} is missing, so Debian packages cannot be checked; install the package debian-archive-keyring`);
  }
  for (const part of ["parts", "lists/partial", "cache/archives/partial"]) {
    fs.mkdirSync(path.join(directory, part), { recursive: true });
  }
  const inside = (name: string) => path.join(directory, name);
  fs.writeFileSync(inside("status"), "");
  const lines = sources.map(({ archive, suite }) => `deb [signed-by=${KEYRING}] ${mirror}/${archive} ${suite} main\n`);
  fs.writeFileSync(inside("sources.list"), lines.join(""));
  fs.writeFileSync(inside("apt.conf"), configuration(inside));
  const environment = { ...process.env, APT_CONFIG: inside("apt.conf"), DEBIAN_FRONTEND: "noninteractive" };

  function run(program: string, args: readonly string[], cwd = directory): string {
    try {
      return execFileSync(program, args, { cwd, env: environment, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    } catch (error) {
      const text = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : String(error);
      throw new Error(`${program} ${args.join(" ")} failed: ${text}`, { cause: error });
    }
  }

  // Without this a mirror out of reach is a warning, and the package "cannot be located" afterwards.
  run("apt-get", ["-q", "-o", "APT::Update::Error-Mode=any", "update"]);
  const archives = inside("cache/archives");
  return {
    versions(name) {
      const rows = run("apt-cache", ["madison", name]).trim().split("\n");
      const found = rows.map((row) => row.split("|")[1]?.trim() ?? "").filter((version) => version !== "");
      return [...new Set(found)].toSorted((a, b) => (olderVersion(a, b) ? -1 : 1));
    },
    download(name, version) {
      const target = inside(`single-${name}`);
      fs.rmSync(target, { recursive: true, force: true });
      fs.mkdirSync(target);
      run("apt-get", ["-q", "download", version === undefined ? name : `${name}=${version}`], target);
      return path.join(target, onlyPackageIn(target));
    },
    downloadWithDependencies(name) {
      run("apt-get", ["-q", "clean"]);
      run("apt-get", ["-q", "-y", "--download-only", "--no-install-recommends", "install", name]);
      return fs
        .readdirSync(archives)
        .filter((file) => file.endsWith(".deb"))
        .map((file) => path.join(archives, file));
    },
  };
}

/** Unpacks a package below `directory`; its scripts are not run. */
export function unpackPackage(file: string, directory: string): void {
  fs.mkdirSync(directory, { recursive: true });
  execFileSync("dpkg-deb", ["--extract", file, directory]);
}

export function requireProgram(name: string): void {
  const found = (process.env["PATH"] ?? "").split(":").some((directory) => fs.existsSync(path.join(directory, name)));
  if (!found) throw new Error(`${name} is not installed; the benchmark takes its peers and data from Debian packages`);
}

// The system's own settings for reaching a mirror (proxy, timeouts) are kept; its hooks are not, for they clean the
// system's caches after every update.
function configuration(inside: (name: string) => string): string {
  const acquire = execFileSync("apt-config", ["dump"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.startsWith("Acquire::"));
  const own = [
    `Dir::Etc::Parts "${inside("parts")}";`,
    `Dir::Etc::SourceList "${inside("sources.list")}";`,
    `Dir::Etc::SourceParts "${inside("parts")}";`,
    `Dir::Etc::Preferences "${inside("preferences")}";`,
    `Dir::Etc::PreferencesParts "${inside("parts")}";`,
    `Dir::State "${inside("")}";`,
    `Dir::State::Lists "${inside("lists")}";`,
    `Dir::State::status "${inside("status")}";`,
    `Dir::Cache "${inside("cache")}";`,
    `Dir::Log "${inside("")}";`,
    `Acquire::Languages "none";`,
    `Debug::NoLocking "true";`,
  ];
  // As root, apt would download as the user _apt, who may not enter our directory.
  if (os.userInfo().uid === 0) own.push(`APT::Sandbox::User "root";`);
  return [...acquire, ...own, ""].join("\n");
}

function olderVersion(a: string, b: string): boolean {
  try {
    execFileSync("dpkg", ["--compare-versions", a, "lt", b]);
    return true;
  } catch {
    return false;
  }
}

function onlyPackageIn(directory: string): string {
  const found = fs.readdirSync(directory).filter((file) => file.endsWith(".deb"));
  const [only] = found;
  if (only === undefined || found.length !== 1) throw new Error(`expected one package in ${directory}, found ${found.length}`);
  return only;
}
