/** Archives of Nosdesk, Nojoin and DBackup: by the npm package, and on the page. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "@playwright/test";
import { buildPage, servePage } from "../page/serve.mjs";
import { expect, test } from "./support/test";

const sample = (name: string) => join(import.meta.dirname, "../samples", name);
const read = (name: string) => readFileSync(sample(name));
const password = "correct horse battery staple";

interface Expected {
  readonly file: string;
  readonly product: string;
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
  readonly fileBytes: number;
  readonly sensitive: boolean;
  /** Rows of some tables. */
  readonly counts: Readonly<Record<string, number>>;
  /** Codes and places of findings that must be there. */
  readonly findings: readonly string[];
  readonly sidecar?: string;
  readonly key?: string;
  readonly password?: string;
}

const nosdesk = {
  product: "nosdesk",
  tables: 101,
  rows: 429,
  files: 13,
  fileBytes: 7203,
  counts: { users: 12, tickets: 40, comments: 80, attachments: 7, audit_log: 7, csp_reports: 0 },
};
const dbackup = {
  product: "dbackup",
  tables: 12,
  rows: 40,
  files: 0,
  fileBytes: 0,
  counts: {
    SystemSetting: 14,
    CredentialProfile: 4,
    AdapterConfig: 6,
    Job: 2,
    JobDestination: 3,
    User: 2,
    Account: 2,
    EncryptionProfile: 2,
  },
};
const samples: readonly Expected[] = [
  {
    ...nosdesk,
    file: "nosdesk-plain.zip",
    sensitive: false,
    findings: [
      "missing_file attachments",
      "credentials_left_in tickets.guest_lookup_token",
      "credentials_left_in audit_log.after_jsonb.secret",
    ],
  },
  {
    ...nosdesk,
    file: "nosdesk-sensitive.zip",
    sensitive: true,
    password,
    findings: ["missing_file attachments", "wrapped users.mfa_secret"],
  },
  {
    file: "nojoin.zip",
    product: "nojoin",
    tables: 20,
    rows: 187,
    files: 15,
    fileBytes: 97_096,
    sensitive: true,
    counts: { users: 3, recordings: 12, recording_speakers: 36, people_tags: 6, transcripts: 12, documents: 4 },
    findings: [
      "missing_file recordings",
      "unsealed ",
      "credentials_left_in users.settings.providers[*].api_key",
      "in_flight recordings",
      "ids_in_json transcripts.segments[*].recording_speaker_id",
    ],
  },
  {
    ...dbackup,
    file: "dbackup.json.gz.enc",
    sensitive: true,
    sidecar: "dbackup.json.gz.enc.meta.json",
    key: "dbackup.key.hex",
    findings: ["own_key ", "left_out "],
  },
  { ...dbackup, file: "dbackup-no-secrets.json.gz", sensitive: false, findings: ["emptied ", "left_out "] },
];

/** A page with the npm package, and a file field for what it opens. */
async function library(browser: Browser) {
  await buildPage();
  const { origin, stop } = await servePage();
  const page = await browser.newPage();
  await page.goto(origin);
  await page.waitForSelector("html[data-ready]", { state: "attached" });
  return { page, stop };
}

/** Puts files into the page's file field, in the order in which they are named. */
const pick = (page: Page, files: readonly { name: string; bytes: Buffer }[]) =>
  page.locator("#files").setInputFiles(files.map(({ name, bytes }) => ({ name, mimeType: "application/octet-stream", buffer: bytes })));

test("every sample opens in the npm package with the counts and findings of its description", async ({ browser }) => {
  const { page, stop } = await library(browser);
  try {
    for (const expected of samples) {
      const names = [expected.file, ...(expected.sidecar ? [expected.sidecar] : []), ...(expected.key ? [expected.key] : [])];
      await pick(
        page,
        names.map((name) => ({ name, bytes: read(name) })),
      );
      const found = await page.evaluate(async ({ sidecar, key, password }) => {
        const [file, ...others] = [...(document.querySelector<HTMLInputElement>("#files")?.files ?? [])];
        if (!file) throw new Error("no file was picked");
        const beside = sidecar ? others.shift() : undefined;
        const archive = await coffer.openArchive(file, beside ? { sidecar: beside } : {});
        const locks = archive.locks.map(({ kind }) => kind);
        if (password) await archive.unlock(password);
        const keyFile = key ? others.shift() : undefined;
        if (keyFile) await archive.unlockWithKey(new Uint8Array(await keyFile.arrayBuffer()));
        const looked = await archive.survey();
        const overview = await archive.survey({ everything: true });
        const table = overview.tables.find(({ rows }) => rows > 1)?.name ?? "";
        const page = await archive.rows({ schema: "", name: table }, 1, 1);
        const first = overview.files.find(({ size }) => size > 0);
        const content = first && (await (await archive.file("", first.entry)).blob()).size;
        const manifest = await archive.manifest().catch((failure: { code: string }) => failure.code);
        archive.close();
        return {
          foreign: archive.foreign,
          sealed: archive.sealed,
          locks,
          looked: looked.files_read,
          overview,
          page,
          first,
          content,
          manifest,
        };
      }, expected);
      const { overview } = found;
      expect(found.foreign, expected.file).toBe(true);
      expect(found.sealed, expected.file).toBe(Boolean(expected.password || expected.key));
      expect(found.locks, expected.file).toEqual(expected.password ? ["password"] : expected.key ? ["profile_key"] : []);
      expect([found.looked, overview.files_read]).toEqual([false, true]);
      expect(overview.product, expected.file).toBe(expected.product);
      expect(overview.sensitive, expected.file).toBe(expected.sensitive);
      expect([overview.tables.length, overview.rows, overview.files.length], expected.file).toEqual([
        expected.tables,
        expected.rows,
        expected.files,
      ]);
      expect(overview.file_bytes, expected.file).toBe(expected.fileBytes);
      expect(overview.errors, expected.file).toBe(0);
      for (const [name, rows] of Object.entries(expected.counts))
        expect(overview.tables.find((table) => table.name === name)?.rows, `${expected.file} ${name}`).toBe(rows);
      const codes = overview.findings.map(({ code, place }) => `${code} ${place}`);
      for (const finding of expected.findings) expect(codes, expected.file).toContain(finding);
      expect(found.page.rows.length, expected.file).toBe(1);
      expect(found.page.columns.length, expected.file).toBeGreaterThan(1);
      expect(found.content, expected.file).toBe(found.first?.size);
      expect(found.manifest).toBe("foreign");
    }
  } finally {
    await page.close();
    await stop();
  }
});

