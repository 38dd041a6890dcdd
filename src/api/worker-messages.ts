// What passes between the main thread and its worker threads. It never leaves the process and has no version.

import type { PlainError } from "../base/plain-error.ts";
import type { VolumeId } from "../media/media.ts";
import type { KeyRingData, SharedCentralIndex, WrittenContainer } from "../repository/repository.ts";
import type { Compression } from "./types.ts";

export interface RepositorySetup {
  readonly keyRing: KeyRingData;
  /** Directory volumes by their paths. */
  readonly volumes: readonly { readonly id: VolumeId; readonly path: string }[];
}

/** What a worker is to do for its whole life. */
export type WorkerSetup =
  | (RepositorySetup & {
      /** Reads files and stores them, or takes segments that another machine has read. */
      readonly role: "read" | "receive";
      readonly index: SharedCentralIndex;
      readonly sessionSegments: SharedArrayBuffer;
      readonly sessionId: string;
      readonly volumeId: VolumeId;
      readonly compression: Compression;
      readonly verifyBlocks: boolean;
    })
  | (RepositorySetup & { readonly role: "restore" })
  | (RepositorySetup & { readonly role: "verify" })
  | {
      /** Reads files for a repository on a server. */
      readonly role: "send";
      readonly cutKey: Uint8Array;
      /** Of the fingerprints of file content. */
      readonly dataKey: Uint8Array;
      /** See `SegmentOutboxOptions`. */
      readonly challenge: Uint8Array;
      readonly offered: SharedArrayBuffer;
      readonly compression: Compression;
    };

/** What a worker asks of the main thread, which alone has the connection. */
export type TransferStep = "offer" | "prove" | "store";

export type WorkerRequest =
  /** The first, and not answered: what goes wrong with it is the answer to all that follow. */
  | { readonly kind: "begin"; readonly setup: WorkerSetup }
  | { readonly kind: "serve"; readonly number: number; readonly bytes: Uint8Array<ArrayBuffer> }
  /** Publish what is under way and say when it is durable. */
  | { readonly kind: "flush"; readonly number: number }
  /** To what the worker asked; does not wait for its turn. */
  | { readonly kind: "answer"; readonly number: number; readonly bytes: Uint8Array }
  | { readonly kind: "refusal"; readonly number: number; readonly error: PlainError };

export type WorkerReply =
  | { readonly kind: "served"; readonly number: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "flushed"; readonly number: number }
  | { readonly kind: "failed"; readonly number: number; readonly error: PlainError }
  /** Published and durable. */
  | ({ readonly kind: "container" } & WrittenContainer)
  | { readonly kind: "ask"; readonly number: number; readonly step: TransferStep; readonly bytes: Uint8Array<ArrayBuffer> };
