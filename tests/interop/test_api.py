"""Schemathesis asks the server everything that its own description allows, and much that it does not."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from pathlib import Path

COFFER = os.environ["COFFER_BIN"]
PASSWORD = "nine plain words that nobody else has chosen"
SEED = "20261122"
EXAMPLES = os.environ.get("COFFER_API_EXAMPLES", "12")
# Schemathesis would sign itself out, or take its own account away, and find only closed doors from then on.
LEFT_OUT = ("sign_out",)


class Server:
    """A server with the demo application and its first administrator."""

    def __init__(self, data: Path):
        options = ["serve", "--listen", "127.0.0.1:0", "--data", str(data), "--demo", "--log", "error", "--json"]
        self.log = data.parent / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([COFFER, *options], stdout=subprocess.PIPE, stderr=log)
        started = json.loads(self.first_object())
        self.origin = started["address"].rstrip("/")
        self.token = started["set_up"].partition("#set-up=")[2]

    def first_object(self) -> bytes:
        lines = b""
        for line in self.process.stdout:
            lines += line
            if line.rstrip() == b"}":
                return lines
        raise AssertionError("the server ended: " + self.log.read_text())

    def request(self, path: str, body: dict | None = None, **headers: str):
        headers |= {"origin": self.origin, "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.urlopen(urllib.request.Request(self.origin + path, data, headers), timeout=30)

    def sign_in(self) -> str:
        answer = self.request("/api/session/link", {"token": self.token, "name": "admin", "password": PASSWORD})
        return answer.headers["set-cookie"].partition(";")[0]

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=90)
        self.process.stdout.close()


class Api(unittest.TestCase):
    def asked(self, *options: str):
        origin = self.server.origin
        command = [sys.executable, "-m", "schemathesis.cli", "run", str(self.description), "--origin", origin]
        command += ["--checks", "not_a_server_error"]
        command += ["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", SEED, "--continue-on-failure"]
        command += ["--request-timeout", "30", "--warnings", "off", "--suppress-health-check", "all", "-H", "Origin:" + origin, *options]
        for name in LEFT_OUT:
            command += ["--exclude-operation-id", name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=540, check=False, cwd=self.folder)
        print(done.stdout[-3000:])
        self.assertEqual(done.returncode, 0, done.stdout[-20000:] + done.stderr[-5000:])

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        self.server = Server(Path(temporary.name) / "data")
        self.addCleanup(self.server.stop)
        self.cookie = self.server.sign_in()
        self.description = Path(self.folder) / "openapi.json"
        with self.server.request("/api/openapi.json", cookie=self.cookie) as answer:
            self.description.write_bytes(answer.read())

    def test_no_request_of_an_administrator_is_a_server_error(self):
        self.asked("-H", "Cookie:" + self.cookie)
        # Signed in to the end: else the last requests would have asked nothing.
        with self.server.request("/api/users", cookie=self.cookie) as answer:
            self.assertEqual(answer.status, 200)

    def test_no_request_of_a_stranger_is_a_server_error(self):
        self.asked()


if __name__ == "__main__":
    unittest.main()
