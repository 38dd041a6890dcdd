// A store that speaks as much of S3's protocol as Holdfast needs, keeps everything in memory, and fails as real ones do: busy,
// silent, cut off in the middle, with lists that end early. For tests; a real store has the last word.

import { createHash } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { EpochMs } from "../../src/platform/clock.ts";
import { MemoryObjects } from "../../src/platform/object-store/memory-objects.ts";
import { signRequest } from "../../src/platform/object-store/sign-request.ts";

export type S3Fault =
  | "500"
  | "503"
  /** The connection is closed before, or after, the request has taken effect. */
  | "reset before"
  | "reset after"
  /** No answer at all, likewise. */
  | "silence before"
  | "silence after"
  /** The answer ends in the middle. */
  | "cut"
  /** Fewer bytes than were asked for, or a part of a list, in an answer that looks whole. */
  | "partial";

export const S3_FAULTS: readonly S3Fault[] = [
  "500",
  "503",
  "reset before",
  "reset after",
  "silence before",
  "silence after",
  "cut",
  "partial",
];

export interface S3ServerOptions {
  /** Asked once for each request. */
  readonly faultOf?: (request: { readonly method: string; readonly key: string; readonly number: number }) => S3Fault | undefined;
  /** A store that takes "only if absent" for noise. */
  readonly ignoresConditions?: boolean;
  readonly now?: () => number;
}

export interface S3Server {
  readonly endpoint: string;
  readonly objects: MemoryObjects;
  /** How many requests there were so far, and how many of them were failed. */
  readonly requests: () => { readonly count: number; readonly failed: number };
  stop(): Promise<void>;
}

export const S3_CREDENTIALS = { accessKeyId: "AK", secretAccessKey: "SKSKSKSK" };
export const S3_REGION = "us-east-1";
export const S3_BUCKET = "bucket";
const SKEW_LIMIT_MS = 15 * 60_000;

