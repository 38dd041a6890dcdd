// Counts of a running server, in the text format of Prometheus. Labels come from the table of routes and from outcomes only, so a
// stranger cannot make more of them.

import { utf8 } from "../base/bytes.ts";

interface RouteCounts {
  requests: number;
  milliseconds: number;
}

export interface CountedRequest {
  /** "GET /v1/repository", or "none" where nothing answers. */
  readonly route: string;
  readonly outcome: "done" | "refused" | "failed";
  readonly durationMs: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
}

export class Metrics {
  readonly #routes = new Map<string, RouteCounts>();
  #bytesReceived = 0;
  #bytesSent = 0;
  #malformed = 0;

  count({ route, outcome, durationMs, bytesReceived, bytesSent }: CountedRequest): void {
    const key = `route="${route}",outcome="${outcome}"`;
    const counts = this.#routes.get(key) ?? { requests: 0, milliseconds: 0 };
    counts.requests++;
    counts.milliseconds += durationMs;
    this.#routes.set(key, counts);
    this.#bytesReceived += bytesReceived;
    this.#bytesSent += bytesSent;
  }

  countMalformed(): void {
    this.#malformed++;
  }

  text(connections: number): Uint8Array {
    const routes = [...this.#routes].sort(([a], [b]) => (a < b ? -1 : 1));
    const perRoute = (name: string, value: (counts: RouteCounts) => number): string[] =>
      routes.map(([labels, counts]) => `${name}{${labels}} ${value(counts)}`);
    const lines = [
      ...described("holdfast_requests_total", "counter", "Requests answered."),
      ...perRoute("holdfast_requests_total", ({ requests }) => requests),
      ...described("holdfast_request_seconds_total", "counter", "Time spent on requests."),
      ...perRoute("holdfast_request_seconds_total", ({ milliseconds }) => milliseconds / 1000),
      ...described("holdfast_malformed_requests_total", "counter", "What came and was no request, too long or too slow."),
      `holdfast_malformed_requests_total ${this.#malformed}`,
      ...described("holdfast_received_bytes_total", "counter", "Bytes of bodies received."),
      `holdfast_received_bytes_total ${this.#bytesReceived}`,
      ...described("holdfast_sent_bytes_total", "counter", "Bytes of bodies sent."),
      `holdfast_sent_bytes_total ${this.#bytesSent}`,
      ...described("holdfast_connections", "gauge", "Open connections."),
      `holdfast_connections ${connections}`,
    ];
    return utf8(`${lines.join("\n")}\n`);
  }
}

function described(name: string, type: string, help: string): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}
