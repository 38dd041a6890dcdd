// A repository on a server, as a client of that server sees it. Walking, reading, comparing and restoring happen here; the server stores,
// checks and gives what this client may see.

import { bytesOfHex, hexOf } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import { createFingerprinter } from "../../engine/engine.ts";
import type { ServedImage, ServedRepositoryDescription } from "../../formats/server-exchange.ts";
import { matchesFilter } from "../../model/image.ts";
import type { ImageDescription } from "../../model/image.ts";
import { latestOf, resolveImageId } from "../../repository/repository.ts";
import { RestoreWriter } from "../../restore/restore.ts";
import type { RestoreThread } from "../../restore/restore.ts";
import type { RehearsalBase } from "../back-up-tree.ts";
import { backUpTo } from "../backup.ts";
import type { BackupDestination } from "../backup.ts";
import { diffImages } from "../diff.ts";
import { dumpEntry } from "../dump.ts";
import { entriesOf } from "../entries.ts";
import { findEntries } from "../find.ts";
import type { Fingerprinters } from "../opened.ts";
import { requireComplete, restoreImage } from "../restore.ts";
import type { SendingSide } from "../sending-side.ts";
import type { Services } from "../services.ts";
import type { BackupOptions, BackupReport, ImageFilter, Repository, RestoreOptions, RestoreReport } from "../types.ts";
import { SpareThreads } from "../worker-pool.ts";
import { RemoteBlocks, ServerFailure } from "./remote-blocks.ts";
import { RemoteHalf } from "./remote-half.ts";
import { RemotePages } from "./remote-pages.ts";
import type { RemoteServer } from "./remote-server.ts";
import { SegmentBook } from "./segment-book.ts";

export interface RemoteRepositoryOptions {
  /** As the person names it. */
  readonly location: string;
  readonly cacheDirectory: string;
  readonly threads: number;
  /** How often a backup that has nothing to say tells the server that it goes on; a minute unless given. */
  readonly keepAliveMs?: number | undefined;
}

const KEEP_ALIVE_MS = 60_000;
const BACKUP_NUMBER_BYTES = 16;

/** Blocks of a restore that are asked for at a time: the way there and back is long, the writing short. */
const RESTORING_AT_ONCE = 8;

export class RemoteRepository {
  readonly #services: Services;
  readonly #server: RemoteServer;
  readonly #description: ServedRepositoryDescription;
  readonly #options: RemoteRepositoryOptions;
  readonly #fingerprinters: Fingerprinters;
  readonly #spareThreads: SpareThreads;

  static async open(services: Services, server: RemoteServer, options: RemoteRepositoryOptions): Promise<Repository> {
    return new RemoteRepository(services, server, await server.describe(), options).#asRepository();
  }

  private constructor(
    services: Services,
    server: RemoteServer,
    description: ServedRepositoryDescription,
    options: RemoteRepositoryOptions,
  ) {
    const { keys } = description;
    const of = (key: string): Fingerprinters["data"] => createFingerprinter(bytesOfHex(key), services.loadBlake);
    this.#services = services;
    this.#server = server;
    this.#description = description;
    this.#options = options;
    this.#fingerprinters = { data: of(keys.data), page: of(keys.page), list: of(keys.list) };
    this.#spareThreads = new SpareThreads(services);
  }

  #asRepository(): Repository {
    const { id } = this.#description;
    const { location } = this.#options;
    const close = async (): Promise<void> => {
      await this.#spareThreads.stop();
      this.#server.close();
    };
    return {
      id,
      location,
      problems: [],
      backup: (options) => this.#backUp(options),
      images: (filter) => this.#images(filter),
      image: (reference, filter) => this.#select(reference, filter),
      entries: (image, options) => this.#entries(image, options),
      find: (pattern, options) => this.#find(pattern, options),
      diff: (before, after, options) => this.#diff(before, after, options),
      dump: (image, path, options) => this.#dump(image, path, options),
      restore: (options) => this.#restore(options),
      verify: () => onTheServer("verify"),
      compareWithSource: () => onTheServer("verify --against"),
      statistics: () => onTheServer("stats"),
      tag: () => onTheServer("tag"),
      prune: () => onTheServer("prune"),
      hold: () => onTheServer("hold"),
      forget: () => onTheServer("forget"),
      repair: () => onTheServer("repair"),
      rebuildIndex: () => onTheServer("rebuild-index"),
      inspect: () => onTheServer("cat"),
      keySlots: () => onTheServer("key list"),
      addKeySlot: () => onTheServer("key add"),
      removeKeySlot: () => onTheServer("key remove"),
      changePassphrase: () => onTheServer("key change"),
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  // --- looking -------------------------------------------------------------------------------

  async #images(filter: ImageFilter = {}): Promise<readonly ServedImage[]> {
    return (await this.#server.images()).filter((image) => matchesFilter(image, filter));
  }

  async #select(reference: string, filter: ImageFilter = {}): Promise<ServedImage> {
    const images = await this.#server.images();
    if (reference === "latest") return latestOf(images, filter);
    const id = resolveImageId(
      reference,
      images.map((image) => image.id),
    );
    return images.find((image) => image.id === id) as ServedImage;
  }

