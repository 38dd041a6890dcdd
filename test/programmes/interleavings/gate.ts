// How actors in threads of their own are made to take turns: one of them runs, the others wait inside a call of `Files`. Which goes
// on is decided by the scheduler alone, so that a run is repeated by its seed.

/** Not begun, waiting for its turn, running, come to its end, killed. */
export const IDLE = 0;
export const WAITING = 1;
export const RUNNING = 2;
export const DONE = 3;
export const KILLED = 4;

/** What a killed actor's calls throw: as a process that is no more, it changes nothing any more. */
export class Killed extends Error {
  override readonly name = "Killed";
}

export class Gate {
  readonly #states: Int32Array<SharedArrayBuffer>;
  readonly #actor: number;

  constructor(states: Int32Array<SharedArrayBuffer>, actor: number) {
    this.#states = states;
    this.#actor = actor;
  }

  /** Waits until it is this actor's turn. */
  pass(): void {
    if (Atomics.load(this.#states, this.#actor) === KILLED) throw new Killed("This actor was killed");
    Atomics.store(this.#states, this.#actor, WAITING);
    Atomics.notify(this.#states, this.#actor);
    while (Atomics.load(this.#states, this.#actor) === WAITING) Atomics.wait(this.#states, this.#actor, WAITING);
    if (Atomics.load(this.#states, this.#actor) === KILLED) throw new Killed("This actor was killed");
  }

  leave(): void {
    Atomics.compareExchange(this.#states, this.#actor, RUNNING, DONE);
    Atomics.notify(this.#states, this.#actor);
  }

  isAlive(actor: number): boolean {
    const state = Atomics.load(this.#states, actor);
    return state !== DONE && state !== KILLED;
  }
}

/** Longer than any turn takes on a busy machine. */
const PATIENCE_MS = 120_000;

/** Resolves when the actor does not run any more; false when it never comes back. */
export function awaitTurn(states: Int32Array<SharedArrayBuffer>, actor: number, from: number): boolean {
  while (Atomics.load(states, actor) === from) {
    if (Atomics.wait(states, actor, from, PATIENCE_MS) === "timed-out") return false;
  }
  return true;
}
