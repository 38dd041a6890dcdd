// One run of a command as a whole process, from start to exit, the way a user pays for it. Wall time is taken here; processor
// time is what the kernel accounted to the process and every child it waited for (GNU time); peak memory is the sum of the
// resident high-water marks of the processes alive together, sampled, and never less than the exact figure of the largest one.

import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

export interface Command {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
}

export interface Measurement {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakMemoryBytes: number;
  /** Processor time of everything else on the machine meanwhile: when it is large, the run was disturbed. */
  readonly otherCpuSeconds: number;
}

export interface MeasureOptions {
  /** GNU time. */
  readonly time: string;
  /** Takes the command's output; shown when it fails. */
  readonly log: string;
}

const SAMPLE_MS = 25;
const STOPPING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs the command to its end. Throws when it ends with anything but 0, with the end of its output. */
export async function measure(command: Command, { time, log }: MeasureOptions): Promise<Measurement> {
  const report = `${log}.time`;
  fs.mkdirSync(path.dirname(log), { recursive: true });
  const output = fs.openSync(log, "w");
  const busyBefore = machineBusySeconds();
  const start = performance.now();
  const child = spawn(time, ["-o", report, "-f", "%U %S %M", ...command.command], {
    cwd: command.directory,
    env: { ...process.env, ...command.environment },
    stdio: ["ignore", output, output],
    detached: true,
  });
  // The command has a process group of its own: stopping the benchmark stops it, and then everything is put back in its place.
  let stopped = false;
  const stop = () => {
    stopped = true;
    if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
  };
  for (const signal of STOPPING) process.once(signal, stop);
  let sampledBytes = 0;
  const timer = setInterval(() => {
    if (child.pid !== undefined) sampledBytes = Math.max(sampledBytes, memoryBelow(child.pid));
  }, SAMPLE_MS);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", resolve);
    });
    const wallSeconds = (performance.now() - start) / 1000;
    if (stopped) throw new Error("stopped");
    if (code !== 0) throw new Error(`${command.command.join(" ")} ended with ${code}:\n${lastLines(log)}`);
    const [user = 0, system = 0, largestKib = 0] = fs.readFileSync(report, "utf8").trim().split(" ").map(Number);
    return {
      wallSeconds,
      cpuSeconds: user + system,
      peakMemoryBytes: Math.max(sampledBytes, largestKib * 1024),
      otherCpuSeconds: Math.max(0, machineBusySeconds() - busyBefore - user - system),
    };
  } finally {
    clearInterval(timer);
    for (const signal of STOPPING) process.off(signal, stop);
    fs.closeSync(output);
    fs.rmSync(report, { force: true });
  }
}

/** The middle value; for an even count the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  const lower = sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
  return (upper + lower) / 2;
}

function memoryBelow(pid: number): number {
  let bytes = 0;
  for (const child of childrenOf(pid)) bytes += highWaterMark(child) + memoryBelow(child);
  return bytes;
}

// A process may be gone between two looks at it; then it counts for nothing.
function childrenOf(pid: number): readonly number[] {
  try {
    const threads = fs.readdirSync(`/proc/${pid}/task`);
    return threads.flatMap((thread) =>
      fs
        .readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8")
        .split(" ")
        .filter((text) => text !== "")
        .map(Number),
    );
  } catch {
    return [];
  }
}

function highWaterMark(pid: number): number {
  try {
    const kib = /^VmHWM:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kib ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** From this share of the processors on, something else is taken to have changed the figures. */
export const DISTURBED = 0.15;

/** The share of the machine's processors that something else used during the run. */
export function disturbance(run: Measurement): number {
  return run.otherCpuSeconds / (run.wallSeconds * os.cpus().length);
}

/** Waits for a second in which the machine has next to nothing to do, at most this long. */
export async function waitForQuiet(patienceSeconds: number): Promise<void> {
  for (const start = performance.now(); performance.now() - start < patienceSeconds * 1000;) {
    const before = machineBusySeconds();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (machineBusySeconds() - before < 0.1 * os.cpus().length) return;
  }
}

function machineBusySeconds(): number {
  let milliseconds = 0;
  for (const { times } of os.cpus()) milliseconds += times.user + times.nice + times.sys + times.irq;
  return milliseconds / 1000;
}

function lastLines(file: string): string {
  return fs.readFileSync(file, "utf8").trimEnd().split("\n").slice(-15).join("\n");
}
