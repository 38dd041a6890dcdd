// How many columns of a terminal a text takes. Exact for what names are made of; where terminals disagree among
// themselves (some emoji), a column may be wrong, which costs an ugly line and nothing else.

const PLAIN = /^[ -~]*$/;
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]$/u;
const WIDE_EMOJI = /^\p{Emoji_Presentation}$/u;

/** First and last code points of East Asian wide and full-width characters (Unicode UAX #11). */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x20000, 0x3fffd],
];

export function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** The end of the text, as much as fits; "..." stands for what is missing. The end of a path says most. */
export function endThatFits(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  const mark = "...".slice(0, Math.max(0, columns));
  let width = mark.length;
  const kept: string[] = [];
  for (const character of Array.from(text).reverse()) {
    width += characterWidth(character);
    if (width > columns) break;
    kept.push(character);
  }
  return mark + kept.reverse().join("");
}

export function padEnd(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - widthOf(text)));
}

export function padStart(text: string, columns: number): string {
  return " ".repeat(Math.max(0, columns - widthOf(text))) + text;
}

function characterWidth(character: string): number {
  if (NO_WIDTH.test(character)) return 0;
  const codePoint = character.codePointAt(0) ?? 0;
  if (codePoint < 0x1100) return 1;
  return WIDE_EMOJI.test(character) || WIDE.some(([first, last]) => codePoint >= first && codePoint <= last) ? 2 : 1;
}
