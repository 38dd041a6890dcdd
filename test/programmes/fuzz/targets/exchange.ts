// What clients and servers say to each other about images and backups. Either side may have been taken over.

import { concatBytes, utf8 } from "../../../../src/base/bytes.ts";
import { BlockCompressor, compressFrame, decompressBlock, decompressFrame } from "../../../../src/engine/engine.ts";
import { CODEC_STORED } from "../../../../src/formats/block.ts";
import { EntryPageWriter, encodeIndexPage } from "../../../../src/formats/entry-page.ts";
import {
  decodeGrantedPage,
  decodePageQuestion,
  decodeSegmentAnswer,
  decodeSegmentQuestion,
  encodeGrantedPage,
  encodePageQuestion,
  encodeSegmentAnswer,
  encodeSegmentQuestion,
  referencesOf,
} from "../../../../src/formats/granted-pages.ts";
import type { GrantedPlace, PageReferences } from "../../../../src/formats/granted-pages.ts";
import { decodeSentPart, encodeSentPart } from "../../../../src/formats/image-record.ts";
import { encodeListIndex, encodeListLeaf } from "../../../../src/formats/segment-list.ts";
import {
  PROVED_SEGMENT_BYTES,
  decodeSegmentBlock,
  encodeSegmentBlock,
  readAnswer,
  readOffer,
  readProofs,
} from "../../../../src/formats/segment-transfer.ts";
import {
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
} from "../../../../src/formats/server-exchange.ts";
import type { ServedBase } from "../../../../src/formats/server-exchange.ts";
import { NO_ITEMS, NO_STATISTICS } from "../../../../src/model/image.ts";
import type { ImageId } from "../../../../src/model/image.ts";
import { mutatedJson } from "../json-mutator.ts";
import { mutated } from "../mutator.ts";
import type { Field } from "../mutator.ts";
import { BODIES, encodedBody, fingerprint, paths, references } from "../samples.ts";
import { MIB, SMALL_MEMORY, expectSameBytes } from "../target.ts";
import type { FuzzTarget } from "../target.ts";

const ID = "1d".repeat(32);
const GRANT = "6a".repeat(16);
const grant = (value: number): Uint8Array => new Uint8Array(16).fill(value);

// --- JSON ----------------------------------------------------------------------------------------

/** `rewrite` reads, and writes again what it has read: that must be valid, and mean the same. */
function json(name: string, seed: Uint8Array, rewrite: (bytes: Uint8Array) => Uint8Array, names: RegExp): FuzzTarget {
  return {
    name,
    seeds: [seed],
    mutate: (chance, seeds) => (chance.oneIn(3) ? mutated(chance, seeds) : mutatedJson(chance, seeds)),
    read: (bytes) => {
      const once = rewrite(bytes);
      expectSameBytes(rewrite(once), once, name);
    },
    names,
    memory: { base: 24 * MIB, perByte: 600 },
  };
}

const SENT = {
  base: ID as ImageId,
  statistics: { ...NO_STATISTICS, files: 2 },
  owners: { "0": "root", "1000": "ada" },
  groups: { "100": "users" },
  unreadable: { count: 7, items: [{ path: "/a/b", reason: "EACCES" }] },
  skippedSockets: NO_ITEMS,
  changedWhileRead: NO_ITEMS,
};
const DESCRIPTION = {
  source: "s",
  user: "u",
  paths: ["/a", "/b"],
  tags: ["t"],
  options: { excludes: ["*.o"], compression: "best", fast: true, level: 3 },
  holdfastVersion: "0",
};
const ROOT = { fingerprint: "ab".repeat(32), level: 1, entryCount: 2, pageBytes: 300 };
const BASE: ServedBase = { id: ID, root: ROOT, statistics: { files: 2, contentBytes: 9 }, grant: GRANT };
const KEY = "c5".repeat(32);

