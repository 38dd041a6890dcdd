import { safeText } from "../text/safe-text.ts";
import { endThatFits, padStart, widthOf } from "../text/text-width.ts";
import { counted, formatBytes, formatCount, formatRemaining } from "../text/units.ts";
import type { ProgressView } from "./progress.ts";

const GAP = "  ";
const BAR_COLUMNS = 20;
/** The narrowest terminal with room for a bar beside everything else, with and without a path. */
const BAR_FROM = 112;
const BAR_ALONE_FROM = 64;
const SHORTEST_PATH = 12;
/** Longer remaining times are guesses. */
const LONGEST_REMAINING_SECONDS = 7 * 24 * 3600;

/**
 * One line of fewer than `columns` columns: the more room, the more it says. The last column stays free, because some
 * terminals begin a new line when it is filled.
 */
export function progressLine(view: ProgressView, columns: number): string {
  let room = Math.max(0, columns - 1);
  // In order of worth; what does not fit is left out, and what is worth less may still fit.
  const parts = [percent(view), amount(view), rate(view), remaining(view), counter(view)];
  const kept = parts.map((part) => {
    if (part === undefined || widthOf(part) + GAP.length > room) return undefined;
    room -= widthOf(part) + GAP.length;
    return part;
  });
  // Decided by the terminal alone: a bar that came and went with the length of names would make the line jump.
  const hasBar = view.fraction !== undefined && columns >= (view.currentPath === undefined ? BAR_ALONE_FROM : BAR_FROM);
  const bar = hasBar ? drawnBar(view.fraction ?? 0) : undefined;
  if (hasBar) room -= BAR_COLUMNS + GAP.length;
  const path = safeText(view.currentPath ?? "");
  const shownPath = path !== "" && room >= Math.min(SHORTEST_PATH, widthOf(path)) ? endThatFits(path, room) : undefined;
  const [shownPercent, shownAmount, shownRate, shownRemaining, shownCounter] = kept;
  const inOrder = [bar, shownPercent, shownAmount, shownCounter, shownRate, shownRemaining, shownPath];
  return inOrder.filter((part) => part !== undefined).join(GAP);
}

/** The same for places where lines stay: a log, a mail from cron. */
export function progressMessage(view: ProgressView): string {
  const parts = [percent(view)?.trim(), amount(view), counter(view), rate(view)?.trim(), remaining(view)];
  return `${view.phase}: ${parts.filter((part) => part !== undefined).join(", ")}`;
}

/** The same for programs. Every field is always there; null is what is not known. */
export function progressFields(view: ProgressView): Readonly<Record<string, string | number | undefined>> {
  const { phase, unit, done, total, bytesDone, bytesTotal, perSecond, secondsRemaining, currentPath } = view;
  return {
    phase,
    unit,
    done,
    total,
    bytesDone,
    bytesTotal,
    bytesPerSecond: bytesDone === undefined || perSecond === undefined ? undefined : Math.round(perSecond),
    secondsRemaining: secondsRemaining === undefined ? undefined : Math.ceil(secondsRemaining),
    currentPath,
  };
}

function percent({ fraction }: ProgressView): string | undefined {
  return fraction === undefined ? undefined : padStart(`${Math.floor(fraction * 100)}%`, 4);
}

function amount({ bytesDone, bytesTotal, fraction }: ProgressView): string | undefined {
  if (bytesDone === undefined) return undefined;
  const known = fraction === undefined ? undefined : bytesTotal;
  return known === undefined ? formatBytes(bytesDone) : `${formatBytes(bytesDone)} of ${formatBytes(known)}`;
}

function counter({ done, total, unit, bytesDone }: ProgressView): string {
  const isMainMeasure = bytesDone === undefined && total !== undefined;
  if (isMainMeasure) return `${formatCount(done)} of ${formatCount(total)} ${unit}`;
  return counted(done, unit.slice(0, -1));
}

/** Padded: this number jumps most, and would push the rest of the line to and fro. */
function rate({ bytesDone, perSecond }: ProgressView): string | undefined {
  return bytesDone === undefined || perSecond === undefined ? undefined : padStart(`${formatBytes(perSecond)}/s`, 12);
}

function remaining({ secondsRemaining }: ProgressView): string | undefined {
  if (secondsRemaining === undefined || secondsRemaining > LONGEST_REMAINING_SECONDS) return undefined;
  return `${formatRemaining(secondsRemaining)} left`;
}

function drawnBar(fraction: number): string {
  const inside = BAR_COLUMNS - 2;
  const filled = Math.min(inside, Math.floor(fraction * inside));
  return `[${"#".repeat(filled)}${".".repeat(inside - filled)}]`;
}
