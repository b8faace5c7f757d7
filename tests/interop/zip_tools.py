"""Four programs that read ZIPs, none of them ours, behind one interface: list, and unpack."""

import os
import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path

# Names are UTF-8 whatever the machine's language.
ENVIRONMENT = os.environ | {"LC_ALL": "C.UTF-8"}


def run(*command: str, cwd: str | None = None) -> str:
    done = subprocess.run(command, env=ENVIRONMENT, cwd=cwd, capture_output=True, timeout=3600, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} failed: {done.stdout[-2000:]!r} {done.stderr[-2000:]!r}")
    return done.stdout.decode()


class Python:
    @staticmethod
    def names(archive: str) -> list[str]:
        with zipfile.ZipFile(archive) as opened:
            return opened.namelist()

    @staticmethod
    def check(archive: str) -> None:
        with zipfile.ZipFile(archive) as opened:
            if damaged := opened.testzip():
                raise AssertionError(f"zipfile says that {damaged!r} is damaged")

    @staticmethod
    def unpack(archive: str, folder: str) -> None:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder)


class Unzip:
    program = os.environ.get("COFFER_UNZIP", "unzip")

    @classmethod
    def names(cls, archive: str) -> list[str]:
        return run(cls.program, "-Z1", archive).splitlines()

    @classmethod
    def check(cls, archive: str) -> None:
        said = run(cls.program, "-tqq", archive)
        if said:
            raise AssertionError(f"unzip says: {said}")

    @classmethod
    def unpack(cls, archive: str, folder: str) -> None:
        run(cls.program, "-qq", archive, "-d", folder)


class SevenZip:
    program = os.environ.get("COFFER_7Z", "7z")

    @classmethod
    def names(cls, archive: str) -> list[str]:
        lines = run(cls.program, "l", "-slt", "-ba", "-sccUTF-8", archive).splitlines()
        return [line.removeprefix("Path = ") for line in lines if line.startswith("Path = ")]

    @classmethod
    def check(cls, archive: str) -> None:
        said = run(cls.program, "t", "-sccUTF-8", archive)
        # It warns of what it tolerates: bytes too many, headers that differ.
        if "Everything is Ok" not in said or "arning" in said:
            raise AssertionError(f"7-Zip says: {said}")

    @classmethod
    def unpack(cls, archive: str, folder: str) -> None:
        run(cls.program, "x", "-y", f"-o{folder}", archive)


class Bsdtar:
    program = os.environ.get("COFFER_BSDTAR", "bsdtar")

    @classmethod
    def names(cls, archive: str) -> list[str]:
        return run(cls.program, "-tf", archive).splitlines()

    @classmethod
    def check(cls, archive: str) -> None:
        with open(os.devnull, "wb") as nowhere:
            done = subprocess.run(
                [cls.program, "-xOf", archive], env=ENVIRONMENT, stdout=nowhere, stderr=subprocess.PIPE, timeout=3600, check=False
            )
        if done.returncode != 0 or done.stderr:
            raise AssertionError(f"bsdtar says: {done.stderr.decode()}")

    @classmethod
    def unpack(cls, archive: str, folder: str) -> None:
        Path(folder).mkdir()
        run(cls.program, "-xf", archive, "-C", folder)


TOOLS = {"zipfile": Python, "unzip": Unzip, "7-Zip": SevenZip, "bsdtar": Bsdtar}


def digest(path: Path) -> str:
    hasher = sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            hasher.update(piece)
    return hasher.hexdigest()


def tree(folder: str) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path."""
    base = Path(folder)
    return {path.relative_to(base).as_posix(): digest(path) for path in base.rglob("*") if path.is_file()}
