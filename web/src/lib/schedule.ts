/** The schedules that people choose without writing a pattern, and the patterns that stand for them. What a pattern means, the server says. */

/** As cron counts: 0 is Sunday. Weeks begin on Monday here. */
export const weekdays = [1, 2, 3, 4, 5, 6, 0] as const;
export type Weekday = (typeof weekdays)[number];

export type Choice =
  | { readonly kind: "by_hand" }
  | { readonly kind: "hourly"; readonly minute: number }
  /** `time` is `HH:MM`, as a time field has it. */
  | { readonly kind: "daily"; readonly time: string }
  | { readonly kind: "weekly"; readonly time: string; readonly days: readonly Weekday[] }
  /** Days up to the 28th come in every month. */
  | { readonly kind: "monthly"; readonly time: string; readonly day: number }
  | { readonly kind: "pattern"; readonly pattern: string };

export type Kind = Choice["kind"];

const clock = (time: string): string => {
  const [hour, minute] = time.split(":").map(Number);
  return `${minute ?? 0} ${hour ?? 0}`;
};

/** The pattern of a choice; `null` for none. */
export function patternOf(choice: Choice): string | null {
  switch (choice.kind) {
    case "by_hand":
      return null;
    case "hourly":
      return `${choice.minute} * * * *`;
    case "daily":
      return `${clock(choice.time)} * * *`;
    case "weekly":
      return `${clock(choice.time)} * * ${weekdays.filter((day) => choice.days.includes(day)).join(",")}`;
    case "monthly":
      return `${clock(choice.time)} ${choice.day} * *`;
    case "pattern":
      return choice.pattern.trim();
  }
}

const within = (text: string, last: number): number | undefined => {
  const value = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  return value <= last ? value : undefined;
};
const two = (value: number) => String(value).padStart(2, "0");

/** The choice that a pattern stands for; any that is none of ours stays a pattern. */
export function choiceOf(pattern: string | null): Choice {
  if (pattern === null) return { kind: "by_hand" };
  const other: Choice = { kind: "pattern", pattern };
  const [minutes = "", hours = "", days, months, weekday = "", ...more] = pattern.trim().split(/\s+/);
  const minute = within(minutes, 59);
  if (minute === undefined || months !== "*" || more.length > 0) return other;
  if (hours === "*") return days === "*" && weekday === "*" ? { kind: "hourly", minute } : other;
  const hour = within(hours, 23);
  if (hour === undefined) return other;
  const time = `${two(hour)}:${two(minute)}`;
  if (days === "*" && weekday === "*") return { kind: "daily", time };
  if (days === "*") {
    const listed = weekday.split(",").map((day) => within(day, 6));
    const named = weekdays.filter((day) => listed.includes(day));
    return named.length === listed.length ? { kind: "weekly", time, days: named } : other;
  }
  const day = within(days ?? "", 28);
  return day !== undefined && day > 0 && weekday === "*" ? { kind: "monthly", time, day } : other;
}

/** What somebody starts from who chooses a kind. */
export function startOf(kind: Kind, before: Choice): Choice {
  const time = "time" in before ? before.time : "03:30";
  switch (kind) {
    case "by_hand":
      return { kind };
    case "hourly":
      return { kind, minute: 15 };
    case "daily":
      return { kind, time };
    case "weekly":
      return { kind, time, days: [0] };
    case "monthly":
      return { kind, time, day: 1 };
    case "pattern":
      return { kind, pattern: patternOf(before) ?? "30 3 * * *" };
  }
}

/** The zone that this machine's clock shows. */
export const ownZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** All zones that the browser knows, by region, and those that are in use. */
export function zones(used: readonly string[]): Map<string, string[]> {
  const names = new Set([...Intl.supportedValuesOf("timeZone"), ...used, "UTC"]);
  const regions = new Map<string, string[]>();
  for (const name of [...names].sort()) {
    const region = name.includes("/") ? (name.split("/")[0] ?? "") : "";
    regions.set(region, [...(regions.get(region) ?? []), name]);
  }
  return regions;
}
