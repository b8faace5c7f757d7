"""Reads sealed archives. Written from docs/format.md alone, with published packages and nothing of Coffer.

Needs the packages cryptography (50 or later) and argon2-cffi. The numbers in brackets are those of the checks in
section 3.9 of the specification.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAGIC = b"\x89CFR\r\n\x1a\n"
FOOTER_MAGIC = b"\x89CFE\r\n\x1a\n"
UNIT, FIXED, PREFIX, FOOTER = 4096, 16, 56, 72
CHUNK, SEALED_CHUNK, BLOCK = 16384, 16400, 1 << 20


class Failure(Exception):
    """Why an archive can't be read; `code` is the name that the specification gives it."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


def require(holds: bool, code: str) -> None:
    if not holds:
        raise Failure(code)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def expand(key: bytes, info: bytes, length: int) -> bytes:
    return HKDFExpand(SHA512(), length, info).derive(key + bytes(32))


def b64(text: str, length: int | None = None) -> bytes:
    """Canonical base64 without padding."""
    require(re.fullmatch(r"[A-Za-z0-9+/]*", text) is not None and len(text) % 4 != 1, "header_malformed")
    data = base64.b64decode(text + "=" * (-len(text) % 4))
    require(base64.b64encode(data).decode().rstrip("=") == text, "header_malformed")
    require(length is None or len(data) == length, "header_malformed")
    return data


# Keys as text (section 3.3.5)


