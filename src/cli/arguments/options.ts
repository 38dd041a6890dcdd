// Options of commands as data: help, completion, the documentation and the parser all read the same definitions.

/** What a shell may offer where a value is expected. */
export type Completion = "file" | "directory" | "image" | "command" | "nothing";

export interface Option<T> {
  readonly takes: "nothing" | "value" | "maybe a value";
  readonly short?: string;
  /** How help calls the value, such as GLOB. */
  readonly valueName?: string;
  /** A phrase without a full stop. */
  readonly help: string;
  readonly choices?: readonly string[];
  readonly completes?: Completion;
  readonly isRepeatable?: boolean;
  readonly isRequired?: boolean;
  /** Heading under which help lists it. */
  readonly section?: string;
  /**
   * Makes the value of what was given, in order; undefined stands for an optional value that was left out. Not called when
   * the option was not given: then `absent` holds. Throws an InvalidValue.
   */
  readonly read: (given: readonly (string | undefined)[]) => T;
  readonly absent: T;
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** The values that a table of options yields. */
export type Values<O extends OptionTable> = { readonly [Name in keyof O]: O[Name] extends Option<infer T> ? T : never };

/** Says what is wrong with a value, as the end of a sentence: "is not a number". */
export class InvalidValue extends Error {
  override readonly name = "InvalidValue";
}

interface Description {
  readonly help: string;
  readonly short?: string;
  readonly section?: string;
}

interface ValueDescription extends Description {
  readonly valueName: string;
  readonly completes?: Completion;
  readonly isRequired?: boolean;
}

export function flag(description: Description): Option<boolean> {
  return { takes: "nothing", ...description, read: () => true, absent: false };
}

/** When given several times, the last one counts. */
export function text(description: ValueDescription): Option<string | undefined> {
  return { takes: "value", ...description, read: (given) => given.at(-1), absent: undefined };
}

export function requiredText(description: ValueDescription): Option<string> {
  return { takes: "value", ...description, isRequired: true, read: (given) => given.at(-1) ?? "", absent: "" };
}

/** Collects every occurrence, in order. */
export function list(description: ValueDescription): Option<readonly string[]> {
  const read = (given: readonly (string | undefined)[]): readonly string[] => given.filter((value) => value !== undefined);
  return { takes: "value", ...description, isRepeatable: true, read, absent: [] };
}

export function choice<C extends string>(choices: readonly C[], description: ValueDescription): Option<C | undefined> {
  const read = (given: readonly (string | undefined)[]): C => {
    const found = choices.find((candidate) => candidate === given.at(-1));
    if (found === undefined) throw new InvalidValue(`is not one of ${choices.join(", ")}`);
    return found;
  };
  return { takes: "value", choices, ...description, read, absent: undefined };
}

export function parsed<T>(parse: (value: string) => T, description: ValueDescription): Option<T | undefined> {
  return { takes: "value", ...description, read: (given) => parse(given.at(-1) ?? ""), absent: undefined };
}

/** --name alone means `alone`, --name=VALUE is parsed. */
export function optionallyParsed<T>(parse: (value: string) => T, alone: T, description: ValueDescription): Option<T | undefined> {
  const read = (given: readonly (string | undefined)[]): T => {
    const value = given.at(-1);
    return value === undefined ? alone : parse(value);
  };
  return { takes: "maybe a value", ...description, read, absent: undefined };
}

export function parseCount(value: string): number {
  const count = Number(value);
  if (!/^\d{1,6}$/.test(value) || count === 0) throw new InvalidValue("is not a whole number above 0");
  return count;
}

/** A whole number, 0 too, or "all". */
export function parseCountOrAll(value: string): number {
  if (value === "all") return Number.POSITIVE_INFINITY;
  if (!/^\d{1,6}$/.test(value)) throw new InvalidValue('is neither a whole number nor "all"');
  return Number(value);
}

const HOUR_MS = 3_600_000;
/** A month and a year are as long as the longest there are: never is less kept than was meant. */
const HOURS_OF: Readonly<Record<string, number>> = { h: 1, d: 24, w: 7 * 24, m: 31 * 24, y: 366 * 24 };

/** A span of time as 12h, 30d, 8w, 6m, 1y or several of these, 1y6m; in milliseconds. */
export function parseSpan(value: string): number {
  if (!/^(?:\d{1,5}[hdwmy])+$/.test(value)) throw new InvalidValue("is not a span of time such as 12h, 30d, 8w, 6m or 1y6m");
  const parts = value.matchAll(/(\d+)([hdwmy])/g);
  return parts.reduce((sum, [, count, unit = ""]) => sum + Number(count) * (HOURS_OF[unit] ?? 0) * HOUR_MS, 0);
}

/** The instant at which a day ends here, or one that is given to the second with its zone; milliseconds since 1970. */
export function parseEnd(value: string): number {
  const [, year, month, day] = (/^(\d{4})-(\d{2})-(\d{2})$/.exec(value) ?? []).map(Number);
  if (year !== undefined && month !== undefined && day !== undefined) {
    const begin = new Date(year, month - 1, day);
    const isDay = begin.getFullYear() === year && begin.getMonth() === month - 1 && begin.getDate() === day;
    if (isDay) return new Date(year, month - 1, day + 1).getTime();
  }
  const isInstant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})$/.test(value);
  const instantMs = isInstant ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(instantMs)) throw new InvalidValue("is neither a day such as 2027-01-31 nor a time such as 2027-01-31T12:00Z");
  return instantMs;
}

/** A share between 0 and 1: 1/30, 0.05 or 5%. */
export function parseFraction(value: string): number {
  const [, numerator, denominator] = /^(\d+)\/(\d+)$/.exec(value) ?? [];
  if (numerator !== undefined && denominator !== undefined) return checkShare(Number(numerator) / Number(denominator));
  if (value.endsWith("%")) return parsePercent(value);
  return checkShare(decimal(value));
}

/** A share given in hundredths, as 5 or 5% or 0.5. */
export function parsePercent(value: string): number {
  return checkShare(decimal(value.replace(/%$/, "")) / 100);
}

function decimal(value: string): number {
  return /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
}

function checkShare(share: number): number {
  if (!(share >= 0 && share <= 1)) throw new InvalidValue("is not a share between nothing and everything");
  return share;
}
