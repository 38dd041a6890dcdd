// What the room offers: Holdfast as a library. `main` binds it to the machine; programs import it from there.

import type {
  CreateOptions,
  ImageFilter,
  ImageSummary,
  OpenOptions,
  Repository,
  ServedRepository,
  ServedRepositoryOptions,
} from "./types.ts";
import type { ImageId } from "../model/image.ts";
import {
  addKeySlot,
  changePassphrase,
  createRepository,
  listKeySlots,
  openRepository,
  publishHold,
  publishTags,
  removeKeySlot,
} from "../repository/repository.ts";
import type { KeySlotsPlace, OpenedRepository } from "../repository/repository.ts";
import { hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { isObjectLocation, objectRoot, parseObjectLocation } from "../platform/object-store/s3-place.ts";
import { runBackup } from "./backup.ts";
import { compareWithSource, imageOfPaths } from "./compare-with-source.ts";
import { diffImages } from "./diff.ts";
import { dumpEntry } from "./dump.ts";
import { entriesOf } from "./entries.ts";
import { findEntries } from "./find.ts";
import { forgetJob, planForget } from "./forget.ts";
import { inspectStored } from "./inspect.ts";
import { asJob } from "./job-history.ts";
import type { Delay } from "../platform/delay.ts";
import type { ServerConnection } from "../platform/secure-transport.ts";
import { Opened } from "./opened.ts";
import { runPrune } from "./prune.ts";
import { rebuildAll } from "./rebuild-index.ts";
import { RemoteRepository } from "./remote/remote-repository.ts";
import { RemoteServer } from "./remote/remote-server.ts";
import { runRepair } from "./repair.ts";
import { runRestore } from "./restore.ts";
import { listImageSummaries, selectImage } from "./select-image.ts";
import type { DamageListener } from "./select-image.ts";
import type { Services } from "./services.ts";
import { RepositoryServing } from "./served/served-repository.ts";
import { repositoryStatistics } from "./statistics.ts";
import { inSession } from "./session.ts";
import { runVerify } from "./verify.ts";
import { SpareThreads } from "./worker-pool.ts";

export type { Services } from "./services.ts";
export type * from "./types.ts";

/** Creates a repository in an empty or missing directory, and opens it. */
export async function create(services: Services, options: CreateOptions): Promise<Repository> {
  let given = "";
  const passphrase = async (): Promise<string> => (given = await options.passphrase());
  const { files, clock, random } = services;
  await createRepository({
    files,
    clock,
    random,
    path: locationOf(services, options.repository),
    passphrase,
    ...(options.keyLabel === undefined ? {} : { label: options.keyLabel }),
  });
  return open(services, { ...options, passphrase: () => given });
}

/** Opens a repository. Nothing is written until something is asked for that writes. */
export async function open(services: Services, options: OpenOptions): Promise<Repository> {
  const location = locationOf(services, options.repository);
  return repositoryOver(await openHere(services, options), location, options.onNotice ?? (() => undefined));
}

/** Opens a repository for clients of other machines. Disposing it ends what they have under way, and closes it. */
export async function openToServe(services: Services, options: OpenOptions & ServedRepositoryOptions): Promise<ServedRepository> {
  return new RepositoryServing(await openHere(services, options), options);
}

export interface RemoteOptions {
  /** As the person names it. */
  readonly location: string;
  /** Closed with the repository. */
  readonly connection: ServerConnection;
  readonly delay: Delay;
  readonly cacheDirectory?: string;
  readonly threads?: number;
  /** How often a backup that has nothing to say tells the server that it goes on; a minute unless given. */
  readonly keepAliveMs?: number;
}

/** Opens a repository on a server, with the rights of a client of that server. */
export function openRemote(services: Services, options: RemoteOptions): Promise<Repository> {
  const { random, host } = services;
  const { location, connection, delay, keepAliveMs } = options;
  const { cacheDirectory = host.cacheDirectory, threads = host.processors } = options;
  const server = new RemoteServer({ connection, random, delay });
  return RemoteRepository.open(services, server, { location, cacheDirectory, threads, keepAliveMs });
}

async function openHere(services: Services, options: OpenOptions): Promise<Opened> {
  const { files, host } = services;
  const location = locationOf(services, options.repository);
  const threads = options.threads ?? host.processors;
  const spareThreads = new SpareThreads(services);
  const passphrase = async (): Promise<string> => {
    const given = await options.passphrase();
    if (options.startThreads === true) spareThreads.start(threads);
    return given;
  };
  let repository: OpenedRepository;
  try {
    repository = await openRepository({ files, path: location, passphrase });
  } catch (error) {
    await spareThreads.stop();
    throw error;
  }
  const cacheDirectory = options.cacheDirectory ?? host.cacheDirectory;
  return new Opened(services, repository, { cacheDirectory, threads, spareThreads });
}

function locationOf({ host }: Services, location: string): string {
  if (isObjectLocation(location)) {
    const { bucket, prefix } = parseObjectLocation(location);
    return prefix === "" ? objectRoot({ bucket }) : `${objectRoot({ bucket })}/${prefix}`;
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(location)) {
    throw new HoldfastError("PLATFORM_UNSUPPORTED", {
      message: `Cannot open "${location}": this version keeps repositories in directories and in object stores`,
      hint: "Name a directory, or s3://bucket/prefix.",
    });
  }
  if (location === "") throw new HoldfastError("USAGE", { message: "The name of the repository is empty" });
  return location.startsWith("/") || /^[a-z]:[\\/]/i.test(location) ? location : `${host.workingDirectory}/${location}`;
}

function repositoryOver(opened: Opened, location: string, onNotice: (notice: string) => void): Repository {
  const { services, repository } = opened;
  const { clock, random } = services;
  const slots: KeySlotsPlace = { files: services.files, layout: repository.layout, repositoryId: repository.id };
  let currentSlot = repository.unlocked.slotId;
  const summaryOf = ({ id, label, createdAtMs }: { id: string; label: string; createdAtMs: number }) => ({
    id,
    label,
    createdAtMs,
    isCurrent: id === currentSlot,
  });
  // A damaged record must not hide the others, nor go unnoticed.
  const onDamage: DamageListener = (damaged) => {
    for (const { problem } of damaged) onNotice(problem.message);
  };
  const select = (reference: string, filter?: ImageFilter): Promise<ImageSummary> =>
    selectImage(opened, reference, filter, onDamage);
  const close = (): Promise<void> => opened.close();

  return {
    id: hexOf(repository.id),
    location,
    problems: repository.problems,
    backup: (options) =>
      options.dryRun === true
        ? opened.refresh().then(() => runBackup(opened, options))
        : asJob(
            opened,
            "backup",
            () => runBackup(opened, options),
            ({ imageId, problemCount, source }) => ({
              outcome: problemCount > 0 ? "partial" : "done",
              ...(imageId === undefined ? {} : { image: imageId as ImageId }),
              detail: source,
            }),
          ),
    images: (filter) => listImageSummaries(opened, filter, onDamage),
    image: select,
    async *entries(image, options = {}) {
      const { filter, ...rest } = options;
      yield* entriesOf(opened, await select(image, filter), rest);
    },
    async *find(pattern, options = {}) {
      yield* findEntries(opened, await listImageSummaries(opened, options.filter, onDamage), pattern, options.ignoreCase);
    },
    async *diff(before, after, options) {
      yield* diffImages(opened, await select(before), await select(after), options);
    },
    async *dump(image, path, options = {}) {
      yield* dumpEntry(opened, await select(image, options.filter), path);
    },
    restore: async (options) => runRestore(opened, await select(options.image, options.filter), options),
    verify: (options = {}) => runVerify(opened, options),
    compareWithSource: async (options) => {
      const { image, filter, paths } = options;
      if (image !== undefined) return compareWithSource(opened, await select(image, filter), options);
      const images = await listImageSummaries(opened, filter, onDamage);
      const found = imageOfPaths(images, paths, services.host.workingDirectory);
      if (found !== undefined) return compareWithSource(opened, found, options);
      throw new HoldfastError("IMAGE_UNKNOWN", {
        message: "No image was made of all the paths that are to be compared",
        hint: "Name an image with --image; `holdfast images` shows what there is.",
      });
    },
    statistics: () => repositoryStatistics(opened, onDamage),
    async tag(reference, { add = [], remove = [], set }) {
      const image = await select(reference);
      const tags = (set ?? [...image.tags, ...add]).filter((tag) => !remove.includes(tag));
      return inSession(opened, async (session) => {
        const volume = repository.defaultVolume.writable(session.temporaryNames);
        const { annotation } = await publishTags({ ...opened.places, volume, random, clock }, image.id as ImageId, tags);
        return annotation.tags;
      });
    },
    prune: (options = {}) => runPrune(opened, options),
    async hold(reference, hold) {
      const { id, ...image } = await select(reference);
      await inSession(opened, (session) => {
        const volume = repository.defaultVolume.writable(session.temporaryNames);
        return publishHold({ ...opened.places, volume, random, clock }, { ...image, id: id as ImageId }, hold);
      });
    },
    forget: (options) => (options.dryRun === true ? planForget(opened, options, onDamage) : forgetJob(opened, options, onDamage)),
    repair: (options = {}) => runRepair(opened, options),
    rebuildIndex: (onProgress = () => undefined) => rebuildAll(opened, onProgress),
    inspect: (what) => inspectStored(opened, what),

    keySlots: () => Promise.resolve(listKeySlots(slots).slots.map(summaryOf)),
    addKeySlot: (passphrase, label) =>
      inSession(opened, async ({ temporaryNames }) => {
        const { masterKey } = repository.unlocked;
        return summaryOf(await addKeySlot(slots, { masterKey, passphrase, label, clock, random, temporaryNames }));
      }),
    removeKeySlot: async (id) => {
      removeKeySlot(slots, id);
    },
    changePassphrase: (passphrase) =>
      inSession(opened, async ({ temporaryNames }) => {
        const unlocked = { ...repository.unlocked, slotId: currentSlot };
        const added = await changePassphrase(slots, { unlocked, passphrase, clock, random, temporaryNames });
        currentSlot = added.id;
        return summaryOf(added);
      }),

    close,
    [Symbol.asyncDispose]: close,
  };
}
