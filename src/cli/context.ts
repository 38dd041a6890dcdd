import { resolve } from "node:path";
import { HoldfastError } from "../base/errors.ts";
import { abandonedOn } from "./abandoned-on.ts";
import type { GlobalValues } from "./arguments/global-options.ts";
import type { OpenOptions, PassphraseSource, Repository, ServedRepository } from "./library.ts";
import type { Output } from "./output/output.ts";
import { checkPassphraseOptions, newPassphraseSource, passphraseSource, type PassphraseOptions } from "./passphrase.ts";
import { withoutUndefined } from "./text/without-undefined.ts";
import type { CommandWorld } from "./world.ts";

/** What a command is given: its words, the world, and the ways to a repository. */
export interface CommandContext {
  readonly world: CommandWorld;
  readonly output: Output;
  readonly positionals: readonly string[];
  /** What followed "--", for commands that take it; undefined when there was none. */
  readonly commandWords: readonly string[] | undefined;
  readonly globals: GlobalValues;
  /** Opens the repository that was named. Close it: `await using`. */
  openRepository(options?: Pick<OpenOptions, "startThreads">): Promise<Repository>;
  /** Opens it for clients of other machines. Dispose it: `await using`. */
  openToServe(): Promise<ServedRepository>;
  createRepository(keyLabel: string | undefined): Promise<Repository>;
  /** Another repository and the way to its passphrase, which comes from where the options say or from a person. */
  otherRepository(location: string, passphrase: PassphraseOptions): Pick<OpenOptions, "repository" | "passphrase">;
  /** Where the repository is, as the person says it. */
  repositoryLocation(): string;
  /** Whether something of the repository was found damaged and passed by, such as the record of an image. */
  hasMetDamage(): boolean;
  /** A path of this machine, or of an image, made absolute: relative ones start where the person stands. */
  absolute(path: string): string;
}

export type ContextParts = Pick<CommandContext, "world" | "output" | "positionals" | "commandWords" | "globals">;

export function commandContext(parts: ContextParts): CommandContext {
  const { world, globals } = parts;
  const passphrase: PassphraseOptions = {
    file: globals["passphrase-file"] === undefined ? undefined : absolute(globals["passphrase-file"]),
    command: globals["passphrase-command"],
    fileOption: "passphrase-file",
    commandOption: "passphrase-command",
    variable: "HOLDFAST_PASSPHRASE",
  };
  checkPassphraseOptions(passphrase);

  function absolute(path: string): string {
    return resolve(world.workingDirectory, path);
  }

  function placeOf(location: string): string {
    return /^[a-z][a-z0-9+.-]+:\/\//i.test(location) ? location : absolute(location);
  }

  function repositoryLocation(): string {
    const location = globals.repository ?? world.environment("HOLDFAST_REPOSITORY") ?? "";
    if (location !== "") return placeOf(location);
    throw new HoldfastError("USAGE", {
      message: "No repository was named",
      hint: "Name it with --repository LOCATION, or once for all commands in HOLDFAST_REPOSITORY.",
    });
  }

  function openOptions(source: PassphraseSource) {
    const cache = globals["cache-directory"];
    return withoutUndefined({
      repository: repositoryLocation(),
      passphrase: source,
      cacheDirectory: cache === undefined ? undefined : absolute(cache),
      threads: globals.threads,
      onNotice: (notice: string) => {
        metDamage = true;
        parts.output.notice(`Warning: ${notice}`);
      },
    });
  }

  let metDamage = false;
  return {
    ...parts,
    hasMetDamage: () => metDamage,
    absolute,
    repositoryLocation,
    openRepository: async (more) => {
      const options = { ...openOptions(passphraseSource(world, passphrase)), ...more };
      // Nothing is changed by opening, and a prompt would wait for ever.
      const repository = await abandonedOn(world.signal, (await world.library()).openRepository(options));
      for (const { message } of repository.problems) parts.output.notice(`Warning: ${message}`);
      return repository;
    },
    openToServe: async () => {
      const options = openOptions(passphraseSource(world, passphrase));
      const served = await abandonedOn(world.signal, (await world.library()).openToServe(options));
      for (const { message } of served.problems) parts.output.notice(`Warning: ${message}`);
      return served;
    },
    otherRepository: (location, source) => {
      checkPassphraseOptions(source);
      const file = source.file === undefined ? undefined : absolute(source.file);
      return { repository: placeOf(location), passphrase: passphraseSource(world, { ...source, file }) };
    },
    createRepository: async (keyLabel) => {
      const options = openOptions(newPassphraseSource(world, passphrase));
      return (await world.library()).createRepository(withoutUndefined({ ...options, keyLabel }));
    },
  };
}
