import assert from "node:assert/strict";
import { X509Certificate, createHash, createPrivateKey, createPublicKey } from "node:crypto";
import { describe, test } from "node:test";
import type { EpochMs } from "./clock.ts";
import { systemRandom } from "./system-random.ts";
import { identityFingerprint, keyFingerprint, makeIdentity } from "./x509.ts";

const NOW = Date.UTC(2026, 10, 20, 13, 0, 0) as EpochMs;

function made(name = "holdfast", nowMs = NOW, serial?: Uint8Array) {
  return makeIdentity(name, { nowMs, random: serial === undefined ? systemRandom : { bytes: () => serial } });
}

describe("a certificate of our own", () => {
  test("is one that others read: name, dates, key, signature and purpose", () => {
    const identity = made("büro server");
    const certificate = new X509Certificate(identity.certificate);
    assert.equal(certificate.subject, "CN=büro server");
    assert.equal(certificate.issuer, certificate.subject);
    assert.equal(certificate.validFromDate.getTime(), NOW - 24 * 3_600_000);
    assert.equal(certificate.validToDate.toISOString(), "9999-12-31T23:59:59.000Z");
    assert.equal(certificate.ca, false);
    assert.ok(certificate.verify(certificate.publicKey));
    assert.ok(certificate.checkPrivateKey(createPrivateKey(identity.privateKey)));
    assert.deepEqual(certificate.publicKey.asymmetricKeyDetails, { namedCurve: "prime256v1" });
  });

  test("has dates from 2050 on, too", () => {
    const certificate = new X509Certificate(made("late", Date.UTC(2061, 1, 2, 3, 4, 5) as EpochMs).certificate);
    assert.equal(certificate.validFromDate.toISOString(), "2061-02-01T03:04:05.000Z");
  });

  test("has a positive serial number, whatever chance gives", () => {
    const serialOf = (bytes: readonly number[]) =>
      new X509Certificate(made("x", NOW, Uint8Array.from(bytes)).certificate).serialNumber;
    assert.equal(serialOf([0xff, 1, 2]), "FF0102");
    assert.equal(serialOf([0, 0, 0x7f]), "7F");
    assert.equal(serialOf([0, 0]), "0");
  });

  test("carries names of every length", () => {
    for (const length of [1, 40, 64]) {
      const certificate = new X509Certificate(made("n".repeat(length)).certificate);
      assert.equal(certificate.subject, `CN=${"n".repeat(length)}`);
      assert.ok(certificate.verify(certificate.publicKey));
    }
  });
});

describe("the fingerprint of a key", () => {
  test("is the SHA-256 of its SubjectPublicKeyInfo", () => {
    const identity = made();
    const publicKey = createPublicKey(identity.privateKey);
    const expected = createHash("sha256")
      .update(publicKey.export({ type: "spki", format: "der" }))
      .digest("hex");
    assert.equal(keyFingerprint(publicKey), expected);
    assert.equal(identityFingerprint(identity), expected);
  });

  test("is another one for every key", () => {
    assert.notEqual(identityFingerprint(made()), identityFingerprint(made()));
  });

  test("is refused when certificate and key do not belong together, or say nothing", () => {
    const [one, other] = [made(), made()];
    const invalid = { code: "IDENTITY_INVALID" };
    assert.throws(() => identityFingerprint({ ...one, privateKey: other.privateKey }), invalid);
    assert.throws(() => identityFingerprint({ ...one, certificate: "nothing" }), invalid);
    assert.throws(() => identityFingerprint({ ...one, privateKey: "nothing" }), invalid);
  });
});
