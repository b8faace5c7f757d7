import { describe, expect, it } from "vitest";
import { cut, plain, saveName, visible } from "./visible";

describe("visible", () => {
  it("leaves ordinary text alone, in any script", () => {
    for (const text of ["plain", "Zürich", "日本語", "مرحبا", "می‌خواهم", "👩‍👩‍👧", ""]) expect(plain(text)).toBe(text);
  });

  it("shows what steers direction instead of letting it act", () => {
    expect(plain("photo\u202egnp.exe")).toBe("photoU+202Egnp.exe");
    expect(visible("a\u2066b")).toEqual([
      { kind: "text", text: "a" },
      { kind: "sign", text: "U+2066", name: "U+2066" },
      { kind: "text", text: "b" },
    ]);
  });

  it("shows controls, line ends and characters of no width", () => {
    expect(plain("a\0b\nc\td\re\u007ff\u200bg\u{e0041}")).toBe("aU+0000b↵c⇥dU+000DeU+007FfU+200BgU+E0041");
  });
});

describe("cut", () => {
  it("never halves a character", () => {
    expect(cut("ab😀cd", 3)).toEqual({ text: "ab", rest: 4 });
    expect(cut("ab😀cd", 4)).toEqual({ text: "ab😀", rest: 2 });
    expect(cut("ab", 2)).toEqual({ text: "ab", rest: 0 });
  });
});

describe("saveName", () => {
  it("is one segment that hides nothing", () => {
    expect(saveName("2024/Angebot Müller.pdf")).toBe("Angebot Müller.pdf");
    expect(saveName("a/photo\u202egnp.exe")).toBe("photo_gnp.exe");
    expect(saveName('x/..\\a:b*"')).toBe(".._a_b__");
  });
});
