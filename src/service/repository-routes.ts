// What a served repository answers, as routes: who asks has been let in, and its name goes with every question.

import type { ServedRepository } from "../api/api.ts";
import { HoldfastError } from "../base/errors.ts";
import { SEGMENT_QUESTION_LIMIT } from "../formats/granted-pages.ts";
import { BACKUP_REQUEST_LIMIT } from "../formats/server-exchange.ts";
import { TRANSFER_BYTES_LIMIT, TRANSFER_SEGMENTS_LIMIT, PROVED_SEGMENT_BYTES } from "../formats/segment-transfer.ts";
import { BATCH_LIMIT } from "../formats/stream.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import type { Reply, Route, RouteContext } from "./route.ts";

const PAGE_QUESTION_LIMIT = 4_096;

export function repositoryRoutes(served: ServedRepository): readonly Route[] {
  const backupOf = ({ parameters }: RouteContext): string => parameters["backup"] ?? "";
  return [
    {
      method: "GET",
      path: "/v1/domain",
      privilege: "see-own",
      bodyLimit: 0,
      isRoutine: true,
      handle: ({ caller }) => answered(served.describe(caller.client)),
    },
    {
      method: "GET",
      path: "/v1/images",
      privilege: "see-own",
      bodyLimit: 0,
      handle: ({ caller }) => answered(served.images(caller.client)),
    },
    {
      method: "POST",
      path: "/v1/pages",
      privilege: "see-own",
      bodyLimit: PAGE_QUESTION_LIMIT,
      isRoutine: true,
      handle: ({ caller, body }) => answered(served.page(caller.client, body)),
    },
    {
      method: "POST",
      path: "/v1/segments",
      privilege: "read-own",
      bodyLimit: SEGMENT_QUESTION_LIMIT,
      isRoutine: true,
      handle: ({ caller, body }) => answered(served.segments(caller.client, body)),
    },
    {
      method: "POST",
      path: "/v1/backups",
      privilege: "append-own",
      bodyLimit: BACKUP_REQUEST_LIMIT,
      handle: ({ caller, body }) => answered(served.beginBackup(caller.client, body)),
    },
    {
      method: "POST",
      path: "/v1/backups/:backup/messages",
      privilege: "append-own",
      bodyLimit: BATCH_LIMIT,
      isRoutine: true,
      handle: (context) =>
        answered(served.receive(context.caller.client, backupOf(context), numberOf(context.query), context.body)),
    },
    {
      method: "POST",
      path: "/v1/backups/:backup/offers",
      privilege: "append-own",
      bodyLimit: TRANSFER_SEGMENTS_LIMIT * FINGERPRINT_BYTES,
      isRoutine: true,
      handle: (context) => answered(served.offer(context.caller.client, backupOf(context), context.body)),
    },
    {
      method: "POST",
      path: "/v1/backups/:backup/proofs",
      privilege: "append-own",
      bodyLimit: TRANSFER_SEGMENTS_LIMIT * PROVED_SEGMENT_BYTES,
      isRoutine: true,
      handle: (context) => answered(served.prove(context.caller.client, backupOf(context), context.body)),
    },
    {
      method: "POST",
      path: "/v1/backups/:backup/blocks",
      privilege: "append-own",
      bodyLimit: TRANSFER_BYTES_LIMIT,
      isRoutine: true,
      handle: async (context) => {
        await served.store(context.caller.client, backupOf(context), context.body);
        return { bytes: NOTHING };
      },
    },
    {
      method: "DELETE",
      path: "/v1/backups/:backup",
      privilege: "append-own",
      bodyLimit: 0,
      handle: (context) => answered(served.endBackup(context.caller.client, backupOf(context))),
    },
  ];
}

const NOTHING = new Uint8Array(0);

async function answered(bytes: Uint8Array | Promise<Uint8Array>): Promise<Reply> {
  return { bytes: await bytes };
}

function numberOf(query: URLSearchParams): number {
  const text = query.get("number") ?? "";
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text);
  throw new HoldfastError("REQUEST_INVALID", {
    message: `Messages are numbered: "number=${text.slice(0, 40)}" is no number from 1 on`,
    hint: "The sending half is faulty or of another version.",
  });
}
