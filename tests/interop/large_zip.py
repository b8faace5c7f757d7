"""An archive of more than 4 GiB: every program lists it, checks it, and unpacks what lies behind the first 4 GiB."""

import os
import sys
import tempfile
import zipfile
from pathlib import Path

from test_zip_tools import COFFER, MIB
from zip_tools import TOOLS, run

OVER = 4_300  # MiB


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = folder / "files"
        files.mkdir()
        # Content of more than 32 bits that deflates well, and content that does not, so that offsets need 64 bits too.
        with (files / "1 zeros").open("wb") as file:
            file.truncate(OVER * MIB)
        with (files / "2 noise").open("wb") as file:
            for _ in range(OVER):
                file.write(os.urandom(MIB))
        (files / "3 small").write_bytes(b"behind all that")
        (folder / "empty.sqlite").touch()
        archive = str(folder / "large.zip")
        run(COFFER, "backup", "--json", "--source", f"sqlite:{folder}/empty.sqlite", "--files", f"up={files}", "--out", archive)
        with zipfile.ZipFile(archive) as opened:
            order = opened.namelist()
            offset = opened.getinfo("files/up/3 small").header_offset
            assert opened.getinfo("files/up/1 zeros").file_size == OVER * MIB
            assert offset > 1 << 32, offset
            assert opened.read("files/up/3 small") == b"behind all that"
        for program, tool in TOOLS.items():
            assert tool.names(archive) == order, program
            tool.check(archive)
            print(f"{program}: {len(order)} entries, all well")


if __name__ == "__main__":
    sys.exit(main())
