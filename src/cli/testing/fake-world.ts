// A world for tests: a screen that remembers, a clock that stands until it is moved, files that are given.

import type { Clock, EpochMs } from "../../platform/clock.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Library } from "../library.ts";
import type { ServiceLibrary } from "../service-library.ts";
import { fakeService, type FakeService } from "./fake-service.ts";
import type { CommandWorld, EntryComparison, OutputStream, ShellResult } from "../world.ts";

export class FakeStream implements OutputStream {
  readonly isTerminal: boolean;
  columns: number | undefined;
  /** Everything that was written. */
  text = "";
  /** Each write by itself. */
  readonly writes: string[] = [];
  /** From now on every write fails so. */
  failure: Error | undefined;

  constructor(columns?: number) {
    this.isTerminal = columns !== undefined;
    this.columns = columns;
  }

  write(data: string | Uint8Array): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const text = typeof data === "string" ? data : Buffer.from(data).toString("latin1");
    this.writes.push(text);
    this.text += text;
    return Promise.resolve();
  }
}

/** What a terminal would show: carriage returns and "erase to the end of the line" are obeyed, other escapes shown. */
export function screenOf(written: string): string {
  const lines: string[][] = [[]];
  let column = 0;
  for (let at = 0; at < written.length; at++) {
    const line = lines.at(-1) ?? [];
    if (written.startsWith("\u001b[K", at)) {
      line.length = Math.min(line.length, column);
      at += 2;
    } else if (written[at] === "\r") {
      column = 0;
    } else if (written[at] === "\n") {
      lines.push([]);
      column = 0;
    } else {
      line[column++] = written[at] === "\u001b" ? "<ESC>" : (written[at] ?? "");
    }
  }
  return lines.map((line) => line.join("").trimEnd()).join("\n");
}

export class FakeClock implements Clock {
  nowMs = Date.UTC(2026, 10, 20, 13, 0, 0);
  #elapsedMs = 0;
  readonly #repeated = new Set<{ readonly everyMs: number; readonly action: () => void; nextMs: number }>();

  now(): EpochMs {
    return this.nowMs as EpochMs;
  }

  elapsedMs(): number {
    return this.#elapsedMs;
  }

  /** Lets time pass, and what is repeated run at its times. */
  pass(milliseconds: number): void {
    const endMs = this.#elapsedMs + milliseconds;
    for (;;) {
      const next = [...this.#repeated].filter(({ nextMs }) => nextMs <= endMs).sort((a, b) => a.nextMs - b.nextMs)[0];
      if (next === undefined) break;
      this.#elapsedMs = next.nextMs;
      next.nextMs += next.everyMs;
      next.action();
    }
    this.#elapsedMs = endMs;
    this.nowMs += milliseconds;
  }

  repeat(everyMs: number, action: () => void): () => void {
    const entry = { everyMs, action, nextMs: this.#elapsedMs + everyMs };
    this.#repeated.add(entry);
    return () => this.#repeated.delete(entry);
  }

  get repeating(): number {
    return this.#repeated.size;
  }
}

export interface FakeWorldOptions {
  readonly library?: Library;
  /** How servers and their state answer. */
  readonly service?: Partial<ServiceLibrary>;
  /** Columns of a terminal for both streams; none unless given. */
  readonly columns?: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** What is typed at each prompt, in turn; without it there is nobody to ask. */
  readonly typed?: readonly string[];
  readonly stdin?: string;
  readonly shell?: (command: string) => ShellResult;
  readonly compare?: (original: Uint8Array, copy: Uint8Array) => EntryComparison;
}

export interface FakeWorld extends CommandWorld {
  readonly output: FakeStream;
  readonly errors: FakeStream;
  readonly clock: FakeClock;
  readonly abort: AbortController;
  readonly fakeService: FakeService;
  readonly prompts: string[];
  readonly removed: string[];
}

export function fakeWorld(options: FakeWorldOptions = {}): FakeWorld {
  const clock = new FakeClock();
  const abort = new AbortController();
  const prompts: string[] = [];
  const removed: string[] = [];
  const service = fakeService(() => abort.abort(), options.service);
  const typed = options.typed === undefined ? undefined : [...options.typed];
  return {
    version: "1.2.3",
    output: new FakeStream(options.columns),
    errors: new FakeStream(options.columns),
    clock,
    abort,
    prompts,
    removed,
    signal: abort.signal,
    workingDirectory: "/home/anna",
    random: { bytes: (count) => new Uint8Array(count).map((_, position) => position * 7) },
    library: () => {
      if (options.library === undefined) throw new Error("The library was loaded");
      return Promise.resolve(options.library);
    },
    service: () => Promise.resolve(service),
    fakeService: service,
    environment: (name) => options.environment?.[name],
    input: {
      askSecret: (prompt) => {
        prompts.push(prompt);
        return Promise.resolve(typed?.shift());
      },
      readAll: () => Promise.resolve(utf8(options.stdin ?? "")),
    },
    files: {
      read: (path) => {
        const content = options.files?.[path];
        if (content === undefined) return Promise.reject(Object.assign(new Error(`no ${path}`), { code: "ENOENT" }));
        return Promise.resolve(typeof content === "string" ? utf8(content) : content);
      },
      makeTemporaryDirectory: () => Promise.resolve("/tmp/holdfast-abc"),
      removeDirectory: (path) => {
        removed.push(path);
        return Promise.resolve();
      },
      compareEntries: (original, copy) =>
        Promise.resolve(options.compare?.(original, copy) ?? { differences: [], originalModifiedSeconds: 0 }),
    },
    runShell: (command) =>
      options.shell === undefined ? Promise.reject(new Error("No shell")) : Promise.resolve(options.shell(command)),
    repeat: (everyMs, action) => clock.repeat(everyMs, action),
  };
}
