// From a typed word to a command, or to a complaint that names the one that was probably meant.

import type { HoldfastError } from "../base/errors.ts";
import { usageError } from "./arguments/parse-arguments.ts";
import { nearest } from "./arguments/suggestion.ts";
import { ENTRIES, type CommandEntry, type NounEntry } from "./registry.ts";

/** Words that people bring from other programs. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  check: "verify",
  create: "backup",
  extract: "restore",
  list: "images",
  snapshot: "backup",
  snapshots: "images",
};

export function entryNamed(word: string): CommandEntry | NounEntry {
  const entry = ENTRIES.find(({ name }) => name === word);
  if (entry !== undefined) return entry;
  const elsewhere = Object.hasOwn(ELSEWHERE, word) ? ELSEWHERE[word] : undefined;
  const meant = elsewhere ?? nearest(word, namesOf(ENTRIES));
  const hint = meant === undefined ? "`holdfast help` lists the commands." : `Did you mean \`holdfast ${meant}\`?`;
  throw usageError(`There is no command "${word}"`, "holdfast", hint);
}

export function verbNamed(noun: NounEntry, word: string): CommandEntry {
  const verb = noun.verbs.find(({ name }) => name === word);
  if (verb !== undefined) return verb;
  const meant = nearest(word, namesOf(noun.verbs));
  const command = `holdfast ${noun.name}`;
  const hint = meant === undefined ? undefined : `Did you mean \`${command} ${meant}\`?`;
  throw usageError(`${command} has no verb "${word}"`, command, hint);
}

export function missingVerb(noun: NounEntry): HoldfastError {
  const verbs = namesOf(noun.verbs);
  const command = `holdfast ${noun.name}`;
  const choice = [verbs.slice(0, -1).join(", "), verbs.at(-1) ?? ""].filter((part) => part !== "").join(" or ");
  return usageError(`${command} needs a verb: ${choice}`, command);
}

function namesOf(entries: readonly { readonly name: string }[]): string[] {
  return entries.map(({ name }) => name);
}
