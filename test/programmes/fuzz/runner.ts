// Runs one target: makes inputs, reads them, and judges what came of it. No judgement depends on other inputs, so that every
// violation comes again from seed, target and number.

import { setImmediate } from "node:timers/promises";
import { getHeapStatistics } from "node:v8";
import { HoldfastError } from "../../../src/base/errors.ts";
import { Chance } from "../../support/chance.ts";
import { mutated } from "./mutator.ts";
import type { FuzzTarget } from "./target.ts";

const SLOWEST_MS = 1_000;
/** Other tasks get their turn after so many inputs. */
const TURN = 256;

export interface Violation {
  readonly target: string;
  /** Undefined for a fixture. */
  readonly number: number | undefined;
  readonly what: string;
  readonly input: Uint8Array;
}

export interface FuzzOptions {
  readonly seed: string;
  /** Whichever comes first ends it. */
  readonly executions?: number;
  readonly seconds?: number;
  /** The number of the first input. */
  readonly from?: number;
  /** Hears of every input before it is read. */
  readonly onInput?: (number: number) => void;
}

export interface FuzzOutcome {
  readonly target: string;
  readonly executions: number;
  /** How many of them were valid after all. */
  readonly accepted: number;
  readonly seconds: number;
  readonly slowestMs: number;
  readonly mostBytes: number;
  readonly violations: readonly Violation[];
}

/** More of them say nothing new, nor does the same once more. */
const VIOLATIONS_KEPT = 10;
const kindOf = (what: string): string => what.slice(0, 120).replaceAll(/[0-9]+/g, "0");

export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzOutcome> {
  const { executions = Infinity, seconds = Infinity, from = 0 } = options;
  const violations: Violation[] = [];
  const begin = performance.now();
  const elapsed = (): number => (performance.now() - begin) / 1_000;
  let [done, accepted, slowestMs, mostBytes] = [0, 0, 0, 0];
  while (done < executions && elapsed() < seconds && violations.length < VIOLATIONS_KEPT) {
    const number = from + done;
    options.onInput?.(number);
    const input = inputOf(target, options.seed, number);
    const judged = await judge(target, input);
    done += 1;
    if (judged.accepted) accepted += 1;
    slowestMs = Math.max(slowestMs, judged.milliseconds);
    mostBytes = Math.max(mostBytes, judged.bytes);
    const refused = !judged.accepted && number < target.seeds.length ? "a valid input is refused" : undefined;
    const what = refused ?? judged.problem;
    if (what !== undefined && !violations.some((known) => kindOf(known.what) === kindOf(what)))
      violations.push({ target: target.name, number, what, input });
    if (done % TURN === 0) await setImmediate();
  }
  return { target: target.name, executions: done, accepted, seconds: elapsed(), slowestMs, mostBytes, violations };
}

/** The `number`-th input; the first ones are the seeds themselves, which must be accepted. */
export function inputOf(target: FuzzTarget, seed: string, number: number): Uint8Array {
  const unchanged = target.seeds[number];
  if (unchanged !== undefined) return Uint8Array.from(unchanged);
  const chance = Chance.of(seed, target.name, number);
  const input = target.mutate?.(chance, target.seeds) ?? mutated(chance, target.seeds, target.fieldsOf);
  if (target.repair !== undefined && chance.oneIn(2)) target.repair(input);
  return input;
}

interface Judgement {
  readonly accepted: boolean;
  readonly milliseconds: number;
  /** What the call allocated, as far as can be seen from outside: memory that was freed meanwhile counts less. */
  readonly bytes: number;
  readonly problem: string | undefined;
}

/** Reads an input and says what is wrong with how it was taken. */
export async function judge(target: FuzzTarget, input: Uint8Array): Promise<Judgement> {
  let judged = await attempt(target, input);
  // Another process may have had the processor, or the engine its own business: what is real comes again.
  for (let again = 0; again < 2 && judged.isCostly; again++) judged = await attempt(target, input);
  return judged;
}

async function attempt(target: FuzzTarget, input: Uint8Array): Promise<Judgement & { readonly isCostly: boolean }> {
  const before = memoryInUse();
  const begin = performance.now();
  let problem: string | undefined;
  let accepted = true;
  try {
    const result = target.read(input);
    if (result instanceof Promise) await result;
  } catch (error) {
    accepted = false;
    problem = problemWith(error, target);
  }
  const milliseconds = performance.now() - begin;
  const bytes = Math.max(0, memoryInUse() - before);
  const limit = target.memory.base + target.memory.perByte * input.length;
  const isCostly = milliseconds > SLOWEST_MS || bytes > limit;
  if (milliseconds > SLOWEST_MS) problem ??= `it took ${Math.round(milliseconds)} ms`;
  if (bytes > limit) problem ??= `it allocated ${bytes} bytes for an input of ${input.length}; the limit is ${limit}`;
  return { accepted, milliseconds, bytes, problem, isCostly };
}

function memoryInUse(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}

function problemWith(error: unknown, target: FuzzTarget): string | undefined {
  if (!(error instanceof HoldfastError))
    return `an error without a type: ${error instanceof Error ? error.stack : String(error)}`;
  const { code, message, context } = error;
  if (!/^(?:FORMAT|SEAL)_/.test(code) && target.codes?.includes(code) !== true) return `an error of code ${code}: ${message}`;
  if (!target.names.test(message)) return `an error that does not say what it is about: ${code}: ${message}`;
  const saysWhere = Object.values(context).some((value) => value !== undefined) || /[0-9]/.test(message);
  if (/^FORMAT_(?:TRUNCATED|RESERVED|INVALID)$/.test(code) && !saysWhere)
    return `an error that does not say where: ${code}: ${message}`;
  if (message.length > 1_000) return `an error with a message of ${message.length} characters`;
  return undefined;
}
