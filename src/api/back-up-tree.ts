// Backs up a tree of files: opens the source, finds the other half, and sends it what the walk meets.

import { ByteWriter, hexOf, textOf } from "../base/bytes.ts";
import { BackupRun, ReaderPool, rehearsedRead } from "../client/client.ts";
import type { BackupConnection, BackupRunParts, TrackLog } from "../client/client.ts";
import { decodeReply, encodeReply, readClientMessages, writeBaseOffer } from "../formats/stream.ts";
import type { ImageDescription, ImageId } from "../model/image.ts";
import { ImageBuilder, openBaseImage } from "../repository/repository.ts";
import type { BaseImage, PageSource } from "../repository/repository.ts";
import { treeRootOf } from "../server/server.ts";
import type { TreeWalk } from "../sources/files/files.ts";
import type { FileTree } from "../platform/file-tree.ts";
import type { BackupAccount } from "./backup-account.ts";
import { nameSource, openWalk, segmentationOf, selectionOf } from "./backup-source.ts";
import type { SourceName } from "./backup-source.ts";
import { storeAttributes } from "./other-half.ts";
import type { OfferedBase, OtherHalf } from "./other-half.ts";
import { rescanChooser } from "./rescan.ts";
import type { OpenOtherHalf, SendingSide } from "./sending-side.ts";
import { TrackLogs } from "./track-logs.ts";
import type { BackupOptions, BackupReport } from "./types.ts";

const CHECKPOINT_MS = 60_000;
/** Some twenty seconds of reading at full speed: all threads stand still meanwhile, for a tenth of a second and more. */
const CHECKPOINT_BYTES = 8 * 1024 * 1024 * 1024;

export async function backUpTree(
  side: SendingSide,
  options: BackupOptions,
  account: BackupAccount,
  openOtherHalf: OpenOtherHalf,
): Promise<BackupReport> {
  const { name, walk, tree } = openSource(side, options, account);
  try {
    await using otherHalf = await openOtherHalf({ description: account.describe(name), withBases: true });
    const { connection, data, mustRead } = otherHalf;
    const trackLogs = new TrackLogs(side, otherHalf.pages, account, name.source);
    const bases = await offerBases(otherHalf, trackLogs, account);
    try {
      const run = new BackupRun({
        ...runParts(side, options, account, walk, tree, bases.statistics, mustRead),
        bases: bases.images,
        connection,
        pool: new ReaderPool(otherHalf.threads),
        mirror: trackLogs.mirror(bases.trackLog),
        attributeParts: (attributes) => storeAttributes(attributes, data, (bytes) => side.fingerprinters.data.of(bytes)),
      });
      await run.sendEntries();
      takeCounts(account, walk);
      const imageId = await run.commit(account.sentPart(bases.imageId ?? null));
      // The image is safe. What follows makes the next backup faster and must not make this one fail.
      trackLogs.commit(imageId, account.startedAtMs);
      return account.report(name, { imageId, baseImageId: bases.imageId }, await otherHalf.afterCommit(imageId));
    } catch (error) {
      trackLogs.discard();
      throw error;
    } finally {
      bases.trackLog?.close();
    }
  } finally {
    walk.close();
  }
}

/** Walks and compares like a backup, reads no file and stores nothing. */
export async function rehearseTree(
  side: SendingSide,
  options: BackupOptions,
  account: BackupAccount,
  latestBase: (description: ImageDescription) => Promise<RehearsalBase | undefined>,
): Promise<BackupReport> {
  const { fingerprinters } = side;
  const { name, walk, tree } = openSource(side, options, account);
  try {
    const base = await latestBase(account.describe(name));
    const images = base === undefined ? [] : [await openBaseImage(base.pages, treeRootOf(base.root))];
    const run = new BackupRun({
      ...runParts(side, options, account, walk, tree, base?.statistics),
      bases: images,
      isRehearsal: true,
      connection: REHEARSED,
      pool: new ReaderPool([{ serve: (request) => Promise.resolve(rehearsedRead(request)) }]),
      mirror: new ImageBuilder({ sink: { storePage: (kind, bytes) => fingerprinters[kind].of(bytes) } }),
      attributeParts: () => ({}),
    });
    await run.sendEntries();
    takeCounts(account, walk);
    return account.report(name, { baseImageId: base?.id });
  } finally {
    walk.close();
  }
}

/** The image that a rehearsal compares with. */
export interface RehearsalBase extends OfferedBase {
  readonly pages: PageSource;
}

/** Believes every claim and keeps nothing. */
const REHEARSED: BackupConnection = {
  post: () => Promise.resolve(),
  ask: (batch) => Promise.resolve(rehearsedReply(batch)),
  settle: () => Promise.resolve(),
};

function rehearsedReply(batch: Uint8Array): Uint8Array {
  for (const message of readClientMessages(batch)) {
    if (message.type === "claim") return encodeReply({ type: "claim-accepted" });
    if (message.type === "checkpoint") return encodeReply({ type: "checkpointed" });
  }
  throw new Error("Broken invariant: a rehearsal makes claims and checkpoints alone");
}

