// Attributes as Node reads them, put into the form of the file tree.

import type { BigIntStats } from "node:fs";
import { kindOfMode } from "./entry-kinds.ts";
import type { StatBuffer } from "./file-tree.ts";

const NANOSECONDS = 1_000_000_000n;

/** Fills `into` from `stats`; flags are unknown to Node and stay 0. */
export function copyStats(stats: BigIntStats, into: StatBuffer): void {
  const mode = Number(stats.mode);
  into.kind = kindOfMode(mode);
  into.mode = mode & 0o7777;
  into.userId = Number(stats.uid);
  into.groupId = Number(stats.gid);
  into.linkCount = Number(stats.nlink);
  into.sizeBytes = Number(stats.size);
  into.allocatedBytes = Number(stats.blocks) * 512;
  into.inodeLow = low(stats.ino);
  into.inodeHigh = low(stats.ino >> 32n);
  into.deviceMajor = deviceMajor(stats.dev);
  into.deviceMinor = deviceMinor(stats.dev);
  into.nodeMajor = deviceMajor(stats.rdev);
  into.nodeMinor = deviceMinor(stats.rdev);
  into.modifiedSeconds = secondsOf(stats.mtimeNs);
  into.modifiedNanoseconds = nanosecondsOf(stats.mtimeNs);
  into.changedSeconds = secondsOf(stats.ctimeNs);
  into.changedNanoseconds = nanosecondsOf(stats.ctimeNs);
  // Node gives 0 where the file system keeps no birth time.
  into.hasBirthTime = stats.birthtimeNs !== 0n;
  into.birthSeconds = secondsOf(stats.birthtimeNs);
  into.birthNanoseconds = nanosecondsOf(stats.birthtimeNs);
  into.fileFlags = 0;
}

function low(value: bigint): number {
  return Number(BigInt.asUintN(32, value));
}

/** Rounded down, so that the nanoseconds count upwards before 1970 too. */
function secondsOf(time: bigint): number {
  return Number((time - modulo(time)) / NANOSECONDS);
}

function nanosecondsOf(time: bigint): number {
  return Number(modulo(time));
}

function modulo(time: bigint): bigint {
  const rest = time % NANOSECONDS;
  return rest < 0n ? rest + NANOSECONDS : rest;
}

// How a device number divides is each platform's own; elsewhere its halves serve to tell devices apart.
function deviceMajor(device: bigint): number {
  if (process.platform === "linux") return low(((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn));
  if (process.platform === "darwin") return low((device >> 24n) & 0xffn);
  return low(device >> 32n);
}

function deviceMinor(device: bigint): number {
  if (process.platform === "linux") return low((device & 0xffn) | ((device >> 12n) & ~0xffn));
  if (process.platform === "darwin") return low(device & 0xffffffn);
  return low(device);
}
