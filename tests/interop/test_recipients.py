"""Keys and headers of other people's making: Coffer opens what Python sealed a file key to, and the other way round."""

import base64
import hmac
import io
import os
import sqlite3
import subprocess
import tempfile
import unittest
import zipfile
from pathlib import Path

from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sealed import MAGIC, Archive, Failure, SecretKey, bech32, expand, to_bech32

COFFER = os.environ["COFFER_BIN"]
ENVIRONMENT = os.environ | {"OLD_PASSWORD": "before", "NEW_PASSWORD": "after"}
KEMS = {"mlkem768x25519": KEM.MLKEM768_X25519, "x25519": KEM.X25519}


def coffer(*arguments: str) -> str:
    done = subprocess.run([COFFER, *arguments], env=ENVIRONMENT, capture_output=True, timeout=120, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def stanza(key: SecretKey, file_key: bytes) -> str:
    """Gives the file key to a key pair (sections 3.3.2 and 3.3.3)."""
    suite = Suite(KEMS[key.kind], KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    sealed = suite.encrypt(file_key, key.private().public_key(), b"coffer/v1/" + key.kind.encode())
    # Ciphertext of 32 bytes, tag of 16.
    encapsulated, body = sealed[:-48], sealed[-48:]
    return f"-> {key.kind} {key.fingerprint()} {b64(encapsulated)}\n{b64(body)}\n\n"


def header(stanzas: list[str], file_key: bytes, units: int) -> bytes:
    """A header block (section 3.2)."""
    text = "".join(stanzas)
    fixed = MAGIC + b"\0\1" + units.to_bytes(2, "big") + (len(text) + 48).to_bytes(4, "big")
    covered = fixed + text.encode() + b"---"
    mac = hmac.digest(expand(file_key, b"coffer/v1/header", 32), covered, "sha256")
    return (covered + b" " + b64(mac).encode() + b"\n").ljust(units * 4096, b"\0")


def file_key_of(path: str, **key: str) -> bytes:
    with open(path, "rb") as file:
        return Archive(file).unlock(key, {})


def content_of(path: str, **key: str) -> bytes:
    with open(path, "rb") as file:
        archive = Archive(file)
        return b"".join(archive.content(archive.unlock(key, {})))


class Recipients(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        database = sqlite3.connect(self.folder / "app.sqlite")
        database.execute("create table notes (id integer primary key, body text)")
        database.executemany("insert into notes values (?, ?)", [(number, f"note {number}") for number in range(2000)])
        database.commit()
        database.close()

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def backup(self, *to: str) -> str:
        source = f"sqlite:{self.path('app.sqlite')}"
        coffer("backup", "--source", source, "--out", self.path("a.coffer"), "--sealed", *to)
        return self.path("a.coffer")

    def key(self, name: str, kind: str) -> SecretKey:
        coffer("key", "new", "--out", self.path(name), "--type", kind)
        lines = Path(self.path(name)).read_text().splitlines()
        return SecretKey.parse(next(line for line in lines if not line.startswith("#")))

    def test_a_key_of_pythons_making_is_sealed_to_and_opens(self):
        secret = SecretKey("x25519", os.urandom(32))
        public = secret.private().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        secret_text = to_bech32("coffer-secret-key-", b"\2" + secret.secret).upper()
        archive = self.backup("--recipient", to_bech32("coffer", b"\2" + public))
        content = content_of(archive, identity=secret_text)
        with zipfile.ZipFile(io.BytesIO(content)) as found:
            self.assertIsNone(found.testzip())
        Path(self.path("python.key")).write_text(f"# made by Python\n{secret_text}\n")
        coffer("verify", archive, "--identity", self.path("python.key"))
        self.assertEqual(coffer("key", "fingerprint", self.path("python.key")).strip(), secret.fingerprint())

    def test_a_key_of_coffers_making_reads_as_specified(self):
        for kind, number, length in (("x25519", 2, 32), ("mlkem768x25519", 1, 1216)):
            secret = self.key(f"{kind}.key", kind)
            self.assertEqual(secret.kind, kind)
            prefix, data = bech32(coffer("key", "show", self.path(f"{kind}.key")).strip())
            self.assertEqual((prefix, data[0], len(data)), ("coffer", number, length + 1))
            self.assertEqual(coffer("key", "fingerprint", self.path(f"{kind}.key")).strip(), secret.fingerprint())

    def test_a_header_of_pythons_making_opens_with_coffers_keys(self):
        keys = {kind: self.key(f"{kind}.key", kind) for kind in KEMS}
        archive = self.backup("--password-env", "OLD_PASSWORD")
        before = content_of(archive, password="before")
        file_key = file_key_of(archive, password="before")
        block = header([stanza(key, file_key) for key in keys.values()], file_key, 1)
        with open(archive, "r+b") as file:
            file.write(block)
        for kind in keys:
            coffer("verify", archive, "--identity", self.path(f"{kind}.key"))
        # … and Coffer changes who opens it from there.
        coffer("rekey", archive, "--identity", self.path("x25519.key"), "--replace-all", "--new-password-env", "NEW_PASSWORD")
        self.assertEqual(file_key_of(archive, password="after"), file_key)
        self.assertEqual(content_of(archive, password="after"), before)
        with self.assertRaises(Failure) as refused:
            file_key_of(archive, password="before")
        self.assertEqual(refused.exception.code, "wrong_password")


if __name__ == "__main__":
    unittest.main()
