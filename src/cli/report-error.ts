import { HoldfastError, messageOf } from "../base/errors.ts";
import { EXIT, exitStatusOf, type ExitStatus } from "./exit-status.ts";
import { OutputClosed, type Output } from "./output/output.ts";
import { codeOf, describeCode } from "./text/platform-codes.ts";

interface Report {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly exitStatus: ExitStatus;
}

/** Says what went wrong, for people or for programs, and with which status to end. */
export function reportError(thrown: unknown, output: Output, isInterrupted: boolean): ExitStatus {
  const error = firstOf(thrown);
  if (error instanceof OutputClosed) return EXIT.outputClosed;
  const report = isInterrupted ? interruptionReport(error) : reportOf(error);
  if (output.mode.json) output.event("error", report);
  else {
    // Complaints about the words of a command name it already.
    output.message(report.message.startsWith("holdfast ") ? report.message : `holdfast: ${report.message}`);
    if (report.hint !== undefined) output.message(`hint: ${report.hint}`);
    if (output.mode.verbose) for (const line of details(error)) output.message(line);
  }
  return report.exitStatus;
}

/** What went wrong first, where closing what was open failed as well: on a failing disk the one often follows the other. */
function firstOf(error: unknown): unknown {
  let first = error;
  while (first instanceof SuppressedError) first = first.suppressed as unknown;
  return first;
}

function reportOf(error: unknown): Report {
  if (error instanceof HoldfastError) {
    return { code: error.code, message: error.message, hint: error.hint, exitStatus: exitStatusOf(error) };
  }
  const code = codeOf(error);
  const message = code === undefined ? messageOf(error) : `${messageOf(error)}: ${describeCode(code)}`;
  const hint = "This was not expected. With --verbose it says where it happened; please report it.";
  return { code: "UNEXPECTED", message, hint, exitStatus: EXIT.failed };
}

/** Whatever broke because the work was told to stop is not news; what the library has to say about it is. */
function interruptionReport(error: unknown): Report {
  const isOurs = error instanceof HoldfastError && error.code === "INTERRUPTED";
  const message = isOurs ? error.message : "Interrupted";
  return { code: "INTERRUPTED", message, hint: isOurs ? error.hint : undefined, exitStatus: EXIT.interrupted };
}

function details(error: unknown): string[] {
  const lines = error instanceof HoldfastError ? [`code: ${error.code}`] : [];
  let cause = error;
  // A chain that bites its own tail must not hold us for ever.
  for (let depth = 0; cause instanceof Error && depth < 8; depth++) {
    lines.push(...(cause.stack ?? cause.message).split("\n"));
    cause = cause.cause;
  }
  return lines;
}
