// Calendar periods, as the people of one time zone count them.

import { HoldfastError } from "../base/errors.ts";

export const PERIODS = ["hourly", "daily", "weekly", "monthly", "yearly"] as const;
export type Period = (typeof PERIODS)[number];

/**
 * Names the period that an instant lies in: "2026-11-20 14:00+01:00", "2026-11-20", "2026-W47" (ISO 8601), "2026-11", "2026". Two
 * instants lie in the same period if and only if the names are equal.
 */
export type Calendar = (epochMs: number) => Readonly<Record<Period, string>>;

const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** The calendar ends here, less a day for time zones. A damaged clock may have written later times. */
const LAST_MS = 8_640_000_000_000_000 - DAY_MS;

/** The calendar of an IANA time zone such as "Europe/Berlin". USAGE when there is none of that name. */
export function calendarIn(timeZone: string): Calendar {
  const format = clockIn(timeZone);
  return (epochMs) => {
    const instantMs = Math.min(Math.max(epochMs, 0), LAST_MS);
    const local = localTime(format, instantMs);
    const date = `${local.year}-${twoDigits(local.month)}-${twoDigits(local.day)}`;
    const localMinuteMs = Date.UTC(local.year, local.month - 1, local.day, local.hour, local.minute);
    const offsetMinutes = (localMinuteMs - Math.floor(instantMs / MINUTE_MS) * MINUTE_MS) / MINUTE_MS;
    return {
      // With the offset: in autumn there are two hours with the same name.
      hourly: `${date} ${twoDigits(local.hour)}:00${offsetText(offsetMinutes)}`,
      daily: date,
      weekly: isoWeek(Date.UTC(local.year, local.month - 1, local.day)),
      monthly: date.slice(0, -3),
      yearly: String(local.year),
    };
  };
}

function clockIn(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
    });
  } catch (error) {
    throw new HoldfastError("USAGE", { message: `There is no time zone "${timeZone.slice(0, 80)}"`, cause: error });
  }
}

type LocalTime = Readonly<Record<"year" | "month" | "day" | "hour" | "minute", number>>;

function localTime(format: Intl.DateTimeFormat, epochMs: number): LocalTime {
  const time = { year: 0, month: 0, day: 0, hour: 0, minute: 0 };
  for (const { type, value } of format.formatToParts(epochMs)) {
    if (Object.hasOwn(time, type)) time[type as keyof LocalTime] = Number(value);
  }
  return time;
}

/** A week belongs to the year that its Thursday lies in. `dayMs` is midnight, UTC, of the local date. */
function isoWeek(dayMs: number): string {
  // 1970-01-01 was a Thursday. The sum keeps the remainder positive for the last hours of 1969 west of Greenwich.
  const daysSinceMonday = (Math.floor(dayMs / DAY_MS) + 3 + 7) % 7;
  const thursdayMs = dayMs + (3 - daysSinceMonday) * DAY_MS;
  const year = new Date(thursdayMs).getUTCFullYear();
  const week = Math.floor((thursdayMs - Date.UTC(year, 0, 1)) / (7 * DAY_MS)) + 1;
  return `${year}-W${twoDigits(week)}`;
}

function offsetText(minutes: number): string {
  const distance = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${twoDigits(Math.floor(distance / 60))}:${twoDigits(distance % 60)}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
