// Visits every state that can be reached, breadth first, so that the first violation found has a shortest trace. States are
// kept whole and compared whole: nothing is left to the luck of a hash.

export interface Model {
  /** 16-bit numbers of a state; even. */
  readonly rowLength: number;
  writeInitial(row: Uint16Array): void;
  /** Calls `emit` for every state that can follow, which then lies in `next`. */
  expand(rows: Uint16Array, start: number, next: Uint16Array, emit: (label: string, kind: StepKind) => void): void;
  /** What is wrong with a state, if anything. */
  violation(rows: Uint16Array, start: number): string | undefined;
  /** Nobody has anything left to do that must be done. */
  isAtRest(rows: Uint16Array, start: number): boolean;
}

/** `step`: somebody goes on as the protocol says. `event`: something happens to them; nothing may depend on it to happen. */
export type StepKind = "step" | "event";

export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  /** Steps of the longest of all shortest ways to a state. */
  readonly depth: number;
  readonly counterexample?: { readonly problem: string; readonly trace: readonly string[] };
}

export interface ExploreOptions {
  /** More states than this are an error: what is not explored whole shows nothing. */
  readonly statesLimit?: number;
  readonly onProgress?: (states: number, waiting: number) => void;
}

const ROWS_PER_CHUNK = 1 << 18;

export function explore(model: Model, { statesLimit = 20_000_000, onProgress }: ExploreOptions = {}): Exploration {
  const table = new StateTable(model.rowLength);
  const parents = new GrowingNumbers();
  const steps = new GrowingNumbers();
  const firstStep = new GrowingNumbers();
  const next = new Uint16Array(model.rowLength);
  let transitions = 0;
  let depth = 0;
  let levelEnd = 1;
  let current = 0;
  const found = (state: number, problem: string): Exploration => ({
    states: table.count,
    transitions,
    depth,
    counterexample: { problem, trace: traceTo(model, table, parents, state) },
  });

  const emit = (_label: string, kind: StepKind): void => {
    transitions++;
    const before = table.count;
    const state = table.add(next);
    if (table.count > before) parents.push(current);
    if (kind === "step") steps.push(state);
  };

  model.writeInitial(next);
  table.add(next);
  parents.push(0);
  for (; current < table.count; current++) {
    if (current === levelEnd) {
      depth++;
      levelEnd = table.count;
    }
    const problem = model.violation(table.chunkOf(current), table.startOf(current));
    if (problem !== undefined) return found(current, problem);
    firstStep.push(steps.count);
    model.expand(table.chunkOf(current), table.startOf(current), next, emit);
    if (table.count > statesLimit) throw new Error(`More than ${statesLimit} states`);
    if (current % 1_000_000 === 999_999) onProgress?.(current + 1, table.count - current - 1);
  }
  firstStep.push(steps.count);
  const stuck = findStuck(model, table, steps, firstStep);
  if (stuck !== undefined) return found(stuck, "from here on nobody's steps lead to an end");
  return { states: table.count, transitions, depth };
}

/**
 * A state from which no sequence of steps, without any event, leads to rest. Steps mostly lead to states that were found later, so
 * going backwards over all states settles nearly everything at once.
 */
function findStuck(model: Model, table: StateTable, steps: GrowingNumbers, firstStep: GrowingNumbers): number | undefined {
  const reachesRest = new Uint8Array(table.count);
  for (let changed = true; changed;) {
    changed = false;
    for (let state = table.count - 1; state >= 0; state--) {
      if (reachesRest[state] === 1) continue;
      let reaches = model.isAtRest(table.chunkOf(state), table.startOf(state));
      const end = firstStep.at(state + 1);
      for (let i = firstStep.at(state); i < end && !reaches; i++) reaches = reachesRest[steps.at(i)] === 1;
      if (!reaches) continue;
      reachesRest[state] = 1;
      changed = true;
    }
  }
  const stuck = reachesRest.indexOf(0);
  return stuck < 0 ? undefined : stuck;
}

/** The labels of the steps from the initial state, found by taking them again. */
function traceTo(model: Model, table: StateTable, parents: GrowingNumbers, target: number): string[] {
  const trace: string[] = [];
  const next = new Uint16Array(model.rowLength);
  for (let state = target; state !== 0; state = parents.at(state)) {
    const parent = parents.at(state);
    let taken = "";
    model.expand(table.chunkOf(parent), table.startOf(parent), next, (label) => {
      if (taken === "" && table.isSame(state, next)) taken = label;
    });
    trace.push(taken);
  }
  return trace.reverse();
}

/** States by number, in the order in which they were found. */
class StateTable {
  count = 0;
  readonly #rowLength: number;
  readonly #chunks: Uint16Array[] = [];
  readonly #words: Uint32Array;
  readonly #wordBytes: Uint16Array;
  /** Numbers of states plus one, by hash; 0 is free. */
  #slots = new Uint32Array(1 << 16);

  constructor(rowLength: number) {
    this.#rowLength = rowLength;
    this.#words = new Uint32Array(rowLength / 2);
    this.#wordBytes = new Uint16Array(this.#words.buffer);
  }

  chunkOf(state: number): Uint16Array {
    return this.#chunks[Math.floor(state / ROWS_PER_CHUNK)]!;
  }

  startOf(state: number): number {
    return (state % ROWS_PER_CHUNK) * this.#rowLength;
  }

  isSame(state: number, row: Uint16Array): boolean {
    const chunk = this.chunkOf(state);
    const start = this.startOf(state);
    for (let i = 0; i < row.length; i++) if (chunk[start + i] !== row[i]) return false;
    return true;
  }

  /** The number of the state, a new one if it was not known. */
  add(row: Uint16Array): number {
    let slot = this.#hash(row) & (this.#slots.length - 1);
    for (let entry = this.#slots[slot]!; entry !== 0; entry = this.#slots[slot]!) {
      if (this.isSame(entry - 1, row)) return entry - 1;
      slot = (slot + 1) & (this.#slots.length - 1);
    }
    const state = this.count++;
    if (state % ROWS_PER_CHUNK === 0) this.#chunks.push(new Uint16Array(ROWS_PER_CHUNK * this.#rowLength));
    this.chunkOf(state).set(row, this.startOf(state));
    this.#slots[slot] = state + 1;
    if (this.count * 2 > this.#slots.length) this.#grow();
    return state;
  }

  #grow(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    for (let state = 0; state < this.count; state++) {
      const start = this.startOf(state);
      let slot = this.#hash(this.chunkOf(state).subarray(start, start + this.#rowLength)) & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = state + 1;
    }
    this.#slots = slots;
  }

  #hash(row: Uint16Array): number {
    this.#wordBytes.set(row);
    let hash = 0x9e3779b9;
    for (const word of this.#words) {
      hash = Math.imul(hash ^ word, 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0xc2b2ae35);
    return (hash ^ (hash >>> 13)) >>> 0;
  }
}

const NUMBERS_PER_CHUNK = 1 << 20;

class GrowingNumbers {
  count = 0;
  readonly #chunks: Uint32Array[] = [];

  push(value: number): void {
    if (this.count % NUMBERS_PER_CHUNK === 0) this.#chunks.push(new Uint32Array(NUMBERS_PER_CHUNK));
    this.#chunks.at(-1)![this.count++ % NUMBERS_PER_CHUNK] = value;
  }

  at(position: number): number {
    return this.#chunks[Math.floor(position / NUMBERS_PER_CHUNK)]![position % NUMBERS_PER_CHUNK]!;
  }
}
