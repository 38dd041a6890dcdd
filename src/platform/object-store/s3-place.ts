// Where a bucket is, and who we are there, from the environment that every program for S3 knows.

import { HoldfastError } from "../../base/errors.ts";
import type { S3Place } from "./s3-object-store.ts";

type Environment = (name: string) => string | undefined;

export interface ObjectLocation {
  readonly bucket: string;
  /** Without a slash at the beginning or end; empty for the whole bucket. */
  readonly prefix: string;
}

const SCHEME = "s3://";
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const DEFAULT_REGION = "us-east-1";
/** The store's limit is 1,024 bytes for a whole key. */
const PREFIX_LIMIT = 512;

export function isObjectLocation(location: string): boolean {
  return location.startsWith(SCHEME);
}

/** USAGE unless it is s3://bucket or s3://bucket/prefix. */
export function parseObjectLocation(location: string): ObjectLocation {
  const rest = location.slice(SCHEME.length).replace(/\/+$/, "");
  const slash = rest.indexOf("/");
  const bucket = slash < 0 ? rest : rest.slice(0, slash);
  const prefix = slash < 0 ? "" : rest.slice(slash + 1);
  const parts = prefix === "" ? [] : prefix.split("/");
  const isUsable = BUCKET.test(bucket) && prefix.length <= PREFIX_LIMIT && parts.every(isUsablePart);
  if (isObjectLocation(location) && isUsable) return { bucket, prefix };
  throw new HoldfastError("USAGE", {
    message: `Not a place in an object store: "${location.slice(0, 200)}"`,
    hint: "Write s3://bucket or s3://bucket/prefix; the address of a store that is not Amazon's goes into HOLDFAST_S3_ENDPOINT.",
  });
}

function isUsablePart(part: string): boolean {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return part !== "" && part !== "." && part !== ".." && !/[\u0000-\u001f?#]/.test(part);
}

/** As the root of all paths in the bucket. */
export function objectRoot({ bucket }: Pick<ObjectLocation, "bucket">): string {
  return `${SCHEME}${bucket}`;
}

/** PERMISSION_DENIED without credentials, USAGE for an address that is none. */
export function s3PlaceOf(bucket: string, environment: Environment): S3Place {
  const accessKeyId = environment("AWS_ACCESS_KEY_ID") ?? "";
  const secretAccessKey = environment("AWS_SECRET_ACCESS_KEY") ?? "";
  if (accessKeyId === "" || secretAccessKey === "") {
    throw new HoldfastError("PERMISSION_DENIED", {
      message: `Cannot open s3://${bucket}: there are no credentials for it`,
      context: { bucket },
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment.",
    });
  }
  const sessionToken = environment("AWS_SESSION_TOKEN") ?? "";
  const region = given(environment, "AWS_REGION") ?? given(environment, "AWS_DEFAULT_REGION") ?? DEFAULT_REGION;
  const credentials = { accessKeyId, secretAccessKey, ...(sessionToken === "" ? {} : { sessionToken }) };
  return { ...addressOf(bucket, region, given(environment, "HOLDFAST_S3_ENDPOINT")), bucket, region, credentials };
}

function given(environment: Environment, name: string): string | undefined {
  const value = environment(name);
  return value === "" ? undefined : value;
}

/** Amazon wants the bucket in the name of the host, others in the path; so does Amazon where the name has dots, for certificates. */
function addressOf(
  bucket: string,
  region: string,
  endpoint: string | undefined,
): Pick<S3Place, "origin" | "hostHeader" | "bucketInPath"> {
  if (endpoint === undefined) {
    const bucketInPath = bucket.includes(".");
    const host = `${bucketInPath ? "" : `${bucket}.`}s3.${region}.amazonaws.com`;
    return { origin: { isSecure: true, host, port: 443 }, hostHeader: host, bucketInPath };
  }
  const url = parsedEndpoint(endpoint);
  const isSecure = url.protocol === "https:";
  const port = url.port === "" ? (isSecure ? 443 : 80) : Number(url.port);
  const host = url.hostname.replaceAll(/^\[|\]$/g, "");
  return { origin: { isSecure, host, port }, hostHeader: url.host, bucketInPath: true };
}

function parsedEndpoint(endpoint: string): URL {
  const url = URL.parse(endpoint.includes("://") ? endpoint : `https://${endpoint}`);
  if (url !== null && ["http:", "https:"].includes(url.protocol) && url.pathname === "/" && url.search === "") return url;
  throw new HoldfastError("USAGE", {
    message: `HOLDFAST_S3_ENDPOINT is not the address of a store: "${endpoint.slice(0, 200)}"`,
    hint: "Write it like https://s3.example.org or http://127.0.0.1:9000.",
  });
}
