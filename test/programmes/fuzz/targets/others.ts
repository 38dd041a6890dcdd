// Messages, sessions, track logs, and what is written for other programs.

import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { ByteWriter, concatBytes, equalBytes, hexOf, utf8, viewOf } from "../../../../src/base/bytes.ts";
import type { Fingerprint } from "../../../../src/base/fingerprint.ts";
import { TrackLog, TrackLogWriter } from "../../../../src/client/track-log.ts";
import type { TrackLogKeys } from "../../../../src/client/track-log.ts";
import { createFingerprinter, openRecord, sealRecord } from "../../../../src/engine/engine.ts";
import { ENTRY_DIRECTORY, ENTRY_FIFO, ENTRY_SYMBOLIC_LINK, readEntryBody } from "../../../../src/formats/entry.ts";
import { EntryPageWriter } from "../../../../src/formats/entry-page.ts";
import { encodeTarHeaders } from "../../../../src/formats/pax.ts";
import { accessControlText } from "../../../../src/formats/posix-acl.ts";
import {
  decodeReply,
  encodeReply,
  readClientMessages,
  writeBaseOffer,
  writeCheckpoint,
  writeClaim,
  writeCommit,
  writeContentEnd,
  writeEntry,
  writePackedContent,
} from "../../../../src/formats/stream.ts";
import { encodeTrackLogTrailer } from "../../../../src/formats/track-log.ts";
import { repositoryLayout } from "../../../../src/repository/layout.ts";
import { listSessions } from "../../../../src/repository/sessions.ts";
import { testHost } from "../../../../src/repository/testing.ts";
import { mutatedJson } from "../json-mutator.ts";
import { MemoryFiles } from "../memory-files.ts";
import { mutated } from "../mutator.ts";
import type { Field } from "../mutator.ts";
import { BODIES, KEY_RING, REPOSITORY_ID, accessControlList, encodedBody, fingerprint, paths, random } from "../samples.ts";
import { MIB, SMALL_MEMORY } from "../target.ts";
import type { FuzzTarget } from "../target.ts";
import { readTarHeaders } from "../tar-reader.ts";
import { repairChecksum } from "./frames.ts";

// --- the backup stream ---------------------------------------------------------------------------

function messages(): Uint8Array {
  const writer = new ByteWriter();
  writeBaseOffer(writer, "ab".repeat(32));
  writeClaim(writer, { base: 0, first: 5, count: 1_000, fingerprint: fingerprint(1) });
  const [path] = paths(1);
  for (const body of BODIES) writeEntry(writer, { path: path!, body: encodedBody(body), contentFollows: true });
  writePackedContent(writer, new Uint8Array(36 * 3).fill(1).fill(0, 3, 4).fill(0, 39, 40).fill(0, 75, 76));
  writeContentEnd(writer);
  writeCheckpoint(writer);
  writeCommit(writer, utf8('{"base":null}'));
  return writer.take();
}

/** The length of every message. */
function messageFields(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at + 8 <= bytes.length && fields.length < 64;) {
    fields.push({ at, bytes: 1 }, { at: at + 4, bytes: 4 }, { at: at + 8, bytes: 8 }, { at: at + 10, bytes: 2 });
    at += 8 + viewOf(bytes).getUint32(at + 4, true);
  }
  return fields;
}

const REPLIES = [
  { type: "base-accepted" },
  { type: "base-refused", reason: "there is no such image" },
  { type: "claim-accepted" },
  { type: "need", first: 7, count: 2 ** 40 },
  { type: "checkpointed" },
  { type: "committed", imageId: "ab".repeat(32) },
] as const;

const STREAM: readonly FuzzTarget[] = [
  {
    name: "stream-messages",
    seeds: [messages()],
    fieldsOf: messageFields,
    read: (bytes) => {
      for (const message of readClientMessages(bytes)) if (message.type === "entry") readEntryBody(message.body);
    },
    names: /backup stream|an entry/,
    memory: SMALL_MEMORY,
  },
  {
    name: "stream-replies",
    seeds: REPLIES.map(encodeReply),
    fieldsOf: () => [
      { at: 0, bytes: 1 },
      { at: 4, bytes: 4 },
      { at: 8, bytes: 8 },
      { at: 16, bytes: 8 },
    ],
    read: (bytes) => void decodeReply(bytes),
    names: /backup stream/,
    memory: SMALL_MEMORY,
  },
];

