// AWS Signature Version 4, as S3 wants it: every part of the path is encoded once, and the hash of the content is a header.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html

import { createHash, createHmac } from "node:crypto";
import type { EpochMs } from "../clock.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of credentials that expire. */
  readonly sessionToken?: string;
}

export interface RequestToSign {
  readonly method: string;
  /** Not encoded. Begins with a slash. */
  readonly path: string;
  /** Not encoded. */
  readonly query: Readonly<Record<string, string>>;
  /** Names in lower case, with `host`. All are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the content, in hexadecimal. */
  readonly contentSha256: string;
}

export interface SigningContext {
  readonly credentials: Credentials;
  readonly region: string;
  readonly now: EpochMs;
}

export interface SignedRequest {
  /** Encoded, with the query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
}

export const EMPTY_SHA256 = createHash("sha256").digest("hex");

const SERVICE = "s3";
const ALGORITHM = "AWS4-HMAC-SHA256";

export function signRequest(request: RequestToSign, { credentials, region, now }: SigningContext): SignedRequest {
  const time = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const day = time.slice(0, 8);
  const scope = `${day}/${region}/${SERVICE}/aws4_request`;
  const headers: Record<string, string> = {
    ...request.headers,
    "x-amz-content-sha256": request.contentSha256,
    "x-amz-date": time,
    ...(credentials.sessionToken === undefined ? {} : { "x-amz-security-token": credentials.sessionToken }),
  };
  const names = Object.keys(headers).toSorted();
  const path = request.path.split("/").map(encoded).join("/");
  const query = canonicalQuery(request.query);
  const canonical = [
    request.method,
    path,
    query,
    ...names.map((name) => `${name}:${(headers[name] ?? "").trim().replaceAll(/ +/g, " ")}`),
    "",
    names.join(";"),
    request.contentSha256,
  ].join("\n");
  const toSign = [ALGORITHM, time, scope, sha256Hex(canonical)].join("\n");
  const key = [day, region, SERVICE, "aws4_request"].reduce<string | Buffer>(hmac, `AWS4${credentials.secretAccessKey}`);
  const signature = hmac(key, toSign).toString("hex");
  const credential = `${credentials.accessKeyId}/${scope}`;
  return {
    target: query === "" ? path : `${path}?${query}`,
    headers: {
      ...headers,
      authorization: `${ALGORITHM} Credential=${credential},SignedHeaders=${names.join(";")},Signature=${signature}`,
    },
  };
}

function canonicalQuery(query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
  return pairs.toSorted().join("&");
}

/** Everything but letters, digits and -._~ as %XX of its UTF-8; encodeURIComponent leaves five more. */
export function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
