/** Numbers, sizes and times for people. The app's words are English, so its numbers and dates are too. */
const locale = globalThis.navigator?.language.startsWith("en") ? navigator.language : "en-GB";
const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
const dateAndTime = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export const number = (value: number): string => whole.format(value);

/** `1 row`, `1,200 rows`. */
export const count = (value: number, one: string, many: string): string => `${number(value)} ${value === 1 ? one : many}`;

/** A size in decimal units, as disks and networks count: `812 B`, `3.4 MB`. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  // 999.5 would be printed as 1,000.
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${(unit === 0 || size >= 100 ? whole : oneDigit).format(size)} ${units[unit]}`;
}

/** In the user's own zone. */
export const localTime = (time: string | Date): string => dateAndTime.format(new Date(time));

/** For comparing with logs: `2026-11-21 04:05:06 UTC`. */
export const utcTime = (time: string | Date): string => `${new Date(time).toISOString().slice(0, 19).replace("T", " ")} UTC`;

const steps: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** `5 minutes ago`, `yesterday`. */
export function ago(time: string | Date, now = Date.now()): string {
  const seconds = (new Date(time).getTime() - now) / 1000;
  for (const [unit, length] of steps) if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  return "just now";
}

/** Part of a whole in percent, rounded down: 100 means all. */
export const percent = (done: number, total: number): number => (total > 0 ? Math.min(100, Math.floor((done / total) * 100)) : 0);
