// From words to values. node:util splits the words; what it would refuse in its own words is judged here instead, so that
// every complaint names the option, says what was expected and suggests what was probably meant.

import { parseArgs } from "node:util";
import { HoldfastError } from "../../base/errors.ts";
import { InvalidValue, type Option, type OptionTable } from "./options.ts";
import { nearest } from "./suggestion.ts";

export interface ParsedArguments {
  readonly values: Readonly<Record<string, unknown>>;
  readonly positionals: readonly string[];
  /** What follows "--"; undefined when there is none. */
  readonly afterTerminator: readonly string[] | undefined;
}

type Token = NonNullable<ReturnType<typeof parseArgs<{ tokens: true; strict: false }>>["tokens"]>[number];
type OptionToken = Extract<Token, { kind: "option" }>;

/** Everything after the command's name. `command` names it in complaints. */
export function parseArguments(words: readonly string[], options: OptionTable, command: string): ParsedArguments {
  const tokens = tokensOf(words, options);
  const terminator = tokens.find((token) => token.kind === "option-terminator");
  const positionals: string[] = [];
  const given = new Map<string, (string | undefined)[]>();
  for (const token of tokens) {
    if (token.kind === "positional" && (terminator === undefined || token.index < terminator.index))
      positionals.push(token.value);
    if (token.kind !== "option") continue;
    const value = checkedValue(token, options, command);
    given.set(token.name, [...(given.get(token.name) ?? []), value]);
  }
  const values = Object.entries(options).map(
    ([name, option]) => [name, valueOf(name, option, given.get(name), command)] as const,
  );
  return {
    values: Object.fromEntries(values),
    positionals,
    afterTerminator: terminator === undefined ? undefined : words.slice(terminator.index + 1),
  };
}

export interface FirstWord {
  readonly word: string;
  /** Everything else: options that came before it too. */
  readonly rest: readonly string[];
}

/**
 * Finds the first word that is neither an option nor the value of one; undefined when there is none. Only `options` may come
 * before it, for the others are not known before the word is.
 */
export function takeFirstWord(words: readonly string[], options: OptionTable, program: string): FirstWord | undefined {
  for (const token of tokensOf(words, options)) {
    if (token.kind === "option-terminator") return undefined;
    if (token.kind === "positional") return { word: token.value, rest: words.toSpliced(token.index, 1) };
    checkedValue(token, options, program);
  }
  return undefined;
}

/** Whether an option stands among the words, however wrong the rest of them may be. */
export function isGiven(words: readonly string[], options: OptionTable, name: string): boolean {
  return tokensOf(words, options).some((token) => token.kind === "option" && token.name === name);
}

export function usageError(message: string, command: string, hint?: string): HoldfastError {
  return new HoldfastError("USAGE", { message, hint: hint ?? `\`${command} --help\` shows how it is used.` });
}

function tokensOf(words: readonly string[], options: OptionTable): readonly Token[] {
  const config = Object.entries(options).map(([name, { takes, short }]) => {
    const type: "string" | "boolean" = takes === "value" ? "string" : "boolean";
    return [name, short === undefined ? { type } : { type, short }] as const;
  });
  return parseArgs({ args: [...words], options: Object.fromEntries(config), strict: false, allowPositionals: true, tokens: true })
    .tokens;
}

function checkedValue(token: OptionToken, options: OptionTable, command: string): string | undefined {
  const { rawName, value, inlineValue } = token;
  const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
  if (option === undefined) throw unknownOption(rawName, options, command);
  if (option.takes === "nothing" && value !== undefined) throw usageError(`The option ${rawName} takes no value`, command);
  if (option.takes !== "value") return value;
  const example = `${rawName} ${option.valueName ?? "VALUE"}`;
  if (value === undefined) throw usageError(`The option ${rawName} needs a value: ${example}`, command);
  // "--tag --json" is more likely a forgotten value than a tag called "--json".
  if (!inlineValue && value.startsWith("-") && value !== "-") {
    const hint = `If the value really is "${value}", write --${token.name}=${value}.`;
    throw usageError(`The option ${rawName} needs a value: ${example}`, command, hint);
  }
  return value;
}

function unknownOption(rawName: string, options: OptionTable, command: string): HoldfastError {
  const meant = rawName.startsWith("--") ? nearest(rawName.slice(2), Object.keys(options)) : undefined;
  const hint = meant === undefined ? undefined : `Did you mean --${meant}?`;
  return usageError(`${command} has no option ${rawName}`, command, hint);
}

function valueOf(
  name: string,
  option: Option<unknown>,
  given: readonly (string | undefined)[] | undefined,
  command: string,
): unknown {
  if (given === undefined) {
    if (option.isRequired !== true) return option.absent;
    throw usageError(`${command} needs the option --${name} ${option.valueName ?? "VALUE"}`, command);
  }
  if (given.at(-1) === "") throw usageError(`The value of --${name} is empty`, command);
  try {
    return option.read(given);
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    throw usageError(`The value of --${name}, "${given.at(-1) ?? ""}", ${error.message}`, command);
  }
}
