// Reads restored files again, in the threads, and compares them with the fingerprints of the image.

import { ByteWriter } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { ENTRY_FILE, readEntryBody } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import { SEGMENT_REFERENCE_BYTES, writeSegmentReference } from "../formats/segment-reference.ts";
import { segmentsOf } from "../repository/repository.ts";
import type { EntryStream } from "./entry-stream.ts";
import { LinkGroups } from "./hard-links.ts";
import type { WantedPath } from "./image-selection.ts";
import type { RunContext } from "./run-context.ts";
import { TASK_VERIFY, writeContentRecord, writeDirectory } from "./tasks.ts";
import type { ContentRecord } from "./tasks.ts";

const TASK_FILES = 192;
const TASK_BYTES = 16 * 1024 * 1024;
const STRETCH_BYTES = 64 * 1024 * 1024;
const STRETCH_REFERENCES = 4096;
const TASKS_WAITING = 8;

export async function verifyRestored(context: RunContext, wanted: readonly WantedPath[]): Promise<void> {
  await new VerifyPass(context).run(wanted);
}

class VerifyPass {
  readonly #context: RunContext;
  readonly #groups = new LinkGroups(false);
  readonly #task = new ByteWriter(64 * 1024);
  readonly #references = new ByteWriter(4096);
  #files = 0;
  #bytes = 0;

  constructor(context: RunContext) {
    this.#context = context;
  }

  async run(wanted: readonly WantedPath[]): Promise<void> {
    const { counts } = this.#context.parts;
    counts.filesDone = 0;
    counts.bytesDone = 0;
    const stream = this.#context.stream(wanted);
    while (await stream.nextPage()) {
      while (stream.next()) {
        if (stream.kind === ENTRY_FILE && !this.#context.notRestored.has(stream.position)) await this.#visit(stream);
      }
      await this.#context.turn(() => stream.pathCopy);
    }
    await this.#dispatch();
    await this.#context.below(0);
  }

  async #visit(stream: EntryStream): Promise<void> {
    try {
      const body = readEntryBody(stream.body);
      // A further name leads to the same bytes.
      if (this.#groups.firstNameOf(body, () => stream.path) !== undefined) return;
      if (body.segmentList === undefined && body.sizeBytes <= STRETCH_BYTES) await this.#addWhole(stream, body);
      else await this.#addStretches(stream, body);
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code === "INTERRUPTED" || error.code === "WORKER_FAILED") throw error;
      this.#context.parts.problems.add(stream.pathCopy, "verify", error.code);
    }
  }

  async #addWhole(stream: EntryStream, body: EntryBody): Promise<void> {
    this.#references.clear();
    for (const reference of body.segments ?? []) writeSegmentReference(this.#references, reference);
    this.#addRecord(stream, { from: 0, isEnd: true, isWhole: true });
    this.#files++;
    this.#bytes += body.sizeBytes;
    if (this.#files >= TASK_FILES || this.#bytes >= TASK_BYTES) await this.#dispatch();
  }

  #addRecord(stream: EntryStream, stretch: Pick<ContentRecord, "from" | "isEnd" | "isWhole">): void {
    const { path, pathLength, nameStart } = stream;
    if (this.#task.length === 0) this.#task.u8(TASK_VERIFY);
    writeDirectory(this.#task, path.subarray(0, Math.max(0, nameStart - 1)));
    writeContentRecord(this.#task, {
      ...stretch,
      name: path.subarray(nameStart, pathLength),
      references: this.#references.peek(),
    });
  }

  async #dispatch(): Promise<void> {
    this.#files = 0;
    this.#bytes = 0;
    if (this.#task.length === 0) return;
    this.#context.parts.pool.addOne(this.#context.task(this.#task.take()));
    await this.#context.below(TASKS_WAITING);
  }

  /** Of a large file each stretch is a task; the file counts when all are right. */
  async #addStretches(stream: EntryStream, body: EntryBody): Promise<void> {
    await this.#dispatch();
    const { counts, pool, problems, source } = this.#context.parts;
    const path = stream.pathCopy;
    const file = { stretches: 0, isPlanned: false, code: undefined as string | undefined };
    const settle = (): void => {
      if (!file.isPlanned || file.stretches > 0) return;
      if (file.code === undefined) counts.verifiedFiles++;
      else problems.add(path, "verify", file.code);
    };
    const send = async (from: number, isEnd: boolean): Promise<void> => {
      this.#addRecord(stream, { from, isEnd, isWhole: false });
      const task = this.#context.task(this.#task.take(), {
        problem: (_path, _action, code) => {
          file.code ??= code;
        },
      });
      file.stretches++;
      const done = (results: Uint8Array): void => {
        task.done(results);
        file.stretches--;
        settle();
      };
      pool.addOne({ bytes: task.bytes, done });
      this.#references.clear();
      await this.#context.below(TASKS_WAITING);
    };
    let from = 0;
    let position = 0;
    this.#references.clear();
    for await (const references of segmentsOf(source, body)) {
      for (const reference of references) {
        writeSegmentReference(this.#references, reference);
        position += reference.length;
        if (position - from < STRETCH_BYTES && this.#references.length < STRETCH_REFERENCES * SEGMENT_REFERENCE_BYTES) continue;
        await send(from, false);
        from = position;
      }
      await this.#context.turn(() => path);
    }
    // With the end of the file, also when nothing is left of it.
    await send(from, true);
    file.isPlanned = true;
    settle();
  }
}
