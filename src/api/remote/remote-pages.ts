// The pages and segments of images on a server. Whoever reads pages goes through them in order, so those that follow are fetched ahead:
// over a long way the answers then come one behind the other, and not each after a way there and back.

import { equalBytes, hexOf } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import type { Fingerprint } from "../../base/fingerprint.ts";
import { referencesOf } from "../../formats/granted-pages.ts";
import type { ReferredPage } from "../../formats/granted-pages.ts";
import type { ImageRoot } from "../../model/image.ts";
import type { FingerprintKind, PageKind, PageSource } from "../../repository/repository.ts";
import { treeRootOf } from "../../server/server.ts";
import type { Fingerprinters } from "../opened.ts";
import type { RemoteServer } from "./remote-server.ts";
import type { SegmentBook } from "./segment-book.ts";

/** Pages asked for before they are needed. */
const AHEAD = 12;
/** Pages kept at hand, some 20 KiB each. */
const PAGES_KEPT = 256;
/** Pages whose grants are remembered. A forgotten one is asked for by way of its parent again. */
const GRANTS_KEPT = 200_000;

interface KnownPage extends ReferredPage {
  readonly grant: Uint8Array;
  /** The one that stands behind it on the page that refers to both. */
  next: KnownPage | undefined;
}

export interface RemotePagesParts {
  readonly server: RemoteServer;
  readonly fingerprinters: Fingerprinters;
  readonly segments: SegmentBook;
  /** Content will be read: the places of segments are wanted with the pages. */
  readonly withPlaces: boolean;
}

export class RemotePages implements PageSource {
  readonly #parts: RemotePagesParts;
  readonly #known = new Map<string, KnownPage>();
  /** The most recently used last; loads that are under way among them. */
  readonly #loaded = new Map<string, Promise<Uint8Array>>();

  constructor(parts: RemotePagesParts) {
    this.#parts = parts;
  }

  /** What the server has granted: from here on the image's pages can be read. */
  addRoot(root: ImageRoot, grant: Uint8Array): void {
    const { fingerprint, level, pageBytes } = treeRootOf(root);
    this.#remember({ kind: "page", fingerprint, level, pageBytes, grant, next: undefined });
  }

  async loadPage(kind: PageKind, fingerprint: Fingerprint, pageBytes: number): Promise<Uint8Array> {
    const page = this.#known.get(keyOf(kind, fingerprint));
    if (page === undefined) throw unknownPage(fingerprint);
    const loading = this.#load({ ...page, pageBytes });
    let ahead = page.next;
    for (let i = 0; i < AHEAD && ahead !== undefined; i++, ahead = ahead.next) {
      // Whoever comes to it hears of a failure.
      this.#load(ahead).catch(() => undefined);
    }
    return loading;
  }

  /** A segment of file content that a page read before refers to. */
  async load(kind: FingerprintKind, fingerprint: Fingerprint): Promise<Uint8Array> {
    const segment = kind === "data" ? this.#parts.segments.find(fingerprint) : undefined;
    if (segment === undefined) throw unknownPage(fingerprint);
    const [bytes] = await this.#parts.server.segments([segment]);
    if (bytes !== undefined && this.#parts.fingerprinters.data.matches(bytes, fingerprint)) return bytes;
    throw new HoldfastError(bytes === undefined ? "SEGMENT_MISSING" : "REPOSITORY_DAMAGED", {
      message: `The server cannot give the segment ${hexOf(fingerprint).slice(0, 16)}… as it was stored`,
      hint: "Whoever runs the server can tell by `holdfast verify` what is wrong.",
    });
  }

  #load(page: KnownPage): Promise<Uint8Array> {
    const key = keyOf(page.kind, page.fingerprint);
    const known = this.#loaded.get(key);
    if (known !== undefined) {
      this.#loaded.delete(key);
      this.#loaded.set(key, known);
      return known;
    }
    const loading = this.#fetch(page);
    this.#loaded.set(key, loading);
    // What failed may be tried again.
    loading.catch(() => this.#loaded.delete(key));
    for (const oldest of this.#loaded.keys()) {
      if (this.#loaded.size <= PAGES_KEPT) break;
      this.#loaded.delete(oldest);
    }
    return loading;
  }

  async #fetch({ kind, fingerprint, pageBytes, level, grant }: KnownPage): Promise<Uint8Array> {
    const { server, fingerprinters, segments, withPlaces } = this.#parts;
    const { page, pageGrants, segmentGrants } = await server.page({ kind, fingerprint, pageBytes, level, grant, withPlaces });
    if (page.length !== pageBytes || !fingerprinters[kind].matches(page, fingerprint)) throw notThatPage(fingerprint);
    const references = referencesOf(kind, page, level);
    if (references.pages.length !== pageGrants.length || references.segments.length !== segmentGrants.length) {
      throw notThatPage(fingerprint);
    }
    let before: KnownPage | undefined;
    references.pages.forEach((reference, i) => {
      const child: KnownPage = { ...reference, grant: (pageGrants[i] as Uint8Array).slice(), next: undefined };
      // Lists of different files do not follow each other.
      if (before !== undefined && level > 0) before.next = child;
      before = child;
      this.#remember(child);
    });
    references.segments.forEach((segment, i) => {
      const granted = segmentGrants[i];
      if (granted === undefined) return;
      const place = granted.place === undefined ? undefined : { ...granted.place, identity: granted.place.identity.slice() };
      segments.note({ fingerprint: segment, grant: granted.grant.slice(), place });
    });
    return page.slice();
  }

  #remember(page: KnownPage): void {
    const key = keyOf(page.kind, page.fingerprint);
    const known = this.#known.get(key);
    // The same page of another image: what follows it there is as good.
    if (known !== undefined && equalBytes(known.grant, page.grant)) {
      known.next ??= page.next;
      this.#known.delete(key);
      this.#known.set(key, known);
      return;
    }
    this.#known.set(key, page);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= GRANTS_KEPT) break;
      this.#known.delete(oldest);
    }
  }
}

function keyOf(kind: PageKind, fingerprint: Uint8Array): string {
  return kind + Buffer.from(fingerprint.buffer, fingerprint.byteOffset, fingerprint.byteLength).toString("latin1");
}

function unknownPage(fingerprint: Uint8Array): HoldfastError {
  return new HoldfastError("SEGMENT_MISSING", {
    message: `The server was not asked for what refers to ${hexOf(fingerprint).slice(0, 16)}…, or that was too long ago`,
    retry: "now",
    hint: "Run it again.",
  });
}

function notThatPage(fingerprint: Uint8Array): HoldfastError {
  return new HoldfastError("REPOSITORY_DAMAGED", {
    message: `The server gave something else for page ${hexOf(fingerprint).slice(0, 16)}…`,
    hint: "Whoever runs the server can tell by `holdfast verify` what is wrong.",
  });
}
