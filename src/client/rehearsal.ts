// A reading thread that reads nothing: for a rehearsal, which asks only what a backup would have to read.

import { ByteWriter } from "../base/bytes.ts";
import { ENTRY_FILE, ENTRY_FIXED_BYTES } from "../formats/entry.ts";
import { readRequests, writeResponse } from "./read-protocol.ts";

const NOTHING = new Uint8Array(0);

/** Answers a packed request as if every file had been read and were empty. */
export function rehearsedRead(request: Uint8Array): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  const body = new Uint8Array(ENTRY_FIXED_BYTES);
  body[0] = ENTRY_FILE;
  for (const _ of readRequests(request)) {
    writeResponse(writer, {
      outcome: "stored",
      body,
      errorCode: "",
      references: NOTHING,
      contentFollows: false,
      changedWhileRead: false,
      bytesRead: 0,
    });
  }
  return writer.take();
}
