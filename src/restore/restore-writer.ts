// The restoring half that lives in a worker thread: does what the planning thread asks, one task after the other, and
// answers with results. Problems with single entries are results; only a failure of the thread itself throws.

import { assert } from "../base/assert.ts";
import { ByteReader } from "../base/bytes.ts";
import type { DirectoryHandle, FileTree } from "../platform/file-tree.ts";
import { AttributeSetter } from "./attributes.ts";
import { AttributeWriter } from "./attribute-writer.ts";
import { BlockCache } from "./block-cache.ts";
import { ContentVerifier } from "./content-verifier.ts";
import { DirectoryPath } from "./directory-path.ts";
import { joinPath } from "./entry-path.ts";
import { EntryWriter, Subject } from "./entry-writer.ts";
import type { DirectoryNote } from "./file-maker.ts";
import { FileMaker } from "./file-maker.ts";
import { OtherMaker } from "./other-maker.ts";
import type { BlockSource, ContentFingerprinter } from "./parts.ts";
import { ResultWriter } from "./results.ts";
import { decodeBegin, openTarget, temporaryNames } from "./run-settings.ts";
import { StretchWriter } from "./stretch-writer.ts";
import { TASK_BEGIN, TASK_DIRECTORIES, TASK_END, TASK_FILES, TASK_FINISH, TASK_FLAGS, TASK_PART, TASK_VERIFY } from "./tasks.ts";

export interface RestoreWriterParts {
  readonly tree: FileTree;
  readonly blocks: BlockSource;
  /** With the key of file content. */
  readonly fingerprinter: ContentFingerprinter;
}

/** What exists between "begin" and "end". */
interface Run {
  readonly root: DirectoryHandle;
  readonly directories: DirectoryPath<DirectoryNote>;
  readonly blocks: BlockCache;
  readonly entries: EntryWriter;
  readonly stretches: StretchWriter;
  readonly attributes: AttributeWriter;
  readonly verifier: ContentVerifier;
}

export class RestoreWriter {
  readonly #parts: RestoreWriterParts;
  readonly #results = new ResultWriter();
  #run: Run | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: RestoreWriterParts) {
    this.#parts = parts;
  }

  /** Tasks that come while one is served wait for it: they share what is open. */
  serve(task: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const served = this.#last.then(() => this.#serve(task));
    this.#last = served.catch(() => undefined);
    return served;
  }

  async #serve(task: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    if (task[0] === TASK_BEGIN) this.#begin(task);
    else if (task[0] === TASK_END) this.#end();
    else await this.#work(new ByteReader(task, "a restore task"));
    return this.#results.take();
  }

  async #work(reader: ByteReader): Promise<void> {
    const run = this.#run;
    assert(run !== undefined, "work lies between the begin and the end of a run");
    const type = reader.u8();
    switch (type) {
      case TASK_FILES:
        return run.entries.serve(reader);
      case TASK_PART:
        return run.stretches.writePart(reader);
      case TASK_FINISH:
        return run.stretches.finish(reader);
      case TASK_DIRECTORIES:
        return run.attributes.setDirectories(reader);
      case TASK_FLAGS:
        return run.attributes.setFlags(reader);
      case TASK_VERIFY:
        return run.verifier.serve(reader);
      default:
        return reader.invalid(`the unknown task ${type}`);
    }
  }

  #begin(task: Uint8Array): void {
    this.#end();
    const { tree, fingerprinter } = this.#parts;
    const { settings, thread } = decodeBegin(task);
    const results = this.#results;
    const root = openTarget(tree, settings.target);
    const directories = new DirectoryPath<DirectoryNote>(tree, root);
    const blocks = new BlockCache(this.#parts.blocks, fingerprinter);
    const subject = new Subject();
    const setter = new AttributeSetter(tree, settings.owners, (action, code) => results.problem(subject.path, action, code));
    const onRemoved = (path: Uint8Array): void => results.removed(joinPath(subject.directory, path));
    const temporaryName = temporaryNames(settings.temporaryPrefix, thread);
    const makerParts = { tree, setter, settings, directories, temporaryName, onRemoved };
    const files = new FileMaker(makerParts);
    const others = new OtherMaker(makerParts, files);
    const parts = { tree, settings, setter, directories, files, others, blocks, results, subject, onRemoved };
    const entries = new EntryWriter(parts);
    this.#run = {
      root,
      directories,
      blocks,
      entries,
      stretches: new StretchWriter(parts, entries),
      attributes: new AttributeWriter(parts, entries),
      verifier: new ContentVerifier({ tree, directories, fingerprinter, results }),
    };
  }

  #end(): void {
    const run = this.#run;
    this.#run = undefined;
    if (run === undefined) return;
    run.directories.close();
    run.blocks.clear();
    this.#parts.tree.close(run.root);
  }
}
