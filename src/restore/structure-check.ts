// Checks that images hang together, without reading their data: every page loads, every segment that an entry names is in
// the index, and the containers they lie in exist and are long enough. Pages that images share are looked at once.

import { HoldfastError } from "../base/errors.ts";
import { ENTRY_FILE, readEntryBody } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import { EntryPageCursor, decodeIndexPage } from "../formats/entry-page.ts";
import type { PageReference } from "../formats/entry-page.ts";
import { CONTAINER_TRAILER_BYTES, decodeContainerTrailer } from "../formats/container.ts";
import { decodeListIndex, decodeListLeaf } from "../formats/segment-list.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";
import type { ContainerName, Volume, VolumeId } from "../media/volume.ts";
import { containerKey } from "../repository/repository.ts";
import type { EntryTreeRoot, PageKind, PageSource } from "../repository/repository.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import type { ContainerPlace } from "./container-report.ts";
import { FingerprintSet } from "./fingerprint-set.ts";
import type { SegmentLookup } from "./parts.ts";
import { shownPath } from "./report.ts";
import { SegmentPlaces, newSegmentPlace } from "./segment-places.ts";

export interface StructureParts {
  readonly source: PageSource;
  readonly index: SegmentLookup;
  readonly volumes: ReadonlyMap<VolumeId, Volume>;
  readonly onDamage: (what: string, problem: string, code: string) => void;
  /** Hears of what failed once and succeeded at once after. */
  readonly onTransient: (what: string, problem: string, code: string) => void;
  /** Between two pages. */
  readonly turn: () => Promise<void>;
}

/** What the segments looked up so far need of a container. */
interface NeededContainer {
  segments: number;
  /** Where the last of the needed blocks ends. */
  end: number;
}

interface ContainerProblem {
  readonly text: string;
  readonly code: string;
}

const MISSING_SHOWN = 5;

/** A store far away answers many as soon as one. */
const CONTAINERS_AT_ONCE = 16;

export class StructureCheck {
  entries = 0;
  segments = 0;
  readonly #parts: StructureParts;
  readonly #places: SegmentPlaces;
  readonly #visited = new FingerprintSet();
  readonly #needed: NeededContainer[] = [];
  readonly #place = newSegmentPlace();
  readonly #cursor = new EntryPageCursor();
  #missing: { files: number; segments: number; readonly paths: string[] } = { files: 0, segments: 0, paths: [] };

  constructor(parts: StructureParts) {
    this.#parts = parts;
    this.#places = new SegmentPlaces(parts.index);
  }

  /** Damage is told and does not stop the check. */
  async checkImage(id: string, root: EntryTreeRoot): Promise<void> {
    this.#missing = { files: 0, segments: 0, paths: [] };
    const { fingerprint, pageBytes, entryCount } = root;
    await this.#checkPage(id, { fingerprint, pageBytes, entryCount, firstPath: new Uint8Array(0) }, root.level);
    const { files, segments, paths } = this.#missing;
    if (files === 0) return;
    const shown = paths.join(", ") + (files > paths.length ? `, and ${files - paths.length} more` : "");
    const problem = `${segments} segments of ${files} files are in no container that the index knows: ${shown}`;
    this.#parts.onDamage(`image ${id}`, problem, "SEGMENT_MISSING");
  }

