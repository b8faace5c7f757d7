import type { FileEntry } from "@coffer/archive";
import { expect, test } from "vitest";
import { found, listing, wayTo } from "./folders";

const file = (set: string, path: string, size = 1): FileEntry => ({ set, path, size, mode: 0o644, mtime: 0, sha256: "" });
const files = [
  file("up", "b.txt", 2),
  file("up", "a/10.txt", 3),
  file("up", "a/9.txt", 4),
  file("up", "a/deep/x.txt", 5),
  file("up2", "y.txt"),
];

test("folders come first, with all that lies in them, and files in the order of their names", () => {
  expect(listing(files, "")).toEqual([
    { kind: "folder", name: "up", path: "up/", files: 4, bytes: 14 },
    { kind: "folder", name: "up2", path: "up2/", files: 1, bytes: 1 },
  ]);
  expect(listing(files, "up/a/").map((item) => (item.kind === "folder" ? item.path : item.file.path))).toEqual([
    "up/a/deep/",
    "a/9.txt",
    "a/10.txt",
  ]);
  expect(listing(files, "up/nothing/")).toEqual([]);
});

test("what is searched is searched below the folder, and in the path only", () => {
  const paths = (folder: string, text: string) => found(files, folder, text).map((item) => item.file.path);
  expect(paths("", "TXT")).toHaveLength(5);
  expect(paths("up/a/", "x")).toEqual(["a/10.txt", "a/9.txt", "a/deep/x.txt"]);
  expect(paths("", "up2")).toEqual([]);
});

test("the way to a folder", () => {
  expect(wayTo("")).toEqual([]);
  expect(wayTo("up/a/")).toEqual([
    { name: "up", path: "up/" },
    { name: "a", path: "up/a/" },
  ]);
});
