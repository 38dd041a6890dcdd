// What a client may see of a repository: its own images, their pages, and what those refer to.

import { hexOf } from "../../base/bytes.ts";
import { HoldfastError, isDamage, messageOf } from "../../base/errors.ts";
import type { Fingerprint } from "../../base/fingerprint.ts";
import { compressFrame } from "../../engine/engine.ts";
import {
  decodePageQuestion,
  decodeSegmentQuestion,
  encodeGrantedPage,
  encodeSegmentAnswer,
  referencesOf,
} from "../../formats/granted-pages.ts";
import type { GrantedPlace } from "../../formats/granted-pages.ts";
import { encodeServedImages } from "../../formats/server-exchange.ts";
import { listImages } from "../../repository/repository.ts";
import { treeRootOf } from "../../server/server.ts";
import type { Opened } from "../opened.ts";
import { Grants } from "./grants.ts";
import { MAX_BLOCK_PLAIN_BYTES } from "../../formats/block.ts";

export class ServedImages {
  readonly #opened: Opened;
  readonly #client: string;
  readonly #grants: Grants;

  constructor(opened: Opened, client: string) {
    this.#opened = opened;
    this.#client = client;
    this.#grants = grantsFor(opened, client);
  }

  /** The client's own images, oldest first. */
  async list(): Promise<Uint8Array> {
    const { images } = await listImages(this.#opened.places);
    const own = images.filter(({ record }) => record.host === this.#client);
    return encodeServedImages(
      own.map((image) => ({
        ...image,
        grant: hexOf(this.#grants.of("page", treeRootOf(image.record.root).fingerprint)),
      })),
    );
  }

  /** A page with the grants of what it refers to. ACCESS_DENIED without a grant of its own. */
  async page(question: Uint8Array): Promise<Uint8Array> {
    const { kind, fingerprint, pageBytes, level, grant, withPlaces } = decodePageQuestion(question);
    if (!this.#grants.isGranted(kind, fingerprint, grant)) throw notGranted();
    const page = await this.#loadPage(kind, fingerprint, pageBytes);
    const { pages, segments } = referencesOf(kind, page, level);
    return encodeGrantedPage({
      page,
      pageGrants: pages.map((reference) => this.#grants.of(reference.kind, reference.fingerprint)),
      segmentGrants: segments.map((segment) => ({
        grant: this.#grants.of("data", segment),
        place: withPlaces ? this.#placeOf(segment) : undefined,
      })),
    });
  }

  async #loadPage(kind: "page" | "list", fingerprint: Fingerprint, pageBytes: number): Promise<Uint8Array> {
    try {
      return await this.#opened.reader.loadPage(kind, fingerprint, pageBytes);
    } catch (error) {
      // What is wrong with a container is the server's business, and no fault of the question.
      if (isDamage(error)) throw new HoldfastError("REPOSITORY_DAMAGED", { message: messageOf(error), cause: error });
      throw error;
    }
  }

  #placeOf(fingerprint: Fingerprint): GrantedPlace | undefined {
    const [place] = this.#opened.index.findAll(fingerprint);
    return place;
  }

  /** Plain segments, one zstd frame of all. ACCESS_DENIED when one of them was not granted. */
  async segments(question: Uint8Array): Promise<Uint8Array> {
    const asked = decodeSegmentQuestion(question);
    if (!asked.every(({ fingerprint, grant }) => this.#grants.isGranted("data", fingerprint, grant))) throw notGranted();
    const found: (Uint8Array | undefined)[] = [];
    let bytes = 0;
    for (const { fingerprint } of asked) {
      const segment = await this.#load(fingerprint);
      bytes += segment?.length ?? 0;
      if (bytes > ANSWER_LIMIT) throw tooMuch();
      found.push(segment);
    }
    return compressFrame(encodeSegmentAnswer(found), { level: 1 });
  }

  /** What cannot be read is told as such: the client knows which file that costs. */
  async #load(fingerprint: Fingerprint): Promise<Uint8Array | undefined> {
    try {
      return await this.#opened.reader.load("data", fingerprint);
    } catch (error) {
      if (error instanceof HoldfastError) return undefined;
      throw error;
    }
  }
}

/** A block of the largest size, asked for as a whole. */
const ANSWER_LIMIT = MAX_BLOCK_PLAIN_BYTES;

export function grantsFor({ repository, services }: Opened, client: string): Grants {
  return new Grants(repository.keyRing.record, client, services.loadBlake);
}

function notGranted(): HoldfastError {
  return new HoldfastError("ACCESS_DENIED", {
    message: "This was not granted: a page or segment is read by way of an image that the client may see",
    hint: "List the images again. If that does not help, the program is faulty or of another version.",
  });
}

function tooMuch(): HoldfastError {
  return new HoldfastError("FORMAT_INVALID", {
    message: `More was asked for at once than ${ANSWER_LIMIT} bytes`,
    hint: "Ask for fewer segments at a time.",
  });
}