const MESSAGES: readonly FuzzTarget[] = [
  json(
    "served-repository",
    encodeServedRepository({
      id: "52".repeat(16),
      client: "hal",
      keys: { cut: KEY, trackLog: KEY, data: KEY, page: KEY, list: KEY },
    }),
    (bytes) => encodeServedRepository(decodeServedRepository(bytes)),
    /description of a repository/,
  ),
  json(
    "served-images",
    encodeServedImages(
      [undefined, { reason: "r" }, { reason: "r", untilMs: 9 }].map((hold) => ({
        id: ID as ImageId,
        record: { ...DESCRIPTION, ...SENT, host: "hal", startedAtMs: 1, finishedAtMs: 2, sequence: 3, root: ROOT },
        tags: ["t"],
        ...(hold === undefined ? {} : { hold }),
        grant: GRANT,
      })),
    ),
    (bytes) => encodeServedImages(decodeServedImages(bytes)),
    /list of images/,
  ),
  json(
    "backup-request",
    encodeBackupRequest({ backup: GRANT, description: DESCRIPTION, withBases: true }),
    (bytes) => encodeBackupRequest(decodeBackupRequest(bytes)),
    /request for a backup/,
  ),
  json(
    "begun-backup",
    encodeBegunBackup({
      backup: GRANT,
      challenge: KEY,
      source: "hal:s",
      checkpoint: BASE,
      images: [BASE, BASE],
      mustRead: paths(3),
    }),
    (bytes) => encodeBegunBackup(decodeBegunBackup(bytes)),
    /answer to a request for a backup/,
  ),
  json(
    "ended-backup",
    encodeEndedBackup({ plainBytes: 9, storedBytes: 5, notices: ["a", "b"] }),
    (bytes) => encodeEndedBackup(decodeEndedBackup(bytes)),
    /end of a backup/,
  ),
  json("sent-part", encodeSentPart(SENT), (bytes) => encodeSentPart(decodeSentPart(bytes)), /record of a commit/),
  json(
    "page-question",
    encodePageQuestion({ kind: "list", fingerprint: fingerprint(1), pageBytes: 9, level: 1, grant: grant(1), withPlaces: true }),
    (bytes) => encodePageQuestion(decodePageQuestion(bytes)),
    /question for a page/,
  ),
];

// --- pages and segments by grant -----------------------------------------------------------------

const PLACE: GrantedPlace = {
  volumeId: "56".repeat(16),
  container: "c0".repeat(32),
  blockOffset: 64,
  storedLength: 1_000,
  plainLength: 9_000,
  identity: grant(0x1d),
  offset: 5,
  length: 100,
};

function leaf(): Uint8Array {
  const writer = new EntryPageWriter();
  paths(BODIES.length).forEach((path, i) => {
    const body = encodedBody(BODIES[i]!);
    writer.add(path, path.length, body, 0, body.length);
  });
  return writer.take().bytes;
}

interface Page {
  readonly kind: "page" | "list";
  readonly level: number;
  readonly page: Uint8Array;
}

const PAGES: readonly Page[] = [
  { kind: "page", level: 0, page: leaf() },
  {
    kind: "page",
    level: 1,
    page: encodeIndexPage(
      1,
      paths(5).map((firstPath, i) => ({ fingerprint: fingerprint(i), pageBytes: 400, entryCount: 5, firstPath })),
    ),
  },
  { kind: "list", level: 0, page: encodeListLeaf(references(20)) },
  { kind: "list", level: 1, page: encodeListIndex(1, [{ fingerprint: fingerprint(3), pageBytes: 44, contentBytes: 10 }]) },
];

/** Two bytes say what it is taken for. */
function pageInput({ kind, level, page }: Page): Uint8Array {
  return concatBytes(Uint8Array.of(kind === "page" ? 0 : 1, level), page);
}

function readReferences(bytes: Uint8Array): PageReferences {
  const [kind = 0, level = 0] = bytes;
  return referencesOf(kind === 0 ? "page" : "list", bytes.subarray(2), level);
}

function granted({ kind, level, page }: Page): Uint8Array {
  const { pages, segments } = referencesOf(kind, page, level);
  return encodeGrantedPage({
    page,
    pageGrants: pages.map((_, i) => grant(i)),
    segmentGrants: segments.map((_, i) => ({ grant: grant(i), place: i % 3 === 2 ? undefined : PLACE })),
  });
}

const COUNTS: readonly Field[] = [0, 4, 8].map((at) => ({ at, bytes: 4 }));
/** Of the last place: its block and where it lies in it. */
const PLACE_FIELDS = (length: number): readonly Field[] =>
  [4, 8, 28, 32, 36].flatMap((back): Field[] => (length >= back ? [{ at: length - back, bytes: 4 }] : []));

const ANSWERS = [
  encodeSegmentAnswer([utf8("hello"), undefined, new Uint8Array(0)]),
  encodeSegmentAnswer([new Uint8Array(9_000).fill(1), undefined, new Uint8Array(70).fill(2)]),
];
const ANSWER_LIMIT = MIB;

