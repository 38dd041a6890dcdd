// One line of the audit log (docs/formats/service-state.md): JSON, with the SHA-256 of the line before, so that no line can
// be changed, removed or moved without every later one showing it.

import { createHash } from "node:crypto";
import { concatBytes, utf8 } from "../base/bytes.ts";
import { JsonFields, encodeJson } from "./json-fields.ts";

export const AUDIT_OUTCOMES = ["done", "refused", "failed"] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

export interface AuditEvent {
  readonly timeMs: number;
  /** "client:NAME", "operator:USER", "server", "key:FINGERPRINT" for a stranger's key, or "nobody". */
  readonly actor: string;
  /** Where it came from; empty for what was done on this machine. */
  readonly address: string;
  readonly action: string;
  readonly object: string;
  readonly outcome: AuditOutcome;
  /** Of the error; empty when it was done. */
  readonly code: string;
}

export interface AuditRecord extends AuditEvent {
  /** From 1, without gaps. */
  readonly sequence: number;
  /** Of the line of the record before, without its line end; zeros before the first. */
  readonly previous: string;
  /** What a crash left between the record before and this one, and the first later writer found. */
  readonly skipped?: { readonly bytes: number; readonly sha256: string };
}

export const FIRST_PREVIOUS = "0".repeat(64);
/** Without the line end. */
export const AUDIT_LINE_LIMIT = 8_192;

const ACTOR_LIMIT = 128;
const ADDRESS_LIMIT = 64;
const ACTION_LIMIT = 128;
/** With every character escaped six bytes long, a line stays within its limit. */
const OBJECT_LIMIT = 512;
const HASH = /^[0-9a-f]{64}$/;
const FIELDS = ["sequence", "time", "actor", "address", "action", "object", "outcome", "code", "previous", "skipped"];

/** The line with its end. What is too long is cut: it may come from a stranger. */
export function encodeAuditRecord(record: AuditRecord): Uint8Array {
  const { sequence, timeMs, actor, address, action, object, outcome, code, previous, skipped } = record;
  const json = encodeJson({
    sequence,
    time: new Date(timeMs).toISOString(),
    actor: actor.slice(0, ACTOR_LIMIT),
    address: address.slice(0, ADDRESS_LIMIT),
    action: action.slice(0, ACTION_LIMIT),
    object: object.slice(0, OBJECT_LIMIT),
    outcome,
    code,
    previous,
    ...(skipped === undefined ? {} : { skipped }),
  });
  return concatBytes(json, utf8("\n"));
}

/** `line` is without its end. FORMAT_INVALID when it is no record. */
export function decodeAuditRecord(line: Uint8Array): AuditRecord {
  const fields = JsonFields.decode(line, "a line of the audit log", FIELDS);
  const time = fields.pattern("time", /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/);
  const timeMs = Date.parse(time);
  if (Number.isNaN(timeMs)) return fields.refuse("time", "is no time");
  const outcome = fields.text("outcome", 16);
  const skipped = fields.has("skipped") ? fields.object("skipped") : undefined;
  return {
    sequence: fields.integer("sequence", { least: 1 }),
    timeMs,
    actor: fields.text("actor", ACTOR_LIMIT),
    address: fields.text("address", ADDRESS_LIMIT),
    action: fields.text("action", ACTION_LIMIT),
    object: fields.text("object", OBJECT_LIMIT),
    outcome: AUDIT_OUTCOMES.find((known) => known === outcome) ?? fields.refuse("outcome", "is not known"),
    code: fields.text("code", 64),
    previous: fields.pattern("previous", HASH),
    ...(skipped === undefined
      ? {}
      : { skipped: { bytes: skipped.integer("bytes", { least: 1 }), sha256: skipped.pattern("sha256", HASH) } }),
  };
}

/** What the next record says of this line, which is without its end. */
export function auditLineHash(line: Uint8Array): string {
  return createHash("sha256").update(line).digest("hex");
}
