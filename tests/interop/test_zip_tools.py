"""What Coffer writes is a ZIP to everybody: four programs list the same names in it and unpack the same bytes."""

import json
import os
import sqlite3
import tempfile
import unittest
import zipfile
from hashlib import sha256
from pathlib import Path

from zip_tools import TOOLS, run, tree

COFFER = os.environ["COFFER_BIN"]
MIB = 1 << 20
# More than 16 bits count, so that the end needs ZIP64 records.
MANY = 65_600


def noise(length: int) -> bytes:
    return os.urandom(length)


def back_up(folder: Path, name: str, files: dict[str, bytes], tables: int) -> str:
    """A plain archive of a database with some tables, and of files."""
    database = sqlite3.connect(folder / f"{name}.sqlite")
    for number in range(tables):
        database.execute(f'create table "t {number} é" (id integer primary key, body text)')
        database.executemany(f'insert into "t {number} é" values (?, ?)', ((row, f"row {row}\tü") for row in range(2_000)))
    database.commit()
    database.close()
    command = [COFFER, "backup", "--json", "--source", f"sqlite:{folder / name}.sqlite", "--out", str(folder / f"{name}.zip")]
    if files:
        uploads = folder / name
        for path, content in files.items():
            (uploads / path).parent.mkdir(parents=True, exist_ok=True)
            (uploads / path).write_bytes(content)
        command += ["--files", f"uploads={uploads}"]
    run(*command)
    return str(folder / f"{name}.zip")


class EveryProgramReadsTheSame(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.base = Path(cls.folder.name)

    def assert_same(self, archive: str, unpacked: bool = True) -> set[str]:
        """All programs agree with the manifest and with each other; the names that they list."""
        with zipfile.ZipFile(archive) as opened:
            manifest = json.loads(opened.read("manifest.json"))
            expected = {f"{table['path']}/{number:06}.tsv": part["sha256"] for table in manifest["tables"] for number, part in enumerate(table["parts"], 1)}
            if "files_index" in manifest:
                expected["index/files.tsv"] = manifest["files_index"]["sha256"]
                for line in opened.read("index/files.tsv").decode().splitlines()[1:]:
                    _, _, entry, _, digest, _, _ = line.split("\t")
                    expected[entry] = digest
            expected["manifest.json"] = sha256(opened.read("manifest.json")).hexdigest()
        order = TOOLS["zipfile"].names(archive)
        self.assertEqual(set(order), set(expected))
        for name, tool in TOOLS.items():
            with self.subTest(program=name):
                self.assertEqual(tool.names(archive), order)
                tool.check(archive)
                if unpacked:
                    with tempfile.TemporaryDirectory(dir=self.base) as folder:
                        tool.unpack(archive, f"{folder}/out")
                        self.assertEqual(tree(f"{folder}/out"), expected)
        return set(order)

    def test_rows_and_files_of_every_kind(self):
        files = {
            "empty": b"",
            "one": b"1",
            "text.txt": b"text that deflates " * 20_000,
            "noise.bin": noise(300_000),
            "large.txt": b"too large to be held in memory, and written as it comes\n" * (20 * MIB // 56),
            "large.bin": noise(17 * MIB),
            "Größe 漢字/🦀 é.txt": b"names of all kinds",
            "as on disk/100%, what? [a:b] *.txt": b"encoded in the archive",
            "dots and blanks. ": b"encoded too",
            "e\u0301.txt": b"not in normal form C",
            "nul.txt": b"a device elsewhere",
            "deep/" * 20 + "x" * 200: b"a long name",
        }
        names = self.assert_same(back_up(self.base, "kinds", files, tables=3))
        with zipfile.ZipFile(self.base / "kinds.zip") as opened:
            entries = {entry.filename.rsplit("/", 1)[-1]: entry for entry in opened.infolist()}
        # All that the format has is among them.
        self.assertEqual((entries["noise.bin"].compress_type, entries["noise.bin"].flag_bits), (zipfile.ZIP_STORED, 0x800))
        self.assertEqual((entries["text.txt"].compress_type, entries["text.txt"].flag_bits), (zipfile.ZIP_DEFLATED, 0x800))
        self.assertEqual((entries["large.txt"].compress_type, entries["large.txt"].flag_bits), (zipfile.ZIP_DEFLATED, 0x808))
        self.assertEqual((entries["large.bin"].compress_type, entries["large.bin"].flag_bits), (zipfile.ZIP_DEFLATED, 0x808))
        self.assertIn("files/uploads/Größe 漢字/🦀 é.txt", names)

    def test_nothing_but_a_manifest(self):
        self.assertEqual(self.assert_same(back_up(self.base, "nothing", {}, tables=0)), {"manifest.json"})

    def test_more_entries_than_16_bits_count(self):
        files = {f"{number % 100}/{number}": b"" for number in range(MANY)}
        names = self.assert_same(back_up(self.base, "many", files, tables=0), unpacked=False)
        self.assertEqual(len(names), MANY + 2)

    def test_what_was_sealed_and_unsealed(self):
        plain = back_up(self.base, "sealed", {"a.txt": b"a" * 1000}, tables=1)
        (self.base / "password").write_text("correct horse")
        password = ["--password-file", str(self.base / "password")]
        run(COFFER, "seal", plain, "--out", f"{plain}.coffer", *password)
        run(COFFER, "unseal", f"{plain}.coffer", "--out", f"{plain}.again.zip", *password)
        self.assert_same(f"{plain}.again.zip")


if __name__ == "__main__":
    unittest.main()
