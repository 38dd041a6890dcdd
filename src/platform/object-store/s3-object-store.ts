// An object store over S3's protocol. Every request can be made again: what is put under a name that must be free carries a mark of
// its own, by which a call that took effect without being answered is recognised.

import { createHash } from "node:crypto";
import fs from "node:fs";
import { hexOf, textOf, utf8 } from "../../base/bytes.ts";
import type { HoldfastError } from "../../base/errors.ts";
import type { Clock, EpochMs } from "../clock.ts";
import type { Random } from "../random.ts";
import type { HttpAnswer, HttpConnection, Origin } from "./http-exchange.ts";
import type {
  ByteRange,
  ObjectContent,
  ObjectInformation,
  ObjectPage,
  ObjectStore,
  PendingUpload,
  PutOptions,
  RequestCounts,
} from "./object-store.ts";
import { levelOf } from "./object-store.ts";
import { nextUploads, notWhole, pageOf, requireCopied, requireLength, requireNoError, requireRange } from "./s3-answers.ts";
import { connectionMayRecover, mayPass, refusalOf, refused, unreachable } from "./s3-failures.ts";
import type { Action, Refusal } from "./s3-failures.ts";
import { EMPTY_SHA256, encoded, signRequest } from "./sign-request.ts";
import type { Credentials } from "./sign-request.ts";
import { childrenOf, parseXml, textIn } from "./xml.ts";
import type { XmlElement } from "./xml.ts";

export interface S3Place {
  readonly origin: Origin;
  /** As in the URL, for messages and the header `host`. */
  readonly hostHeader: string;
  /** Whether the bucket is part of the path; else it is part of the host's name. */
  readonly bucketInPath: boolean;
  readonly bucket: string;
  readonly region: string;
  readonly credentials: Credentials;
}

export interface S3Options {
  readonly place: S3Place;
  readonly connection: HttpConnection;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: (ms: number) => Promise<void>;
  /** Content above this size is put in parts of this size. */
  readonly partBytes?: number;
  /** For so long a call is made again; less as long as the store has never answered. */
  readonly patienceMs?: number;
}

const MIB = 1024 * 1024;
/** The store's own limit is 5 GiB in one piece, and 10,000 parts. */
const PART_BYTES = 128 * MIB;
const PATIENCE_MS = 180_000;
/** A wrong address should not take minutes to show. */
const FIRST_PATIENCE_MS = 8_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** A page of a list has at most 1,000 entries with keys of up to 1,024 bytes; errors are far smaller. */
const ANSWER_LIMIT_BYTES = 8 * MIB;
const PAGE_ENTRIES = 1_000;
/** Says which call put an object, so that its repetition is told from another writer. */
const MARK_HEADER = "x-amz-meta-holdfast-put";

type CountedKind = Exclude<keyof RequestCounts, "retries" | "sentBytes" | "receivedBytes">;

interface Call {
  readonly kind: CountedKind;
  readonly method: string;
  readonly verb: string;
  readonly access: "read" | "write";
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly content?: ObjectContent;
  readonly contentSha256?: string;
  readonly limitBytes?: number;
  /** Answers besides 2xx that mean something to the caller. */
  readonly expected?: readonly number[];
  /** Throws when the answer is not whole: then the call is made again. */
  readonly check?: (answer: HttpAnswer) => void;
}

interface Answered extends HttpAnswer {
  /** How often it was asked before, without knowing what became of it. */
  readonly earlierAttempts: number;
}

export class S3ObjectStore implements ObjectStore {
  readonly #options: S3Options;
  readonly #counts: { -readonly [Count in keyof RequestCounts]: number };
  #hasAnswered = false;

  constructor(options: S3Options) {
    this.#options = options;
    this.#counts = { put: 0, get: 0, head: 0, list: 0, copy: 0, delete: 0, retries: 0, sentBytes: 0, receivedBytes: 0 };
  }

  async put(key: string, content: ObjectContent, options: PutOptions = {}): Promise<boolean> {
    const { partBytes = PART_BYTES } = this.#options;
    if (sizeOf(content) > partBytes) return this.#putInParts(key, content, options, partBytes);
    const contentSha256 = options.sha256 ?? (await sha256Of(content));
    return this.#putObject({ key, content, contentSha256, kind: "put", method: "PUT", verb: "write", access: "write" }, options);
  }

