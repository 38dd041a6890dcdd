// What the completion scripts of all shells are made from: the definitions of the commands, in a form that suits shells.

import { GLOBAL_OPTIONS } from "../arguments/global-options.ts";
import type { Completion, Option } from "../arguments/options.ts";
import type { CommandDefinition } from "../command.ts";
import { ENTRIES, isNoun } from "../registry.ts";

export interface CompletedOption {
  /** With its dashes. */
  readonly long: string;
  readonly short: string | undefined;
  readonly takes: Option<unknown>["takes"];
  readonly valueName: string;
  readonly help: string;
  readonly choices: readonly string[];
  readonly completes: Completion;
  readonly isRepeatable: boolean;
}

export interface CompletedCommand {
  /** One word, or a noun and its verb. */
  readonly words: readonly string[];
  readonly summary: string;
  readonly options: readonly CompletedOption[];
  /** One for each word after the command; the last one stands for all further ones when `isOpenEnded`. */
  readonly positionals: readonly { readonly name: string; readonly completes: Completion }[];
  readonly isOpenEnded: boolean;
}

export interface CompletedNoun {
  readonly name: string;
  readonly summary: string;
  readonly verbs: readonly string[];
}

export interface CompletionModel {
  readonly globals: readonly CompletedOption[];
  readonly nouns: readonly CompletedNoun[];
  readonly commands: readonly CompletedCommand[];
}

export function completionModel(commands: readonly CommandDefinition[]): CompletionModel {
  return {
    globals: completedOptions(GLOBAL_OPTIONS),
    nouns: ENTRIES.filter(isNoun).map(({ name, summary, verbs }) => {
      return { name, summary, verbs: verbs.map((verb) => verb.name) };
    }),
    commands: commands.map((command) => ({
      words: command.name.split(" "),
      summary: command.summary,
      options: completedOptions(command.options),
      positionals: command.positionals.map(({ name, completes }) => ({ name, completes: completes ?? "nothing" })),
      isOpenEnded: command.positionals.at(-1)?.isRepeatable === true,
    })),
  };
}

/** The words that may follow the program's name, with what they do. */
export function firstWords({ commands, nouns }: CompletionModel): readonly { readonly name: string; readonly summary: string }[] {
  const single = commands
    .filter(({ words }) => words.length === 1)
    .map(({ words, summary }) => ({ name: words[0] ?? "", summary }));
  return [...single, ...nouns].map(({ name, summary }) => ({ name, summary }));
}

/** Every option of any command; the same name means the same everywhere (a test holds us to it). */
export function allOptions({ globals, commands }: CompletionModel): readonly CompletedOption[] {
  const options = [...globals, ...commands.flatMap((command) => command.options)];
  return [...new Map(options.map((option) => [option.long, option])).values()];
}

/** An option's names, as they are typed. */
export function namesOf({ long, short }: CompletedOption): readonly string[] {
  return short === undefined ? [long] : [short, long];
}

function completedOptions(options: Readonly<Record<string, Option<unknown>>>): CompletedOption[] {
  return Object.entries(options).map(([name, option]) => ({
    long: `--${name}`,
    short: option.short === undefined ? undefined : `-${option.short}`,
    takes: option.takes,
    valueName: option.valueName ?? "",
    help: option.help,
    choices: option.choices ?? [],
    completes: option.completes ?? "nothing",
    isRepeatable: option.isRepeatable === true,
  }));
}
