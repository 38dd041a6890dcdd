import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Host } from "./host.ts";

/** The machine and process we run in. */
export function nodeHost(): Host {
  return {
    name: os.hostname(),
    userName: userName(),
    userId: process.geteuid?.() ?? -1,
    platform: process.platform,
    processors: Math.max(1, os.availableParallelism()),
    processId: process.pid,
    bootId: bootId(),
    isAlive,
    timeZone: timeZone(),
    workingDirectory: process.cwd(),
    cacheDirectory: ownCacheDirectory(),
    configDirectory: configDirectory(process.platform, process.env, homeDirectory()),
    environment: (name) => process.env[name],
  };
}

/** A process of another user is alive too, though we may not signal it. */
function isAlive(processId: number): boolean {
  // 0 and negative numbers mean groups of processes.
  if (!Number.isInteger(processId) || processId <= 0) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** A user without an entry in the password file, as in containers, is named by number. */
function userName(): string {
  try {
    return os.userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "");
  }
}

/** A TZ that means nothing to the system gives a name that means nothing either. */
function timeZone(): string {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone }).resolvedOptions()
      .timeZone;
  } catch {
    return "UTC";
  }
}

function bootId(): string {
  try {
    return fs.readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}

/** Of this process. */
export function ownCacheDirectory(): string {
  return cacheDirectory(process.platform, process.env, homeDirectory());
}

function homeDirectory(): string | undefined {
  try {
    return os.homedir();
  } catch {
    return undefined;
  }
}

/** Where each platform wants its caches; relative paths in the environment are ignored, as the XDG specification asks. */
export function cacheDirectory(
  platform: string,
  environment: Readonly<Record<string, string | undefined>>,
  home: string | undefined,
): string {
  const { join, isAbsolute } = platform === "win32" ? path.win32 : path.posix;
  const base = platform === "win32" ? environment["LOCALAPPDATA"] : environment["XDG_CACHE_HOME"];
  if (base !== undefined && isAbsolute(base)) return join(base, "holdfast");
  // A service without a home: as root this can be made, and nobody else can make it first.
  if (home === undefined || !isAbsolute(home)) return "/var/cache/holdfast";
  if (platform === "win32") return join(home, "AppData", "Local", "holdfast");
  return platform === "darwin" ? join(home, "Library", "Caches", "holdfast") : join(home, ".cache", "holdfast");
}

/** Where each platform wants what a user has set up; relative paths in the environment are ignored here too. */
export function configDirectory(
  platform: string,
  environment: Readonly<Record<string, string | undefined>>,
  home: string | undefined,
): string {
  const { join, isAbsolute } = platform === "win32" ? path.win32 : path.posix;
  const base = platform === "win32" ? environment["APPDATA"] : environment["XDG_CONFIG_HOME"];
  if (base !== undefined && isAbsolute(base)) return join(base, "holdfast");
  if (home === undefined || !isAbsolute(home)) return "/etc/holdfast";
  if (platform === "win32") return join(home, "AppData", "Roaming", "holdfast");
  return platform === "darwin" ? join(home, "Library", "Application Support", "holdfast") : join(home, ".config", "holdfast");
}
