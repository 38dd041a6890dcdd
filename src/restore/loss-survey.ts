// Which entries of images cannot be given back: those whose pages cannot be read, and files of which a segment is
// stored nowhere. What images share is looked at once; what is found of it counts for each of them.

import { HoldfastError } from "../base/errors.ts";
import { hexOf } from "../base/bytes.ts";
import { ENTRY_FILE, readEntryBody } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import { EntryPageCursor, decodeIndexPage } from "../formats/entry-page.ts";
import type { PageReference } from "../formats/entry-page.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";
import { segmentsOf } from "../repository/repository.ts";
import type { EntryTreeRoot, PageSource } from "../repository/repository.ts";
import { FingerprintSet } from "./fingerprint-set.ts";

export interface LossSurveyParts {
  readonly source: PageSource;
  readonly isStored: (fingerprint: Uint8Array) => boolean;
  /** Between two pages. */
  readonly turn: () => Promise<void>;
  /** Sees every distinct entry of which something is lost; the body is valid until the promise resolves. */
  readonly onLossy?: (path: Uint8Array, body: EntryBody) => Promise<void>;
}

export type Loss =
  /** Of what the entry at `path` refers to, `bytes` bytes are stored nowhere; undefined when not even that is known. */
  | { readonly kind: "file"; readonly path: Uint8Array; readonly bytes: number | undefined }
  /** A page that holds `entries` entries, the first of them at `path`, cannot be read. */
  | { readonly kind: "entries"; readonly path: Uint8Array; readonly entries: number };

/** The losses below one page. */
interface LossNode {
  readonly losses: readonly Loss[];
  readonly children: readonly LossNode[];
}

export class LossSurvey {
  readonly #parts: LossSurveyParts;
  /** Pages that were looked at; of those in which something is lost, what it is. */
  readonly #visited = new FingerprintSet();
  readonly #lossy = new Map<string, LossNode>();
  readonly #cursor = new EntryPageCursor();

  constructor(parts: LossSurveyParts) {
    this.#parts = parts;
  }

  /** In the order of the paths; empty when the image is whole. Throws INTERRUPTED and whatever is no failure of the repository. */
  async lossesOf(root: EntryTreeRoot): Promise<Iterable<Loss>> {
    const { fingerprint, pageBytes, entryCount } = root;
    const top = { fingerprint, pageBytes, entryCount, firstPath: new Uint8Array(0) };
    const node = await this.#page(top, root.level);
    return node === undefined ? [] : flattened(node);
  }

  async #page(reference: PageReference, level: number): Promise<LossNode | undefined> {
    const key = hexOf(reference.fingerprint);
    if (!this.#visited.add(reference.fingerprint)) return this.#lossy.get(key);
    await this.#parts.turn();
    const node = await this.#lookAt(reference, level);
    if (node === undefined) return undefined;
    this.#lossy.set(key, node);
    return node;
  }

  async #lookAt(reference: PageReference, level: number): Promise<LossNode | undefined> {
    let children: readonly PageReference[] = [];
    const losses: Loss[] = [];
    try {
      const page = await this.#parts.source.loadPage("page", reference.fingerprint, reference.pageBytes);
      if (level === 0) await this.#entries(page, losses);
      else children = decodeIndexPage(page, level);
    } catch (error) {
      requireDamage(error);
      return {
        losses: [{ kind: "entries", path: reference.firstPath.slice(), entries: reference.entryCount }],
        children: [],
      };
    }
    const nodes: LossNode[] = [];
    for (const child of children) {
      const node = await this.#page(child, level - 1);
      if (node !== undefined) nodes.push(node);
    }
    return losses.length + nodes.length === 0 ? undefined : { losses, children: nodes };
  }

  async #entries(page: Uint8Array, losses: Loss[]): Promise<void> {
    const cursor = this.#cursor;
    cursor.open(page);
    const lists: { readonly path: Uint8Array; readonly body: EntryBody }[] = [];
    while (cursor.next()) {
      const body = readEntryBody(cursor.body());
      const stored = body.storedAttributes === undefined ? [] : [body.storedAttributes];
      if (body.kind === ENTRY_FILE && body.segmentList !== undefined) {
        lists.push({ path: cursor.pathCopy(), body });
        continue;
      }
      const bytes = this.#missingBytes([...(body.segments ?? []), ...stored]);
      if (bytes > 0) await this.#note(losses, cursor.pathCopy(), bytes, body);
    }
    // The cursor is used again while these are looked at.
    for (const { path, body } of lists) {
      const bytes = await this.#missingOfList(body);
      if (bytes !== 0) await this.#note(losses, path, bytes, body);
    }
  }

  async #note(losses: Loss[], path: Uint8Array, bytes: number | undefined, body: EntryBody): Promise<void> {
    losses.push({ kind: "file", path, bytes });
    await this.#parts.onLossy?.(path, body);
  }

  async #missingOfList(body: EntryBody): Promise<number | undefined> {
    let bytes = body.storedAttributes === undefined ? 0 : this.#missingBytes([body.storedAttributes]);
    try {
      for await (const references of segmentsOf(this.#parts.source, body)) {
        await this.#parts.turn();
        bytes += this.#missingBytes(references);
      }
      return bytes;
    } catch (error) {
      requireDamage(error);
      return undefined;
    }
  }

  #missingBytes(references: readonly SegmentReference[]): number {
    let bytes = 0;
    for (const reference of references) {
      if (reference.kind === "data" && !this.#parts.isStored(reference.fingerprint)) bytes += reference.length;
    }
    return bytes;
  }
}

function* flattened({ losses, children }: LossNode): Generator<Loss> {
  yield* losses;
  for (const child of children) yield* flattened(child);
}

function requireDamage(error: unknown): asserts error is HoldfastError {
  if (!(error instanceof HoldfastError) || error.code === "INTERRUPTED" || error.code === "VOLUME_UNAVAILABLE") throw error;
}
