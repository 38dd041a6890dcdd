import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode } from "../../base/errors.ts";
import { parseObjectLocation, s3PlaceOf } from "./s3-place.ts";

const KEYS = { AWS_ACCESS_KEY_ID: "AK", AWS_SECRET_ACCESS_KEY: "SK" };

function placeOf(bucket: string, variables: Readonly<Record<string, string>>): ReturnType<typeof s3PlaceOf> {
  return s3PlaceOf(bucket, (name) => ({ ...KEYS, ...variables })[name]);
}

test("a location names a bucket, and below it a prefix", () => {
  assert.deepEqual(parseObjectLocation("s3://bucket"), { bucket: "bucket", prefix: "" });
  assert.deepEqual(parseObjectLocation("s3://my.bucket-1/a/b c/"), { bucket: "my.bucket-1", prefix: "a/b c" });
  for (const wrong of ["s3://", "s3://B/x", "s3://a", "s3://bucket//x", "s3://bucket/../x", "s3://bucket/x?y", "/bucket"]) {
    assert.throws(
      () => parseObjectLocation(wrong),
      (error) => hasCode(error, "USAGE"),
      wrong,
    );
  }
});

test("without an address the bucket is at Amazon, in the host's name unless it has dots", () => {
  const { origin, hostHeader, bucketInPath, region } = placeOf("bucket", { AWS_REGION: "eu-central-1" });
  assert.deepEqual(origin, { isSecure: true, host: "bucket.s3.eu-central-1.amazonaws.com", port: 443 });
  assert.deepEqual([hostHeader, bucketInPath, region], [origin.host, false, "eu-central-1"]);
  const dotted = placeOf("my.bucket", {});
  assert.deepEqual([dotted.hostHeader, dotted.bucketInPath], ["s3.us-east-1.amazonaws.com", true]);
});

test("an address is that of another store, encrypted unless it says http", () => {
  const local = placeOf("bucket", { HOLDFAST_S3_ENDPOINT: "http://127.0.0.1:9000" });
  assert.deepEqual(local.origin, { isSecure: false, host: "127.0.0.1", port: 9000 });
  assert.deepEqual([local.hostHeader, local.bucketInPath], ["127.0.0.1:9000", true]);
  const other = placeOf("bucket", { HOLDFAST_S3_ENDPOINT: "s3.example.org" });
  assert.deepEqual([other.origin, other.hostHeader], [{ isSecure: true, host: "s3.example.org", port: 443 }, "s3.example.org"]);
  for (const wrong of ["ftp://x", "https://host/path", "https://"]) {
    assert.throws(
      () => placeOf("bucket", { HOLDFAST_S3_ENDPOINT: wrong }),
      (error) => hasCode(error, "USAGE"),
      wrong,
    );
  }
});

test("credentials that expire bring their token, and none at all is said so", () => {
  assert.deepEqual(placeOf("bucket", { AWS_SESSION_TOKEN: "token" }).credentials, {
    accessKeyId: "AK",
    secretAccessKey: "SK",
    sessionToken: "token",
  });
  assert.throws(
    () => placeOf("bucket", { AWS_SECRET_ACCESS_KEY: "" }),
    (error) => hasCode(error, "PERMISSION_DENIED"),
  );
});
