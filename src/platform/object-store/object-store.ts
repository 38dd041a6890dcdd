// A bucket of an object store, as far as we use one: whole objects under names, no directories, no rename. Written by us over
// S3's protocol (s3-object-store.ts), or kept in memory by tests.

import type { EpochMs } from "../clock.ts";

export interface ObjectInformation {
  readonly sizeBytes: number;
  readonly modifiedMs: EpochMs;
}

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
}

export interface ObjectPage {
  readonly objects: readonly ListedObject[];
  /** With a delimiter: what the keys that go on behind it have in common, the delimiter included. */
  readonly prefixes: readonly string[];
  /** Where the next page goes on; undefined on the last one. */
  readonly next?: string;
}

/** The bytes of an object: in memory, or in a local file of ours that does not change meanwhile. */
export type ObjectContent = Uint8Array | { readonly path: string; readonly sizeBytes: number };

export interface PutOptions {
  /** 64 hexadecimal digits, where the caller knows it already. The store refuses bytes that arrive with another one. */
  readonly sha256?: string;
  /** Puts nothing when there is an object of this key already. */
  readonly onlyIfAbsent?: boolean;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface PendingUpload {
  readonly key: string;
  readonly id: string;
}

/** Requests by kind, those that were made again, and bytes of contents. */
export interface RequestCounts {
  readonly put: number;
  readonly get: number;
  readonly head: number;
  readonly list: number;
  readonly copy: number;
  readonly delete: number;
  readonly retries: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/**
 * Every call is made again by itself after failures that may pass. Errors are HoldfastErrors: PERMISSION_DENIED (credentials, rights, a
 * wrong clock), REPOSITORY_MISSING (no such bucket), REPOSITORY_READ_FAILED and REPOSITORY_WRITE_FAILED (with `retry: "later"` when the
 * store did not answer as it should for too long), FORMAT_INVALID for an object larger than allowed. What was put is durable.
 */
export interface ObjectStore {
  /** False when `onlyIfAbsent` and the key is taken, by another call than this one. */
  put(key: string, content: ObjectContent, options?: PutOptions): Promise<boolean>;
  /** The whole object; undefined when there is none. */
  get(key: string, limitBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** A part of the object, less at its end; undefined when there is none. */
  getRange(key: string, range: ByteRange): Promise<Uint8Array<ArrayBuffer> | undefined>;
  head(key: string): Promise<ObjectInformation | undefined>;
  /** Keys that begin with `prefix`, in order, page by page: `after` is what the page before gave as `next`. */
  list(
    prefix: string,
    options?: { readonly delimiter?: string; readonly after?: string; readonly limit?: number },
  ): Promise<ObjectPage>;
  /** Of each prefix one level, complete: keys, and what the keys that go on behind a slash have in common. All are asked for at once. */
  levels(prefixes: readonly string[]): Promise<readonly (readonly string[])[]>;
  /** Harmless when there is no such object. */
  remove(key: string): Promise<void>;
  /** Within the store; replaces what is there. False when there is nothing to copy. */
  copy(from: string, to: string): Promise<boolean>;
  /** Large objects are put in parts; those of a writer that died before the last part stay, unseen, and cost money. */
  pendingUploads(prefix: string): Promise<readonly PendingUpload[]>;
  abortUpload(upload: PendingUpload): Promise<void>;
  counts(): Promise<RequestCounts>;
}

/** The same calls, answered before they return. */
export type BlockingObjectStore = {
  readonly [Call in keyof ObjectStore]: (...given: Parameters<ObjectStore[Call]>) => Awaited<ReturnType<ObjectStore[Call]>>;
};

/** All of them, page after page. */
export async function listAll(store: ObjectStore, prefix: string): Promise<readonly ListedObject[]> {
  const objects: ListedObject[] = [];
  let after: string | undefined;
  do {
    const page = await store.list(prefix, after === undefined ? {} : { after });
    objects.push(...page.objects);
    after = page.next;
  } while (after !== undefined);
  return objects;
}

/** All of one level below a prefix. */
export async function levelOf(store: Pick<ObjectStore, "list">, prefix: string): Promise<readonly string[]> {
  const keys: string[] = [];
  let after: string | undefined;
  do {
    const page = await store.list(prefix, { delimiter: "/", ...(after === undefined ? {} : { after }) });
    keys.push(...page.objects.map(({ key }) => key), ...page.prefixes);
    after = page.next;
  } while (after !== undefined);
  return keys;
}