test("what does not open says why, and can be tried again", async ({ browser }) => {
  const { page, stop } = await library(browser);
  try {
    const damaged = read("dbackup.json.gz.enc");
    damaged[2000] = (damaged[2000] ?? 0) ^ 1;
    await pick(page, [
      { name: "nosdesk.zip", bytes: read("nosdesk-sensitive.zip") },
      { name: "backup.json.gz.enc", bytes: read("dbackup.json.gz.enc") },
      { name: "backup.json.gz.enc.meta.json", bytes: read("dbackup.json.gz.enc.meta.json") },
      { name: "key.hex", bytes: read("dbackup.key.hex") },
      { name: "damaged.json.gz.enc", bytes: damaged },
      { name: "newer.zip", bytes: Buffer.concat([Buffer.from("NODB\x09\0\0\0"), Buffer.alloc(90)]) },
    ]);
    const found = await page.evaluate(async (password) => {
      const files = [...(document.querySelector<HTMLInputElement>("#files")?.files ?? [])] as [File, File, File, File, File, File];
      const [nosdesk, encrypted, sidecar, key, damaged, newer] = files;
      const code = (promise: Promise<unknown>) =>
        promise.then(
          () => "",
          (failure: { code: string }) => failure.code,
        );
      const sealed = await coffer.openArchive(nosdesk);
      const locked = await code(sealed.survey());
      const wrong = await code(sealed.unlock("wrong"));
      const right = await code(sealed.unlock(password));
      sealed.close();
      const backup = await coffer.openArchive(encrypted, { sidecar });
      const other = await code(backup.unlockWithKey("ab".repeat(32)));
      const none = await code(backup.unlockWithKey("no key"));
      const fits = await code(backup.unlockWithKey(await key.text()));
      backup.close();
      const broken = await coffer.openArchive(damaged, { sidecar });
      const tag = await code(broken.unlockWithKey(await key.text()));
      broken.close();
      const alone = await code(coffer.openArchive(encrypted));
      const version = await code(coffer.openArchive(newer));
      return { locked, wrong, right, other, none, fits, tag, alone, version };
    }, password);
    expect(found).toEqual({
      locked: "locked",
      wrong: "wrong_password_or_damaged",
      right: "",
      other: "no_key_fits",
      none: "key_malformed",
      fits: "",
      tag: "damaged",
      alone: "sidecar_missing",
      version: "unsupported_version",
    });
  } finally {
    await page.close();
    await stop();
  }
});

test("the page shows the product, its findings, its tables and their rows", async ({ app, page }) => {
  const names: Record<string, string> = { nosdesk: "Nosdesk", nojoin: "Nojoin", dbackup: "DBackup" };
  for (const expected of samples) {
    await page.goto(`${app.origin}/#/open`);
    const files = [expected.file, ...(expected.sidecar ? [expected.sidecar] : [])].map(sample);
    await page.getByLabel("Choose a file", { exact: true }).and(page.locator("input")).setInputFiles(files);
    if (expected.password) await app.unlock(expected.password);
    if (expected.key)
      await page.getByLabel("Choose the key file", { exact: true }).and(page.locator("input")).setInputFiles(sample(expected.key));
    await expect(page.getByRole("heading", { level: 1, name: names[expected.product] ?? "" })).toBeVisible();
    await expect(page.getByText(/^All rows were read, and the archive is what it promises/)).toBeVisible();
    await expect(page.locator("dl time"), expected.file).toHaveAttribute("title", /UTC$/);
    const shown = await app.tablesShown();
    expect(Object.keys(shown).length, expected.file).toBe(expected.tables);
    for (const [name, rows] of Object.entries(expected.counts)) expect(shown[name], `${expected.file} ${name}`).toBe(rows);
    const [table] = Object.entries(shown).find(([, rows]) => rows > 1) ?? [""];
    await page.getByRole("button", { name: table, exact: true }).click();
    await expect(page.getByRole("dialog").locator("tbody tr")).toHaveCount(Math.min(shown[table] ?? 0, 50));
    await page.keyboard.press("Escape");
    await app.tab("Findings").click();
    const levels = await page
      .getByRole("tabpanel")
      .locator("ul")
      .evaluateAll((lists) => lists.map((list) => list.dataset.level));
    expect(levels, expected.file).not.toContain("error");
    expect(levels, expected.file).toContain("note");
    await page.getByRole("button", { name: "Close this archive" }).click();
  }
});
