// What passes between the main thread and its worker threads. It never leaves the process and has no version.

import type { PlainError } from "../base/plain-error.ts";
import type { VolumeId } from "../media/media.ts";
import type { KeyRingData, SharedCentralIndex, WrittenContainer } from "../repository/repository.ts";
import type { Compression } from "./types.ts";

interface CommonSetup {
  readonly keyRing: KeyRingData;
  /** Directory volumes by their paths. */
  readonly volumes: readonly { readonly id: VolumeId; readonly path: string }[];
}

/** What a worker is to do for its whole life. */
export type WorkerSetup =
  | (CommonSetup & {
      readonly role: "read";
      readonly index: SharedCentralIndex;
      readonly sessionSegments: SharedArrayBuffer;
      readonly sessionId: string;
      readonly volumeId: VolumeId;
      readonly compression: Compression;
      readonly verifyBlocks: boolean;
      readonly withAttributes: boolean;
    })
  | (CommonSetup & { readonly role: "restore" })
  | (CommonSetup & { readonly role: "verify" });

export type WorkerRequest =
  /** The first, and not answered: what goes wrong with it is the answer to all that follow. */
  | { readonly kind: "begin"; readonly setup: WorkerSetup }
  | { readonly kind: "serve"; readonly number: number; readonly bytes: Uint8Array<ArrayBuffer> }
  /** Publish what is under way and say when it is durable. */
  | { readonly kind: "flush"; readonly number: number };

export type WorkerReply =
  | { readonly kind: "served"; readonly number: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "flushed"; readonly number: number }
  | { readonly kind: "failed"; readonly number: number; readonly error: PlainError }
  /** Published and durable. */
  | ({ readonly kind: "container" } & WrittenContainer);
