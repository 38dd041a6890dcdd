// Certificates of our own making (RFC 5280), only as carriers of a key: both sides of a connection compare the key's
// fingerprint and believe nothing else that stands in one. So this writes the one form that TLS needs, and reads none.

import { X509Certificate, createHash, createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { assert } from "../base/assert.ts";
import { concatBytes, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { EpochMs } from "./clock.ts";
import type { Random } from "./random.ts";
import type { Identity } from "./secure-transport.ts";

const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME = [0x55, 0x04, 0x03];
const BASIC_CONSTRAINTS = [0x55, 0x1d, 0x13];
const KEY_USAGE = [0x55, 0x1d, 0x0f];

/** RFC 5280, 4.1.2.5: "to indicate that a certificate has no well-defined expiration date". */
const NO_EXPIRATION = "99991231235959Z";
const SERIAL_BYTES = 16;
/** The clock of the other side may be behind ours. */
const BACKDATED_MS = 24 * 3_600_000;

/** Makes a new P-256 key, and a certificate that it signs itself and that does not expire. */
export function makeIdentity(name: string, parts: { readonly nowMs: EpochMs; readonly random: Random }): Identity {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const tbs = tbsCertificate({
    name,
    notBeforeMs: parts.nowMs - BACKDATED_MS,
    serial: parts.random.bytes(SERIAL_BYTES),
    subjectPublicKeyInfo: publicKey.export({ type: "spki", format: "der" }),
  });
  const certificate = sequence(tbs, signatureAlgorithm(), bitString(sign("sha256", tbs, privateKey)));
  return {
    privateKey: privateKey.export({ type: "pkcs8", format: "pem" }),
    certificate: new X509Certificate(certificate).toString(),
  };
}

/** What a key is known by: the SHA-256 of its SubjectPublicKeyInfo, in hexadecimal. The certificate around it makes no difference. */
export function keyFingerprint(key: KeyObject): string {
  return createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("hex");
}

/** The fingerprint of an identity's key. IDENTITY_INVALID when certificate and private key do not belong together. */
export function identityFingerprint(identity: Identity): string {
  let certificate: X509Certificate;
  let belongsTogether: boolean;
  try {
    certificate = new X509Certificate(identity.certificate);
    belongsTogether = certificate.checkPrivateKey(createPrivateKey(identity.privateKey));
  } catch (error) {
    throw new HoldfastError("IDENTITY_INVALID", {
      message: "Cannot use the certificate and its key: one of them cannot be read",
      hint: "Both must be PEM text, the key unencrypted: BEGIN CERTIFICATE and BEGIN PRIVATE KEY.",
      cause: error,
    });
  }
  const fingerprint = keyFingerprint(certificate.publicKey);
  if (belongsTogether) return fingerprint;
  throw new HoldfastError("IDENTITY_INVALID", {
    message: "Cannot use the certificate and its key: the certificate is of another key",
    context: { certificateKey: fingerprint },
    hint: "Of a chain, the server's own certificate comes first.",
  });
}

function tbsCertificate(fields: {
  readonly name: string;
  readonly notBeforeMs: number;
  readonly serial: Uint8Array;
  readonly subjectPublicKeyInfo: Uint8Array;
}): Uint8Array {
  const name = sequence(set(sequence(objectIdentifier(COMMON_NAME), der(0x0c, utf8(fields.name)))));
  const version3 = der(0xa0, integer(Uint8Array.of(2)));
  const validity = sequence(time(fields.notBeforeMs), generalizedTime(NO_EXPIRATION));
  const parts = [version3, integer(fields.serial), signatureAlgorithm(), name, validity, name, fields.subjectPublicKeyInfo];
  return sequence(...parts, der(0xa3, extensions()));
}

/** It certifies nobody else, and it signs handshakes. */
function extensions(): Uint8Array {
  const isCritical = Uint8Array.of(0x01, 0x01, 0xff);
  const digitalSignature = Uint8Array.of(0x03, 0x02, 0x07, 0x80);
  return sequence(
    sequence(objectIdentifier(BASIC_CONSTRAINTS), isCritical, der(0x04, sequence())),
    sequence(objectIdentifier(KEY_USAGE), isCritical, der(0x04, digitalSignature)),
  );
}

function signatureAlgorithm(): Uint8Array {
  return sequence(objectIdentifier(ECDSA_WITH_SHA256));
}

/** RFC 5280, 4.1.2.5: two digits for the year up to 2049, four from then on. */
function time(epochMs: number): Uint8Array {
  const digits = `${new Date(epochMs).toISOString().replaceAll(/[-:T]|\.\d+Z$/g, "")}Z`;
  return digits < "2050" ? der(0x17, utf8(digits.slice(2))) : generalizedTime(digits);
}

function generalizedTime(digits: string): Uint8Array {
  return der(0x18, utf8(digits));
}

function objectIdentifier(bytes: readonly number[]): Uint8Array {
  return der(0x06, Uint8Array.from(bytes));
}

/** Of an unsigned number: no zeros in front but one, where the highest bit would make it negative. */
function integer(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  return der(0x02, (digits[0] as number) >= 0x80 ? concatBytes(Uint8Array.of(0), digits) : digits);
}

function bitString(bytes: Uint8Array): Uint8Array {
  return der(0x03, concatBytes(Uint8Array.of(0), bytes));
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return der(0x30, concatBytes(...parts));
}

function set(...parts: readonly Uint8Array[]): Uint8Array {
  return der(0x31, concatBytes(...parts));
}

/** Tag, length, value (X.690, 10.1: the shortest form of the length). */
function der(tag: number, value: Uint8Array): Uint8Array {
  const { length } = value;
  assert(length < 0x1_0000, "what goes into a certificate of ours has less than 64 KiB");
  if (length < 0x80) return concatBytes(Uint8Array.of(tag, length), value);
  const header = length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return concatBytes(Uint8Array.from(header), value);
}
