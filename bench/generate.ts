// Content from a seed: the same seed gives the same bytes on every machine, so that two runs of the benchmark are about the
// same data. Text is lines of made-up words and recurring phrases with the skewed frequencies of a natural language, mixed with
// numbers, identifiers and punctuation, as in logs and sources; it compresses about as they do (zstd 3: to a quarter) and
// never repeats in long stretches, so deduplication finds nothing in it.

export interface Generator {
  /** An integer in [0, limit). */
  below(limit: number): number;
  fillRandom(target: Uint8Array): void;
  fillText(target: Uint8Array): void;
}

const WORDS = 12_000;
const PHRASES = 6_000;
const PICKS = 1 << 16;

/** Strings with how often each occurs: `picks` holds their numbers, each as often as it is frequent. */
interface Choice {
  readonly strings: readonly Uint8Array[];
  readonly picks: Uint16Array;
}

interface Vocabulary {
  readonly words: Choice;
  readonly phrases: Choice;
}

let vocabulary: Vocabulary | undefined;

export function createGenerator(seed: number): Generator {
  const next = xorshift(seed);
  const { words, phrases } = (vocabulary ??= makeVocabulary());

  function fillRandom(target: Uint8Array): void {
    const whole = target.length & ~3;
    const view = new DataView(target.buffer, target.byteOffset, target.length);
    for (let at = 0; at < whole; at += 4) view.setUint32(at, next(), true);
    for (let at = whole; at < target.length; at++) target[at] = next() & 0xff;
  }

  function fillText(target: Uint8Array): void {
    let at = 0;
    let lineEnd = 0;
    while (at < target.length) {
      const dice = next();
      if (at >= lineEnd) {
        if (at > 0) target[at++] = 0x0a;
        for (let indent = (dice >>> 28) & 3; indent > 0 && at < target.length; indent--) target[at++] = 0x09;
        lineEnd = at + 24 + ((dice >>> 8) & 63);
        continue;
      }
      const kind = dice & 15;
      if (kind === 0) {
        // A number or an identifier that occurs nowhere else, as in logs.
        let value = next();
        for (let digits = 3 + ((dice >>> 4) & 7); digits > 0 && at < target.length; digits--) {
          target[at++] = HEXADECIMAL.charCodeAt(value & 15);
          value = value >>> 4 || next();
        }
      } else {
        const { strings, picks } = kind < 5 ? phrases : words;
        const string = strings[picks[(dice >>> 4) & (PICKS - 1)] ?? 0] as Uint8Array;
        for (let letter = 0; letter < string.length && at < target.length; letter++) target[at++] = string[letter] as number;
      }
      if (at < target.length) target[at++] = SEPARATORS.charCodeAt((dice >>> 20) & 31);
    }
  }

  return { below: (limit) => next() % limit, fillRandom, fillText };
}

const HEXADECIMAL = "0123456789abcdef";
const SEPARATORS = "                        ,,;._()=".padEnd(32, " ");

// Marsaglia's xorshift128: fast, and its 32-bit words do not compress.
function xorshift(seed: number): () => number {
  let [x, y, z, w] = [seed | 1, 362_436_069 ^ seed, 521_288_629, 88_675_123 + seed];
  const next = () => {
    const t = x ^ (x << 11);
    x = y;
    y = z;
    z = w;
    w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
    return w >>> 0;
  };
  for (let warm = 0; warm < 16; warm++) next();
  return next;
}

function makeVocabulary(): Vocabulary {
  const next = xorshift(20_261_120);
  const words: Uint8Array[] = [];
  for (let count = 0; count < WORDS; count++) {
    let word = "";
    for (let syllables = 1 + (next() % (count < 200 ? 2 : 4)); syllables > 0; syllables--) {
      word += "bcdfghjklmnprstvwz".charAt(next() % 18) + "aeiouy".charAt(next() % 6);
      if (next() % 3 === 0) word += "nrstlm".charAt(next() % 6);
    }
    words.push(new TextEncoder().encode(word));
  }
  const wordChoice = { strings: words, picks: zipf(WORDS, next) };
  const phrases: Uint8Array[] = [];
  for (let count = 0; count < PHRASES; count++) {
    const parts: Uint8Array[] = [];
    for (let length = 4 + (next() % 8); length > 0; length--) {
      parts.push(words[wordChoice.picks[next() % PICKS] ?? 0] as Uint8Array, Uint8Array.of(0x20));
    }
    phrases.push(Uint8Array.from(Buffer.concat(parts)));
  }
  return { words: wordChoice, phrases: { strings: phrases, picks: zipf(PHRASES, next) } };
}

// The n-th string comes up in proportion to 1/n.
function zipf(count: number, next: () => number): Uint16Array {
  return Uint16Array.from({ length: PICKS }, () => Math.floor(count ** (next() / 2 ** 32)) % count);
}