function openSource(
  side: SendingSide,
  options: BackupOptions,
  account: BackupAccount,
): { readonly name: SourceName; readonly walk: TreeWalk; readonly tree: FileTree } {
  const { services } = side;
  const { tree, notice } = services.openFileTree();
  if (notice !== undefined) account.notice(notice);
  const selection = selectionOf(options, services.host.workingDirectory);
  const name = nameSource(options, selection, services.host.name);
  const { repositoryPath, repositoryId, cacheDirectory } = side;
  const ownPlaces = { repository: repositoryPath, cache: `${cacheDirectory}/${hexOf(repositoryId)}` };
  const walk = openWalk(
    { tree, files: services.files, selection, options, ownPlaces },
    {
      onProblem: (problem) => account.walkProblem(problem),
      onNotice: (walkNotice) => account.walkNotice(walkNotice),
    },
  );
  return { name, walk, tree };
}

type CommonParts = Omit<BackupRunParts, "bases" | "connection" | "pool" | "mirror" | "attributeParts">;

function runParts(
  side: SendingSide,
  options: BackupOptions,
  account: BackupAccount,
  walk: TreeWalk,
  tree: FileTree,
  expected: OfferedBase["statistics"] | undefined,
  mustRead?: OtherHalf["mustRead"],
): CommonParts {
  const { services, fingerprinters } = side;
  const { statistics } = account;
  return {
    walk,
    tree,
    clock: services.clock,
    pageFingerprintOf: (bytes) => fingerprinters.page.of(bytes),
    owners: account.owners,
    statistics,
    onProblem: ({ path, action, code }) => account.problem({ path: `/${path}`, action, code }),
    onChangedWhileRead: (path) => account.changedWhileRead(`/${textOf(path)}`),
    onProgress: (path) =>
      options.onProgress?.({
        filesDone: statistics.filesNew + statistics.filesChanged + statistics.filesUnchanged,
        bytesDone: statistics.bytesRead + statistics.bytesUnchanged,
        filesExpected: expected?.files,
        bytesExpected: expected?.contentBytes,
        currentPath: `/${path()}`,
      }),
    settings: {
      rules: { ignoreInode: options.ignoreInode ?? false, ignoreChangeTime: options.ignoreChangeTime ?? false },
      withAttributes: true,
      rescans: either(rescanChooser(options.forceRescan === true ? 1 : (options.rescanFraction ?? 0), services.random), mustRead),
      fixedSegmentBytes: segmentationOf(options),
      checkpointMs: CHECKPOINT_MS,
      checkpointBytes: options.checkpointBytes ?? CHECKPOINT_BYTES,
    },
    signal: options.signal,
  };
}

type PathTest = NonNullable<OtherHalf["mustRead"]>;

function either(a: PathTest | undefined, b: PathTest | undefined): PathTest | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return (path, pathLength) => a(path, pathLength) || b(path, pathLength);
}

function takeCounts(account: BackupAccount, walk: TreeWalk): void {
  account.statistics.vanished += walk.counts.vanished;
  account.statistics.socketsSkipped = walk.counts.sockets;
}

// --- bases ---------------------------------------------------------------------------------------

interface AcceptedBases {
  readonly images: readonly BaseImage[];
  /** Of the image among them, when the client has its track log. */
  readonly trackLog: TrackLog | undefined;
  readonly imageId: ImageId | undefined;
  readonly statistics: OfferedBase["statistics"] | undefined;
}

/** Offers the checkpoint, then images from the newest on until one is accepted. */
async function offerBases(otherHalf: OtherHalf, trackLogs: TrackLogs, account: BackupAccount): Promise<AcceptedBases> {
  const { checkpoint, connection, pages } = otherHalf;
  const images: BaseImage[] = [];
  if (checkpoint !== undefined && (await offer(checkpoint, connection, account))) {
    images.push(await openBaseImage(pages, treeRootOf(checkpoint.root)));
    account.notice("Continuing from the checkpoint of an interrupted backup.");
  }
  for (const candidate of otherHalf.images) {
    if (!(await offer(candidate, connection, account))) continue;
    const trackLog = trackLogs.find(candidate.id);
    images.push(trackLog?.image ?? (await openBaseImage(pages, treeRootOf(candidate.root))));
    return { images, trackLog, imageId: candidate.id as ImageId, statistics: candidate.statistics };
  }
  return { images, trackLog: undefined, imageId: undefined, statistics: undefined };
}

async function offer({ id }: OfferedBase, connection: BackupConnection, account: BackupAccount): Promise<boolean> {
  const writer = new ByteWriter();
  writeBaseOffer(writer, id);
  const reply = decodeReply(await connection.ask(writer.take()));
  if (reply.type === "base-accepted") return true;
  if (reply.type === "base-refused") account.notice(`Image ${id.slice(0, 8)} cannot be the base: ${reply.reason}`);
  return false;
}
