#!/usr/bin/env python3
"""Opens a sealed archive with a password, using published parts only (docs/format.md).

    open_sealed.py ARCHIVE --password-env NAME > archive.zip
    open_sealed.py ARCHIVE --password-env NAME --keys      every key on the way, in hexadecimal, for the tests

Needs the packages cryptography (50 or later) and argon2-cffi, and nothing of Coffer.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import sys
import unicodedata

from argon2.low_level import Type, hash_secret_raw
from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

HEADER_MAGIC = b"\x89CFR\r\n\x1a\n"
FOOTER_MAGIC = b"\x89CFE\r\n\x1a\n"


def expand(key: bytes, info: bytes, length: int) -> bytes:
    # HMAC pads a key with zeros, so 32 bytes and 32 zeros are the PRK that SHA-512 asks for.
    return HKDFExpand(SHA512(), length, info).derive(key + bytes(32))


def b64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def stanzas(text: str):
    lines = iter(text.split("\n"))
    for line in lines:
        if not line.startswith("-> "):
            return
        words, body = line[3:].split(" "), ""
        for chunk in lines:
            body += chunk
            if len(chunk) < 64:
                break
        yield words[0], words[1:], b64(body)


def unwrap(password: str, purpose: bytes, args, body: bytes, keys: dict):
    """The 32 bytes that a password wraps, or None if it is another password."""
    memory, passes, lanes, salt, commitment = args
    secret = unicodedata.normalize("NFC", password).encode()
    stretched = hash_secret_raw(secret, b64(salt), int(passes), int(memory), int(lanes), 32, Type.ID)
    both = expand(stretched, b"coffer/v1/argon2id/" + purpose, 64)
    if not hmac.compare_digest(both[32:], b64(commitment)):
        return None
    keys["derived_key"], keys["wrapping_key"] = stretched, both[:32]
    return AESGCM(both[:32]).decrypt(bytes(12), body, None)


def open_hybrid(seed: bytes, args, body: bytes) -> bytes:
    """The file key from a stanza for the X-Wing key with this seed."""
    expanded = hashlib.shake_256(seed).digest(96)
    key = MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])
    )
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    return suite.decrypt(b64(args[1]) + body, key, b"coffer/v1/mlkem768x25519")


def find_file_key(header, password: str, keys: dict) -> bytes:
    asked = False
    for kind, args, body in header:
        if kind == "argon2id":
            asked, found = True, unwrap(password, b"file-key", args, body, keys)
            if found:
                return found
        elif kind == "locked-key":
            asked, seed = True, unwrap(password, b"secret-key", args[1:], body, keys)
            if seed:
                keys["secret_key"] = seed
                hybrid = next(s for s in header if s[0] == "mlkem768x25519" and s[1][0] == args[0])
                return open_hybrid(seed, hybrid[1], hybrid[2])
    sys.exit("wrong password" if asked else "this archive is not sealed with a password")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("archive")
    parser.add_argument("--password-env", required=True)
    parser.add_argument("--keys", action="store_true")
    options = parser.parse_args()
    with open(options.archive, "rb") as file:
        fixed = file.read(16)
        if fixed[:8] != HEADER_MAGIC or fixed[8:10] != b"\0\1":
            sys.exit("not a sealed archive of version 1")
        block_len, text_len = int.from_bytes(fixed[10:12], "big") * 4096, int.from_bytes(fixed[12:16], "big")
        text = file.read(text_len)
        file.seek(-72, os.SEEK_END)
        footer = file.read(72)
        if footer[64:] != FOOTER_MAGIC:
            sys.exit("cut short")
        payload_len = int.from_bytes(footer[8:16], "big")

        keys: dict = {}
        header = list(stanzas(text.decode("ascii")))
        file_key = find_file_key(header, os.environ[options.password_env], keys)
        mac_at = text.rindex(b"--- ")
        header_key = expand(file_key, b"coffer/v1/header", 32)
        mac = hmac.digest(header_key, fixed + text[: mac_at + 3], "sha256")
        if not hmac.compare_digest(mac, b64(text[mac_at + 4 : -1].decode())):
            sys.exit("the header is damaged")
        payload_key = expand(file_key, b"coffer/v1/payload", 32)
        keys |= {"file_key": file_key, "header_key": header_key, "payload_key": payload_key}
        if options.keys:
            print(json.dumps({name: key.hex() for name, key in keys.items()}))
            return

        file.seek(block_len)
        decryptor, out = Cobblestone256Decryptor(payload_key, b"coffer/v1"), sys.stdout.buffer
        while payload_len > 0:
            piece = file.read(min(payload_len, 1 << 20))
            payload_len -= len(piece)
            out.write(decryptor.update(piece))
        out.write(decryptor.finalize())


main()
