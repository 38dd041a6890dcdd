// The inside of a worker thread: one service for its whole life, requests one after another, answers in order.

import { BlockIdentifier, BlockSealer, Cutter, FINE_CUT_SIZES, createFingerprinter } from "../engine/engine.ts";
import { FINE_WINDOW_BYTES, FileReader, SegmentOutbox } from "../client/client.ts";
import type { SegmentSink, WrittenContainer } from "../repository/repository.ts";
import { SegmentReceiver } from "../server/server.ts";
import { openDirectoryVolume, temporaryNames } from "../media/media.ts";
import type { Volume, VolumeId } from "../media/media.ts";
import type { WorkerPort } from "../platform/threads.ts";
import { BlockReader, CentralIndex, KeyRing, SegmentWriter, SessionSegments, isRunVanished } from "../repository/repository.ts";
import { ContainerVerifier, RestoreWriter } from "../restore/restore.ts";
import type { Services } from "./services.ts";
import { errorOf, plainError } from "../base/plain-error.ts";
import type { RepositorySetup, TransferStep, WorkerReply, WorkerRequest, WorkerSetup } from "./worker-messages.ts";

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
  const asking = new Asking(post);
  let service: () => WorkerService = () => {
    throw new Error("Broken invariant: a worker is told what it is to do before its first request");
  };
  let previous: Promise<void> = Promise.resolve();
  port.onMessage((request) => {
    if (request.kind === "begin") service = begun(() => createService(request.setup, services, { post, asking }));
    else if (request.kind === "answer" || request.kind === "refusal") asking.settle(request);
    else previous = previous.then(() => answer(service, request)).then(({ reply, transfer }) => post(reply, transfer));
  });
}

type Answer = Extract<WorkerRequest, { kind: "answer" | "refusal" }>;

interface Waiting {
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/** What this thread asks of the main thread while it serves a request. */
class Asking {
  readonly #post: PostReply;
  readonly #waiting = new Map<number, Waiting>();
  #number = 0;

  constructor(post: PostReply) {
    this.#post = post;
  }

  /** The memory of `given` goes with it, if it is all of its buffer. */
  ask(step: TransferStep, given: Uint8Array): Promise<Uint8Array> {
    const bytes = given.byteLength === given.buffer.byteLength ? (given as Uint8Array<ArrayBuffer>) : new Uint8Array(given);
    const number = this.#number++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#post({ kind: "ask", number, step, bytes }, [bytes.buffer]);
    });
  }

  settle(reply: Answer): void {
    const waiting = this.#waiting.get(reply.number);
    this.#waiting.delete(reply.number);
    if (reply.kind === "answer") waiting?.resolve(reply.bytes);
    else waiting?.reject(errorOf(reply.error));
  }
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
  request: Extract<WorkerRequest, { kind: "serve" | "flush" }>,
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

/** The ways out of this thread. */
interface Outside {
  readonly post: PostReply;
  readonly asking: Asking;
}

function createService(setup: WorkerSetup, services: WorkerServices, { post, asking }: Outside): WorkerService {
  switch (setup.role) {
    case "read":
      return createReadService(setup, services, post);
    case "receive":
      return createReceiveService(setup, services, post);
    case "send":
      return createSendService(setup, services, asking);
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

function volumesOf(setup: RepositorySetup, { files }: WorkerServices, repositoryId: Uint8Array): ReadonlyMap<VolumeId, Volume> {
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
function openIndex(setup: StoringSetup, keyRing: KeyRing, files: Services["files"]): CentralIndex {
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

type StoringSetup = Extract<WorkerSetup, { role: "read" | "receive" }>;

function createReadService(setup: StoringSetup, services: WorkerServices, post: PostReply): WorkerService {
  const keyRing = new KeyRing(setup.keyRing);
  const sink = segmentWriter(setup, services, keyRing, post);
  return readingInto(sink, services, { cutKey: keyRing.cut, dataKey: keyRing.fingerprint("data") });
}

function createReceiveService(setup: StoringSetup, services: WorkerServices, post: PostReply): WorkerService {
  const keyRing = new KeyRing(setup.keyRing);
  const writer = segmentWriter(setup, services, keyRing, post);
  return new SegmentReceiver(writer, createFingerprinter(keyRing.fingerprint("data"), services.loadBlake));
}

function createSendService(
  setup: Extract<WorkerSetup, { role: "send" }>,
  services: WorkerServices,
  asking: Asking,
): WorkerService {
  const sink = new SegmentOutbox({
    transfer: {
      offer: (fingerprints) => asking.ask("offer", fingerprints.slice()),
      prove: (proofs) => asking.ask("prove", proofs),
      store: async (block) => void (await asking.ask("store", block)),
    },
    offered: SessionSegments.fromShared(setup.offered),
    compression: setup.compression,
    challenge: setup.challenge,
    loadBlake: services.loadBlake,
  });
  return readingInto(sink, services, setup);
}

function segmentWriter(setup: StoringSetup, services: WorkerServices, keyRing: KeyRing, post: PostReply): SegmentWriter {
  const { files, random, loadBlake } = services;
  const place = setup.volumes.find(({ id }) => id === setup.volumeId);
  if (place === undefined) throw new Error("Broken invariant: the volume to write to is among the volumes");
  const volume = openDirectoryVolume({
    files,
    path: place.path,
    repositoryId: keyRing.repositoryId,
    temporaryNames: temporaryNames(setup.sessionId, random),
  });
  return new SegmentWriter({
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
}

interface ReadingKeys {
  readonly cutKey: Uint8Array;
  readonly dataKey: Uint8Array;
}

type ReadingSink = SegmentSink & { settle(): Promise<void>; flush(): Promise<void> };

function readingInto(sink: ReadingSink, services: WorkerServices, { cutKey, dataKey }: ReadingKeys): WorkerService {
  const { clock, loadBlake } = services;
  const fingerprinter = createFingerprinter(dataKey, loadBlake);
  const reader = new FileReader({
    tree: services.openFileTree().tree,
    clock,
    fineCutter: new Cutter(cutKey, FINE_CUT_SIZES, FINE_WINDOW_BYTES),
    cutter: new Cutter(cutKey),
    fingerprintOf: (bytes) => fingerprinter.of(bytes),
    sink,
    withAttributes: true,
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
