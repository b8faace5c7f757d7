#!/usr/bin/env python3
"""Opens a sealed archive with a password, using published parts only (docs/format.md).

    open_sealed.py ARCHIVE --password-env NAME > archive.zip
    open_sealed.py ARCHIVE --password-env NAME --keys      every key on the way, in hexadecimal, for the tests

Needs the packages cryptography (50 or later) and argon2-cffi, and nothing of Coffer.
"""

import argparse
import json
import os
import sys

from sealed import Archive, Failure


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("archive")
    parser.add_argument("--password-env", required=True)
    parser.add_argument("--keys", action="store_true")
    options = parser.parse_args()
    try:
        with open(options.archive, "rb") as file:
            archive, keys = Archive(file), {}
            file_key = archive.unlock({"password": os.environ[options.password_env]}, keys)
            if options.keys:
                print(json.dumps({name: key.hex() for name, key in keys.items()}))
                return
            for piece in archive.content(file_key):
                sys.stdout.buffer.write(piece)
    except Failure as failure:
        sys.exit(failure.code.replace("_", " "))


main()
