import { StringDecoder } from "node:string_decoder";
import { ReadStream, WriteStream } from "node:tty";
// oxlint-disable-next-line no-restricted-imports
import fs from "node:fs";
import { HoldfastError } from "../../base/errors.ts";
import type { CommandInput } from "../world.ts";

/** A prompt ends with `signal`: nobody may be there to press a key. */
export function processInput(signal: AbortSignal): CommandInput {
  return {
    readAll,
    askSecret: async (prompt) => {
      const terminal = openTerminal();
      if (terminal === undefined) return undefined;
      try {
        return await askOn(terminal, prompt, signal);
      } finally {
        terminal.close();
      }
    },
  };
}

async function readAll(): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

interface Terminal {
  readonly input: ReadStream;
  readonly output: Pick<WriteStream, "write">;
  close(): void;
}

/**
 * The terminal of the person, even when standard input and output lead elsewhere, as in `find | holdfast backup --files-from -`.
 * Undefined when there is none, as under cron.
 */
function openTerminal(): Terminal | undefined {
  if (process.stdin.isTTY && process.stderr.isTTY) {
    return { input: process.stdin, output: process.stderr, close: () => process.stdin.pause() };
  }
  let input: ReadStream;
  try {
    input = new ReadStream(fs.openSync("/dev/tty", "r+"));
  } catch {
    return undefined;
  }
  try {
    const output = new WriteStream(fs.openSync("/dev/tty", "w"));
    const close = (): void => {
      input.destroy();
      output.destroy();
    };
    return { input, output, close };
  } catch {
    input.destroy();
    return undefined;
  }
}

async function askOn({ input, output }: Terminal, prompt: string, signal: AbortSignal): Promise<string> {
  // The terminal must not echo, and there is no way to ask for that alone. Before the prompt: some people type fast.
  input.setRawMode(true);
  try {
    output.write(prompt);
    return await typedLine(input, signal);
  } finally {
    input.setRawMode(false);
    output.write("\n");
  }
}

function typedLine(input: ReadStream, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const decoder = new StringDecoder("utf8");
  const line = new TypedLine();
  const onData = (bytes: Buffer): void => {
    const end = line.add(decoder.write(bytes));
    if (end === "entered") resolve(line.text);
    if (end === "interrupted") onAbort();
  };
  const onAbort = (): void => reject(new HoldfastError("INTERRUPTED", { message: "Interrupted" }));
  const onEnd = (): void => resolve(line.text);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort);
  input.on("data", onData).once("end", onEnd).resume();
  return promise.finally(() => {
    signal.removeEventListener("abort", onAbort);
    input.off("data", onData).off("end", onEnd).pause();
  });
}

/** What a terminal does with a line of its own accord, as far as somebody who types a passphrase needs it. */
export class TypedLine {
  #characters: string[] = [];
  #isInSequence = false;

  get text(): string {
    return this.#characters.join("");
  }

  /** Takes what was typed; says how the line ended, if it did. */
  add(typed: string): "entered" | "interrupted" | undefined {
    for (const character of typed) {
      if (this.#isInSequence) {
        // Keys such as the arrows send ESC [ … and end with a letter or "~".
        this.#isInSequence = !/[A-Za-z~]/.test(character);
        continue;
      }
      const end = this.#take(character);
      if (end !== undefined) return end;
    }
    return undefined;
  }

  #take(character: string): "entered" | "interrupted" | undefined {
    switch (character) {
      case "\r":
      case "\n":
        return "entered";
      case "\u0003": // Ctrl-C
        return "interrupted";
      case "\u0004": // Ctrl-D
        return "entered";
      case "\u0008":
      case "\u007f": // Backspace
        this.#characters.pop();
        return undefined;
      case "\u0015": // Ctrl-U
        this.#characters = [];
        return undefined;
      case "\u001b":
        this.#isInSequence = true;
        return undefined;
      default:
        if (character >= " ") this.#characters.push(character);
        return undefined;
    }
  }
}