  #pages(images: readonly ServedImage[], segments = new SegmentBook(), withPlaces = false): RemotePages {
    const pages = new RemotePages({ server: this.#server, fingerprinters: this.#fingerprinters, segments, withPlaces });
    for (const { record, grant } of images) pages.addRoot(record.root, bytesOfHex(grant));
    return pages;
  }

  async *#entries(
    reference: string,
    { filter, ...options }: NonNullable<Parameters<Repository["entries"]>[1]> = {},
  ): ReturnType<typeof entriesOf> {
    const image = await this.#select(reference, filter);
    yield* entriesOf({ reader: this.#pages([image]) }, image, options);
  }

  async *#find(
    pattern: string,
    { filter, ignoreCase }: NonNullable<Parameters<Repository["find"]>[1]> = {},
  ): ReturnType<typeof findEntries> {
    const images = await this.#images(filter);
    yield* findEntries({ reader: this.#pages(images) }, images, pattern, ignoreCase);
  }

  async *#diff(before: string, after: string, options?: Parameters<Repository["diff"]>[2]): ReturnType<typeof diffImages> {
    const images = [await this.#select(before), await this.#select(after)] as const;
    yield* diffImages({ reader: this.#pages(images) }, ...images, options);
  }

  async *#dump(
    reference: string,
    path: string | Uint8Array,
    { filter }: NonNullable<Parameters<Repository["dump"]>[2]> = {},
  ): ReturnType<typeof dumpEntry> {
    const image = await this.#select(reference, filter);
    const segments = new SegmentBook();
    yield* dumpEntry({ reader: this.#pages([image], segments, true), index: segments }, image, path);
  }

  // --- restoring -----------------------------------------------------------------------------

  async #restore(options: RestoreOptions): Promise<RestoreReport> {
    const image = await this.#select(options.image, options.filter);
    requireComplete(image, options);
    const segments = new SegmentBook();
    const source = this.#pages([image], segments, true);
    const blocks = new RemoteBlocks(this.#server, segments);
    const threads = Array.from({ length: RESTORING_AT_ONCE }, () => this.#restoreThread(blocks));
    try {
      return await restoreImage({ services: this.#services, source, index: segments, threads }, image, options);
    } catch (error) {
      throw error instanceof ServerFailure ? error.cause : error;
    }
  }

  /** In this thread: it waits for the network most of the time. */
  #restoreThread(blocks: RemoteBlocks): RestoreThread {
    return new RestoreWriter({
      tree: this.#services.openFileTree().tree,
      blocks,
      fingerprinter: this.#fingerprinters.data,
    });
  }

  // --- backing up ----------------------------------------------------------------------------

  #backUp(options: BackupOptions): Promise<BackupReport> {
    if (options.host !== undefined && options.host !== this.#description.client) throw otherHost(this.#description.client);
    return backUpTo({ ...options, host: this.#description.client }, this.#destination(options));
  }

  #destination(options: BackupOptions): BackupDestination {
    return {
      side: this.#side(),
      latestBase: (description) => this.#latestBase(description),
      receiving: (account, send) =>
        send(async ({ description, withBases }) => {
          const { host: _host, startedAtMs: _startedAtMs, ...asked } = description;
          const backup = hexOf(this.#services.random.bytes(BACKUP_NUMBER_BYTES));
          const begun = await this.#server.beginBackup({ backup, description: asked, withBases });
          return new RemoteHalf(
            {
              server: this.#server,
              side: this.#side(),
              pages: this.#pages([]),
              spareThreads: this.#spareThreads,
              threadCount: this.#options.threads,
              compression: options.compression ?? "default",
              keepAliveMs: this.#options.keepAliveMs ?? KEEP_ALIVE_MS,
              onNotice: (text) => account.notice(text),
              signal: options.signal,
            },
            begun,
          );
        }),
    };
  }

  #side(): SendingSide {
    const { id, keys } = this.#description;
    return {
      services: this.#services,
      cacheDirectory: this.#options.cacheDirectory,
      repositoryId: bytesOfHex(id),
      repositoryPath: undefined,
      fingerprinters: this.#fingerprinters,
      cutKey: bytesOfHex(keys.cut),
      dataKey: bytesOfHex(keys.data),
      trackLogKey: bytesOfHex(keys.trackLog),
    };
  }

  async #latestBase({ source }: ImageDescription): Promise<RehearsalBase | undefined> {
    const image = (await this.#images({ source })).at(-1);
    if (image === undefined) return undefined;
    const { root, statistics } = image.record;
    return { id: image.id, root, statistics, pages: this.#pages([image]) };
  }
}

function onTheServer(what: string): Promise<never> {
  return Promise.reject(
    new HoldfastError("ACCESS_DENIED", {
      message: `\`holdfast ${what}\` works on the repository itself, which is the server's`,
      hint: "Run it on the server, or ask whoever runs it.",
    }),
  );
}

function otherHost(client: string): HoldfastError {
  return new HoldfastError("USAGE", {
    message: `The server knows this machine as "${client}", and names its images so`,
    hint: "Leave out --host.",
  });
}
