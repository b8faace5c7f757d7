"""Another implementation of Ed25519 agrees on who sealed an archive."""

import json
import os
import sqlite3
import subprocess
import tempfile
import unittest
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

COFFER = os.environ["COFFER_BIN"]
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
FOOTER_BYTES, SENDER_BYTES, PREFIX_BYTES, BLOCK_BYTES = 72, 96, 56, 1 << 20


def run(*command: str) -> dict:
    done = subprocess.run([COFFER, *command, "--json"], env=os.environ | {"PASSWORD": "pass"}, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def polymod(values) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check


def bech32(prefix: str, data: bytes) -> str:
    """BIP 173 without its length limit."""
    bits = "".join(f"{byte:08b}" for byte in data)
    values = [int(bits[at : at + 5].ljust(5, "0"), 2) for at in range(0, len(bits), 5)]
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = polymod(expanded + values + [0] * 6) ^ 1
    values += [check >> 5 * (5 - at) & 31 for at in range(6)]
    return prefix + "1" + "".join(BECH32[value] for value in values)


class Signed:
    """The parts of a sealed archive that its sender signs."""

    def __init__(self, file: bytes):
        self.file = file
        footer = file[-FOOTER_BYTES:]
        assert int.from_bytes(footer[4:8], "big") == SENDER_BYTES
        self.payload_len = footer[8:16]
        table_len = int.from_bytes(footer[16:24], "big")
        self.root = footer[32:64]
        start = int.from_bytes(file[10:12], "big") * 4096
        self.payload = file[start : start + int.from_bytes(self.payload_len, "big")]
        self.table = file[start + len(self.payload) :][:table_len]
        self.block_at = start + len(self.payload) + table_len
        self.block = file[self.block_at : self.block_at + SENDER_BYTES]
        assert self.block_at + SENDER_BYTES + FOOTER_BYTES == len(file)

    @property
    def message(self) -> bytes:
        return b"coffer/v1/sender\0" + self.payload[:PREFIX_BYTES] + self.payload_len + self.root


class SenderSignature(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.base = Path(cls.folder.name)
        database = sqlite3.connect(cls.base / "app.sqlite")
        database.execute("create table notes (id integer primary key, body blob)")
        database.executemany("insert into notes (body) values (?)", [(os.urandom(30_000),) for _ in range(50)])
        database.commit()
        database.close()
        # A key that somebody else's program has made.
        cls.key = Ed25519PrivateKey.generate()
        cls.public = cls.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        secret = bech32("coffer-sender-secret-", b"\1" + cls.key.private_bytes_raw()).upper()
        (cls.base / "sender").write_text(f"# made by Python\n{secret}\n")
        run(
            "backup", "--source", f"sqlite:{cls.base / 'app.sqlite'}", "--out", str(cls.base / "a.coffer"),
            "--sealed", "--password-env", "PASSWORD", "--sign-with", str(cls.base / "sender"),
        )
        cls.signed = Signed((cls.base / "a.coffer").read_bytes())

    def verify(self, file: bytes) -> dict:
        (self.base / "b.coffer").write_bytes(file)
        return run("verify", str(self.base / "b.coffer"), "--password-env", "PASSWORD")

    def test_names_are_made_alike(self):
        shown = run("sender", "show", str(self.base / "sender"))
        self.assertEqual(shown["sender"], bech32("coffer-sender", b"\1" + self.public))
        self.assertEqual(shown["fingerprint"], sha256(b"coffer/v1/fingerprint\3" + self.public).hexdigest()[:32])

    def test_the_signature_is_one_over_the_parts_that_the_format_names(self):
        self.assertEqual(self.signed.block[:32], self.public)
        Ed25519PublicKey.from_public_bytes(self.public).verify(self.signed.block[32:], self.signed.message)
        for at in range(0, len(self.signed.message), 7):
            changed = bytearray(self.signed.message)
            changed[at] ^= 1
            with self.assertRaises(InvalidSignature):
                Ed25519PublicKey.from_public_bytes(self.public).verify(self.signed.block[32:], bytes(changed))

    def test_the_table_names_every_megabyte_of_the_payload(self):
        blocks = [self.signed.payload[at : at + BLOCK_BYTES] for at in range(0, len(self.signed.payload), BLOCK_BYTES)]
        self.assertGreater(len(blocks), 1)
        self.assertEqual(self.signed.table, b"".join(sha256(block).digest() for block in blocks))
        self.assertEqual(self.signed.root, sha256(self.signed.table).digest())

    def test_what_python_signs_coffer_accepts(self):
        other = Ed25519PrivateKey.generate()
        public = other.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        block = public + other.sign(self.signed.message)
        at = self.signed.block_at
        verified = self.verify(self.signed.file[:at] + block + self.signed.file[at + SENDER_BYTES :])
        self.assertEqual(verified["sender"]["key"], bech32("coffer-sender", b"\1" + public))


if __name__ == "__main__":
    unittest.main()
