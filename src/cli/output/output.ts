// Everything the program says goes through here, in one order: results to the output, messages and progress to the error
// output, or with --json everything as JSON. What is shown to people is made safe here, so no command can forget it.

import { HoldfastError } from "../../base/errors.ts";
import { jsonText } from "../text/json.ts";
import { safeText } from "../text/safe-text.ts";
import type { CommandWorld, OutputStream } from "../world.ts";
import { progressFields, progressLine, progressMessage } from "./progress-line.ts";
import { Progress, type ProgressSink } from "./progress.ts";

export interface OutputMode {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /**
   * With --json: events, one in a line; or one document, the error's if there is one; or content, with all that is JSON on the
   * error output.
   */
  readonly writes: "events" | "document" | "content";
}

/** Whoever read our output has gone; nobody is left to tell, so this is no error to report. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

type OutputWorld = Pick<CommandWorld, "output" | "errors" | "clock" | "repeat" | "environment" | "signal">;

const BUFFERED_CHARACTERS = 64 * 1024;
const RARE_MS = 200;
const TERMINAL_EVERY_MS = 100;
const JSON_EVERY_MS = 1_000;
const PLAIN_EVERY_MS = 10_000;
const DEFAULT_COLUMNS = 80;
const ERASE_LINE = "\r\u001b[K";
const ERASE_REST = "\u001b[K";

export class Output {
  readonly mode: OutputMode;
  readonly #world: OutputWorld;
  /** Lines on their way to the output: one write for each of a million lines would take minutes. */
  #buffer = "";
  #sending: Promise<void> = Promise.resolve();
  #waitingCharacters = 0;
  #sentAtMs = 0;
  #failure: Error | undefined;
  #isProgressShown = false;

  constructor(world: OutputWorld, mode: OutputMode) {
    this.#world = world;
    this.mode = mode;
  }

  /** One line of a result, for people. */
  line(text = ""): void {
    this.#addToBuffer(`${safeText(text)}\n`);
  }

  lines(texts: readonly string[]): void {
    for (const text of texts) this.line(text);
  }

  /** A result for programs: the whole of it, once. */
  document(value: unknown): void {
    this.#addToBuffer(`${jsonText(value)}\n`);
  }

  /** One line of a result for programs. Lists go on in the buffer; news is sent at once. */
  event(event: string, fields: object, isNews = true): void {
    if (this.mode.writes === "content") {
      this.#sendMessage(`${jsonText({ event, ...fields })}\n`);
      return;
    }
    this.document({ event, ...fields });
    if (isNews) this.#sendBuffer();
  }

  /** Something a person should know, which is not the result. With --json it is an event. */
  notice(message: string): void {
    if (!this.mode.json) this.message(message);
    else if (this.mode.writes === "events") this.event("notice", { message });
    else this.#sendMessage(`${jsonText({ event: "notice", message })}\n`);
  }

  /** A line for people beside the result. */
  message(text: string): void {
    this.#sendBuffer();
    this.#sendMessage(`${safeText(text)}\n`);
  }

  /** Content, as it is. Resolves when more may come; fails when nobody wants it any more. */
  async bytes(content: string | Uint8Array): Promise<void> {
    this.#refuseWhenInterrupted();
    this.#sendBuffer();
    void this.#send(this.#world.output, content);
    await this.#allSent();
  }

  /** Before each line of a long result: waits for a slow reader, and fails when nobody reads any more or Ctrl-C was pressed. */
  ready(): Promise<void> | undefined {
    this.#refuseWhenInterrupted();
    if (this.#failure === undefined && this.#buffer.length + this.#waitingCharacters < BUFFERED_CHARACTERS) return undefined;
    this.#sendBuffer();
    return this.#allSent();
  }

  /** What there is so far is out: nothing more may come for hours. */
  async flush(): Promise<void> {
    this.#sendBuffer();
    await this.#sending;
  }

  /** At the end: everything is out. Work that was done is not undone by a reader who has gone. */
  async finish(): Promise<void> {
    this.#sendBuffer();
    await this.#sending;
    if (this.#failure !== undefined && !(this.#failure instanceof OutputClosed)) throw this.#failure;
  }

  /** Shows how far long work is, in the way that suits where it is shown. Stop it before the result. */
  startProgress(): Progress {
    return new Progress(this.#world, this.#progressSink());
  }

  #progressSink(): ProgressSink | undefined {
    const { errors, environment } = this.#world;
    const erase = (): void => this.#eraseProgress();
    if (this.mode.quiet) return undefined;
    if (this.mode.json) {
      const draw: ProgressSink["draw"] = (view) => this.event("progress", progressFields(view));
      return { everyMs: JSON_EVERY_MS, draw, erase };
    }
    if (!errors.isTerminal || environment("TERM") === "dumb") {
      return { everyMs: PLAIN_EVERY_MS, draw: (view) => this.message(progressMessage(view)), erase };
    }
    let isDrawing = false;
    const draw: ProgressSink["draw"] = (view) => {
      // A terminal that cannot keep up is left in peace until it has shown the last line.
      if (isDrawing) return;
      isDrawing = true;
      this.#isProgressShown = true;
      const line = progressLine(view, errors.columns ?? DEFAULT_COLUMNS);
      // The new line covers the old one; only then the rest is erased. Erasing first would flicker.
      void this.#send(errors, `\r${line}${ERASE_REST}`).then(() => (isDrawing = false));
    };
    return { everyMs: TERMINAL_EVERY_MS, draw, erase };
  }

  #eraseProgress(): void {
    if (!this.#isProgressShown) return;
    this.#isProgressShown = false;
    void this.#send(this.#world.errors, ERASE_LINE);
  }

  #addToBuffer(text: string): void {
    this.#buffer += text;
    // A reader of rare finds wants each of them now, a reader of a million lines wants them fast.
    const isRare = this.#world.clock.elapsedMs() - this.#sentAtMs >= RARE_MS;
    if (isRare || this.#world.output.isTerminal) this.#sendBuffer();
  }

  #sendBuffer(): void {
    if (this.#buffer === "") return;
    // Both may be the same terminal: the progress line makes way, and comes back with the next report.
    this.#eraseProgress();
    void this.#send(this.#world.output, this.#buffer);
    this.#buffer = "";
    this.#sentAtMs = this.#world.clock.elapsedMs();
  }

  #sendMessage(text: string): void {
    this.#eraseProgress();
    void this.#send(this.#world.errors, text);
  }

  /** One write after the other, whichever stream it goes to. Never rejects; what failed is kept for those who ask. */
  #send(stream: OutputStream, data: string | Uint8Array): Promise<void> {
    this.#waitingCharacters += data.length;
    this.#sending = this.#sendAfter(this.#sending, stream, data);
    return this.#sending;
  }

  async #sendAfter(earlier: Promise<void>, stream: OutputStream, data: string | Uint8Array): Promise<void> {
    await earlier;
    const isOutput = stream === this.#world.output;
    try {
      if (!isOutput || this.#failure === undefined) await stream.write(data);
    } catch (error) {
      // Without an error output there is no place left to complain.
      if (isOutput) this.#failure ??= writeFailure(error);
    }
    this.#waitingCharacters -= data.length;
  }

  /** A listing that was given up must not go on behind the last word. */
  #refuseWhenInterrupted(): void {
    if (this.#world.signal.aborted) throw new HoldfastError("INTERRUPTED", { message: "Interrupted" });
  }

  async #allSent(): Promise<void> {
    await this.#sending;
    if (this.#failure !== undefined) throw this.#failure;
  }
}

function writeFailure(error: unknown): Error {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EPIPE" || code === "ERR_STREAM_DESTROYED") return new OutputClosed("Nobody reads the output any more");
  return error instanceof Error ? error : new Error(String(error));
}
