// Backs up what a command writes to its standard output, as an image of one file: database dumps, for example. The image is
// committed only when the command has ended well.

import { ByteWriter, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { StreamReader } from "../client/client.ts";
import { Cutter } from "../engine/engine.ts";
import { writeEntryBody } from "../formats/entry.ts";
import { encodeSentPart } from "../formats/image-record.ts";
import { decodeReply, writeCommit, writeContentEnd, writeEntry, writePackedContent } from "../formats/stream.ts";
import type { BackupAccount } from "./backup-account.ts";
import type { OpenOtherHalf, SendingSide } from "./sending-side.ts";
import type { BackupOptions, BackupReport } from "./types.ts";

export async function backUpCommand(
  side: SendingSide,
  options: BackupOptions,
  account: BackupAccount,
  openOtherHalf: OpenOtherHalf,
): Promise<BackupReport> {
  const { services, cutKey, fingerprinters } = side;
  const { arguments: argv, fileName } = options.command as NonNullable<BackupOptions["command"]>;
  const path = checkedName(fileName);
  const host = options.host ?? services.host.name;
  const name = { source: options.source ?? `${host}:/${fileName}`, host, paths: [`/${fileName}`] };
  await using otherHalf = await openOtherHalf({ description: account.describe(name), withBases: false });
  const { data, connection } = otherHalf;
  const reader = new StreamReader({
    cutter: new Cutter(cutKey),
    fingerprintOf: (bytes) => fingerprinters.data.of(bytes),
    sink: data,
  });

  const command = services.readCommand(argv);
  try {
    for await (const piece of command.output) {
      if (options.signal?.aborted === true) throw new HoldfastError("INTERRUPTED", { message: "The backup was interrupted" });
      reader.add(piece);
      await data.settle();
      account.statistics.bytesRead += piece.length;
      options.onProgress?.({
        filesDone: 0,
        bytesDone: account.statistics.bytesRead,
        filesExpected: 1,
        bytesExpected: undefined,
        currentPath: `/${fileName}`,
      });
    }
  } catch (error) {
    command.kill();
    throw error;
  }
  requireSuccess(await command.ended, argv);
  const content = reader.finish();
  account.statistics.filesNew = 1;
  account.statistics.sourceBytes = account.statistics.bytesRead;

  const nowMs = services.clock.now();
  const time = { seconds: Math.floor(nowMs / 1000), nanoseconds: (nowMs % 1000) * 1_000_000 };
  const body = new ByteWriter();
  writeEntryBody(body, {
    kind: 2,
    mode: 0o600,
    userId: 0,
    groupId: 0,
    modified: time,
    changed: time,
    inode: 0n,
    sizeBytes: account.statistics.bytesRead,
    recheck: false,
    changedWhileRead: false,
  });
  const messages = new ByteWriter();
  writeEntry(messages, { path, body: body.peek(), contentFollows: true });
  writePackedContent(messages, content);
  writeContentEnd(messages);
  writeCommit(messages, encodeSentPart(account.sentPart(null)));
  await connection.settle();
  const reply = decodeReply(await connection.ask(messages.take()));
  if (reply.type !== "committed") throw new Error("Broken invariant: a commit is answered with the image");
  const { imageId } = reply;
  return account.report(name, { imageId, baseImageId: undefined }, await otherHalf.afterCommit(imageId));
}

function checkedName(fileName: string): Uint8Array {
  const isPlain = fileName !== "" && fileName !== "." && fileName !== ".." && !/[/\0]/.test(fileName);
  if (isPlain && utf8(fileName).length <= 255) return utf8(fileName);
  throw new HoldfastError("USAGE", {
    message: `Cannot store the command's output as "${fileName}": that is not a file name`,
    hint: "Give a plain name, without directories, by --stdin-file-name.",
  });
}

function requireSuccess(status: number | string, argv: readonly string[]): void {
  if (status === 0) return;
  throw new HoldfastError("SOURCE_COMMAND_FAILED", {
    message: `The command "${argv.join(" ")}" ${typeof status === "number" ? `failed with status ${status}` : status}`,
    context: { status },
    hint: "Nothing was committed: an incomplete dump is not a backup.",
  });
}
