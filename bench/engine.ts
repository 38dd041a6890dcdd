// How fast each stage of the engine is on this machine, one thread, in CPU time (so other work beside it matters less):
//   node bench/engine.ts [megabytes]        default 64
// Three kinds of data: text as words, this program's own executable, and random bytes.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  BlockCompressor,
  BlockIdentifier,
  BlockSealer,
  Cutter,
  DEFAULT_CUT_SIZES,
  createFingerprinter,
  decompressBlock,
  releaseNow,
} from "../src/engine/engine.ts";
import type { CompressionLevel } from "../src/engine/engine.ts";
import { randomBytes, wordyBytes } from "../src/engine/testing.ts";
import { BLOCK_DATA } from "../src/formats/block.ts";
import type { BlockIdentity } from "../src/formats/block.ts";
import { systemRandom } from "../src/platform/system-random.ts";

const MEBIBYTE = 1024 * 1024;

export interface StageResult {
  readonly stage: string;
  readonly data: string;
  readonly megabytesPerSecond: number;
  /** Output by input, where that says something. */
  readonly ratio?: number;
}

/** One result for each stage and kind of data, of `megabytes` MiB each. */
export function measureEngine(megabytes: number): StageResult[] {
  const bytes = megabytes * MEBIBYTE;
  return [
    ...measureData("words", wordyBytes(1, bytes)),
    ...measureData("program", readFileSync(process.execPath).subarray(MEBIBYTE, MEBIBYTE + bytes)),
    ...measureData("random", randomBytes(1, bytes)),
    ...measureSmallInputs(),
  ];
}

function measureData(data: string, bytes: Uint8Array): StageResult[] {
  const results: StageResult[] = [];
  const add = (stage: string, work: () => number | undefined, repeat = 1): void => {
    work();
    let produced: number | undefined;
    const seconds = cpuSecondsOf(() => {
      for (let count = 0; count < repeat; count++) produced = work();
    });
    const megabytesPerSecond = (bytes.length * repeat) / 1e6 / seconds;
    results.push({ stage, data, megabytesPerSecond, ...(produced === undefined ? {} : { ratio: produced / bytes.length }) });
  };
  const blocks = blocksOf(bytes, MEBIBYTE);

  const cutter = new Cutter(new Uint8Array(32), DEFAULT_CUT_SIZES, Math.max(bytes.length, DEFAULT_CUT_SIZES.maximum));
  cutter.window.set(bytes);
  add("cut", () => cutAll(cutter, bytes.length), 4);

  const fingerprinter = createFingerprinter(new Uint8Array(32));
  const digest = new Uint8Array(32);
  add("fingerprint 1 MiB", () => forEach(blocks, (block) => fingerprinter.into(block, digest, 0)), 4);
  add("sha-256 1 MiB", () => forEach(blocks, (block) => createHash("sha256").update(block).digest()));

  for (const level of ["fast", "default", "best"] satisfies CompressionLevel[]) {
    const compressor = new BlockCompressor(level);
    add(`compress ${level}`, () => sum(blocks, (block) => compressor.compress(block).bytes.length));
    compressor.release();
  }
  const compressor = new BlockCompressor("default");
  const payloads = blocks.map((block) => {
    const payload = compressor.compress(block);
    return { ...payload, bytes: payload.bytes.slice() };
  });
  add("decompress default", () =>
    forEach(payloads, (payload) => {
      const plain = decompressBlock(payload);
      if (plain !== payload.bytes) releaseNow(plain);
    }),
  );

  const sealer = new BlockSealer({ blockKey: new Uint8Array(32), repositoryId: new Uint8Array(16), random: systemRandom });
  const identity = new Uint8Array(16) as Uint8Array as BlockIdentity;
  const target = new Uint8Array(MEBIBYTE + 80);
  add("seal 1 MiB", () => forEach(blocks, (block) => sealer.sealInto(target, 0, BLOCK_DATA, identity, [block])), 4);
  const sealed = blocks.map((block) => sealer.seal(BLOCK_DATA, identity, block));
  add("open 1 MiB", () => forEach(sealed, (block) => sealer.openInto(target, BLOCK_DATA, identity, block)), 4);
  return results;
}

/** What a call costs where the input is small. */
function measureSmallInputs(): StageResult[] {
  const small = randomBytes(2, 4096);
  const count = 2000;
  const fingerprinter = createFingerprinter(new Uint8Array(32));
  const digest = new Uint8Array(32);
  const sealer = new BlockSealer({ blockKey: new Uint8Array(32), repositoryId: new Uint8Array(16), random: systemRandom });
  const identifier = new BlockIdentifier(new Uint8Array(32));
  const identity = new Uint8Array(16) as Uint8Array as BlockIdentity;
  const [table, lengths] = [randomBytes(3, 4096), new Uint32Array(128).fill(32)];
  const stages: Record<string, () => unknown> = {
    "fingerprint 4 KiB": () => fingerprinter.into(small, digest, 0),
    "seal 4 KiB": () => sealer.seal(BLOCK_DATA, identity, small),
    "identity of 128 segments": () => identifier.identityOf(table, lengths, 0, 128),
  };
  return Object.entries(stages).map(([stage, work]) => {
    work();
    const seconds = cpuSecondsOf(() => {
      for (let call = 0; call < count; call++) work();
    });
    return {
      stage,
      data: `${((seconds / count) * 1e6).toFixed(1)} µs a call`,
      megabytesPerSecond: (count * small.length) / 1e6 / seconds,
    };
  });
}

function cpuSecondsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return Math.max(user + system, 1) / 1e6;
}

function cutAll(cutter: Cutter, length: number): undefined {
  for (let start = 0; start < length;) start = cutter.next(start, length, true);
}

function blocksOf(bytes: Uint8Array, length: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, block) =>
    bytes.subarray(block * length, (block + 1) * length),
  );
}

function forEach<T>(items: readonly T[], work: (item: T) => void): undefined {
  for (const item of items) work(item);
}

function sum<T>(items: readonly T[], valueOf: (item: T) => number): number {
  return items.reduce((total, item) => total + valueOf(item), 0);
}

if (import.meta.main) {
  const megabytes = Number(process.argv[2] ?? 64);
  for (const { stage, data, megabytesPerSecond, ratio } of measureEngine(megabytes)) {
    const share = ratio === undefined ? "" : `  ${(100 * ratio).toFixed(1)} %`;
    process.stdout.write(`${stage.padEnd(26)}${data.padEnd(18)}${megabytesPerSecond.toFixed(0).padStart(8)} MB/s${share}\n`);
  }
}
