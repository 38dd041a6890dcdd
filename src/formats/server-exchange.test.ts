import assert from "node:assert/strict";
import { test } from "node:test";
import { workedJson } from "../../test/support/worked-example.ts";
import { textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { decodeErrorReply, encodeErrorReply } from "./error-reply.ts";
import {
  MUST_READ_LIMIT,
  decodeBackupRequest,
  decodeBegunBackup,
  decodeEndedBackup,
  decodeServedImages,
  decodeServedRepository,
  encodeBackupRequest,
  encodeBegunBackup,
  encodeEndedBackup,
  encodeServedImages,
  encodeServedRepository,
} from "./server-exchange.ts";

type Json = Record<string, unknown>;

const PAGE = "exchange.md";
const [ERROR, REPOSITORY, IMAGES, , REQUEST, BEGUN, ENDED] = Array.from({ length: 7 }, (_, i) => workedJson(PAGE, i) as Json) as [
  Json,
  Json,
  Json,
  Json,
  Json,
  Json,
  Json,
];

const bytesOf = (value: unknown): Uint8Array => utf8(JSON.stringify(value));
const valueOf = (bytes: Uint8Array): unknown => JSON.parse(textOf(bytes));

const MESSAGES: readonly { readonly example: Json; readonly readAndWrite: (bytes: Uint8Array) => Uint8Array }[] = [
  { example: REPOSITORY, readAndWrite: (bytes) => encodeServedRepository(decodeServedRepository(bytes)) },
  { example: IMAGES, readAndWrite: (bytes) => encodeServedImages(decodeServedImages(bytes)) },
  { example: REQUEST, readAndWrite: (bytes) => encodeBackupRequest(decodeBackupRequest(bytes)) },
  { example: BEGUN, readAndWrite: (bytes) => encodeBegunBackup(decodeBegunBackup(bytes)) },
  { example: ENDED, readAndWrite: (bytes) => encodeEndedBackup(decodeEndedBackup(bytes)) },
];

test("the JSON examples of docs/formats/exchange.md are read, and written again as they are there", () => {
  for (const { example, readAndWrite } of MESSAGES) assert.deepEqual(valueOf(readAndWrite(bytesOf(example))), example);
});

test("the error of docs/formats/exchange.md comes back as the one that was thrown", () => {
  const error = decodeErrorReply(409, bytesOf(ERROR));
  assert.deepEqual([error.code, error.message, error.hint, error.retry], [ERROR["code"], ERROR["message"], ERROR["hint"], "now"]);
  const { message, hint = "" } = error;
  assert.deepEqual(valueOf(encodeErrorReply(new HoldfastError("SESSION_ENDED", { message, hint, retry: "now" }))), ERROR);
});

test("a message with a field too few, or with one of another kind, is refused by the field's name", () => {
  for (const { example, readAndWrite } of MESSAGES) {
    for (const name of Object.keys(example)) {
      const { [name]: value, ...others } = example;
      if (name !== "checkpoint") assert.throws(() => readAndWrite(bytesOf(others)), refusal(name), `without ${name}`);
      for (const other of [null, 7.5, [], {}, "", true, [7], "\u{1f4a5}".repeat(40_000)]) {
        if (isOfSameKind(other, value)) continue;
        assert.throws(() => readAndWrite(bytesOf({ ...example, [name]: other })), refusal(name), `${name}: ${typeof other}`);
      }
    }
  }
});

/** Empty text and empty lists are valid where there may be any. */
function isOfSameKind(other: unknown, value: unknown): boolean {
  if (Array.isArray(value)) return Array.isArray(other) && other.length === 0;
  if (typeof value === "string") return other === "" && !/^[0-9a-f]{32,}$/.test(value);
  return typeof value === "boolean" && typeof other === "boolean";
}

function refusal(field: string): (error: unknown) => boolean {
  return (error) => error instanceof HoldfastError && error.code === "FORMAT_INVALID" && error.message.includes(field);
}

test("what is cut off, or is no object, or not UTF-8, is refused", () => {
  for (const { example, readAndWrite } of MESSAGES) {
    const bytes = bytesOf(example);
    for (const broken of [
      new Uint8Array(0),
      bytes.subarray(0, bytes.length - 1),
      utf8("[]"),
      utf8("null"),
      Uint8Array.of(0x22, 0xff, 0x22),
    ]) {
      assert.throws(() => readAndWrite(broken), { code: "FORMAT_INVALID" });
    }
  }
});

test("a message that cannot be understood without a field of a newer version is refused as such", () => {
  for (const { example, readAndWrite } of MESSAGES) {
    assert.deepEqual(valueOf(readAndWrite(bytesOf({ ...example, later: 1 }))), example);
    assert.throws(() => readAndWrite(bytesOf({ ...example, later: 1, mustUnderstand: ["later"] })), { code: "FORMAT_VERSION" });
  }
});

test("host and time that a client gives with a backup are not read", () => {
  const description = { ...(REQUEST["description"] as Json), host: "somebody else", startedAtMs: 1 };
  assert.deepEqual(valueOf(encodeBackupRequest(decodeBackupRequest(bytesOf({ ...REQUEST, description })))), REQUEST);
});

test("a hold without an end comes back without one, and an image without a hold has none", () => {
  const [image] = IMAGES["images"] as readonly Json[];
  const { hold: _hold, ...free } = image as Json;
  const images = [free, { ...free, hold: { reason: "for ever" } }];
  assert.deepEqual(valueOf(encodeServedImages(decodeServedImages(bytesOf({ images })))), { images });
});

test("paths of files to be read come back to the byte, and what is no base64 is refused", () => {
  const mustRead = [
    Uint8Array.of(0xff, 0x2f, 0x00, 0x0a),
    utf8("home/ünï"),
    new Uint8Array(0),
    new Uint8Array(65_535).fill(0x61),
  ];
  const begun = decodeBegunBackup(bytesOf(BEGUN));
  assert.deepEqual(decodeBegunBackup(encodeBegunBackup({ ...begun, mustRead })).mustRead, mustRead);
  for (const text of ["aG9tZ", "aG9tZS9h\n", "aG9t ZS9h", "aG9tZS9h====", "aG9t-S9_"]) {
    assert.throws(() => decodeBegunBackup(bytesOf({ ...BEGUN, mustRead: ["", text] })), refusal("mustRead[1]"), text);
  }
});

test("lists longer than their bounds are refused, and so are longer texts in them", () => {
  const many = (count: number): readonly string[] => Array.from({ length: count }, () => "");
  const [base] = BEGUN["images"] as readonly Json[];
  const description = REQUEST["description"] as Json;
  const refused: readonly (readonly [(bytes: Uint8Array) => unknown, Json, string])[] = [
    [decodeBegunBackup, { ...BEGUN, mustRead: many(MUST_READ_LIMIT + 1) }, "mustRead"],
    [decodeBegunBackup, { ...BEGUN, mustRead: ["A".repeat(100_000)] }, "mustRead"],
    [decodeBegunBackup, { ...BEGUN, images: Array.from({ length: 17 }, () => base) }, "images"],
    [decodeBegunBackup, { ...BEGUN, images: [{ ...base, grant: "6a" }] }, "images[0].grant"],
    [decodeBegunBackup, { ...BEGUN, checkpoint: { ...base, id: "../x" } }, "checkpoint.id"],
    [decodeEndedBackup, { ...ENDED, notices: many(1_001) }, "notices"],
    [decodeEndedBackup, { ...ENDED, notices: ["x".repeat(16_385)] }, "notices"],
    [decodeEndedBackup, { ...ENDED, plainBytes: -1 }, "plainBytes"],
    [decodeEndedBackup, { ...ENDED, storedBytes: 2 ** 53 }, "storedBytes"],
    [decodeBackupRequest, { ...REQUEST, description: { ...description, tags: many(1_001) } }, "tags"],
    [decodeBackupRequest, { ...REQUEST, description: { ...description, paths: many(100_001) } }, "paths"],
    [decodeBackupRequest, { ...REQUEST, description: { ...description, source: "s".repeat(1_025) } }, "source"],
    [decodeBackupRequest, { ...REQUEST, withBases: 1 }, "withBases"],
    [decodeServedRepository, { ...REPOSITORY, keys: { ...(REPOSITORY["keys"] as Json), data: "ab" } }, "keys.data"],
    [decodeServedRepository, { ...REPOSITORY, id: "5".repeat(31) }, "id"],
  ];
  for (const [decode, value, field] of refused) assert.throws(() => decode(bytesOf(value)), refusal(field), field);
});

test("notices that are too many or too long to be read are cut when they are written", () => {
  const notices = ["x".repeat(20_000), ...Array.from({ length: 2_000 }, (_, i) => `${i}`)];
  const read = decodeEndedBackup(encodeEndedBackup({ plainBytes: 1, storedBytes: 2, notices })).notices;
  assert.deepEqual([read.length, read[0]?.length, read[999]], [1_000, 16_384, "998"]);
});