  /** Whether the containers that all images checked so far need are there, and as long as they say themselves. */
  async checkContainers(): Promise<void> {
    for (let first = 0; first < this.#needed.length; first += CONTAINERS_AT_ONCE) {
      await this.#parts.turn();
      const window = this.#needed.slice(first, first + CONTAINERS_AT_ONCE).map((needed, index) => {
        const { volumeId, container } = this.#places.containerAt(first + index);
        return { container, needed, problem: this.#problemOf(volumeId, container, needed) };
      });
      for (const { container, needed, problem } of window) {
        const found = await problem;
        if (found === undefined) continue;
        const text = `${found.text}; ${needed.segments} segments are needed from it`;
        this.#parts.onDamage(`container ${container}`, text, found.code);
      }
    }
  }

  /**
   * Whether the others that the index names are there too: one that is not has been lost, though perhaps nobody misses it. `present`:
   * the keys of containers that need not be looked for. Of a volume that is not here, nobody knows.
   */
  async checkOthers(named: readonly ContainerPlace[], present: ReadonlySet<string>): Promise<void> {
    const told = new Set(this.#needed.map((_, number) => keyOf(this.#places.containerAt(number))));
    for (const place of named) {
      const key = keyOf(place);
      if (present.has(key) || told.has(key) || !this.#parts.volumes.has(place.volumeId)) continue;
      told.add(key);
      await this.#parts.turn();
      const problem = await this.#problemOf(place.volumeId, place.container, { segments: 0, end: 0 });
      if (problem === undefined) continue;
      const text = `${problem.text}; as far as images could be read, no content is needed from it alone`;
      this.#parts.onDamage(`container ${place.container}`, text, problem.code);
    }
  }

  async #checkPage(id: string, reference: PageReference, level: number): Promise<void> {
    if (!this.#visited.add(reference.fingerprint)) return;
    await this.#parts.turn();
    let children: readonly PageReference[] = [];
    try {
      const page = await this.#load(`image ${id}`, "page", reference.fingerprint, reference.pageBytes);
      if (level === 0) await this.#checkEntries(id, page);
      else children = decodeIndexPage(page, level);
    } catch (error) {
      const about = `the page of entries from ${shownPath(reference.firstPath)} on (${reference.entryCount} entries)`;
      this.#tell(`image ${id}`, about, error);
    }
    for (const child of children) await this.#checkPage(id, child, level - 1);
  }

  async #checkEntries(id: string, page: Uint8Array): Promise<void> {
    const cursor = this.#cursor;
    cursor.open(page);
    const lists: { readonly path: Uint8Array; readonly body: EntryBody }[] = [];
    while (cursor.next()) {
      this.entries++;
      try {
        const body = readEntryBody(cursor.body());
        const references = [...(body.segments ?? []), ...(body.storedAttributes === undefined ? [] : [body.storedAttributes])];
        this.#checkSegments(references, () => shownPath(cursor.pathCopy()));
        if (body.kind === ENTRY_FILE && body.segmentList !== undefined) lists.push({ path: cursor.pathCopy(), body });
      } catch (error) {
        this.#tell(`image ${id}`, `the entry ${shownPath(cursor.pathCopy())}`, error);
      }
    }
    // The cursor is used again while these are looked at.
    for (const { path, body } of lists) {
      const { segmentList } = body;
      if (segmentList === undefined) continue;
      try {
        await this.#checkList(id, segmentList, segmentList.level, path);
      } catch (error) {
        this.#tell(`image ${id}`, `the list of segments of ${shownPath(path)}`, error);
      }
    }
  }

  async #checkList(
    id: string,
    { fingerprint, pageBytes }: { readonly fingerprint: Fingerprint; readonly pageBytes: number },
    level: number,
    path: Uint8Array,
  ): Promise<void> {
    if (!this.#visited.add(fingerprint)) return;
    await this.#parts.turn();
    const page = await this.#load(`image ${id}`, "list", fingerprint, pageBytes);
    if (level === 0) this.#checkSegments(decodeListLeaf(page), () => shownPath(path));
    else for (const child of decodeListIndex(page, level)) await this.#checkList(id, child, level - 1, path);
  }

  /** Once more when it fails: a fault of the way there is no damage, but is told. */
  async #load(what: string, kind: PageKind, fingerprint: Fingerprint, pageBytes: number): Promise<Uint8Array> {
    try {
      return await this.#parts.source.loadPage(kind, fingerprint, pageBytes);
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code === "INTERRUPTED") throw error;
      const page = await this.#parts.source.loadPage(kind, fingerprint, pageBytes);
      this.#parts.onTransient(what, error.message, error.code);
      return page;
    }
  }

  #checkSegments(references: readonly SegmentReference[], path: () => string): void {
    let missing = 0;
    for (const reference of references) {
      if (reference.kind !== "data") continue;
      this.segments++;
      if (this.#places.find(reference.fingerprint, reference.length, this.#place) !== undefined) missing++;
      else this.#need();
    }
    if (missing === 0) return;
    this.#missing.files++;
    this.#missing.segments += missing;
    if (this.#missing.paths.length < MISSING_SHOWN) this.#missing.paths.push(path());
  }

  #need(): void {
    const { container, blockOffset, storedLength } = this.#place;
    const needed = (this.#needed[container] ??= { segments: 0, end: 0 });
    needed.segments++;
    needed.end = Math.max(needed.end, blockOffset + storedLength);
  }

  async #problemOf(volumeId: VolumeId, container: ContainerName, needed: NeededContainer): Promise<ContainerProblem | undefined> {
    const problem = await this.#findProblem(volumeId, container, needed);
    if (problem === undefined) return undefined;
    const again = await this.#findProblem(volumeId, container, needed);
    if (again === undefined) this.#parts.onTransient(`container ${container}`, problem.text, problem.code);
    return again;
  }

  async #findProblem(
    volumeId: VolumeId,
    container: ContainerName,
    needed: NeededContainer,
  ): Promise<ContainerProblem | undefined> {
    const volume = this.#parts.volumes.get(volumeId);
    if (volume === undefined) return { text: `its volume ${volumeId} is not available`, code: "VOLUME_UNAVAILABLE" };
    try {
      const sizeBytes = await volume.containerSize(container);
      if (sizeBytes === undefined) return { text: `it does not exist on volume "${volume.name}"`, code: "SEGMENT_MISSING" };
      const tail = Math.min(sizeBytes, CONTAINER_TRAILER_BYTES);
      const trailer = await volume.readContainer(container, sizeBytes - tail, tail);
      const { directoryOffset } = decodeContainerTrailer(trailer, sizeBytes, `container ${container}`);
      if (needed.end <= directoryOffset) return undefined;
      return {
        text: `its blocks end at byte ${directoryOffset}, the index has one that ends at ${needed.end}`,
        code: "REPOSITORY_DAMAGED",
      };
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      return { text: error.message, code: error.code };
    }
  }

  #tell(what: string, about: string, error: unknown): void {
    if (!(error instanceof HoldfastError) || error.code === "INTERRUPTED") throw error;
    this.#parts.onDamage(what, `${about}: ${error.message}`, error.code);
  }
}

export function keyOf({ volumeId, container }: ContainerPlace): string {
  return containerKey(volumeId, container);
}
