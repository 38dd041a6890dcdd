// Where the passphrase comes from. What is named on the command line goes before the environment, and a person is asked
// only when neither gives one. A passphrase is never an argument: those are open for every user of the machine to read.

import { HoldfastError, messageOf } from "../base/errors.ts";
import { usageError } from "./arguments/parse-arguments.ts";
import type { PassphraseSource } from "./library.ts";
import { codeOf, describeCode } from "./text/platform-codes.ts";
import type { CommandWorld } from "./world.ts";

export interface PassphraseOptions {
  readonly file: string | undefined;
  readonly command: string | undefined;
  /** Names of the two options, for complaints. */
  readonly fileOption: string;
  readonly commandOption: string;
  /** Undefined where the environment has no say. */
  readonly variable: string | undefined;
}

type PassphraseWorld = Pick<CommandWorld, "environment" | "files" | "input" | "runShell">;

const TRIES = 3;

/** The passphrase of an existing repository. */
export function passphraseSource(world: PassphraseWorld, options: PassphraseOptions): PassphraseSource {
  return async () => (await givenPassphrase(world, options)) ?? (await ask(world, options, "Passphrase: "));
}

/** A passphrase to be: one that is typed is typed twice. */
export function newPassphraseSource(world: PassphraseWorld, options: PassphraseOptions): PassphraseSource {
  return async () => (await givenPassphrase(world, options)) ?? (await askTwice(world, options));
}

/** To be checked before any work: which of the two is meant cannot be guessed. */
export function checkPassphraseOptions({ file, command, fileOption, commandOption }: PassphraseOptions): void {
  if (file === undefined || command === undefined) return;
  throw usageError(`--${fileOption} and --${commandOption} cannot both be given`, "holdfast");
}

async function givenPassphrase(world: PassphraseWorld, options: PassphraseOptions): Promise<string | undefined> {
  if (options.file !== undefined) return checked(await contentOf(world, options.file), `The file "${options.file}"`);
  if (options.command !== undefined) return checked(await outputOf(world, options), `The output of --${options.commandOption}`);
  const value = options.variable === undefined ? undefined : world.environment(options.variable);
  return value === "" ? undefined : value;
}

async function contentOf(world: PassphraseWorld, path: string): Promise<Uint8Array> {
  try {
    return await world.files.read(path);
  } catch (error) {
    const code = codeOf(error);
    throw new HoldfastError(code === "EACCES" ? "PERMISSION_DENIED" : "USAGE", {
      message: `Cannot read the passphrase from "${path}": ${code === undefined ? messageOf(error) : describeCode(code)}`,
      cause: error,
    });
  }
}

async function outputOf(world: PassphraseWorld, { command = "", commandOption }: PassphraseOptions): Promise<Uint8Array> {
  const { status, output } = await world.runShell(command);
  if (status === 0) return output;
  const how = typeof status === "number" ? `ended with status ${status}` : `was ended by ${status}`;
  throw new HoldfastError("HOOK_FAILED", {
    message: `The command that gives the passphrase ${how}`,
    hint: `It was run because of --${commandOption}; run it by itself to see what is wrong.`,
  });
}

/** One line end at the end belongs to the file, not to the passphrase. */
function checked(bytes: Uint8Array, where: string): string {
  let passphrase: string;
  try {
    passphrase = new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "");
  } catch (error) {
    throw new HoldfastError("USAGE", { message: `${where} is no passphrase: it is not UTF-8 text`, cause: error });
  }
  if (passphrase === "") throw new HoldfastError("USAGE", { message: `${where} is no passphrase: it is empty` });
  return passphrase;
}

async function askTwice(world: PassphraseWorld, options: PassphraseOptions): Promise<string> {
  for (let tries = 1; tries <= TRIES; tries++) {
    const passphrase = await ask(world, options, tries === 1 ? "New passphrase: " : "They differ. New passphrase: ");
    if ((await ask(world, options, "The same again: ")) === passphrase) return passphrase;
  }
  throw new HoldfastError("USAGE", { message: `The two passphrases differed ${TRIES} times` });
}

async function ask(world: PassphraseWorld, options: PassphraseOptions, prompt: string): Promise<string> {
  const answer = await world.input.askSecret(prompt);
  const { variable, fileOption, commandOption } = options;
  const ways = [variable, `--${fileOption}`, `--${commandOption}`].filter((way) => way !== undefined);
  const hint = `Without a terminal it comes from ${ways.slice(0, -1).join(", ")} or ${ways.at(-1) ?? ""}.`;
  if (answer === undefined)
    throw new HoldfastError("USAGE", { message: "No passphrase was given, and nobody can be asked", hint });
  if (answer === "") throw new HoldfastError("USAGE", { message: "An empty passphrase was typed" });
  return answer;
}
