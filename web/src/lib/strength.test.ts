import { expect, test } from "vitest";
import { strengthOf } from "./strength";

test("what everybody types is told from what nobody guesses", () => {
  expect(strengthOf("password")).toEqual({ score: 0, weakness: "topTen" });
  expect(strengthOf("qwertyuiop").score).toBeLessThan(2);
  expect(strengthOf("Backup2026").score).toBeLessThan(3);
  // A word of the word list by itself, however it is written.
  expect(strengthOf("abdomen").score).toBeLessThan(2);
  expect(strengthOf("clench plywood dismay overcoat").score).toBe(4);
  expect(strengthOf("ohne Netz und ohne Server").score).toBe(4);
});

test("no password holds the page up", () => {
  for (const password of ["a".repeat(10_000), "p4$$w0rd".repeat(500), "ab1!".repeat(2000)]) {
    const start = performance.now();
    strengthOf(password);
    expect(performance.now() - start, password.slice(0, 12)).toBeLessThan(1000);
  }
});
