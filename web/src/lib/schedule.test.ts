import { expect, test } from "vitest";
import { type Choice, choiceOf, patternOf, startOf, zones } from "./schedule";

const known: readonly [string | null, Choice][] = [
  [null, { kind: "by_hand" }],
  ["15 * * * *", { kind: "hourly", minute: 15 }],
  ["30 3 * * *", { kind: "daily", time: "03:30" }],
  ["0 22 * * 1,5,0", { kind: "weekly", time: "22:00", days: [1, 5, 0] }],
  ["5 0 28 * *", { kind: "monthly", time: "00:05", day: 28 }],
];

test("each choice has its pattern, and is known again by it", () => {
  for (const [pattern, choice] of known) {
    expect(patternOf(choice)).toBe(pattern);
    expect(choiceOf(pattern)).toEqual(choice);
  }
});

test("a pattern that is none of the choices stays as it was written", () => {
  const others = [
    "*/15 * * * *",
    "0 3 29 * *",
    "0 3 1 1 *",
    "0 3 1 * 1",
    "60 3 * * *",
    "0 24 * * *",
    "0 3 * * 7",
    "0 3 * * 1,1",
    "0 3 * * 1-5",
    "0 3 0 * *",
    "0 3 * *",
    "0 3 * * * *",
    "@daily",
    "",
  ];
  for (const pattern of others) {
    expect(choiceOf(pattern), pattern).toEqual({ kind: "pattern", pattern });
    expect(patternOf(choiceOf(pattern))).toBe(pattern);
  }
});

test("another kind keeps the time that was chosen, and a pattern starts from what it replaces", () => {
  expect(startOf("weekly", { kind: "daily", time: "04:05" })).toEqual({ kind: "weekly", time: "04:05", days: [0] });
  expect(startOf("pattern", { kind: "daily", time: "04:05" })).toEqual({ kind: "pattern", pattern: "5 4 * * *" });
});

test("a zone that the browser does not list can be chosen where it is in use", () => {
  const listed = zones(["Mars/Olympus"]);
  expect(listed.get("Mars")).toEqual(["Mars/Olympus"]);
  expect(listed.get("")).toContain("UTC");
  expect(listed.get("Europe")).toContain("Europe/Berlin");
});