// --- sessions ------------------------------------------------------------------------------------

const layout = repositoryLayout("/repository");
const SESSION = "00112233445566aa";

const SESSIONS: readonly FuzzTarget[] = [
  {
    name: "session",
    seeds: [utf8(JSON.stringify({ host: "tester", bootId: "boot-1", processId: 100, startedAtMs: 1_750_000_000_000 }))],
    mutate: (chance, seeds) => (chance.oneIn(3) ? mutated(chance, seeds) : mutatedJson(chance, seeds)),
    read: (bytes) => {
      const files = new MemoryFiles();
      files.set(`${layout.sessions}/${SESSION}`, bytes);
      const [unreadable] = listSessions({ files, layout }, testHost()).unreadable;
      if (unreadable !== undefined) throw unreadable.problem;
    },
    // Larger than any session.
    codes: ["REPOSITORY_READ_FAILED"],
    names: new RegExp(`session.*${SESSION}`),
    memory: { base: 16 * MIB, perByte: 300 },
  },
];

// --- the track log -------------------------------------------------------------------------------

const trackFiles = new MemoryFiles();
const fingerprinter = createFingerprinter(KEY_RING.fingerprint("page"));
const fingerprintOf = (bytes: Uint8Array): Fingerprint => {
  const result = new Uint8Array(32);
  fingerprinter.into(bytes, result, 0);
  return result as Uint8Array as Fingerprint;
};
const trackKeys: TrackLogKeys = {
  files: trackFiles,
  random,
  key: KEY_RING.trackLog,
  repositoryId: REPOSITORY_ID,
  pages: { loadPage: () => Promise.reject(new Error("the image's own pages are not asked for here")) },
  fingerprintOf,
};

function trackLog(pageCount: number): Uint8Array {
  trackFiles.clear();
  const writer = new TrackLogWriter(trackKeys, "/log.new");
  for (let page = 0; page < pageCount; page++) {
    const leaf = new EntryPageWriter();
    paths(40).forEach((path, position) => {
      const body = encodedBody(BODIES[(page + position) % BODIES.length]!);
      leaf.add(path, path.length, body, 0, body.length);
    });
    const { bytes, entryCount, firstPath } = leaf.take();
    writer.add({ fingerprint: fingerprintOf(bytes), pageBytes: bytes.length, entryCount, firstPath }, bytes);
  }
  writer.commit("ab".repeat(32), "/log");
  return trackFiles.read("/log", Infinity) as Uint8Array;
}

const LOG = trackLog(3);
const contextOf = (part: string): Uint8Array => utf8(`holdfast track log 1 ${part} ${hexOf(REPOSITORY_ID)}`);
const TABLE_AT = Number(viewOf(LOG).getBigUint64(LOG.length - 24, true));
/** The table as it lies under the seal: a frame. */
const PACKED_TABLE = openRecord(KEY_RING.trackLog, contextOf("table"), LOG.subarray(TABLE_AT, LOG.length - 24), "the table");
const TABLE = Uint8Array.from(zstdDecompressSync(PACKED_TABLE));

function logWithTable(packedTable: Uint8Array): Uint8Array {
  const sealed = sealRecord(KEY_RING.trackLog, contextOf("table"), random, packedTable);
  return concatBytes(LOG.subarray(0, TABLE_AT), sealed, encodeTrackLogTrailer(TABLE_AT, sealed.length));
}

function readLog(bytes: Uint8Array): void {
  trackFiles.clear();
  trackFiles.set("/log", bytes);
  const log = TrackLog.open(trackKeys, "/log");
  if (log === undefined) throw new Error("the log was just put there");
  for (const page of log.image.pages.slice(0, 8))
    if (!equalBytes(fingerprintOf(log.loadPage(page)), page.fingerprint)) throw new Error("another page");
}

const TABLE_FIELDS: readonly Field[] = [
  { at: 0, bytes: 4 },
  { at: 4, bytes: 4 },
  { at: 8, bytes: 8 },
  ...[16, 20, 24].map((at): Field => ({ at, bytes: 4 })),
  ...[28 + 32, 28 + 36].map((at): Field => ({ at, bytes: 4 })),
  ...[28 + 40, 28 + 42].map((at): Field => ({ at, bytes: 2 })),
];

