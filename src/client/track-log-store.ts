// Where track logs lie, and how many are kept: for each source the last two, so that one refused or lost leaves another.

import { createHash } from "node:crypto";
import { HoldfastError } from "../base/errors.ts";
import { hexOf } from "../base/bytes.ts";
import { TrackLog, TrackLogWriter } from "./track-log.ts";
import type { TrackLogKeys } from "./track-log.ts";

const GENERATIONS = 2;
const LOG_NAME = /^[0-9]{16}\.track$/;
const TEMPORARY_NAME = /^\.tmp-([0-9]+)-[0-9a-f]+$/;

export interface TrackLogPlace extends TrackLogKeys {
  readonly cacheDirectory: string;
  /** The name of the source. */
  readonly source: string;
  readonly processId: number;
  readonly isAlive: (processId: number) => boolean;
}

export class TrackLogStore {
  readonly #place: TrackLogPlace;
  readonly #directory: string;

  constructor(place: TrackLogPlace) {
    const source = createHash("sha256").update(place.source).digest("hex").slice(0, 32);
    this.#place = place;
    this.#directory = `${place.cacheDirectory}/${hexOf(place.repositoryId)}/${source}`;
  }

  /** The track log of one image; undefined when it is not there. What cannot be read is as good as lost: it says so and goes. */
  find(imageId: string, onNotice: (notice: string) => void): TrackLog | undefined {
    for (const name of this.#names()) {
      try {
        const log = TrackLog.open(this.#place, `${this.#directory}/${name}`);
        if (log?.imageId === imageId) return log;
        log?.close();
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error;
        onNotice(`The track log ${name} cannot be used (${error.message}); the image's own pages are used instead.`);
        this.#place.files.remove(`${this.#directory}/${name}`);
      }
    }
    return undefined;
  }

  begin(previous: TrackLog | undefined): TrackLogWriter {
    const { files, processId, random } = this.#place;
    files.makeDirectory(this.#directory);
    this.#removeTemporary();
    return new TrackLogWriter(this.#place, `${this.#directory}/.tmp-${processId}-${hexOf(random.bytes(8))}`, previous);
  }

  /** Gives the log its name and removes what is older than the last two. */
  commit(writer: TrackLogWriter, imageId: string, committedAtMs: number): void {
    const name = `${String(committedAtMs).padStart(16, "0")}.track`;
    writer.commit(imageId, `${this.#directory}/${name}`);
    try {
      for (const old of this.#names().slice(GENERATIONS)) this.#place.files.remove(`${this.#directory}/${old}`);
    } catch (error) {
      // It takes some space until the next commit.
      if (!(error instanceof HoldfastError)) throw error;
    }
  }

  /** Newest first. */
  #names(): string[] {
    const names = this.#place.files.list(this.#directory) ?? [];
    return names
      .filter((name) => LOG_NAME.test(name))
      .toSorted()
      .toReversed();
  }

  #removeTemporary(): void {
    for (const name of this.#place.files.list(this.#directory) ?? []) {
      const processId = TEMPORARY_NAME.exec(name)?.[1];
      if (processId === undefined || this.#place.isAlive(Number(processId))) continue;
      this.#place.files.remove(`${this.#directory}/${name}`);
    }
  }
}
