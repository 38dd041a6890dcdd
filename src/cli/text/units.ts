// Sizes, counts, durations and times, as a person reads them.

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] as const;

/** 512 B, 1.5 KiB, 12.0 GiB. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  let value = bytes / 1024;
  let unit = 0;
  // What would be shown as 1024.0 KiB is 1.0 MiB.
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(1)} ${UNITS[unit]}`;
}

/** 1,234,567: the same in every locale, as all output is. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** "1 file", "2 files", "1,000 entries". */
export function counted(count: number, singular: string, plural = `${singular}s`): string {
  return `${formatCount(count)} ${count === 1 ? singular : plural}`;
}

/** How long something took: 0.4 s, 59.9 s, 12 min 05 s, 3 h 20 min. */
export function formatDuration(milliseconds: number): string {
  const tenths = Math.round(milliseconds / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${twoDigits(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
}

/** How long something will take, short and steady in width: 0:05, 12:34, 1:02:33. */
export function formatRemaining(seconds: number): string {
  const whole = Math.ceil(seconds);
  const minutes = Math.floor(whole / 60);
  const end = twoDigits(whole % 60);
  return minutes < 60 ? `${minutes}:${end}` : `${Math.floor(minutes / 60)}:${twoDigits(minutes % 60)}:${end}`;
}

/** 2026-11-20 14:03:22 in local time. Times that no calendar here reaches are shown as seconds since 1970. */
export function formatTime(epochMs: number): string {
  const time = new Date(epochMs);
  if (Number.isNaN(time.getTime())) return `@${Math.floor(epochMs / 1000)}`;
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(twoDigits).join(":");
  return `${formatDay(epochMs)} ${clock}`;
}

/** 2026-11-20 in local time. */
export function formatDay(epochMs: number): string {
  const time = new Date(epochMs);
  if (Number.isNaN(time.getTime())) return `@${Math.floor(epochMs / 1000)}`;
  return [time.getFullYear(), twoDigits(time.getMonth() + 1), twoDigits(time.getDate())].join("-");
}

/** 2026-11-20T13:03:22.123Z, for programs. */
export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

/** 2026-11-20T13:03:22.123456789Z; undefined where ISO 8601 has no year for it. */
export function isoTimeNanoseconds(seconds: number, nanoseconds: number): string | undefined {
  const time = new Date(seconds * 1000);
  if (Number.isNaN(time.getTime())) return undefined;
  return time.toISOString().replace(/\.\d+Z$/, `.${String(nanoseconds).padStart(9, "0")}Z`);
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