def bech32(text: str) -> tuple[str, bytes]:
    """Prefix, and type byte and key (BIP 173 without its limit of length)."""
    require(text in (text.lower(), text.upper()), "key_malformed")
    prefix, _, digits = text.lower().rpartition("1")
    values = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".find(digit) for digit in digits]
    check = 1
    for value in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    require(check == 1 and -1 not in values, "key_malformed")
    number = 0
    for value in values[:-6]:
        number = number << 5 | value
    spare = 5 * len(values[:-6]) % 8
    return prefix, (number >> spare).to_bytes(5 * len(values[:-6]) // 8, "big")


def to_bech32(prefix: str, data: bytes) -> str:
    """The one text of these bytes: the checksum is found as the six digits that `bech32` accepts."""
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    check = 1
    for value in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values + [0] * 6:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    values += [(check ^ 1) >> 5 * (5 - at) & 31 for at in range(6)]
    return prefix + "1" + "".join(alphabet[value] for value in values)


@dataclass
class SecretKey:
    """The secret half of a key pair, by the type of its stanzas."""

    kind: str
    secret: bytes

    @staticmethod
    def parse(text: str) -> "SecretKey":
        prefix, data = bech32(text)
        kinds = {1: "mlkem768x25519", 2: "x25519"}
        require(prefix == "coffer-secret-key-" and len(data) == 33 and data[0] in kinds, "key_malformed")
        return SecretKey(kinds[data[0]], data[1:])

    def private(self):
        if self.kind == "x25519":
            return X25519PrivateKey.from_private_bytes(self.secret)
        # X-Wing's seed: SHAKE-256 gives ML-KEM's (64 bytes) and X25519's (32).
        expanded = hashlib.shake_256(self.secret).digest(96)
        ml_kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        return MLKEM768X25519PrivateKey(ml_kem, X25519PrivateKey.from_private_bytes(expanded[64:]))

    def fingerprint(self) -> str:
        if self.kind == "x25519":
            kind, public = b"\2", self.private().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        else:
            expanded = hashlib.shake_256(self.secret).digest(96)
            ml_kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).public_key()
            x25519 = X25519PrivateKey.from_private_bytes(expanded[64:]).public_key()
            kind, public = b"\1", ml_kem.public_bytes_raw() + x25519.public_bytes_raw()
        return sha256(b"coffer/v1/fingerprint" + kind + public)[:16].hex()

    def open(self, encapsulated: bytes, body: bytes) -> bytes:
        kem = KEM.X25519 if self.kind == "x25519" else KEM.MLKEM768_X25519
        suite = Suite(kem, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
        try:
            return suite.decrypt(encapsulated + body, self.private(), b"coffer/v1/" + self.kind.encode())
        except (InvalidTag, ValueError):
            raise Failure("header_damaged") from None


# The header (sections 3.2 and 3.3)


def number(text: str) -> int:
    require(re.fullmatch(r"0|[1-9][0-9]*", text) is not None and int(text) < 1 << 32, "header_malformed")
    return int(text)


def fingerprint(text: str) -> str:
    require(re.fullmatch(r"[0-9a-f]{32}", text) is not None, "header_malformed")
    return text


@dataclass
class Wrapped:
    """32 bytes under a password."""

    memory: int
    passes: int
    lanes: int
    salt: bytes
    commitment: bytes
    body: bytes

    @staticmethod
    def parse(args: list[str], body: bytes) -> "Wrapped":
        require(len(args) == 5 and len(body) == 48, "header_malformed")
        memory, passes, lanes = (number(arg) for arg in args[:3])
        return Wrapped(memory, passes, lanes, b64(args[3], 16), b64(args[4], 32), body)

    def unwrap(self, password: str, purpose: bytes, keys: dict) -> bytes | None:
        """The bytes, or None if it is another password."""
        require(self.memory <= 1 << 20 and self.passes <= 16 and self.lanes <= 4, "cost_too_high")
        require(self.passes > 0 and self.lanes > 0 and self.memory >= 8 * self.lanes, "header_malformed")
        secret = unicodedata.normalize("NFC", password).encode()
        stretched = hash_secret_raw(secret, self.salt, self.passes, self.memory, self.lanes, 32, Type.ID, 0x13)
        both = expand(stretched, b"coffer/v1/argon2id/" + purpose, 64)
        if not hmac.compare_digest(both[32:], self.commitment):
            return None
        keys |= {"derived_key": stretched, "wrapping_key": both[:32]}
        try:
            return AESGCM(both[:32]).decrypt(bytes(12), self.body, None)
        except InvalidTag:
            raise Failure("header_damaged") from None


def block_len(start: bytes) -> int:
    """The length of the header block, from the first bytes of a file [1-4]."""
    require(len(start) > 0, "empty")
    if not start.startswith(MAGIC[: len(start)]):
        garbled = (b"\x89CFR\n\x1a", b"\x89CFR\r\r\n", b"\x09CFR\r\n")
        raise Failure("text_mode" if start.startswith(garbled) else "not_sealed")
    require(len(start) >= FIXED, "cut_short")
    require(int.from_bytes(start[8:10], "big") == 1, "unsupported_version")
    units = int.from_bytes(start[10:12], "big")
    require(1 <= units <= 16, "header_malformed")
    return units * UNIT


class Header:
    """A header block that keeps the grammar [6]."""

    def __init__(self, block: bytes):
        end = FIXED + int.from_bytes(block[12:16], "big")
        require(end <= len(block) and not any(block[end:]), "header_malformed")
        text = block[FIXED:end]
        self.stanzas: list[tuple[str, list[str], bytes]] = []
        word = rb"[!-~]{1,4096}"
        line = re.compile(rb"-> (" + word + rb"(?: " + word + rb")*)\n((?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63}\n)")
        at = 0
        while found := line.match(text, at):
            words = found[1].decode().split(" ")
            self.stanzas.append((words[0], words[1:], b64(found[2].decode().replace("\n", ""))))
            at = found.end()
        last = re.compile(rb"--- ([A-Za-z0-9+/]{43})\n").fullmatch(text, at)
        require(last is not None and len(self.stanzas) <= 32, "header_malformed")
        self.mac = b64(last[1].decode(), 32)
        self.covered = block[: FIXED + at + 3]

    def check_form(self) -> None:
        """The form of every known stanza [11]."""
        self.passwords: list[tuple[str | None, Wrapped]] = []
        self.keys: list[tuple[str, str, bytes, bytes]] = []
        for kind, args, body in self.stanzas:
            if kind == "argon2id":
                self.passwords.append((None, Wrapped.parse(args, body)))
            elif kind == "locked-key":
                require(len(args) == 6, "header_malformed")
                self.passwords.append((fingerprint(args[0]), Wrapped.parse(args[1:], body)))
            elif kind in ("mlkem768x25519", "x25519"):
                require(len(args) == 2 and len(body) == 48, "header_malformed")
                encapsulated = b64(args[1], 32 if kind == "x25519" else 1120)
                self.keys.append((kind, fingerprint(args[0]), encapsulated, body))
        require(len(self.passwords) <= 8, "header_malformed")

    def unlock(self, key: dict, keys: dict) -> bytes:
        """The file key [12, 13], by a `password`, the text of an `identity`, or a `file key` in hexadecimal."""
        if "password" in key:
            file_key = self.by_password(key["password"], keys)
        elif "identity" in key:
            file_key = self.by_key(SecretKey.parse(key["identity"]))
            require(file_key is not None, "not_a_recipient")
        else:
            file_key = bytes.fromhex(key["file key"])
        header_key = expand(file_key, b"coffer/v1/header", 32)
        keys |= {"file_key": file_key, "header_key": header_key, "payload_key": expand(file_key, b"coffer/v1/payload", 32)}
        require(hmac.compare_digest(hmac.digest(header_key, self.covered, "sha256"), self.mac), "header_damaged")
        return file_key

    def by_key(self, secret: SecretKey) -> bytes | None:
        for kind, name, encapsulated, body in self.keys:
            if kind == secret.kind and name == secret.fingerprint():
                return secret.open(encapsulated, body)
        return None

    def by_password(self, password: str, keys: dict) -> bytes:
        for locked, wrapped in self.passwords:
            secret = wrapped.unwrap(password, b"secret-key" if locked else b"file-key", keys)
            if secret is None:
                continue
            if not locked:
                return secret
            keys["secret_key"] = secret
            # The stanza does not say of which type its key is; the fingerprint does.
            either = (SecretKey(kind, secret) for kind in ("mlkem768x25519", "x25519"))
            named = next((key for key in either if key.fingerprint() == locked), None)
            file_key = named and self.by_key(named)
            require(file_key is not None, "header_damaged")
            return file_key
        raise Failure("wrong_password" if self.passwords else "not_a_recipient")


# Payload, sender, footer (sections 3.4 to 3.7)


class Footer:
    """The last bytes of a file of `length` bytes with a header of `header_len` [7-10]."""

    def __init__(self, footer: bytes, header_len: int, length: int):
        require(length >= header_len + FOOTER and footer[64:] == FOOTER_MAGIC, "cut_short")
        self.sender_len = int.from_bytes(footer[4:8], "big")
        self.payload_len = int.from_bytes(footer[8:16], "big")
        self.scrub_len = int.from_bytes(footer[16:24], "big")
        self.root = footer[32:64]
        fixed = footer[:4] == b"\0\1\0\0" and not any(footer[24:32]) and self.sender_len in (0, 96)
        require(fixed and self.scrub_len == 32 * -(-self.payload_len // BLOCK), "footer_malformed")
        parts = header_len + self.payload_len + self.scrub_len + self.sender_len + FOOTER
        require(parts == length, "length_mismatch")
        full, last = divmod(self.payload_len - PREFIX, SEALED_CHUNK)
        require(self.payload_len >= PREFIX and last >= 16 and full < 1 << 38, "footer_malformed")
        self.chunks = full + 1


class Payload:
    """The cipher of a payload [14]."""

    def __init__(self, file_key: bytes, prefix: bytes):
        info = b"c2sp.org/chunked-encryption@v1+" + b"AEAD_AES_256_GCM" + b"\0" + prefix[:24] + b"coffer/v1"
        keys = expand(expand(file_key, b"coffer/v1/payload", 32), info, 76)
        self.cipher, self.base_nonce = AESGCM(keys[:32]), int.from_bytes(keys[32:44], "big")
        require(hmac.compare_digest(keys[44:], prefix[24:]), "commitment_mismatch")

    def open(self, number: int, chunk: bytes) -> bytes:
        """The content of a chunk [15]."""
        try:
            return self.cipher.decrypt((self.base_nonce ^ number).to_bytes(12, "big"), chunk, None)
        except (InvalidTag, ValueError):
            raise Failure("chunk_damaged") from None


P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def point(data: bytes) -> tuple[int, int] | None:
    """A point of Ed25519's curve in its one spelling (RFC 8032, section 5.1.3)."""
    y, sign = int.from_bytes(data, "little") & (1 << 255) - 1, data[31] >> 7
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else P - x), y


def small_order(data: bytes) -> bool:
    """Whether eight times the point is the neutral element."""
    found = point(data)
    assert found is not None
    x, y = found
    for _ in range(3):
        product = D * x * x * y * y % P
        x, y = 2 * x * y * pow(1 + product, -1, P) % P, (y * y + x * x) * pow(1 - product, -1, P) % P
    return (x, y) == (0, 1)


def check_sender(block: bytes, prefix: bytes, footer: Footer) -> str:
    """The text of the sender, if the signature is right (section 3.6)."""
    key, signature = block[:32], block[32:]
    require(point(key) is not None and not small_order(key), "sender_malformed")
    message = b"coffer/v1/sender\0" + prefix + footer.payload_len.to_bytes(8, "big") + footer.root
    require(point(signature[:32]) is not None and not small_order(signature[:32]), "sender_signature_wrong")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        raise Failure("sender_signature_wrong") from None
    return to_bech32("coffer-sender", b"\1" + key)


# Readers


class Archive:
    """A sealed archive in a file that can be read anywhere."""

    def __init__(self, file):
        self.file = file
        self.length = file.seek(0, 2)
        header_len = block_len(self.read(0, FIXED))
        require(header_len + FOOTER <= self.length, "cut_short")
        self.header = Header(self.read(0, header_len))
        self.footer = footer = Footer(self.read(self.length - FOOTER, FOOTER), header_len, self.length)
        self.header.check_form()
        self.payload_at, self.table_at = header_len, header_len + footer.payload_len
        self.prefix = self.read(header_len, PREFIX)
        self.sender = None
        if footer.sender_len:
            block = self.read(self.table_at + footer.scrub_len, footer.sender_len)
            self.sender = check_sender(block, self.prefix, footer)

    def read(self, offset: int, length: int) -> bytes:
        self.file.seek(offset)
        return self.file.read(length)

    def table(self) -> list[bytes]:
        table = self.read(self.table_at, self.footer.scrub_len)
        require(sha256(table) == self.footer.root, "scrub_table_damaged")
        return [table[at : at + 32] for at in range(0, len(table), 32)]

    def block(self, number: int) -> bytes:
        start = number * BLOCK
        return self.read(self.payload_at + start, min(BLOCK, self.footer.payload_len - start))

    def scrub(self) -> list[int]:
        """The numbers of the blocks that differ from the scrub table."""
        return [number for number, digest in enumerate(self.table()) if sha256(self.block(number)) != digest]

    def unlock(self, key: dict, keys: dict | None = None) -> bytes:
        return self.header.unlock(key, {} if keys is None else keys)

    def content(self, file_key: bytes):
        """The content in pieces; an empty last chunk is read together with the chunk before it."""
        payload = Payload(file_key, self.prefix)
        table, good = self.table() if self.sender else None, set()
        chunks = self.footer.chunks
        empty_last = self.footer.payload_len == PREFIX + (chunks - 1) * SEALED_CHUNK + 16 and chunks > 1
        pieces = [[number] for number in range(chunks)]
        if empty_last:
            pieces[-2:] = [[chunks - 2, chunks - 1]]
        for piece in pieces:
            start = PREFIX + piece[0] * SEALED_CHUNK
            end = min(PREFIX + (piece[-1] + 1) * SEALED_CHUNK, self.footer.payload_len)
            if table is not None:
                for number in range(start // BLOCK, -(-end // BLOCK)):
                    require(number in good or sha256(self.block(number)) == table[number], "not_what_was_signed")
                    good.add(number)
            sealed = self.read(self.payload_at + start, end - start)
            yield b"".join(payload.open(k, sealed[(k - piece[0]) * SEALED_CHUNK :][:SEALED_CHUNK]) for k in piece)
        require(not self.scrub(), "scrub_table_damaged")


class Stream:
    """A sealed archive that is read once, from its first byte to its last, by `read(size)` of a pipe or the like."""

    def __init__(self, read):
        self.source, self.length, self.last, self.sender = read, 0, b"", None

    def take(self, size: int) -> bytes:
        """Up to `size` bytes: fewer only at the end."""
        taken = bytearray()
        while len(taken) < size and (piece := self.source(size - len(taken))):
            taken += piece
        self.length += len(taken)
        self.last = (self.last + taken)[-FOOTER:]
        return bytes(taken)

    def content(self, key: dict):
        start = self.take(FIXED)
        header_len = block_len(start)
        block = start + self.take(header_len - FIXED)
        require(len(block) == header_len, "cut_short")
        header = Header(block)
        header.check_form()
        file_key = header.unlock(key, {})

        prefix, failure, number, held = self.take(PREFIX), None, 0, b""
        payload, hashed, block_hashes = None, prefix, []
        if len(prefix) == PREFIX:
            try:
                payload = Payload(file_key, prefix)
            except Failure as found:
                failure = found
        while payload:
            held = self.take(SEALED_CHUNK)
            if len(held) < SEALED_CHUNK:
                break
            try:
                content = payload.open(number, held)
            except Failure as found:
                # It may be the end of the file, as long as no more follows than an end can have.
                most = 32 * -(-(PREFIX + (number + 1) * SEALED_CHUNK) // BLOCK) + 96 + FOOTER
                held += self.take(most + 1)
                failure = found if len(held) > SEALED_CHUNK + most else None
                break
            yield content
            hashed += held
            while len(hashed) >= BLOCK:
                block_hashes.append(sha256(hashed[:BLOCK]))
                hashed = hashed[BLOCK:]
            number, held = number + 1, b""
        while self.take(1 << 16):
            pass

        footer = Footer(self.last, header_len, self.length)
        if failure:
            raise failure
        require(number == footer.chunks - 1, "chunk_damaged")
        chunk, rest = held[: (at := footer.payload_len - PREFIX - number * SEALED_CHUNK)], held[at:]
        yield payload.open(number, chunk)
        hashed += chunk
        block_hashes += [sha256(hashed[at : at + BLOCK]) for at in range(0, len(hashed), BLOCK)]
        table, sender = rest[: footer.scrub_len], rest[footer.scrub_len :][: footer.sender_len]
        if sender:
            self.sender = check_sender(sender, prefix, footer)
        require(sha256(table) == footer.root, "scrub_table_damaged")
        require(table == b"".join(block_hashes), "not_what_was_signed" if sender else "scrub_table_damaged")
