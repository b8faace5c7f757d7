import { describe, expect, it } from "vitest";
import { ago, bytes, count, percent, utcTime } from "./format";

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
    expect(utcTime("2026-11-21T04:05:06Z")).toBe("2026-11-21 04:05:06 UTC");
  });
});