  async #putObject(call: Call & { readonly key: string }, { onlyIfAbsent = false }: PutOptions): Promise<boolean> {
    const mark = hexOf(this.#options.random.bytes(8));
    const condition = onlyIfAbsent ? { "if-none-match": "*" } : {};
    const answer = await this.#ask({
      ...call,
      headers: { ...call.headers, ...condition, [MARK_HEADER]: mark },
      expected: onlyIfAbsent ? [412] : [],
    });
    if (answer.status !== 412) return true;
    return answer.earlierAttempts > 0 && (await this.#markOf(call.key)) === mark;
  }

  async #markOf(key: string): Promise<string | undefined> {
    const answer = await this.#ask({ ...HEAD, key, expected: [404] });
    const mark = answer.headers[MARK_HEADER];
    return typeof mark === "string" ? mark : undefined;
  }

  /** Asked for as a part, because then the answer says how large the object is: one that ended early could not be told otherwise. */
  async get(key: string, limitBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const range = { offset: 0, length: Math.max(1, limitBytes) };
    return this.#getRange(key, range, (answer) => requireRange(answer, { ...range, limitBytes }));
  }

  async getRange(key: string, range: ByteRange): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (range.length === 0) return (await this.head(key)) === undefined ? undefined : new Uint8Array(0);
    return this.#getRange(key, range, (answer) => requireRange(answer, range));
  }

  async #getRange(
    key: string,
    { offset, length }: ByteRange,
    check: (answer: HttpAnswer) => void,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const headers = { range: `bytes=${offset}-${offset + length - 1}` };
    const answer = await this.#ask({ ...GET, key, headers, limitBytes: length, expected: [404, 416], check });
    if (answer.status === 404) return missingObject(answer, this.#action(GET, key));
    // Nothing begins there, or the object is empty.
    return answer.status === 416 ? new Uint8Array(0) : answer.body;
  }

  async head(key: string): Promise<ObjectInformation | undefined> {
    const answer = await this.#ask({ ...HEAD, key, expected: [404], check: requireLength });
    if (answer.status === 404) return undefined;
    const modified = Date.parse(answer.headers["last-modified"] ?? "");
    return {
      sizeBytes: Number(answer.headers["content-length"]),
      modifiedMs: (Number.isNaN(modified) ? 0 : modified) as EpochMs,
    };
  }

  async list(
    prefix: string,
    { delimiter, after, limit = PAGE_ENTRIES }: { delimiter?: string; after?: string; limit?: number } = {},
  ): Promise<ObjectPage> {
    const query = {
      "list-type": "2",
      "encoding-type": "url",
      "max-keys": String(limit),
      prefix,
      ...(delimiter === undefined ? {} : { delimiter }),
      ...(after === undefined ? {} : { "continuation-token": after }),
    };
    // A page that is not whole must not be taken for the end of the list.
    let page: ObjectPage | undefined;
    const check = (answer: HttpAnswer): void => {
      page = pageOf(parseXml(textOf(answer.body)), prefix);
    };
    await this.#ask({ kind: "list", method: "GET", verb: "list", access: "read", query, check });
    return page as ObjectPage;
  }

  levels(prefixes: readonly string[]): Promise<readonly (readonly string[])[]> {
    return Promise.all(prefixes.map((prefix) => levelOf(this, prefix)));
  }

  async remove(key: string): Promise<void> {
    await this.#ask({ kind: "delete", method: "DELETE", verb: "remove", access: "write", key, expected: [404] });
  }

  async copy(from: string, to: string): Promise<boolean> {
    const { bucket } = this.#options.place;
    const source = `/${bucket}/${from}`.split("/").map(encoded).join("/");
    const answer = await this.#ask({
      kind: "copy",
      method: "PUT",
      verb: "copy",
      access: "write",
      key: to,
      headers: { "x-amz-copy-source": source },
      expected: [404],
      check: requireCopied,
    });
    return answer.status !== 404 || missingObject(answer, this.#action({ verb: "copy", access: "write" }, from)) !== undefined;
  }

  // --- in parts ------------------------------------------------------------------------------

  async #putInParts(key: string, content: ObjectContent, options: PutOptions, partBytes: number): Promise<boolean> {
    const upload = { key, id: await this.#beginUpload(key) };
    try {
      const size = sizeOf(content);
      const tags: string[] = [];
      for (let offset = 0; offset < size; offset += partBytes) {
        const part = await partOf(content, offset, Math.min(partBytes, size - offset));
        tags.push(await this.#putPart(upload, tags.length + 1, part));
      }
      return await this.#completeUpload(upload, { tags, sizeBytes: size }, options);
    } catch (error) {
      await this.abortUpload(upload).catch(() => undefined);
      throw error;
    }
  }

  async #beginUpload(key: string): Promise<string> {
    let id = "";
    const check = (answer: HttpAnswer): void => {
      id = textIn(parseXml(textOf(answer.body)), "UploadId") ?? notWhole("it names no upload");
    };
    await this.#ask({ kind: "put", method: "POST", verb: "write", access: "write", key, query: { uploads: "" }, check });
    return id;
  }

  async #putPart({ key, id }: PendingUpload, number: number, content: Uint8Array): Promise<string> {
    const query = { partNumber: String(number), uploadId: id };
    const answer = await this.#ask({
      kind: "put",
      method: "PUT",
      verb: "write",
      access: "write",
      key,
      query,
      content,
      contentSha256: await sha256Of(content),
      check: ({ headers }) => {
        if (headers.etag === undefined) notWhole("a part has no tag");
      },
    });
    return answer.headers.etag ?? "";
  }

  async #completeUpload(
    { key, id }: PendingUpload,
    { tags, sizeBytes }: { readonly tags: readonly string[]; readonly sizeBytes: number },
    { onlyIfAbsent }: PutOptions,
  ): Promise<boolean> {
    const parts = tags.map((tag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escaped(tag)}</ETag></Part>`);
    const content = utf8(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
    const answer = await this.#ask({
      kind: "put",
      method: "POST",
      verb: "write",
      access: "write",
      key,
      query: { uploadId: id },
      headers: onlyIfAbsent === true ? { "if-none-match": "*" } : {},
      content,
      contentSha256: await sha256Of(content),
      expected: [404, 412],
      // Assembling takes long, so it begins with 200 and may still fail.
      check: requireNoError,
    });
    // An attempt without an answer may have completed it: then there is an object, and no upload any more.
    const wasAsked = answer.earlierAttempts > 0 && (answer.status === 404 || answer.status === 412);
    if (wasAsked && (await this.head(key))?.sizeBytes === sizeBytes) return true;
    if (answer.status === 404)
      throw refused(this.#action({ verb: "write", access: "write" }, key), refusalOf(answer), answer.headers);
    return answer.status !== 412;
  }

  async pendingUploads(prefix: string): Promise<readonly PendingUpload[]> {
    const uploads: PendingUpload[] = [];
    let query: Record<string, string> | undefined = { uploads: "", prefix };
    while (query !== undefined) {
      let page: XmlElement | undefined;
      const check = (answer: HttpAnswer): void => {
        page = parseXml(textOf(answer.body));
        if (page.name !== "ListMultipartUploadsResult") notWhole("it is not a list of uploads");
      };
      await this.#ask({ kind: "list", method: "GET", verb: "list", access: "read", query, check });
      const found = page as unknown as XmlElement;
      for (const upload of childrenOf(found, "Upload")) {
        const key = textIn(upload, "Key");
        const id = textIn(upload, "UploadId");
        if (key?.startsWith(prefix) === true && id !== undefined) uploads.push({ key, id });
      }
      query = nextUploads(found, prefix);
    }
    return uploads;
  }

  async abortUpload({ key, id }: PendingUpload): Promise<void> {
    const query = { uploadId: id };
    await this.#ask({ kind: "delete", method: "DELETE", verb: "remove", access: "write", key, query, expected: [404] });
  }

  async counts(): Promise<RequestCounts> {
    return { ...this.#counts };
  }

  // --- asking --------------------------------------------------------------------------------

  /** Asks until there is an answer that means something, or patience is at its end. */
  async #ask(call: Call): Promise<Answered> {
    const { clock, sleep } = this.#options;
    const begun = clock.elapsedMs();
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#attempt(call);
      if (outcome.kind === "answer") return { ...outcome.answer, earlierAttempts: attempt };
      const pauseMs = this.#pauseAfter(attempt, outcome.retryAfterMs);
      if (!outcome.mayPass || clock.elapsedMs() - begun + pauseMs > this.#patienceMs) throw outcome.error();
      this.#counts.retries++;
      await sleep(pauseMs);
    }
  }

  get #patienceMs(): number {
    const { patienceMs = PATIENCE_MS } = this.#options;
    return this.#hasAnswered ? patienceMs : Math.min(patienceMs, FIRST_PATIENCE_MS);
  }

  /** Longer from time to time, and by chance, so that many who were refused together do not come back together. */
  #pauseAfter(attempt: number, retryAfterMs: number): number {
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
    const [chance = 0] = this.#options.random.bytes(1);
    return Math.max(longest * (0.5 + chance / 512), retryAfterMs);
  }

  async #attempt(call: Call): Promise<Outcome> {
    const action = this.#action(call, call.key);
    let answer: HttpAnswer;
    try {
      answer = await this.#send(call);
    } catch (error) {
      return { kind: "failure", mayPass: connectionMayRecover(error), retryAfterMs: 0, error: () => unreachable(action, error) };
    }
    this.#hasAnswered = true;
    const { status, headers } = answer;
    const isExpected = call.expected?.includes(status) === true;
    try {
      if (status >= 200 && status < 300) call.check?.(answer);
      if ((status >= 200 && status < 300) || isExpected) return { kind: "answer", answer };
    } catch (error) {
      return failedCheck(action, answer, error);
    }
    const refusal = call.method === "HEAD" ? await this.#reasonFor(call, answer) : refusalOf(answer);
    const retryAfterMs = Math.min(LONGEST_PAUSE_MS, Number(headers["retry-after"] ?? 0) * 1000 || 0);
    return { kind: "failure", mayPass: mayPass(refusal), retryAfterMs, error: () => refused(action, refusal, headers) };
  }

  /** The answer to HEAD says nothing but a number: the same question with a body tells why. */
  async #reasonFor(call: Call, { status, headers, body }: HttpAnswer): Promise<Refusal> {
    const unknown = refusalOf({ status, headers, body });
    if (mayPass(unknown)) return unknown;
    try {
      const answer = await this.#send({
        ...GET,
        ...(call.key === undefined ? {} : { key: call.key }),
        headers: { range: "bytes=0-0" },
      });
      return answer.status === status ? refusalOf(answer) : unknown;
    } catch {
      return unknown;
    }
  }

  async #send(call: Call): Promise<HttpAnswer> {
    const { place, clock, connection } = this.#options;
    const { bucketInPath, bucket, hostHeader, credentials, region } = place;
    const { method, content, contentSha256 = EMPTY_SHA256, limitBytes = 0 } = call;
    const sizeBytes = content === undefined ? undefined : sizeOf(content);
    const signed = signRequest(
      {
        method,
        path: `/${bucketInPath ? `${bucket}/` : ""}${call.key ?? ""}`,
        query: call.query ?? {},
        headers: { host: hostHeader, ...call.headers },
        contentSha256,
      },
      { credentials, region, now: clock.now() },
    );
    this.#counts[call.kind]++;
    const headers = { ...signed.headers, ...(sizeBytes === undefined ? {} : { "content-length": String(sizeBytes) }) };
    const request = { method, target: signed.target, headers, limitBytes: Math.max(limitBytes, ANSWER_LIMIT_BYTES) };
    const answer = await connection.exchange(content === undefined ? request : { ...request, content });
    this.#counts.sentBytes += sizeBytes ?? 0;
    this.#counts.receivedBytes += answer.body.length;
    return answer;
  }

  #action({ verb, access }: Pick<Call, "verb" | "access">, key = ""): Action {
    const { bucket, region, hostHeader, origin } = this.#options.place;
    const endpoint = `${origin.isSecure ? "https" : "http"}://${hostHeader}`;
    return { verb, access, object: `s3://${bucket}/${key}`, endpoint, region, bucket };
  }
}

