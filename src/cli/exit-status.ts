// What the program's exit status says is decided here and nowhere else. Scripts depend on it (docs/scripting.md):
// meanings are added, never changed.

import { HoldfastError, type ErrorCode } from "../base/errors.ts";

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  incomplete: 3,
  repositoryMissing: 10,
  locked: 11,
  wrongPassphrase: 12,
  interrupted: 130,
  outputClosed: 141,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** One line each, as help and the documentation show them. */
export const EXIT_MEANINGS: Readonly<Record<ExitStatus, string>> = {
  [EXIT.done]: "done",
  [EXIT.failed]: "failed",
  [EXIT.usage]: "the command line is not understood",
  [EXIT.incomplete]: "done, but some source items could not be read (they are listed)",
  [EXIT.repositoryMissing]: "there is no repository at that place",
  [EXIT.locked]: "the repository is locked",
  [EXIT.wrongPassphrase]: "wrong passphrase",
  [EXIT.interrupted]: "interrupted",
  [EXIT.outputClosed]: "whoever read the output stopped reading",
};

/** Codes that are not named here end with "failed". */
export const EXIT_OF_CODE: Readonly<Partial<Record<ErrorCode, ExitStatus>>> = {
  USAGE: EXIT.usage,
  REPOSITORY_MISSING: EXIT.repositoryMissing,
  REPOSITORY_NOT_RECOGNISED: EXIT.repositoryMissing,
  REPOSITORY_LOCKED: EXIT.locked,
  WRONG_PASSPHRASE: EXIT.wrongPassphrase,
  INTERRUPTED: EXIT.interrupted,
};

export function exitStatusOf(error: unknown): ExitStatus {
  return error instanceof HoldfastError ? (EXIT_OF_CODE[error.code] ?? EXIT.failed) : EXIT.failed;
}
