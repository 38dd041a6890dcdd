// Backs up a tree of files: opens what both halves need and lets them talk.

import { ByteWriter, hexOf, textOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { BackupRun, ReaderPool, rehearsedRead } from "../client/client.ts";
import type { BackupConnection, BackupRunParts, TrackLog } from "../client/client.ts";
import { decodeReply, encodeReply, readClientMessages, writeBaseOffer } from "../formats/stream.ts";
import type { ImageId, ImageRecord } from "../model/image.ts";
import { ImageBuilder, openBaseImage, readLosses } from "../repository/repository.ts";
import type { BaseImage } from "../repository/repository.ts";
import { treeRootOf } from "../server/server.ts";
import type { TreeWalk } from "../sources/files/files.ts";
import type { FileTree } from "../platform/file-tree.ts";
import type { BackupAccount } from "./backup-account.ts";
import { LocalReceiver } from "./backup-connection.ts";
import type { BackupRunContext } from "./backup-connection.ts";
import { nameSource, openWalk, segmentationOf, selectionOf } from "./backup-source.ts";
import type { SourceName } from "./backup-source.ts";
import { chooseBases } from "./choose-bases.ts";
import type { BaseCandidate, BaseChoice } from "./choose-bases.ts";
import type { Opened } from "./opened.ts";
import { reconcileContainers } from "./reconcile-containers.ts";
import { lossesPlace } from "./repair-losses.ts";
import { rescanChooser } from "./rescan.ts";
import { TrackLogs } from "./track-logs.ts";
import { noteNewImage, trustedBases } from "./trusted-bases.ts";
import type { TrustedBases } from "./trusted-bases.ts";
import type { BackupOptions, BackupReport } from "./types.ts";

const CHECKPOINT_MS = 60_000;
/** Some twenty seconds of reading at full speed: all threads stand still meanwhile, for a tenth of a second and more. */
const CHECKPOINT_BYTES = 8 * 1024 * 1024 * 1024;

export async function backUpTree(opened: Opened, options: BackupOptions, context: BackupRunContext): Promise<BackupReport> {
  const { account } = context;
  const { name, walk, tree } = openSource(opened, options, account);
  try {
    // Before the index is opened: what it says may be older than what is noted later.
    const known = readLosses(lossesPlace(opened, context.session));
    const isWhole = await reconcileContainers(opened, context.session, account);
    const losses = readLosses(lossesPlace(opened, context.session));
    const offered = await chooseBases(opened, name, {
      isWhole,
      outstanding: context.session.outstanding,
      onNotice: (text) => account.notice(text),
    });
    const { choice, mustRead, areWhole } = await trustedBases(opened, offered, losses, options);
    await using receiver = new LocalReceiver(opened, options, context, choice, name);
    const { writers, connection } = receiver;
    const trackLogs = new TrackLogs(opened, account, name.source);
    const bases = await offerBases(opened, choice, trackLogs, connection, account);
    try {
      const run = new BackupRun({
        ...runParts(opened, options, account, walk, tree, bases.record, mustRead),
        bases: bases.images,
        connection,
        pool: new ReaderPool(writers.pool.threads),
        mirror: trackLogs.mirror(bases.trackLog),
        attributeParts: (attributes) => writers.attributeParts(attributes),
      });
      await run.sendEntries();
      takeCounts(account, walk);
      const imageId = await run.commit(JSON.stringify({ base: bases.imageId ?? null }));
      // The image is safe. What follows makes the next backup faster and must not make this one fail.
      trackLogs.commit(imageId, account.startedAtMs);
      await noteWhole(account, () => noteNewImage(opened, context.session, imageId, { losses: known, areWhole }));
      await receiver.tidy(account);
      return account.report(name, imageId, bases.imageId);
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
export async function rehearseTree(opened: Opened, options: BackupOptions, account: BackupAccount): Promise<BackupReport> {
  const { name, walk, tree } = openSource(opened, options, account);
  try {
    const choice = await chooseBases(opened, name, { isWhole: true, onNotice: (text) => account.notice(text) });
    const base = choice.images[0];
    const images = base === undefined ? [] : [await openBaseImage(opened.reader, treeRootOf(base.root))];
    const run = new BackupRun({
      ...runParts(opened, options, account, walk, tree, base?.record),
      bases: images,
      isRehearsal: true,
      connection: { send: (batch) => Promise.resolve(rehearsedReply(batch)) },
      pool: new ReaderPool([{ serve: (request) => Promise.resolve(rehearsedRead(request)) }]),
      mirror: new ImageBuilder({ sink: { storePage: (kind, bytes) => opened.fingerprinters[kind].of(bytes) } }),
      attributeParts: () => ({}),
    });
    await run.sendEntries();
    takeCounts(account, walk);
    return account.report(name, undefined, base?.id);
  } finally {
    walk.close();
  }
}

function rehearsedReply(batch: Uint8Array): Uint8Array | undefined {
  for (const message of readClientMessages(batch)) {
    if (message.type === "claim") return encodeReply({ type: "claim-accepted" });
    if (message.type === "checkpoint") return encodeReply({ type: "checkpointed" });
  }
  return undefined;
}

function openSource(
  opened: Opened,
  options: BackupOptions,
  account: BackupAccount,
): { readonly name: SourceName; readonly walk: TreeWalk; readonly tree: FileTree } {
  const { services } = opened;
  const { tree, notice } = services.openFileTree();
  if (notice !== undefined) account.notice(notice);
  const selection = selectionOf(options, services.host.workingDirectory);
  const name = nameSource(options, selection, services.host.name);
  const { layout, id } = opened.repository;
  const ownPlaces = { repository: layout.root, cache: `${opened.cacheDirectory}/${hexOf(id)}` };
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
  opened: Opened,
  options: BackupOptions,
  account: BackupAccount,
  walk: TreeWalk,
  tree: FileTree,
  base: ImageRecord | undefined,
  mustRead?: TrustedBases["mustRead"],
): CommonParts {
  const { services, fingerprinters } = opened;
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
        filesExpected: base?.statistics.files,
        bytesExpected: base?.statistics.contentBytes,
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

type PathTest = NonNullable<TrustedBases["mustRead"]>;

function either(a: PathTest | undefined, b: PathTest | undefined): PathTest | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return (path, pathLength) => a(path, pathLength) || b(path, pathLength);
}

/** The image is safe; not having noted it costs the next backup a look. */
async function noteWhole(account: BackupAccount, note: () => Promise<string | undefined>): Promise<void> {
  try {
    const text = await note();
    if (text !== undefined) account.notice(text);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    account.notice(`It could not be noted that this image is whole: ${error.message} The next backup will take longer.`);
  }
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
  readonly record: ImageRecord | undefined;
}

/** Offers the checkpoint, then images from the newest on until one is accepted. */
async function offerBases(
  opened: Opened,
  choice: BaseChoice,
  trackLogs: TrackLogs,
  connection: BackupConnection,
  account: BackupAccount,
): Promise<AcceptedBases> {
  const images: BaseImage[] = [];
  if (choice.checkpoint !== undefined && (await offer(choice.checkpoint, connection, account))) {
    images.push(await openBaseImage(opened.reader, treeRootOf(choice.checkpoint.root)));
    account.notice("Continuing from the checkpoint of an interrupted backup.");
  }
  for (const candidate of choice.images) {
    if (!(await offer(candidate, connection, account))) continue;
    const trackLog = trackLogs.find(candidate.id);
    images.push(trackLog?.image ?? (await openBaseImage(opened.reader, treeRootOf(candidate.root))));
    return { images, trackLog, imageId: candidate.id as ImageId, record: candidate.record };
  }
  return { images, trackLog: undefined, imageId: undefined, record: undefined };
}

async function offer(candidate: BaseCandidate, connection: BackupConnection, account: BackupAccount): Promise<boolean> {
  const writer = new ByteWriter();
  writeBaseOffer(writer, candidate.id);
  const encoded = await connection.send(writer.take());
  const reply = encoded === undefined ? undefined : decodeReply(encoded);
  if (reply?.type === "base-accepted") return true;
  if (reply?.type === "base-refused") account.notice(`Image ${candidate.id.slice(0, 8)} cannot be the base: ${reply.reason}`);
  return false;
}
