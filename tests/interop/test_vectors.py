"""The vectors in tests/vectors, by a reader that was written from the specification: a test for each file."""

import io
import unittest
import zlib
from hashlib import sha256
from pathlib import Path

from sealed import Archive, Failure, Stream

FOLDER = Path(__file__).parent.parent / "vectors"


class Vector:
    def __init__(self, path: Path):
        head, _, body = path.read_bytes().partition(b"\n\n")
        self.fields = dict(line.split(": ", 1) for line in head.decode().split("\n"))
        self.sealed = zlib.decompress(body) if self.fields.get("compressed") == "zlib" else body
        self.key = {name: self.fields[name] for name in ("password", "identity", "file key") if name in self.fields}

    def expected(self, mode: str) -> dict:
        code = self.fields.get(f"{mode}expect", self.fields["expect"])
        payload = self.fields.get(f"{mode}payload", self.fields["payload"])
        return {"code": code, "payload": payload, "sender": self.fields.get("sender") if code == "success" else None}


def found(pieces) -> dict:
    """What reading gives: `pieces` yields content and returns the sender."""
    digest, code, sender = sha256(), "success", None
    try:
        while True:
            digest.update(next(pieces))
    except StopIteration as end:
        sender = end.value
    except Failure as failure:
        code = failure.code
    return {"code": code, "payload": digest.hexdigest(), "sender": sender}


def random(vector: Vector):
    archive = Archive(io.BytesIO(vector.sealed))
    yield from archive.content(archive.unlock(vector.key))
    return archive.sender


def sequential(vector: Vector, most: int):
    source = io.BytesIO(vector.sealed)
    stream = Stream(lambda size: source.read(min(size, most)))
    yield from stream.content(vector.key)
    return stream.sender


def scrub(vector: Vector) -> str:
    try:
        damaged = Archive(io.BytesIO(vector.sealed)).scrub()
    except Failure as failure:
        return failure.code
    return f"damaged {' '.join(map(str, damaged))}" if damaged else "ok"


class Vectors(unittest.TestCase):
    pass


def test_of(path: Path):
    def test(self: unittest.TestCase) -> None:
        vector = Vector(path)
        self.assertEqual(found(random(vector)), vector.expected(""), "random access")
        self.assertEqual(found(sequential(vector, 1 << 20)), vector.expected("sequential "), "sequential")
        if len(vector.sealed) < 100_000:
            self.assertEqual(found(sequential(vector, 1)), vector.expected("sequential "), "byte by byte")
        self.assertEqual(scrub(vector), vector.fields["scrub"], "without a key")

    return test


names = [path.name for path in sorted(FOLDER.iterdir()) if path.name != "README.md"]
if len(names) < 80:
    raise SystemExit(f"{FOLDER} has {len(names)} vectors")
for name in names:
    setattr(Vectors, f"test_{name}", test_of(FOLDER / name))

if __name__ == "__main__":
    unittest.main()
