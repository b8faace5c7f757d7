import { describe, expect, it } from "vitest";
import { ago, bytes, count, duration, isMoment, percent, timeIn, utcTime } from "./format";

describe("format", () => {
  it("writes sizes in decimal units and never as 1,000 of one", () => {
    const sizes = [0, 812, 1_000, 3_440_000, 999_499, 999_500, 2_147_483_648];
    expect(sizes.map(bytes)).toEqual(["0 B", "812 B", "1 kB", "3.4 MB", "999 kB", "1 MB", "2.1 GB"]);
  });

  it("counts", () => {
    expect(count(1, "row", "rows")).toBe("1 row");
    expect(count(1200, "row", "rows")).toBe("1,200 rows");
    expect(percent(999, 1000)).toBe(99);
    expect(percent(0, 0)).toBe(0);
  });

  it("tells times", () => {
    const now = Date.UTC(2026, 10, 21, 12);
    expect(ago("2026-11-21T11:59:40Z", now)).toBe("just now");
    expect(ago("2026-11-21T11:55:00Z", now)).toBe("5 minutes ago");
    expect(ago("2026-11-20T10:00:00Z", now)).toBe("yesterday");
    expect(ago("2026-11-21T12:00:40Z", now)).toBe("in less than a minute");
    expect(ago("2026-11-21T15:10:00Z", now)).toBe("in 3 hours");
    expect(timeIn("America/New_York", "2026-11-21T12:00:00Z")).toContain("07:00");
    expect(utcTime("2026-11-21T04:05:06Z")).toBe("2026-11-21 04:05:06 UTC");
  });

  it("knows a moment from what only looks like one", () => {
    for (const moment of ["2026-11-21T01:50:34.517151+00:00", "2026-11-21T04:05:06Z", "2026-11-21T04:05:06.123-0330"])
      expect(isMoment(moment), moment).toBe(true);
    // Without a zone nobody knows when that was; and no product has its backups made in a thirteenth month.
    for (const other of ["2026-11-21T01:50:34", "2026-13-21T01:50:34Z", "2026-11-21", "3.2.0", ""])
      expect(isMoment(other), other).toBe(false);
  });

  it("tells durations in their two largest units", () => {
    // How units are shortened differs from one English to the next.
    const told = [0.04, 0.44, 9.94, 9.96, 59.6, 185, 3600, 3605, 7800, 90_000].map((seconds) =>
      duration(seconds)
        .replaceAll("\u00a0", " ")
        .replaceAll(/(sec|min|hr)s\b/g, "$1"),
    );
    expect(told).toEqual([
      "under a second",
      "0.4 sec",
      "9.9 sec",
      "10 sec",
      "1 min",
      "3 min 5 sec",
      "1 hr",
      "1 hr",
      "2 hr 10 min",
      "1 day 1 hr",
    ]);
  });
});
