// Every damage that is tried, and what it may cost at most.

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { KINDS_OF_FILES, cutAt, filesOfKind, flipped, GONE, otherwiseBroken } from "../../support/damage.ts";
import type { Damage, KindOfFile } from "../../support/damage.ts";
import { Chance } from "../../support/chance.ts";
import type { CorruptionBench } from "./corruption-bench.ts";

export type CaseGroup = "structure flips" | "payload flips" | "truncations" | "replaced" | "swapped" | "removed" | "overwritten";

export interface CorruptionCase {
  readonly group: CaseGroup;
  readonly kind: KindOfFile;
  readonly path: string;
  /** Made when it is needed: all of them together are larger than the memory. */
  readonly damage: () => Damage;
  /** The other of two files that have each other's bytes. */
  readonly second?: { readonly path: string; readonly damage: () => Damage };
  /** Blocks that are no longer what they were: "<container>:<offset>". */
  readonly blocks: ReadonlySet<string>;
}

export interface CaseOptions {
  /** `small`: one bit of some bytes. `full`: everything. */
  readonly size: "small" | "full";
  readonly seed: string;
}

const SMALL_STRUCTURE_FLIPS = 12;
const SMALL_PAYLOAD_FLIPS = 6;
const SMALL_TRUNCATIONS = 4;
const FLIPS_PER_MIB = 1_000;

/** First the kinds of damage with few cases, then the many: a run that is ended early has seen all of the former and some of the latter. */
export function* corruptionCases(bench: CorruptionBench, options: CaseOptions): Generator<CorruptionCase> {
  const lists = KINDS_OF_FILES.flatMap(({ name }) =>
    filesOfKind(name, bench.repository).map((path) => [...casesOf(bench, name, path, options)]),
  );
  const chance = Chance.of(options.seed, "order", 0);
  const all = lists.flat();
  for (let left = all.length - 1; left > 0; left--) {
    const other = chance.below(left + 1);
    [all[left], all[other]] = [all[other]!, all[left]!];
  }
  const isOneOfMany = ({ group }: CorruptionCase): boolean => group === "structure flips" || group === "truncations";
  yield* all.filter((tried) => !isOneOfMany(tried));
  yield* all.filter(isOneOfMany);
}

function* casesOf(bench: CorruptionBench, kind: KindOfFile, path: string, options: CaseOptions): Generator<CorruptionCase> {
  const bytes = readFileSync(path);
  const name = basename(path);
  const layout = bench.containers.get(name);
  const all = new Set(layout?.blocks.map(({ key }) => key));
  const at = (group: CaseGroup, damage: () => Damage, blocks: ReadonlySet<string>): CorruptionCase => ({
    group,
    kind,
    path,
    damage,
    blocks,
  });
  const within = (position: number): ReadonlySet<string> =>
    new Set(layout?.blocks.filter(({ from, to }) => position >= from && position < to).map(({ key }) => key));
  const chance = Chance.of(options.seed, name, 0);

  // What is not inside of a block is structure; seals of blocks are flipped with their payload.
  const structure: number[] = [];
  for (let position = 0; position < bytes.length; position++) if (within(position).size === 0) structure.push(position);
  const isSmall = options.size === "small";
  for (const position of isSmall ? some(structure, SMALL_STRUCTURE_FLIPS, chance) : structure)
    for (const bit of isSmall ? [chance.below(8)] : [0, 1, 2, 3, 4, 5, 6, 7])
      yield at("structure flips", () => flipped(bytes, position, bit), new Set());

  const payloadBytes = bytes.length - structure.length;
  const flips = Math.min(payloadBytes, isSmall ? SMALL_PAYLOAD_FLIPS : Math.ceil((payloadBytes / 1_048_576) * FLIPS_PER_MIB));
  for (let flip = 0; flip < flips; flip++) {
    const position = (layout?.blocks[0]?.from ?? 0) + chance.below(payloadBytes);
    const bit = chance.below(8);
    yield at("payload flips", () => flipped(bytes, position, bit), within(position));
  }

  for (const length of isSmall ? some(lengthsOf(bytes, structure), SMALL_TRUNCATIONS, chance) : lengthsOf(bytes, structure)) {
    const cut = new Set(layout?.blocks.filter(({ to }) => to > length).map(({ key }) => key));
    yield at("truncations", () => cutAt(bytes, length), cut);
  }
  for (const damage of otherwiseBroken(bytes))
    yield at("overwritten", () => damage, damage.what.startsWith("bytes behind") ? new Set() : all);

  const others = [...filesOfKind(kind, bench.repository), ...filesOfKind(kind, bench.foreign)].filter((other) => other !== path);
  for (const other of isSmall ? some(others, 3, chance) : others) {
    const where = other.startsWith(bench.foreign) ? "of another repository" : "of this repository";
    yield at(
      "replaced",
      () => ({ what: `replaced by ${basename(other).slice(0, 16)} ${where}`, bytes: readFileSync(other) }),
      all,
    );
  }
  yield at("removed", () => GONE, all);
  for (const other of filesOfKind(kind, bench.repository).filter((candidate) => candidate > path)) {
    const what = `swapped with ${basename(other).slice(0, 16)}`;
    const blocks = new Set([...all, ...(bench.containers.get(basename(other))?.blocks.map(({ key }) => key) ?? [])]);
    const second = { path: other, damage: () => ({ what, bytes: readFileSync(path) }) };
    // Read before the first of them is changed.
    yield { ...at("swapped", () => ({ what, bytes: readFileSync(other) }), blocks), second };
  }
}

/** Every length at which a header, a table or a whole file that is a table ends too early; and at each border of a block. */
function lengthsOf(bytes: Buffer, structure: readonly number[]): number[] {
  const lengths = new Set(structure);
  lengths.delete(bytes.length);
  return [...lengths];
}

function some<T>(list: readonly T[], count: number, chance: Chance): T[] {
  if (list.length <= count) return [...list];
  // The first and the last, and some in between.
  const step = list.length / count;
  return Array.from({ length: count }, (_, at) =>
    at === 0
      ? list[0]!
      : at === count - 1
        ? list.at(-1)!
        : list[Math.min(list.length - 1, Math.floor(at * step) + chance.below(Math.ceil(step)))]!,
  );
}
