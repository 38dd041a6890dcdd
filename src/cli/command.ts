// A command is data and one function. Help, completion and docs/commands.md are made from the data.

import type { Completion, OptionTable, Values } from "./arguments/options.ts";
import type { CommandContext } from "./context.ts";
import type { ExitStatus } from "./exit-status.ts";
import type { OutputMode } from "./output/output.ts";

export interface Positional {
  readonly name: string;
  readonly isOptional?: boolean;
  readonly isRepeatable?: boolean;
  readonly completes?: Completion;
}

export interface Example {
  readonly command: string;
  readonly explanation: string;
}

export interface CommandDefinition<O extends OptionTable = OptionTable> {
  /** As typed, with its noun: "backup", "key add". */
  readonly name: string;
  /** A line without a full stop, for lists of commands. */
  readonly summary: string;
  /** Paragraphs below the usage line. */
  readonly description: readonly string[];
  readonly positionals: readonly Positional[];
  readonly options: O;
  /** Further forms of usage, without "holdfast NAME". */
  readonly moreUsage?: readonly string[];
  /** The command takes words after "--" that are not its positionals. */
  readonly takesCommandWords?: boolean;
  /** What stands on the output with --json. */
  readonly writes: OutputMode["writes"];
  /** False for the few that never open one. */
  readonly usesRepository: boolean;
  readonly examples: readonly Example[];
  /** In which statuses it may end, besides the usual ones; help lists them. */
  readonly exitStatuses: readonly ExitStatus[];
  /** What a status means here, where the general wording does not fit. */
  readonly exitMeanings?: Readonly<Partial<Record<ExitStatus, string>>>;
  /**
   * True when the command passes the signal on and ends by itself once it is aborted. Others are abandoned where they are:
   * nothing they do can leave a repository broken.
   */
  readonly endsOnSignal?: boolean;
  run(context: CommandContext, values: Values<O>): Promise<ExitStatus>;
}

/** Keeps the types of the options for `run`; a plain annotation would lose them. */
export function defineCommand<O extends OptionTable>(definition: CommandDefinition<O>): CommandDefinition<O> {
  return definition;
}
