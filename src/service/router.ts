// From method and path to what answers them.

import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";

const PARAMETER_LIMIT = 512;

interface Routed {
  readonly method: string;
  readonly path: string;
}

export interface Match<E> {
  readonly endpoint: E;
  readonly parameters: Readonly<Record<string, string>>;
}

interface Pattern<E> {
  readonly endpoint: E;
  readonly parts: readonly string[];
}

export class Router<E extends Routed> {
  readonly #patterns: readonly Pattern<E>[];

  constructor(endpoints: readonly E[]) {
    const shapes = endpoints.map(({ method, path }) => `${method} ${path.replaceAll(/:\w+/g, ":")}`);
    assert(new Set(shapes).size === shapes.length, "no two routes answer the same request");
    this.#patterns = endpoints.map((endpoint) => ({ endpoint, parts: endpoint.path.split("/") }));
  }

  /** Undefined when nothing answers there; REQUEST_INVALID when a parameter cannot be read. */
  match(method: string, path: string): Match<E> | undefined {
    const parts = path.split("/");
    const found = this.#patterns.find(({ endpoint, parts: pattern }) => endpoint.method === method && fits(pattern, parts));
    if (found === undefined) return undefined;
    const named = found.parts.flatMap((part, index) =>
      part.startsWith(":") ? [[part.slice(1), decodeParameter(parts[index] ?? "")] as const] : [],
    );
    return { endpoint: found.endpoint, parameters: Object.fromEntries(named) };
  }
}

function fits(pattern: readonly string[], parts: readonly string[]): boolean {
  if (pattern.length !== parts.length) return false;
  return pattern.every((part, index) => (part.startsWith(":") ? parts[index] !== "" : part === parts[index]));
}

function decodeParameter(text: string): string {
  let decoded: string | undefined;
  try {
    decoded = text.length > PARAMETER_LIMIT ? undefined : decodeURIComponent(text);
  } catch {
    // Percent signs that stand for no UTF-8.
  }
  if (decoded !== undefined) return decoded;
  throw new HoldfastError("REQUEST_INVALID", { message: "A part of the path is too long or not encoded as it has to be" });
}
