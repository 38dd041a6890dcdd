// What a model in memory says of a repository: what must be true of it while nobody works on it.

import { createHash } from "node:crypto";

export interface Model {
  readonly exists: boolean;
  readonly passphrase: string;
  /** Image to version of the source. */
  readonly images: ReadonlyMap<string, number>;
  /** Of the source, at the last backup that was tried. */
  readonly version: number;
  /** How many processes there have been. */
  readonly processes: number;
  /** The session of a writer of another machine: nobody here knows whether it lives. */
  readonly writerElsewhere: string | undefined;
  readonly damage: Damage | undefined;
}

/** Something was damaged or removed behind everyone's back. */
export interface Damage {
  readonly what: string;
  /** The file. */
  readonly path: string;
  /** Images that may lack something, and which lines of their description must be there all the same. */
  readonly lacking: ReadonlyMap<string, ReadonlySet<string>>;
  /** Whether it is of a kind that a backup need not notice: then new images may lack something too. */
  readonly spreads: boolean;
  /** A repair came to its end: from then on nothing is refused but what needs what is lost. */
  readonly isRepaired: boolean;
}

export const NOTHING_LEFT: ReadonlySet<string> = new Set();

export const NOTHING: Model = {
  exists: false,
  passphrase: "first",
  images: new Map(),
  version: 0,
  processes: 0,
  writerElsewhere: undefined,
  damage: undefined,
};

/** Whether any image is there that may lack something. */
export function lacksSomething({ images, damage }: Model): boolean {
  return [...(damage?.lacking.keys() ?? [])].some((id) => images.has(id));
}

/** The same short text for models of which the same is expected. */
export function expectationsOf({ exists, passphrase, images, writerElsewhere, damage }: Model): string {
  const lacking = [...(damage?.lacking ?? [])].map(([id, lines]) => `${id} ${[...lines].join("\n")}`);
  const expected = [exists, passphrase, [...images], writerElsewhere, damage?.isRepaired, damage?.spreads, ...lacking];
  return createHash("sha256").update(expected.join(" ")).digest("base64");
}

/** The power went during an operation, or after it: then `before` and `after` are the same. */
export interface Interruption {
  readonly before: Model;
  readonly after: Model;
}

/** What may be lacking when it is not known how far the operation had come. */
export function damageOf({ before, after }: Interruption): Damage | undefined {
  if (before.damage === undefined || after.damage === undefined) return after.damage;
  const lacking = new Map(after.damage.lacking);
  for (const [id, lines] of before.damage.lacking) lacking.set(id, lines.intersection(lacking.get(id) ?? lines));
  return { ...before.damage, lacking };
}