type Outcome =
  | { readonly kind: "answer"; readonly answer: HttpAnswer }
  | {
      readonly kind: "failure";
      readonly mayPass: boolean;
      readonly retryAfterMs: number;
      readonly error: () => HoldfastError;
    };

const GET = { kind: "get", method: "GET", verb: "read", access: "read" } as const;
const HEAD = { kind: "head", method: "HEAD", verb: "look at", access: "read" } as const;
function failedCheck(action: Action, answer: HttpAnswer, error: unknown): Outcome {
  const refusal = refusalOf(answer);
  if (refusal.code !== "") {
    return { kind: "failure", mayPass: mayPass(refusal), retryAfterMs: 0, error: () => refused(action, refusal, answer.headers) };
  }
  return { kind: "failure", mayPass: connectionMayRecover(error), retryAfterMs: 0, error: () => unreachable(action, error) };
}

/** Only the object is missing: without its bucket there is no telling what is there. */
function missingObject(answer: HttpAnswer, action: Action): undefined {
  const refusal = refusalOf(answer);
  if (refusal.code === "NoSuchBucket") throw refused(action, refusal, answer.headers);
  return undefined;
}

function sizeOf(content: ObjectContent): number {
  return content instanceof Uint8Array ? content.length : content.sizeBytes;
}

async function sha256Of(content: ObjectContent): Promise<string> {
  const hash = createHash("sha256");
  if (content instanceof Uint8Array) return hash.update(content).digest("hex");
  if (content.sizeBytes === 0) return EMPTY_SHA256;
  const pieces = fs.createReadStream(content.path, { end: content.sizeBytes - 1, highWaterMark: MIB });
  for await (const piece of pieces as AsyncIterable<Uint8Array>) hash.update(piece);
  return hash.digest("hex");
}

async function partOf(content: ObjectContent, offset: number, length: number): Promise<Uint8Array> {
  if (content instanceof Uint8Array) return content.subarray(offset, offset + length);
  const handle = await fs.promises.open(content.path, "r");
  try {
    const bytes = new Uint8Array(length);
    const { bytesRead } = await handle.read(bytes, 0, length, offset);
    return bytesRead === length ? bytes : notWhole(`${content.path} ends early`);
  } finally {
    await handle.close();
  }
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
