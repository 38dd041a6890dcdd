import { runCommandLine } from "../cli.ts";
import { fakeLibrary, type FakeLibrary } from "./fake-repository.ts";
import { fakeWorld, type FakeWorld, type FakeWorldOptions } from "./fake-world.ts";
import type { Repository } from "../library.ts";

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly calls: unknown[][];
  readonly world: FakeWorld;
}

export interface RunOptions extends Omit<FakeWorldOptions, "library"> {
  /** How the repository answers. */
  readonly answers?: Partial<Repository>;
  readonly library?: FakeLibrary;
  /** Called before the command runs. */
  readonly prepare?: (world: FakeWorld) => void;
}

/** Runs a whole command in a world where the repository and its passphrase are in the environment. */
export async function run(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { answers, prepare, library = fakeLibrary(answers), ...worldOptions } = options;
  const environment = { HOLDFAST_REPOSITORY: "/backup", HOLDFAST_PASSPHRASE: "secret", ...options.environment };
  const world = fakeWorld({ ...worldOptions, library, environment });
  prepare?.(world);
  const status = await runCommandLine(words, world);
  return { status, stdout: world.output.text, stderr: world.errors.text, calls: library.calls, world };
}

/** What was asked of the repository itself: the calls between opening and closing. */
export function asked({ calls }: Ran): unknown[][] {
  return calls.filter(([name]) => name !== "open" && name !== "create" && name !== "close");
}
