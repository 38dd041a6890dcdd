// Help is made from the definitions of the commands, always 80 columns wide: what a person sees, what the documentation
// shows and what the tests compare is one text.

import { GLOBAL_OPTIONS, REPOSITORY_OPTIONS } from "./arguments/global-options.ts";
import type { Option, OptionTable } from "./arguments/options.ts";
import type { CommandDefinition, Positional } from "./command.ts";
import { EXIT, EXIT_MEANINGS, type ExitStatus } from "./exit-status.ts";
import { isNoun, SECTIONS, type NounEntry } from "./registry.ts";

const COLUMNS = 80;
const HELP_START = 30;

/** The statuses that every command may end with. */
const USUAL_STATUSES: readonly ExitStatus[] = [EXIT.done, EXIT.failed, EXIT.usage];
const REPOSITORY_STATUSES: readonly ExitStatus[] = [EXIT.repositoryMissing, EXIT.locked, EXIT.wrongPassphrase, EXIT.interrupted];

export async function overview(version: string): Promise<string> {
  const sections = await Promise.all(
    SECTIONS.map(async ({ title, entries }) => {
      const rows = entries.map(async (entry): Promise<[string, string]> => {
        return [entry.name, isNoun(entry) ? entry.summary : (await entry.load()).summary];
      });
      return [`${title}:`, ...definitionList(await Promise.all(rows), 17)];
    }),
  );
  return page([
    [`Holdfast ${version}: encrypted backups. Every backup is a full image and costs only what changed.`].flatMap((text) =>
      wrapped(text),
    ),
    ["Usage: holdfast [OPTIONS] COMMAND ..."],
    ...sections,
    ["Options of every command:", ...optionLines(GLOBAL_OPTIONS)],
    ["Environment:", ...ENVIRONMENT_LINES],
    [
      "Examples:",
      "  holdfast init -r /media/disk/backup",
      "  holdfast backup -r /media/disk/backup ~/documents ~/pictures",
      "  holdfast images -r /media/disk/backup",
      "  holdfast restore -r /media/disk/backup latest --target /tmp/restored",
    ],
    ["Exit statuses:", ...statusLines(Object.values(EXIT), {})],
    ['"holdfast help COMMAND" shows the options of a command, with examples.'],
  ]);
}

const ENVIRONMENT_LINES = definitionList(
  [
    ["HOLDFAST_REPOSITORY", "the repository, where --repository is not given"],
    [
      "HOLDFAST_S3_ENDPOINT",
      "the address of the store for s3://bucket/prefix, where it is not Amazon's; credentials are in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ],
    ["HOLDFAST_PASSPHRASE", "the passphrase, where neither option gives one; without it you are asked"],
  ],
  HELP_START - 2,
);

export async function nounHelp(noun: NounEntry): Promise<string> {
  const verbs = await Promise.all(noun.verbs.map(({ load }) => load()));
  return page([
    [`${noun.summary}.`],
    [`Usage: holdfast ${noun.name} VERB ...`],
    [
      "Verbs:",
      ...definitionList(
        verbs.map(({ name, summary }) => [name, summary]),
        17,
      ),
    ],
    [`"holdfast help ${noun.name} VERB" shows the options of one of them, with examples.`],
  ]);
}

export function commandHelp(command: CommandDefinition): string {
  const groups = Map.groupBy(Object.entries(command.options), ([, { section }]) => section ?? "Options");
  const statuses = [...USUAL_STATUSES, ...command.exitStatuses, ...(command.usesRepository ? REPOSITORY_STATUSES : [])];
  return page([
    [`${command.summary}.`],
    usageLines(command),
    ...command.description.map((text) => wrapped(text)),
    ...[...groups].map(([title, options]) => [`${title}:`, ...optionLines(Object.fromEntries(options))]),
    ["Options of every command:", ...optionLines(globalOptionsOf(command))],
    ["Examples:", ...command.examples.flatMap(({ command: line, explanation }) => [`  ${line}`, ...indented(explanation, 6)])],
    ["Exit statuses:", ...statusLines([...new Set(statuses)], command.exitMeanings ?? {})],
  ]);
}

/** What is shown with a complaint: how the command is used, nothing more. */
export function usageLines(command: CommandDefinition): string[] {
  const required = Object.entries(command.options).filter(([, { isRequired }]) => isRequired === true);
  const words = [
    `holdfast ${command.name} [OPTIONS]`,
    ...required.map(([name, { valueName = "VALUE" }]) => `--${name} ${valueName}`),
    ...command.positionals.map(positionalUsage),
  ];
  const more = (command.moreUsage ?? []).map((usage) => `       holdfast ${command.name} ${usage}`);
  return [`Usage: ${words.join(" ")}`, ...more];
}

function positionalUsage({ name, isOptional, isRepeatable }: Positional): string {
  const word = isRepeatable === true ? `${name}...` : name;
  return isOptional === true ? `[${word}]` : word;
}

function globalOptionsOf({ usesRepository }: CommandDefinition): OptionTable {
  const shown = Object.entries(GLOBAL_OPTIONS).filter(([name]) => {
    return name !== "version" && (usesRepository || !REPOSITORY_OPTIONS.includes(name));
  });
  return Object.fromEntries(shown);
}

function optionLines(options: OptionTable): string[] {
  const rows = Object.entries(options).map(([name, option]): [string, string] => [leftOf(name, option), rightOf(option)]);
  return definitionList(rows, HELP_START - 2);
}

function leftOf(name: string, { short, takes, valueName = "VALUE" }: Option<unknown>): string {
  const value = { nothing: "", value: ` ${valueName}`, "maybe a value": `[=${valueName}]` }[takes];
  return `${short === undefined ? "    " : `-${short}, `}--${name}${value}`;
}

function rightOf({ help, choices, isRepeatable, isRequired }: Option<unknown>): string {
  const alternatives = choices === undefined ? "" : `: ${choices.slice(0, -1).join(", ")} or ${choices.at(-1) ?? ""}`;
  return `${help}${alternatives}${isRepeatable === true ? "; may be repeated" : ""}${isRequired === true ? " (required)" : ""}`;
}

function statusLines(statuses: readonly ExitStatus[], meanings: Readonly<Partial<Record<ExitStatus, string>>>): string[] {
  const rows = statuses
    .toSorted((a, b) => a - b)
    .map((status): [string, string] => {
      return [String(status), meanings[status] ?? EXIT_MEANINGS[status]];
    });
  return definitionList(rows, 5);
}

/** Terms and what they mean, in two columns; a term that is too long for its column stands on a line of its own. */
function definitionList(rows: readonly (readonly [string, string])[], termColumns: number): string[] {
  return rows.flatMap(([term, meaning]) => {
    const meaningLines = indented(meaning, termColumns + 2);
    if (term.length > termColumns - 2) return [`  ${term}`, ...meaningLines];
    return [`  ${term.padEnd(termColumns)}${(meaningLines[0] ?? "").trimStart()}`, ...meaningLines.slice(1)];
  });
}

function indented(text: string, columns: number): string[] {
  return wrapped(text, COLUMNS - columns).map((line) => " ".repeat(columns) + line);
}

function wrapped(text: string, columns: number = COLUMNS): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function page(blocks: readonly (readonly string[])[]): string {
  return `${blocks.map((block) => block.join("\n")).join("\n\n")}\n`;
}
