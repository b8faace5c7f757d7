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

/** For an axis: `21 Nov`; `04:05` where all of it is within two days. */
export function axisTime(milliseconds: number, span: number): string {
  const moment = new Date(milliseconds);
  return span < 2 * 86_400_000
    ? moment.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" })
    : moment.toLocaleDateString(locale, { day: "numeric", month: "short" });
}

/** Hours, minutes and seconds in the user's own zone. */
export const clockTime = (time: string): string => new Date(time).toLocaleTimeString(locale, { timeStyle: "medium" });

/** For comparing with logs: `2026-11-21 04:05:06 UTC`. */
export const utcTime = (time: string | Date): string => `${new Date(time).toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** Whether a text is a moment as RFC 3339 writes it, with its zone. */
export const isMoment = (text: string): boolean =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/.test(text) && !Number.isNaN(Date.parse(text));

const steps: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** `5 minutes ago`, `yesterday`, `in 3 hours`. */
export function ago(time: string | Date, now = Date.now()): string {
  const seconds = (new Date(time).getTime() - now) / 1000;
  for (const [unit, length] of steps) if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  return seconds > 5 ? "in less than a minute" : "just now";
}

/** On the clocks of another place: `21 Nov 2026, 22:30`. */
export const timeIn = (zone: string, time: string): string =>
  new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", timeZone: zone }).format(new Date(time));

const spans: readonly [unit: string, seconds: number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** How long something takes, in its two largest units: `under a second`, `0.4 sec`, `42 sec`, `3 min 5 sec`, `2 hr`. */
export const duration = (seconds: number): string => (seconds < 0.05 ? "under a second" : spanText(seconds, "short"));

/** The same where there is little room: `3m 5s`. */
export const shortDuration = (seconds: number): string => spanText(seconds, "narrow");

function spanText(seconds: number, unitDisplay: "short" | "narrow"): string {
  const unit = (value: number, name: string, digits = 0) =>
    new Intl.NumberFormat(locale, { style: "unit", unit: name, unitDisplay, maximumFractionDigits: digits }).format(value);
  if (seconds < 9.95) return unit(seconds, "second", 1);
  let rest = Math.round(seconds);
  const parts: string[] = [];
  for (const [name, length] of spans) {
    const whole = Math.floor(rest / length);
    rest -= whole * length;
    if (whole > 0) parts.push(unit(whole, name));
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** Part of a whole in percent, rounded down: 100 means all. */
export const percent = (done: number, total: number): number => (total > 0 ? Math.min(100, Math.floor((done / total) * 100)) : 0);