const GRANTED: readonly FuzzTarget[] = [
  {
    name: "granted-page",
    seeds: PAGES.map(granted),
    fieldsOf: (bytes) => [...COUNTS, ...PLACE_FIELDS(bytes.length)],
    read: (bytes) => expectSameBytes(encodeGrantedPage(decodeGrantedPage(bytes)), bytes, "a granted page"),
    names: /page of a server/,
    memory: SMALL_MEMORY,
  },
  {
    name: "page-references",
    seeds: PAGES.map(pageInput),
    fieldsOf: () => [
      { at: 0, bytes: 1 },
      { at: 1, bytes: 1 },
      { at: 3, bytes: 1 },
      { at: 6, bytes: 4 },
    ],
    read: (bytes) => void readReferences(bytes),
    names: /entry page|an entry|segment list page/,
    memory: SMALL_MEMORY,
  },
  {
    name: "segment-question",
    seeds: [1, 3, 100].map((count) =>
      encodeSegmentQuestion(Array.from({ length: count }, (_, i) => ({ fingerprint: fingerprint(i), grant: grant(i) }))),
    ),
    read: (bytes) => expectSameBytes(encodeSegmentQuestion(decodeSegmentQuestion(bytes)), bytes, "a question for segments"),
    names: /question for segments/,
    memory: SMALL_MEMORY,
  },
  {
    name: "segment-answer",
    seeds: ANSWERS,
    fieldsOf: () => [0, 4, 9, 13].map((at) => ({ at, bytes: 4 })),
    read: (bytes) => expectSameBytes(encodeSegmentAnswer(decodeSegmentAnswer(bytes, 3)), bytes, "an answer with segments"),
    names: /answer with segments/,
    memory: SMALL_MEMORY,
  },
  {
    name: "segment-answer-frame",
    seeds: ANSWERS.map((answer) => Uint8Array.from(compressFrame(answer, { level: 1 }))),
    read: (bytes) => void decodeSegmentAnswer(decompressFrame(bytes, ANSWER_LIMIT, "an answer with segments"), 3),
    names: /answer with segments/,
    memory: SMALL_MEMORY,
  },
];

// --- segments of a backup ------------------------------------------------------------------------

function block(segments: readonly Uint8Array[], level: "off" | "default"): Uint8Array {
  const plain = concatBytes(...segments);
  const stored = { codec: CODEC_STORED, plainLength: plain.length, bytes: plain } as const;
  return encodeSegmentBlock({
    fingerprints: concatBytes(...segments.map((_, i) => fingerprint(i))),
    lengths: Uint32Array.from(segments, ({ length }) => length),
    count: segments.length,
    payload: level === "off" ? stored : new BlockCompressor(level).compress(plain),
  });
}

const TEXTS = Array.from({ length: 30 }, (_, i) => utf8(`content of ${i} `.repeat(1 + i * 3)));

/** As the receiving half does, but for the comparison with fingerprints. */
function readBlock(bytes: Uint8Array): void {
  const decoded = decodeSegmentBlock(bytes);
  expectSameBytes(encodeSegmentBlock(decoded), bytes, "a block of segments");
  const { plainLength } = decoded.payload;
  if (decompressBlock(decoded.payload).length !== plainLength) throw new Error(`not ${plainLength} bytes`);
}

const SEGMENTS: readonly FuzzTarget[] = [
  {
    name: "segment-block",
    seeds: [block(TEXTS.slice(0, 1), "off"), block(TEXTS, "off"), block(TEXTS, "default")],
    fieldsOf: (bytes) => {
      const count = Math.min(64, bytes[0] ?? 0);
      const payload = 8 + count * 36;
      return [
        { at: 0, bytes: 4 },
        { at: 8 + count * 32, bytes: 4 },
        { at: payload + 1, bytes: 1 },
        { at: payload + 4, bytes: 4 },
      ].filter((field): field is Field => field.at + field.bytes <= bytes.length);
    },
    read: readBlock,
    names: /a block/,
    // A block of the largest size may be made of a short frame.
    memory: { base: 24 * MIB, perByte: 64 },
  },
  {
    name: "segment-offer",
    seeds: [1, 100].map((count) => concatBytes(...Array.from({ length: count }, (_, i) => fingerprint(i)))),
    read: (bytes) => {
      if (readOffer(bytes) * 32 !== bytes.length) throw new Error("another count than there are fingerprints");
    },
    names: /offer of segments/,
    memory: SMALL_MEMORY,
  },
  {
    name: "segment-offer-answer",
    seeds: [Uint8Array.of(0, 1, 2), Uint8Array.of(2, 2, 2)],
    read: (bytes) => expectSameBytes(readAnswer(bytes, 3), bytes, "the answer to an offer"),
    names: /answer to an offer/,
    memory: SMALL_MEMORY,
  },
  {
    name: "segment-proofs",
    seeds: [1, 100].map((count) => new Uint8Array(count * PROVED_SEGMENT_BYTES).fill(count)),
    read: (bytes) => {
      if (readProofs(bytes) * PROVED_SEGMENT_BYTES !== bytes.length) throw new Error("another count than there are proofs");
    },
    names: /proofs of possession/,
    memory: SMALL_MEMORY,
  },
];

export const EXCHANGE: readonly FuzzTarget[] = [...MESSAGES, ...GRANTED, ...SEGMENTS];
