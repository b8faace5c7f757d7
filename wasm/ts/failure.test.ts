import { describe, expect, it } from "vitest";
import { ArchiveFailure, isCofferError, toCofferError } from "./failure.js";

describe("what the worker throws", () => {
  it("is a finding if the core named it", () => {
    const finding = { code: "chunk_damaged", message: "…", chunk: 7 };
    expect(isCofferError(finding)).toBe(true);
    expect(toCofferError(finding)).toBe(finding);
    expect(toCofferError(new ArchiveFailure({ code: "locked", message: "…" }))).toEqual({ code: "locked", message: "…" });
  });

  it("is a crash if nobody did", () => {
    for (const thrown of [new Error("unreachable"), "text", undefined, { code: 7 }])
      expect(toCofferError(thrown).code).toBe("worker_crashed");
    expect(toCofferError(new TypeError("x is no function")).message).toContain("TypeError: x is no function");
  });

  it("tells its code apart for programs", () => {
    const failure = new ArchiveFailure({ code: "chunk_damaged", message: "damaged", chunk: 3, offset: 53_336 });
    expect(failure.message).toBe("damaged");
    expect(failure.reason.code === "chunk_damaged" && failure.reason.chunk).toBe(3);
  });
});