interface Reply {
  readonly status: number;
  readonly body?: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Received {
  readonly method: string;
  readonly path: string;
  readonly key: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Uint8Array;
}

export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const now = options.now ?? Date.now;
  const store = new Store(now, options.ignoresConditions === true);
  let count = 0;
  let failed = 0;
  const server = http.createServer((request, response) => {
    void (async () => {
      const received = await receive(request);
      count += 1;
      const fault = options.faultOf?.({ method: received.method, key: received.key, number: count });
      if (fault !== undefined) failed += 1;
      await answer(response, fault, () => store.answer(received));
    })().catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    objects: store.objects,
    requests: () => ({ count, failed }),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function receive(request: http.IncomingMessage): Promise<Received> {
  const pieces: Uint8Array[] = [];
  for await (const piece of request as AsyncIterable<Uint8Array>) pieces.push(piece);
  const url = new URL(request.url ?? "/", "http://store");
  const path = decodeURIComponent(url.pathname);
  return {
    method: request.method ?? "GET",
    path,
    key: path.slice(path.indexOf("/", 1) + 1),
    query: Object.fromEntries(url.searchParams),
    headers: request.headers,
    body: Buffer.concat(pieces),
  };
}

async function answer(response: http.ServerResponse, fault: S3Fault | undefined, effect: () => Reply): Promise<void> {
  if (fault === "500" || fault === "503")
    return send(response, failure(Number(fault), fault === "500" ? "InternalError" : "SlowDown"));
  if (fault === "reset before") return void response.destroy();
  // The one who asked gives up; nothing is ever said.
  if (fault === "silence before") return undefined;
  const reply = effect();
  if (fault === "silence after") return undefined;
  if (fault === "reset after") return void response.destroy();
  if (fault === "cut") return cutOff(response, reply);
  return send(response, fault === "partial" ? halfOf(reply) : reply);
}

function send(response: http.ServerResponse, { status, headers, body = "" }: Reply): void {
  response.writeHead(status, { "content-length": String(Buffer.byteLength(body)), ...headers });
  response.end(body);
}

function cutOff(response: http.ServerResponse, { status, headers, body = "" }: Reply): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { "content-length": String(Math.max(1, bytes.length)), ...headers });
  response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
}

/** Only answers that have content: of the others there is no half. */
function halfOf(reply: Reply): Reply {
  if (reply.status >= 300 || reply.body === undefined || reply.body.length === 0 || reply.headers?.["etag"] !== undefined)
    return reply;
  return { ...reply, body: Buffer.from(reply.body).subarray(0, reply.body.length >> 1) };
}

function failure(status: number, code: string): Reply {
  return { status, body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as ordered</Message></Error>` };
}

class Store {
  readonly objects: MemoryObjects;
  readonly #now: () => number;
  readonly #ignoresConditions: boolean;
  readonly #marks = new Map<string, string>();
  readonly #uploads = new Map<string, { readonly key: string; readonly parts: Map<number, Uint8Array> }>();

  constructor(now: () => number, ignoresConditions: boolean) {
    this.#now = now;
    this.#ignoresConditions = ignoresConditions;
    this.objects = new MemoryObjects({ now: () => now() as EpochMs });
  }

  answer(request: Received): Reply {
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) return request.method === "HEAD" ? { ...refusal, body: "" } : refusal;
    const { method, key, query } = request;
    if ("uploads" in query || "uploadId" in query) return this.#uploading(request);
    if (method === "GET" && key === "") return this.#list(query);
    if (method === "PUT") return this.#put(request);
    if (method === "DELETE") return this.#remove(key);
    return this.#read(request);
  }

  #refusalOf({ method, path, query, headers, body }: Received): Reply | undefined {
    const [, accessKeyId = "", signed = "", signature] =
      /Credential=([^/]+)\/.*SignedHeaders=([^,]+),Signature=(\w+)/.exec(headers.authorization ?? "") ?? [];
    const time = String(headers["x-amz-date"]).replace(/(....)(..)(..)T(..)(..)(..)Z/, "$1-$2-$3T$4:$5:$6Z");
    if (accessKeyId !== S3_CREDENTIALS.accessKeyId) return failure(403, "InvalidAccessKeyId");
    if (Math.abs(Date.parse(time) - this.#now()) > SKEW_LIMIT_MS) return failure(403, "RequestTimeTooSkewed");
    const again = signRequest(
      {
        method,
        path,
        query,
        headers: Object.fromEntries(
          signed
            .split(";")
            .filter((name) => !["x-amz-date", "x-amz-content-sha256"].includes(name))
            .map((name) => [name, String(headers[name])]),
        ),
        contentSha256: String(headers["x-amz-content-sha256"]),
      },
      { credentials: S3_CREDENTIALS, region: S3_REGION, now: Date.parse(time) as EpochMs },
    );
    if (!again.headers["authorization"]?.endsWith(`Signature=${signature}`)) return failure(403, "SignatureDoesNotMatch");
    const hash = createHash("sha256").update(body).digest("hex");
    if (headers["x-amz-content-sha256"] !== hash) return failure(400, "XAmzContentSHA256Mismatch");
    return path.split("/")[1] === S3_BUCKET ? undefined : failure(404, "NoSuchBucket");
  }

  #put({ key, headers, body }: Received): Reply {
    const source = headers["x-amz-copy-source"];
    if (typeof source === "string") {
      const from = decodeURIComponent(source).slice(S3_BUCKET.length + 2);
      if (!this.objects.copy(from, key)) return failure(404, "NoSuchKey");
      return { status: 200, body: "<CopyObjectResult><ETag>x</ETag></CopyObjectResult>" };
    }
    const onlyIfAbsent = headers["if-none-match"] === "*" && !this.#ignoresConditions;
    if (!this.objects.put(key, body, { onlyIfAbsent })) return failure(412, "PreconditionFailed");
    this.#marks.set(key, String(headers["x-amz-meta-holdfast-put"] ?? ""));
    return { status: 200 };
  }

  #read({ method, key, headers }: Received): Reply {
    const bytes = this.objects.get(key, Number.POSITIVE_INFINITY);
    const found = this.objects.head(key);
    if (bytes === undefined || found === undefined) return method === "HEAD" ? { status: 404 } : failure(404, "NoSuchKey");
    const about = {
      "last-modified": new Date(found.modifiedMs).toUTCString(),
      "x-amz-meta-holdfast-put": this.#marks.get(key) ?? "",
    };
    if (method === "HEAD") return { status: 200, headers: { ...about, "content-length": String(bytes.length) } };
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
    if (first === undefined) return { status: 200, headers: about, body: bytes };
    const end = Math.min(Number(last), bytes.length - 1);
    if (Number(first) > end) return failure(416, "InvalidRange");
    const range = `bytes ${first}-${end}/${bytes.length}`;
    return { status: 206, headers: { ...about, "content-range": range }, body: bytes.subarray(Number(first), end + 1) };
  }

  #remove(key: string): Reply {
    this.objects.remove(key);
    return { status: 204 };
  }

  #list(query: Received["query"]): Reply {
    const { prefix = "", delimiter, "continuation-token": after } = query;
    const limit = Number(query["max-keys"] ?? 1000);
    const page = this.objects.list(prefix, {
      limit,
      ...(delimiter === undefined ? {} : { delimiter }),
      ...(after === undefined ? {} : { after: Buffer.from(after, "base64url").toString() }),
    });
    const token = page.next === undefined ? "" : Buffer.from(page.next).toString("base64url");
    const next = token === "" ? "" : `<NextContinuationToken>${token}</NextContinuationToken>`;
    const body = [
      `<?xml version="1.0"?><ListBucketResult><IsTruncated>${page.next !== undefined}</IsTruncated>${next}`,
      ...page.objects.map(
        ({ key, sizeBytes }) => `<Contents><Key>${encodeURIComponent(key)}</Key><Size>${sizeBytes}</Size></Contents>`,
      ),
      ...page.prefixes.map((key) => `<CommonPrefixes><Prefix>${encodeURIComponent(key)}</Prefix></CommonPrefixes>`),
      "</ListBucketResult>",
    ];
    return { status: 200, body: body.join("") };
  }

  #uploading({ method, key, query, headers, body }: Received): Reply {
    const { uploadId = "", partNumber, prefix = "" } = query;
    if (method === "GET") return this.#listUploads(prefix);
    if (method === "POST" && uploadId === "") return this.#beginUpload(key);
    const upload = this.#uploads.get(uploadId);
    if (upload === undefined) return failure(404, "NoSuchUpload");
    if (method === "PUT") {
      upload.parts.set(Number(partNumber), body);
      return { status: 200, headers: { etag: `"${partNumber}"` } };
    }
    if (method === "DELETE") {
      this.#uploads.delete(uploadId);
      return { status: 204 };
    }
    const parts = [...upload.parts].toSorted(([a], [b]) => a - b).map(([, part]) => part);
    const onlyIfAbsent = headers["if-none-match"] === "*" && !this.#ignoresConditions;
    if (!this.objects.put(key, Buffer.concat(parts), { onlyIfAbsent })) return failure(412, "PreconditionFailed");
    this.#uploads.delete(uploadId);
    return { status: 200, body: "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>" };
  }

  #beginUpload(key: string): Reply {
    const id = `upload-${this.#uploads.size + 1}-${key.length}`;
    this.#uploads.set(id, { key, parts: new Map() });
    return { status: 200, body: `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>` };
  }

  #listUploads(prefix: string): Reply {
    const found = [...this.#uploads].filter(([, { key }]) => key.startsWith(prefix));
    const uploads = found.map(([id, { key }]) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`).join("");
    const body = `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${uploads}</ListMultipartUploadsResult>`;
    return { status: 200, body };
  }
}
