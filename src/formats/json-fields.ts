// The JSON inside sealed records, read strictly. A field that is missing, of another type or beyond its bounds is
// refused by its path ("root.level"). A field that this version does not know is left alone, unless the record lists it
// under "mustUnderstand": then reading on would misunderstand the record, and a newer program is asked for.

import { utf8 } from "../base/bytes.ts";
import { HoldfastError, messageOf } from "../base/errors.ts";

const MUST_UNDERSTAND_LIMIT = 64;
const DEFAULT_TEXT_LIMIT = 4_096;
const SHOWN_LIMIT = 80;

export interface IntegerBounds {
  readonly least?: number;
  readonly most?: number;
}

type JsonObject = Readonly<Record<string, unknown>>;

export class JsonFields {
  readonly #what: string;
  readonly #path: string;
  readonly #values: JsonObject;

  private constructor(what: string, path: string, values: JsonObject) {
    this.#what = what;
    this.#path = path;
    this.#values = values;
  }

  /** Reads a whole record. `known` are the fields this program understands, for "mustUnderstand". */
  static decode(bytes: Uint8Array, what: string, known: readonly string[]): JsonFields {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    } catch (error) {
      throw new HoldfastError("FORMAT_INVALID", {
        message: `Cannot read ${what}: ${messageOf(error)}`,
        context: { length: bytes.length },
        cause: error,
      });
    }
    const fields = new JsonFields(what, "", asObject(value) ?? refuse(what, "", "is not an object"));
    fields.#refuseUnknown(known);
    return fields;
  }

  #refuseUnknown(known: readonly string[]): void {
    if (!this.has("mustUnderstand")) return;
    for (const name of this.texts("mustUnderstand", { most: MUST_UNDERSTAND_LIMIT })) {
      if (known.includes(name)) continue;
      throw new HoldfastError("FORMAT_VERSION", {
        message: `Cannot read ${this.#what}: it cannot be understood without its field "${shown(name)}", which this program does not know`,
        context: { field: shown(name) },
        hint: "Use a newer version of Holdfast.",
      });
    }
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#values, name) && this.#values[name] !== null;
  }

  integer(name: string, bounds: IntegerBounds = {}): number {
    const value = this.#value(name);
    const { least = 0, most = Number.MAX_SAFE_INTEGER } = bounds;
    if (typeof value !== "number" || !Number.isSafeInteger(value)) return this.#refuse(name, "is not a whole number");
    if (value < least || value > most) return this.#refuse(name, `is ${value}, allowed are ${least} to ${most}`);
    return value;
  }

  text(name: string, limit = DEFAULT_TEXT_LIMIT): string {
    return this.#text(name, this.#value(name), limit);
  }

  /** Text of a fixed shape, such as a hexadecimal identifier. */
  pattern(name: string, pattern: RegExp): string {
    const value = this.text(name);
    return pattern.test(value) ? value : this.#refuse(name, `does not match ${pattern.source}`);
  }

  texts(name: string, limits: { readonly most: number; readonly textLimit?: number }): readonly string[] {
    return this.#list(name, limits.most).map((value, position) =>
      this.#text(`${name}[${position}]`, value, limits.textLimit ?? DEFAULT_TEXT_LIMIT),
    );
  }

  object(name: string): JsonFields {
    const path = this.#at(name);
    return new JsonFields(this.#what, path, asObject(this.#value(name)) ?? refuse(this.#what, path, "is not an object"));
  }

  objects(name: string, most: number): readonly JsonFields[] {
    return this.#list(name, most).map((value, position) => {
      const path = `${this.#at(name)}[${position}]`;
      return new JsonFields(this.#what, path, asObject(value) ?? refuse(this.#what, path, "is not an object"));
    });
  }

  /** An object used as a table: every key matches `keys`, every value is read by `readValue`. */
  table<T>(
    name: string,
    limits: { readonly keys: RegExp; readonly most: number },
    readValue: (values: JsonFields, key: string) => T,
  ): Readonly<Record<string, T>> {
    const values = this.object(name);
    const keys = Object.keys(values.#values);
    if (keys.length > limits.most) return this.#refuse(name, `has ${keys.length} entries, the limit is ${limits.most}`);
    const table: Record<string, T> = {};
    for (const key of keys) {
      // The pattern also keeps "__proto__" out.
      if (!limits.keys.test(key)) return this.#refuse(name, `has the key ${JSON.stringify(key.slice(0, 80))}`);
      table[key] = readValue(values, key);
    }
    return table;
  }

  /** The value as JSON gave it, for fields of several types. */
  raw(name: string): unknown {
    return this.#value(name);
  }

  refuse(name: string, problem: string): never {
    return this.#refuse(name, problem);
  }

  #list(name: string, most: number): readonly unknown[] {
    const value = this.#value(name);
    if (!Array.isArray(value)) return this.#refuse(name, "is not a list");
    if (value.length > most) return this.#refuse(name, `has ${value.length} items, the limit is ${most}`);
    return value as readonly unknown[];
  }

  #text(name: string, value: unknown, limit: number): string {
    if (typeof value !== "string") return this.#refuse(name, "is not text");
    if (value.length > limit) return this.#refuse(name, `has ${value.length} characters, the limit is ${limit}`);
    return value;
  }

  #value(name: string): unknown {
    if (!Object.hasOwn(this.#values, name)) return this.#refuse(name, "is missing");
    return this.#values[name];
  }

  #at(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }

  #refuse(name: string, problem: string): never {
    return refuse(this.#what, this.#at(name), problem);
  }
}

/** The bytes of a record's JSON: UTF-8, no white space, fields in the order they were given. */
export function encodeJson(value: object): Uint8Array {
  return utf8(JSON.stringify(value));
}

/** Names come from the record: a message repeats no more of one than a line holds. */
function shown(name: string): string {
  return name.length <= SHOWN_LIMIT ? name : `${name.slice(0, SHOWN_LIMIT)}…`;
}

function asObject(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

function refuse(what: string, path: string, problem: string): never {
  throw new HoldfastError("FORMAT_INVALID", {
    message: `Cannot read ${what}: ${path === "" ? "it" : `its field "${path}"`} ${problem}`,
    context: { field: path },
  });
}