/** A path of 64 KiB may be written in 44 bytes, as one that shares all with the path before. */
const TABLE_MEMORY = { base: 48 * MIB, perByte: 2_000 };

const TRACK_LOGS: readonly FuzzTarget[] = [
  {
    name: "track-log",
    seeds: [LOG, trackLog(1)],
    fieldsOf: (bytes) => [
      { at: 8, bytes: 2 },
      { at: Math.max(0, bytes.length - 24), bytes: 8 },
      { at: Math.max(0, bytes.length - 16), bytes: 4 },
    ],
    repair: (bytes) => {
      repairChecksum(bytes.subarray(0, 68), 64);
      repairChecksum(bytes.subarray(Math.max(0, bytes.length - 24)), 12);
    },
    read: readLog,
    names: /track log/i,
    memory: SMALL_MEMORY,
  },
  {
    name: "track-log-table",
    seeds: [TABLE],
    fieldsOf: () => TABLE_FIELDS,
    read: (bytes) => readLog(logWithTable(zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }))),
    names: /track log/i,
    memory: TABLE_MEMORY,
  },
  {
    name: "track-log-frame",
    seeds: [PACKED_TABLE],
    read: (bytes) => readLog(logWithTable(bytes)),
    names: /track log/i,
    memory: TABLE_MEMORY,
  },
];

// --- for other programs --------------------------------------------------------------------------

function memberInput(path: string, body: Uint8Array): Uint8Array {
  const name = utf8(path);
  return new ByteWriter().u16(name.length).bytes(name).bytes(body).take();
}

/** A member of an archive from any path and any body, read again by a plain reader. */
function writeMember(bytes: Uint8Array): void {
  if (bytes.length < 2) return;
  const pathLength = Math.min(viewOf(bytes).getUint16(0, true), bytes.length - 2);
  // Paths of images have neither zero bytes nor a "/" at either end.
  const path = bytes.slice(2, 2 + pathLength).map((byte) => (byte === 0 || byte === 0x2f ? 0x5f : byte));
  const body = readEntryBody(bytes.subarray(2 + pathLength));
  const type =
    body.kind === ENTRY_DIRECTORY
      ? "directory"
      : body.kind === ENTRY_SYMBOLIC_LINK
        ? "symbolic-link"
        : body.kind === ENTRY_FIFO
          ? "fifo"
          : "file";
  const { mode, userId, groupId, modified, sizeBytes, attributes } = body;
  const linkTarget =
    type === "symbolic-link" ? (body.linkTarget ?? new Uint8Array(0)).map((byte) => (byte === 0 ? 0x5f : byte)) : undefined;
  const headers = encodeTarHeaders({ type, path, mode, userId, groupId, modified, sizeBytes, linkTarget, attributes });
  const found = readTarHeaders(headers);
  const shown = path.length === 0 ? utf8(".") : path;
  const expected = {
    path: hexOf(type === "directory" ? concatBytes(shown, utf8("/")) : shown),
    linkTarget: hexOf(linkTarget ?? new Uint8Array(0)),
    size: type === "file" ? sizeBytes : 0,
    userId,
    groupId,
    attributes: new Set((attributes ?? []).map(({ name }) => hexOf(name))).size,
  };
  if (JSON.stringify(found) !== JSON.stringify(expected))
    throw new Error(`the member reads as ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
}

const EXPORTS: readonly FuzzTarget[] = [
  {
    name: "pax",
    seeds: BODIES.flatMap((body) =>
      ["a/b", "é/ü", `${"d".repeat(90)}/${"f".repeat(90)}`, "x".repeat(300)].map((path) => memberInput(path, encodedBody(body))),
    ),
    fieldsOf: (bytes) => [
      { at: 0, bytes: 2 },
      { at: Math.min(bytes.length, 2 + (bytes[0] ?? 0) + 16), bytes: 8 },
    ],
    read: writeMember,
    names: /an entry/,
    memory: SMALL_MEMORY,
  },
  {
    name: "posix-acl",
    seeds: [accessControlList()],
    fieldsOf: () => [4, 6, 12, 14].map((at) => ({ at, bytes: 2 })),
    read: (bytes) => void accessControlText(bytes),
    names: /^$/,
    memory: SMALL_MEMORY,
  },
];

export const OTHERS: readonly FuzzTarget[] = [...STREAM, ...SESSIONS, ...TRACK_LOGS, ...EXPORTS];
