// Who sealed an archive, as the page tells it: by a signature that fits, or not at all.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { environment } from "./support/environment";
import { keysOf } from "./support/keys";
import { expect, test } from "./support/test";

const password = "Unterschrift unter dem Siegel";
const footerBytes = 72;
const senderBytes = 96;

function coffer(...args: string[]): { sender: string; fingerprint: string; recipient: string } {
  const env = { ...process.env, COFFER_TEST_PASSWORD: password };
  const out = execFileSync(environment.coffer, [...args, "--json"], { env, encoding: "utf8", stdio: "pipe", timeout: 120_000 });
  return JSON.parse(out);
}

test("the page says who sealed an archive, and warns before a restore where nobody did", async ({ app, page, server }, info) => {
  const at = (name: string) => info.outputPath(name);
  const sender = coffer("sender", "new", "--out", at("sender.key"));
  const { recipient } = coffer("key", "new", "--out", at("my.key"), "--type", "x25519");
  const backup = (name: string, ...to: string[]) =>
    coffer("backup", "--source", `sqlite:${server.database}`, "--out", at(name), "--sealed", ...to);
  backup("signed.coffer", "--password-env", "COFFER_TEST_PASSWORD", "--sign-with", at("sender.key"));
  backup("unsigned.coffer", "--recipient", recipient);
  backup("password.coffer", "--password-env", "COFFER_TEST_PASSWORD");

  await app.signIn(server.token);
  await app.pick(at("signed.coffer"));
  await app.unlock(password);
  await app.previewed();
  await expect(page.getByTestId("sender")).toHaveText(sender.fingerprint);
  await page.getByRole("button", { name: "Check everything" }).click();
  await expect(page.getByText("Everything is right")).toBeVisible({ timeout: 60_000 });

  await page.reload();
  await app.pick(at("unsigned.coffer"));
  await page.getByLabel("Choose the key file", { exact: true }).and(page.locator("input")).setInputFiles(at("my.key"));
  await app.previewed();
  await expect(page.getByTestId("sender")).toHaveText("It doesn’t say");
  await app.plan();
  await expect(page.getByText("Nobody signed this archive")).toBeVisible();

  // Whoever sealed it with a password knew the password.
  await page.reload();
  await app.pick(at("password.coffer"));
  await app.unlock(password);
  await app.previewed();
  await app.plan();
  await expect(page.getByText("The rows listed as going are deleted")).toBeVisible();
  await expect(page.getByText("Nobody signed this archive")).toHaveCount(0);
  await expect(page.getByText("signed by")).toHaveCount(0);
});

/** What somebody does who can open an archive: another first chunk, which authenticates. */
const forgery = `
import sys
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

source, out, payload_key = sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3])
file = bytearray(open(source, "rb").read())
start = int.from_bytes(file[10:12], "big") * 4096
length = min(int.from_bytes(file[-64:-56], "big") - 56, 16400)
info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\\0" + bytes(file[start : start + 24]) + b"coffer/v1"
derived = HKDFExpand(SHA512(), 76, info).derive(payload_key + bytes(32))
assert derived[44:] == file[start + 24 : start + 56]
cipher, nonce, chunk = AESGCM(derived[:32]), derived[32:44], slice(start + 56, start + 56 + length)
plain = bytearray(cipher.decrypt(nonce, bytes(file[chunk]), None))
plain[100] ^= 1
file[chunk] = cipher.encrypt(nonce, bytes(plain), None)
open(out, "wb").write(file)
`;

test("an archive that its sender did not sign like this is not opened", async ({ app }, info) => {
  const at = (name: string) => info.outputPath(name);
  coffer("sender", "new", "--out", at("sender.key"));
  const database = at("small.sqlite");
  execFileSync(environment.python, ["-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('create table t (a)')", database]);
  const seal = ["--sealed", "--password-env", "COFFER_TEST_PASSWORD", "--sign-with", at("sender.key")];
  coffer("backup", "--source", `sqlite:${database}`, "--out", at("good.coffer"), ...seal);
  const good = readFileSync(at("good.coffer"));
  const block = good.length - footerBytes - senderBytes;

  const forged = Buffer.from(good);
  forged[block + senderBytes - 10] = (forged[block + senderBytes - 10] ?? 0) ^ 1;
  writeFileSync(at("forged.coffer"), forged);
  await app.pick(at("forged.coffer"));
  expect(await app.problem()).toContain("not what its sender signed");

  const payloadKey = keysOf(at("good.coffer"), password).payload_key ?? Buffer.alloc(0);
  execFileSync(environment.python, ["-c", forgery, at("good.coffer"), at("rewritten.coffer"), payloadKey.toString("hex")]);
  await app.page.reload();
  await app.pick(at("rewritten.coffer"));
  await app.unlock(password);
  expect(await app.problem()).toContain("A part of this archive is not what its sender signed");

  const nobody = Buffer.from(good);
  nobody.fill(0, block, block + 32);
  writeFileSync(at("nobody.coffer"), nobody);
  await app.page.reload();
  await app.pick(at("nobody.coffer"));
  expect(await app.problem()).toContain("signature of this archive is damaged");
});
