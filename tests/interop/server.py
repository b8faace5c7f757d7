"""A server to be asked."""

import json
import os
import subprocess
import urllib.request
from pathlib import Path

COFFER = os.environ["COFFER_BIN"]
PASSWORD = "nine plain words that nobody else has chosen"
PERMISSIONS = ["view", "back_up", "restore", "configure", "administer"]


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

    def make_token(self, cookie: str) -> str:
        """One that may do everything."""
        everything = {"name": "all", "permissions": PERMISSIONS, "days": 1}
        with self.request("/api/account/tokens", everything, cookie=cookie) as answer:
            return json.load(answer)["secret"]

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=90)
        self.process.stdout.close()
