// An opened repository with what every job needs at hand: the index, a reader of pages, the keys as tools.

import { bringUpToDate, openCatalog } from "../catalog/catalog.ts";
import type { Catalog, CatalogSource, OpenedCatalog } from "../catalog/catalog.ts";
import { hexOf } from "../base/bytes.ts";
import { BlockSealer, createFingerprinter } from "../engine/engine.ts";
import type { Fingerprinter } from "../engine/engine.ts";
import type { Volume, VolumeId } from "../media/media.ts";
import {
  BlockReader,
  CentralIndex,
  ContainerReader,
  SegmentReader,
  listAnnotationNames,
  listImageIds,
  readAnnotation,
  readImageRecord,
} from "../repository/repository.ts";
import type { ContainerSet, FingerprintKind, KeyRing, OpenedRepository, RecordPlaces } from "../repository/repository.ts";
import type { Services } from "./services.ts";
import type { RepositorySetup } from "./worker-messages.ts";
import { SpareThreads } from "./worker-pool.ts";

export type Fingerprinters = Readonly<Record<FingerprintKind, Fingerprinter>>;

export class Opened {
  readonly services: Services;
  readonly repository: OpenedRepository;
  readonly fingerprinters: Fingerprinters;
  readonly cacheDirectory: string;
  readonly threadCount: number;
  readonly spareThreads: SpareThreads;
  readonly places: RecordPlaces;
  #index: CentralIndex | undefined;
  readonly #excluded = new Set<string>();
  #reader: SegmentReader | undefined;
  #catalog: Promise<OpenedCatalog> | undefined;

  constructor(
    services: Services,
    repository: OpenedRepository,
    options: { readonly cacheDirectory: string; readonly threads: number; readonly spareThreads?: SpareThreads },
  ) {
    this.services = services;
    this.repository = repository;
    this.cacheDirectory = options.cacheDirectory;
    this.threadCount = options.threads;
    this.spareThreads = options.spareThreads ?? new SpareThreads(services);
    this.fingerprinters = fingerprintersOf(repository.keyRing, services);
    this.places = { volumes: repository.volumes, keyRing: repository.keyRing };
  }

  /** Opened at first use: listing images needs no index. */
  get index(): CentralIndex {
    if (this.#index === undefined) {
      this.#index = CentralIndex.open(this.indexLocation);
      this.#index.exclude(this.#excluded);
    }
    return this.#index;
  }

  /** Writers count on nothing in these containers any more. What was excluded once stays so: other jobs may rely on it. */
  exclude(containers: ContainerSet): void {
    for (const container of containers) this.#excluded.add(container);
    this.#index?.exclude(this.#excluded);
  }

  get indexLocation(): { files: Services["files"]; directory: string; indexKey: Uint8Array; repositoryId: Uint8Array } {
    const { layout, keyRing, id } = this.repository;
    return { files: this.services.files, directory: layout.index, indexKey: keyRing.index, repositoryId: id };
  }

  get reader(): SegmentReader {
    this.#reader ??= new SegmentReader({
      index: this.index,
      blocks: blockReaderOf(this.repository.keyRing, this.repository.volumes, this.services),
      fingerprinters: this.fingerprinters,
    });
    return this.#reader;
  }

  /** For directories of containers. */
  containerReader(): ContainerReader {
    const { repositoryId, block: blockKey } = this.repository.keyRing;
    return new ContainerReader({
      repositoryId,
      sealer: new BlockSealer({ blockKey, repositoryId, random: this.services.random }),
    });
  }

  /** For the index alone. */
  refreshIndex(): void {
    this.#index?.refresh();
  }

  /** Sees what this and other processes have written since index and catalog were opened. Every job begins with it. */
  async refresh(): Promise<void> {
    this.#index?.refresh();
    if (this.#catalog === undefined) return;
    const { catalog } = await this.#catalog;
    this.#catalog = Promise.resolve({ catalog, changes: await bringUpToDate(catalog, this.catalogSource()) });
  }

  /** Opened at first use and brought up to date with the repository. */
  async catalog(): Promise<Catalog> {
    return (await this.openedCatalog()).catalog;
  }

  openedCatalog(): Promise<OpenedCatalog> {
    const { files, random } = this.services;
    const { keyRing } = this.repository;
    const path = this.#catalogFile;
    this.#catalog ??= openCatalog({ files, path, key: keyRing.record, random, source: this.catalogSource() });
    return this.#catalog;
  }

  /** SQLite needs a disk: of a repository in an object store, each machine has a catalog of its own. */
  get #catalogFile(): string {
    const { id, layout } = this.repository;
    if (this.services.files.objects?.(layout.root) === undefined) return layout.catalogFile;
    return `${this.cacheDirectory}/${hexOf(id)}/catalog/catalog.sqlite`;
  }

  catalogSource(): CatalogSource {
    const { places } = this;
    return {
      imageIds: () => listImageIds(places.volumes),
      readImage: (id) => readImageRecord(places, id),
      annotationNames: () => listAnnotationNames(places.volumes),
      readAnnotation: (name) => readAnnotation(places, name),
    };
  }

  /** What every worker is given. */
  workerSetup(): RepositorySetup {
    const volumes = this.repository.volumes.map(({ id, path }) => ({ id, path }));
    return { keyRing: this.repository.keyRing.toData(), volumes };
  }

  async close(): Promise<void> {
    await this.spareThreads.stop();
    this.#index?.close();
    // If it could not be opened, whoever asked for it was told.
    const opened = await this.#catalog?.catch(() => undefined);
    opened?.catalog.close();
  }
}

export function fingerprintersOf(keyRing: KeyRing, services: Services): Fingerprinters {
  const of = (kind: FingerprintKind): Fingerprinter => createFingerprinter(keyRing.fingerprint(kind), services.loadBlake);
  return { data: of("data"), page: of("page"), list: of("list") };
}

export function blockReaderOf(keyRing: KeyRing, volumes: readonly Volume[], services: Services): BlockReader {
  const byId = new Map<VolumeId, Volume>(volumes.map((volume) => [volume.id, volume]));
  return new BlockReader({ volumes: byId, keyRing, random: services.random });
}
