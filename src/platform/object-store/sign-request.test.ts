import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { EpochMs } from "../clock.ts";
import { EMPTY_SHA256, encoded, signRequest } from "./sign-request.ts";
import type { RequestToSign } from "./sign-request.ts";

// The examples of "Signature Calculations for the Authorization Header" in the reference of Amazon S3.
const CONTEXT = {
  credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" },
  region: "us-east-1",
  now: Date.UTC(2013, 4, 24) as EpochMs,
};
const GET = { method: "GET", headers: { host: "examplebucket.s3.amazonaws.com" }, contentSha256: EMPTY_SHA256 };

const examples: readonly (readonly [string, RequestToSign, string])[] = [
  [
    "a part of an object is asked for",
    { ...GET, path: "/test.txt", query: {}, headers: { ...GET.headers, range: "bytes=0-9" } },
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  ],
  [
    "an object is put",
    {
      method: "PUT",
      path: "/test$file.text",
      query: {},
      headers: { ...GET.headers, date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
      contentSha256: createHash("sha256").update("Welcome to Amazon S3.").digest("hex"),
    },
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  ],
  [
    "a parameter has no value",
    { ...GET, path: "/", query: { lifecycle: "" } },
    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
  ],
  [
    "there are several parameters",
    { ...GET, path: "/", query: { prefix: "J", "max-keys": "2" } },
    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
  ],
];

for (const [when, request, signature] of examples) {
  test(`the signature is that of Amazon's example when ${when}`, () => {
    const { headers } = signRequest(request, CONTEXT);
    assert.equal(headers["authorization"]?.split("Signature=")[1], signature);
    assert.equal(headers["x-amz-date"], "20130524T000000Z");
  });
}

test("credentials that expire send their token, signed", () => {
  const credentials = { ...CONTEXT.credentials, sessionToken: "token" };
  const { headers } = signRequest({ ...GET, path: "/a b", query: { "list-type": "2" } }, { ...CONTEXT, credentials });
  assert.equal(headers["x-amz-security-token"], "token");
  assert.match(headers["authorization"] ?? "", /SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,/);
});

test("names are encoded byte by byte, slashes of the path excepted", () => {
  assert.equal(encoded("a b/ü!'()*~"), "a%20b%2F%C3%BC%21%27%28%29%2A~");
  assert.equal(signRequest({ ...GET, path: "/a b/c+d", query: { x: "1/2" } }, CONTEXT).target, "/a%20b/c%2Bd?x=1%2F2");
});
