// The inside of a worker thread: one service for its whole life, requests one after another, answers in order.

import { BlockIdentifier, BlockSealer, Cutter, FINE_CUT_SIZES, createFingerprinter } from "../engine/engine.ts";
import { FINE_WINDOW_BYTES, FileReader } from "../client/client.ts";
import type { WrittenContainer } from "../repository/repository.ts";
import { openDirectoryVolume, temporaryNames } from "../media/media.ts";
import type { Volume, VolumeId } from "../media/media.ts";
import type { WorkerPort } from "../platform/threads.ts";
import { BlockReader, CentralIndex, KeyRing, SegmentWriter, SessionSegments, isRunVanished } from "../repository/repository.ts";
import { ContainerVerifier, RestoreWriter } from "../restore/restore.ts";
import type { Services } from "./services.ts";
import { plainError } from "../base/plain-error.ts";
import type { WorkerReply, WorkerRequest, WorkerSetup } from "./worker-messages.ts";

export type { WorkerReply, WorkerRequest } from "./worker-messages.ts";

interface WorkerService {
  serve(request: Uint8Array): Promise<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer>;
  flush?(): Promise<void>;
}

export type WorkerServices = Omit<Services, "workerEntry" | "version" | "runCommand" | "readCommand" | "host">;

type PostReply = (reply: WorkerReply, transfer: readonly ArrayBuffer[]) => void;

/**
 * Serves until the thread is stopped: first comes what it is to do, then its requests. A request that fails is answered with its
 * error; the next one is tried all the same.
 */
export function serveWorker(port: WorkerPort<WorkerRequest, WorkerReply>, services: WorkerServices): void {
  const post: PostReply = (reply, transfer) => port.post(reply, transfer);
  let service: () => WorkerService = () => {
    throw new Error("Broken invariant: a worker is told what it is to do before its first request");
  };
  let previous: Promise<void> = Promise.resolve();
  port.onMessage((request) => {
    if (request.kind === "begin") service = begun(() => createService(request.setup, services, post));
    else previous = previous.then(() => answer(service, request)).then(({ reply, transfer }) => post(reply, transfer));
  });
}

/** Calls `create` at once, and gives what came of it whenever it is asked for: a service, or the error. */
function begun(create: () => WorkerService): () => WorkerService {
  try {
    const service = create();
    return () => service;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

async function answer(
  service: () => WorkerService,
  request: Exclude<WorkerRequest, { kind: "begin" }>,
): Promise<{ reply: WorkerReply; transfer: ArrayBuffer[] }> {
  const { number } = request;
  try {
    if (request.kind === "flush") {
      await service().flush?.();
      return { reply: { kind: "flushed", number }, transfer: [] };
    }
    const bytes = await service().serve(request.bytes);
    return { reply: { kind: "served", number, bytes }, transfer: [bytes.buffer] };
  } catch (error) {
    return { reply: { kind: "failed", number, error: plainError(error) }, transfer: [] };
  }
}

function createService(setup: WorkerSetup, services: WorkerServices, post: PostReply): WorkerService {
  switch (setup.role) {
    case "read":
      return createReadService(setup, services, post);
    case "restore":
      return createRestoreService(setup, services);
    case "verify":
      return createVerifyService(setup, services);
  }
}

function createVerifyService(setup: Extract<WorkerSetup, { role: "verify" }>, services: WorkerServices): WorkerService {
  const { loadBlake, random } = services;
  const keyRing = new KeyRing(setup.keyRing);
  const { repositoryId, block } = keyRing;
  return new ContainerVerifier({
    volumes: volumesOf(setup, services, repositoryId),
    repositoryId,
    sealer: new BlockSealer({ blockKey: block, repositoryId, random }),
    identifier: new BlockIdentifier(keyRing.identity, loadBlake),
    fingerprinters: {
      data: createFingerprinter(keyRing.fingerprint("data"), loadBlake),
      page: createFingerprinter(keyRing.fingerprint("page"), loadBlake),
      list: createFingerprinter(keyRing.fingerprint("list"), loadBlake),
    },
  });
}

function volumesOf(setup: WorkerSetup, { files }: WorkerServices, repositoryId: Uint8Array): ReadonlyMap<VolumeId, Volume> {
  return new Map(setup.volumes.map(({ id, path }) => [id, openDirectoryVolume({ files, path, repositoryId })]));
}

function createRestoreService(setup: Extract<WorkerSetup, { role: "restore" }>, services: WorkerServices): WorkerService {
  const { random, loadBlake } = services;
  const keyRing = new KeyRing(setup.keyRing);
  const volumes = volumesOf(setup, services, keyRing.repositoryId);
  return new RestoreWriter({
    tree: services.openFileTree().tree,
    blocks: new BlockReader({ volumes, keyRing, random }),
    fingerprinter: createFingerprinter(keyRing.fingerprint("data"), loadBlake),
  });
}

/** The tables of the main thread where its runs still exist; else whatever runs there are by now. */
function openIndex(setup: Extract<WorkerSetup, { role: "read" }>, keyRing: KeyRing, files: Services["files"]): CentralIndex {
  try {
    return CentralIndex.fromShared(files, setup.index);
  } catch (error) {
    if (!isRunVanished(error)) throw error;
    const { repositoryId, index: indexKey } = keyRing;
    const index = CentralIndex.open({ files, directory: setup.index.directory, indexKey, repositoryId });
    // The runs may be others by now; what is condemned is the same, and must not be counted on.
    index.exclude(setup.index.excluded);
    return index;
  }
}

/** The memory of a container's tables, which this thread has no more use for. */
function tablesOf({ contents: { blocks, segments } }: WrittenContainer): readonly ArrayBuffer[] {
  const { offsets, storedLengths, plainLengths, identities, segmentCounts } = blocks;
  const columns = [offsets, storedLengths, plainLengths, identities, segmentCounts, segments.fingerprints, segments.lengths];
  return [...new Set(columns.map((column) => column.buffer as ArrayBuffer))];
}

function createReadService(
  setup: Extract<WorkerSetup, { role: "read" }>,
  services: WorkerServices,
  post: PostReply,
): WorkerService {
  const { files, random, clock, loadBlake } = services;
  const keyRing = new KeyRing(setup.keyRing);
  const place = setup.volumes.find(({ id }) => id === setup.volumeId);
  if (place === undefined) throw new Error("Broken invariant: the volume to write to is among the volumes");
  const volume = openDirectoryVolume({
    files,
    path: place.path,
    repositoryId: keyRing.repositoryId,
    temporaryNames: temporaryNames(setup.sessionId, random),
  });
  const sink = new SegmentWriter({
    kind: "data",
    volume,
    keyRing,
    random,
    compression: setup.compression,
    verifyBlocks: setup.verifyBlocks,
    index: openIndex(setup, keyRing, files),
    session: SessionSegments.fromShared(setup.sessionSegments),
    loadBlake,
    onContainer: (container) => post({ kind: "container", ...container }, tablesOf(container)),
  });
  const fingerprinter = createFingerprinter(keyRing.fingerprint("data"), loadBlake);
  const reader = new FileReader({
    tree: services.openFileTree().tree,
    clock,
    fineCutter: new Cutter(keyRing.cut, FINE_CUT_SIZES, FINE_WINDOW_BYTES),
    cutter: new Cutter(keyRing.cut),
    fingerprintOf: (bytes) => fingerprinter.of(bytes),
    sink,
    withAttributes: setup.withAttributes,
  });
  return {
    async serve(request) {
      const response = reader.serve(request);
      await sink.settle();
      return response;
    },
    flush: () => sink.flush(),
  };
}
