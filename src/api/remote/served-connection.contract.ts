// For tests: a connection that leads to a served repository in this process, by way of the same questions and answers as over a network.
// What happens on the way can be disturbed.

import { HoldfastError } from "../../base/errors.ts";
import { encodeErrorReply, httpStatusOf } from "../../formats/error-reply.ts";
import type { ServerConnection } from "../../platform/secure-transport.ts";
import type { ServedRepository } from "../types.ts";

type Question = Parameters<ServerConnection["exchange"]>[0];

export interface ServedConnection extends ServerConnection {
  /** Every question that has come, as "METHOD path". */
  readonly questions: string[];
  bytesSent: number;
  bytesReceived: number;
}

export interface Disturbance {
  /** Called before a question takes effect and after; throws to lose it, or its answer. */
  readonly before?: (question: Question) => void | Promise<void>;
  readonly after?: (question: Question) => void;
}

export function servedConnection(served: () => ServedRepository, client: string, way: Disturbance = {}): ServedConnection {
  const connection: ServedConnection = {
    questions: [],
    bytesSent: 0,
    bytesReceived: 0,
    exchange: async (question) => {
      const { method, path, body = new Uint8Array(0), limitBytes } = question;
      connection.questions.push(`${method} ${path.replace(/[0-9a-f]{32}/, ":backup")}`);
      connection.bytesSent += body.length;
      await way.before?.(question);
      // As over a network: nobody keeps what another may change.
      question.signal?.throwIfAborted();
      const there = served();
      const answer = await answerOf(() => ask(there, client, method, path, body.slice()));
      way.after?.(question);
      connection.bytesReceived += answer.body.length;
      if (answer.body.length > limitBytes) throw new Error(`An answer of ${answer.body.length} bytes to ${method} ${path}`);
      return answer;
    },
    close: () => undefined,
  };
  return connection;
}

async function answerOf(work: () => Promise<Uint8Array>): Promise<{ readonly status: number; readonly body: Uint8Array }> {
  try {
    return { status: 200, body: (await work()).slice() };
  } catch (error) {
    const status = httpStatusOf(error);
    if (!(error instanceof HoldfastError) || status === undefined) throw error;
    return { status, body: encodeErrorReply(error) };
  }
}

async function ask(
  served: ServedRepository,
  client: string,
  method: string,
  path: string,
  body: Uint8Array,
): Promise<Uint8Array> {
  const [, , what, backup = "", step = ""] = (path.split("?")[0] ?? "").split("/");
  switch (`${method} ${what}${backup === "" ? "" : " backup"}${step === "" ? "" : ` ${step}`}`) {
    case "GET domain":
      return served.describe(client);
    case "GET images":
      return served.images(client);
    case "POST pages":
      return served.page(client, body);
    case "POST segments":
      return served.segments(client, body);
    case "POST backups":
      return served.beginBackup(client, body);
    case "POST backups backup messages":
      return served.receive(client, backup, Number(new URLSearchParams(path.split("?")[1]).get("number")), body);
    case "POST backups backup offers":
      return served.offer(client, backup, body);
    case "POST backups backup proofs":
      return served.prove(client, backup, body);
    case "POST backups backup blocks":
      await served.store(client, backup, body);
      return new Uint8Array(0);
    case "DELETE backups backup":
      return served.endBackup(client, backup);
    default:
      throw new Error(`No such route: ${method} ${path}`);
  }
}
