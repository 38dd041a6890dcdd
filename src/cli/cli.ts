// The command line: words in, an exit status out. It knows the world only through CommandWorld and the repository only
// through the library, so that tests run whole commands in their own process.

import { GLOBAL_OPTIONS, type GlobalValues } from "./arguments/global-options.ts";
import type { OptionTable } from "./arguments/options.ts";
import { isGiven, parseArguments, takeFirstWord, usageError, type ParsedArguments } from "./arguments/parse-arguments.ts";
import { abandonedOn } from "./abandoned-on.ts";
import type { CommandDefinition } from "./command.ts";
import { EXIT, type ExitStatus } from "./exit-status.ts";
import { entryNamed, missingVerb, verbNamed } from "./find-command.ts";
import { Output, type OutputMode } from "./output/output.ts";
import { isNoun } from "./registry.ts";
import { reportError } from "./report-error.ts";
import type { CommandWorld } from "./world.ts";

export type { Library } from "./library.ts";
export type { ServeOptions, ServiceLibrary, StateOption } from "./service-library.ts";
export type {
  CommandFiles,
  CommandInput,
  CommandWorld,
  EntryComparison,
  EntryDifference,
  OutputStream,
  ShellResult,
} from "./world.ts";
export { processWorld, type ProcessWorldParts } from "./process/process-world.ts";

/** Runs one command to its end. Never rejects: what goes wrong is reported, and told by the exit status. */
export async function runCommandLine(words: readonly string[], world: CommandWorld): Promise<ExitStatus> {
  let output = new Output(world, earlyMode(words, "document"));
  let status: ExitStatus;
  try {
    status = await dispatch(words, world, (mode) => (output = new Output(world, mode)));
    await output.finish();
  } catch (error) {
    status = reportError(error, output, world.signal.aborted);
    await output.finish().catch(() => undefined);
  }
  return status;
}

/** Good enough for complaints about the words themselves; replaced when they have been understood. */
function earlyMode(words: readonly string[], writes: OutputMode["writes"]): OutputMode {
  return { json: isGiven(words, GLOBAL_OPTIONS, "json"), quiet: false, verbose: false, writes };
}

type StartOutput = (mode: OutputMode) => Output;

async function dispatch(words: readonly string[], world: CommandWorld, startOutput: StartOutput): Promise<ExitStatus> {
  const first = takeFirstWord(words, GLOBAL_OPTIONS, "holdfast");
  if (first === undefined) return runWithoutCommand(words, world);
  const entry = entryNamed(first.word);
  if (!isNoun(entry)) return runCommand(await entry.load(), first.rest, world, startOutput);

  const second = takeFirstWord(first.rest, GLOBAL_OPTIONS, `holdfast ${entry.name}`);
  if (second !== undefined) return runCommand(await verbNamed(entry, second.word).load(), second.rest, world, startOutput);
  if (!isGiven(first.rest, GLOBAL_OPTIONS, "help")) throw missingVerb(entry);
  await world.output.write(await (await import("./help.ts")).nounHelp(entry));
  return EXIT.done;
}

async function runWithoutCommand(words: readonly string[], world: CommandWorld): Promise<ExitStatus> {
  const values = parseArguments(words, GLOBAL_OPTIONS, "holdfast").values as GlobalValues;
  if (values.version) {
    await world.output.write(`holdfast ${world.version}\n`);
    return EXIT.done;
  }
  const text = await (await import("./help.ts")).overview(world.version);
  await (values.help ? world.output : world.errors).write(text);
  return values.help ? EXIT.done : EXIT.usage;
}

async function runCommand(
  command: CommandDefinition,
  words: readonly string[],
  world: CommandWorld,
  startOutput: StartOutput,
): Promise<ExitStatus> {
  const options: OptionTable = { ...GLOBAL_OPTIONS, ...command.options };
  if (isGiven(words, options, "help")) {
    await world.output.write((await import("./help.ts")).commandHelp(command));
    return EXIT.done;
  }
  startOutput(earlyMode(words, command.writes));
  const name = `holdfast ${command.name}`;
  const parsed = parseArguments(words, options, name);
  const globals = parsed.values as GlobalValues;
  if (globals.version) {
    await world.output.write(`holdfast ${world.version}\n`);
    return EXIT.done;
  }
  if (globals.quiet && globals.verbose) throw usageError("--quiet and --verbose cannot both be given", name);
  const positionals = checkedPositionals(command, parsed);
  const { json, quiet, verbose } = globals;
  const output = startOutput({ json, quiet, verbose, writes: command.writes });
  const { commandContext } = await import("./context.ts");
  const commandWords = command.takesCommandWords === true ? parsed.afterTerminator : undefined;
  const context = commandContext({ world, output, positionals, commandWords, globals });
  const work = command.run(context, parsed.values);
  const status = await (command.endsOnSignal === true ? announcedStop(world, output, work) : abandonedOn(world.signal, work));
  // What was shown is right but not all there is: a program that reads it must not take it for everything.
  return status === EXIT.done && context.hasMetDamage() ? EXIT.failed : status;
}

function checkedPositionals(command: CommandDefinition, parsed: ParsedArguments): readonly string[] {
  const name = `holdfast ${command.name}`;
  const more = command.takesCommandWords === true ? [] : (parsed.afterTerminator ?? []);
  const given = [...parsed.positionals, ...more];
  const missing = command.positionals.filter(({ isOptional }) => isOptional !== true).slice(given.length);
  if (missing.length > 0) throw usageError(`${name} needs ${missing.map((positional) => positional.name).join(" and ")}`, name);
  const isOpenEnded = command.positionals.at(-1)?.isRepeatable === true;
  const extra = isOpenEnded ? undefined : given[command.positionals.length];
  if (extra !== undefined) throw usageError(`${name} has no use for "${extra}"`, name);
  return given;
}

/** Ending cleanly may take a moment; a person should know that the key was heard. */
async function announcedStop<T>({ signal, errors }: CommandWorld, output: Output, work: Promise<T>): Promise<T> {
  const announce = (): void => {
    if (errors.isTerminal && !output.mode.json) output.message("Stopping. Ctrl-C once more ends at once.");
  };
  signal.addEventListener("abort", announce);
  try {
    return await work;
  } finally {
    signal.removeEventListener("abort", announce);
  }
}
