"""Schemathesis asks the server everything that its own description allows, and much that it does not."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

from server import Server

SEED = "20261122"
EXAMPLES = os.environ.get("COFFER_API_EXAMPLES", "12")
# From then on there would be only closed doors.
ENDS_THE_SESSION = ("sign_out", "end_session", "end_sessions")


class Api(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.server = Server(self.folder / "data")
        self.addCleanup(self.server.stop)
        self.cookie = self.server.sign_in()
        with self.server.request("/api/openapi.json", cookie=self.cookie) as answer:
            self.api = json.load(answer)
        # Else it would take what it is given away again, to see what happens without.
        del self.api["components"]["securitySchemes"]
        for operation in self.operations():
            del operation["security"]

    def operations(self):
        return [operation for path in self.api["paths"].values() for operation in path.values() if "operationId" in operation]

    def asked(self, wanted, *options: str) -> Counter:
        """Asks the operations that are wanted; gives how often each status was answered."""
        description, report = self.folder / "openapi.json", self.folder / "report.ndjson"
        description.write_text(json.dumps(self.api))
        command = [sys.executable, "-m", "schemathesis.cli", "run", str(description), "--origin", self.server.origin]
        command += ["--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES]
        command += ["--seed", SEED, "--continue-on-failure", "--request-timeout", "30", "--warnings", "off"]
        command += ["--suppress-health-check", "all", "--report", "ndjson", "--report-ndjson-path", str(report), *options]
        for operation in self.operations():
            if wanted(operation):
                command += ["--include-operation-id", operation["operationId"]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=540, check=False, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stdout[-20000:] + done.stderr[-5000:])
        return Counter(re.findall(r'"status_code":(\d+)', report.read_text()))

    def test_no_request_with_a_token_is_a_server_error(self):
        secret = self.server.make_token(self.cookie)
        # Signing in is asked by the stranger: whoever mistypes a password gets the same answer as one with a bad token.
        answers = self.asked(lambda operation: operation["x-permission"] != "public", "-H", "Authorization:Bearer " + secret)
        # It was let in to the end: else it would have asked nothing.
        with self.server.request("/api/users", authorization="Bearer " + secret) as answer:
            self.assertEqual(answer.status, 200)
        self.assertEqual(answers["401"], 0, answers)
        for status in ("200", "201", "400", "404", "422"):
            self.assertGreater(answers[status], 0, answers)

    def test_no_request_of_a_session_alone_is_a_server_error(self):
        wanted = lambda operation: operation["x-permission"] == "session" and operation["operationId"] not in ENDS_THE_SESSION
        headers = {"Cookie": self.cookie, "Origin": self.server.origin, "Content-Type": "application/json"}
        answers = self.asked(wanted, *(part for header in headers.items() for part in ("-H", ":".join(header))))
        self.assertEqual(answers["401"], 0, answers)
        self.assertGreater(answers["200"], 0, answers)

    def test_no_request_of_a_stranger_is_a_server_error(self):
        answers = self.asked(lambda operation: True)
        self.assertGreater(answers["401"], 0, answers)
        self.assertEqual(answers["201"], 0, answers)


if __name__ == "__main__":
    unittest.main()
