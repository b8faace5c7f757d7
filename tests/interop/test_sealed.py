"""Other people's implementations read what the command line writes."""

import io
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import unittest
import zipfile
from hashlib import sha256
from pathlib import Path

COFFER = os.environ["COFFER_BIN"]
OPEN_SEALED = str(Path(__file__).with_name("open_sealed.py"))
PASSWORD = "Grüße, 漢字 and a long tail of words"
ENVIRONMENT = os.environ | {"TEST_PASSWORD": PASSWORD, "OTHER_PASSWORD": "another one"}


def run(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, timeout=120, check=False)


class SealedArchive(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        base = Path(cls.folder.name)
        database = sqlite3.connect(base / "app.sqlite")
        database.execute("create table notes (id integer primary key, body text, picture blob)")
        cls.rows = [(number, f"note {number}\twith a tab, an é and\na line", bytes([number % 256]) * number) for number in range(3000)]
        database.executemany("insert into notes values (?, ?, ?)", cls.rows)
        database.commit()
        database.close()
        uploads = base / "uploads" / "ordner für α"
        uploads.mkdir(parents=True)
        cls.upload = os.urandom(20_000_000)
        (uploads / "large.bin").write_bytes(cls.upload)
        cls.sealed = str(base / "notes.coffer")
        done = run(
            COFFER, "backup", "--json", "--source", f"sqlite:{base / 'app.sqlite'}", "--files", f"uploads={base / 'uploads'}",
            "--out", cls.sealed, "--sealed", "--password-env", "TEST_PASSWORD",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        opened = run(sys.executable, OPEN_SEALED, cls.sealed, "--password-env", "TEST_PASSWORD")
        assert opened.returncode == 0, opened.stderr
        cls.plain = opened.stdout

    def test_the_content_is_what_coffer_unseals(self):
        plain = str(Path(self.folder.name) / "notes.zip")
        done = run(COFFER, "unseal", self.sealed, "--out", plain, "--password-env", "TEST_PASSWORD")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sha256(Path(plain).read_bytes()).digest(), sha256(self.plain).digest())

    def test_an_ordinary_zip_library_reads_every_entry(self):
        with zipfile.ZipFile(io.BytesIO(self.plain)) as archive:
            self.assertIsNone(archive.testzip())
            manifest = json.loads(archive.read("manifest.json"))
            self.assertEqual(archive.namelist()[-1], "manifest.json")
            table = next(table for table in manifest["tables"] if table["table"]["name"] == "notes")
            self.assertEqual(table["rows"], len(self.rows))
            lines = b""
            for number, part in enumerate(table["parts"], 1):
                text = archive.read(f"{table['path']}/{number:06}.tsv")
                self.assertEqual(sha256(text).hexdigest(), part["sha256"])
                header, _, rest = text.partition(b"\n")
                self.assertEqual(header, b"id\tbody\tpicture")
                lines += rest
            unescape = {ord("t"): b"\t", ord("n"): b"\n", ord("\\"): b"\\"}

            def value(field: bytes) -> bytes:
                out, at = b"", 0
                while at < len(field):
                    if field[at] == ord("\\"):
                        out += unescape[field[at + 1]]
                        at += 2
                    else:
                        out += field[at : at + 1]
                        at += 1
                return out

            read = []
            for line in lines.splitlines():
                number, body, picture = (value(field) for field in line.split(b"\t"))
                self.assertTrue(picture.startswith(b"\\x"))
                read.append((int(number), body.decode(), bytes.fromhex(picture[2:].decode())))
            self.assertEqual(sorted(read), self.rows)
            self.assertEqual(archive.read("files/uploads/ordner für α/large.bin"), self.upload)

    def test_another_password_is_told_so(self):
        done = run(sys.executable, OPEN_SEALED, self.sealed, "--password-env", "OTHER_PASSWORD")
        self.assertEqual((done.returncode, done.stderr), (1, b"wrong password\n"))
        done = run(COFFER, "inspect", self.sealed, "--password-env", "OTHER_PASSWORD")
        self.assertEqual(done.returncode, 3)

    def test_a_plain_archive_sealed_later_opens_too(self):
        base = Path(self.folder.name)
        (base / "again.zip").write_bytes(self.plain)
        done = run(COFFER, "seal", str(base / "again.zip"), "--out", str(base / "again.coffer"), "--password-env", "TEST_PASSWORD")
        self.assertEqual(done.returncode, 0, done.stderr)
        opened = run(sys.executable, OPEN_SEALED, str(base / "again.coffer"), "--password-env", "TEST_PASSWORD")
        self.assertEqual(sha256(opened.stdout).digest(), sha256(self.plain).digest())


if __name__ == "__main__":
    unittest.main()
