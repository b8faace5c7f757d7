"""The command line with a server elsewhere, where it meets others: a TLS that it doesn't trust, and a terminal."""

import contextlib
import datetime
import http.server
import ipaddress
import json
import os
import pty
import sqlite3
import ssl
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server import COFFER, Server

PASSWORD = "the archive's own password"


def certificate(folder: Path) -> Path:
    """A certificate for this machine that nobody has signed but its own key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    made = made.not_valid_after(now + datetime.timedelta(days=1)).add_extension(names, critical=False).sign(key, hashes.SHA256())
    path = folder / "server.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


class Untrusted(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.asked = asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"[]")

            def log_message(self, *_):
                pass

        class Counting(http.server.ThreadingHTTPServer):
            connections = 0

            def get_request(self):
                self.connections += 1
                return super().get_request()

            def handle_error(self, *_):
                pass

        self.server = server = Counting(("127.0.0.1", 0), Handler)
        self.addCleanup(server.server_close)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate = certificate(Path(temporary.name))
        context.load_cert_chain(self.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        self.origin = f"https://127.0.0.1:{server.server_address[1]}"

    def run_coffer(self, *args: str, **env: str) -> tuple[int, dict]:
        done = subprocess.run(
            [COFFER, *args, "--json"], env=os.environ | {"COFFER_TOKEN": "coffer_token_x"} | env, capture_output=True, timeout=60, check=False
        )
        return done.returncode, json.loads(done.stdout or done.stderr)

    def test_a_certificate_of_nobody_is_named_at_once_and_nothing_is_sent(self):
        for args in (("--server", self.origin, "list", "backups"), ("verify", self.origin + "/x.coffer")):
            status, answer = self.run_coffer(*args)
            self.assertEqual((status, answer["error"]["code"]), (1, "certificate"), answer)
            self.assertIn("authority", answer["error"]["message"])
        # A server that is just being started is asked again and again; this one isn't.
        self.assertEqual(self.server.connections, 2)
        self.assertEqual(self.asked, [])

    def test_one_that_this_machine_trusts_is_taken(self):
        status, answer = self.run_coffer("--server", self.origin, "list", "backups", SSL_CERT_FILE=str(self.certificate))
        self.assertEqual(status, 0, answer)
        self.assertEqual(self.asked, ["/api/backups"])


class Terminal(unittest.TestCase):
    def test_who_leaves_at_the_question_leaves_nothing_on_the_server(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = Path(temporary.name)
        server = Server(folder / "data")
        self.addCleanup(server.stop)
        cookie = server.sign_in()
        env = os.environ | {"COFFER_TOKEN": server.make_token(cookie), "PASSWORD": PASSWORD}
        archive = folder / "demo.coffer"
        [demo] = [path for path in (folder / "data").rglob("*.sqlite") if path.name != "catalog.sqlite"]
        with server.request("/api/sources", cookie=cookie) as answer:
            [source] = json.load(answer)
        taken = [COFFER, "backup", "--source", f"sqlite:{demo}", "--out", archive, "--sealed", "--password-env", "PASSWORD"]
        subprocess.run(taken, env=env, check=True, capture_output=True, timeout=120)

        # Else there would be nothing to ask about.
        with contextlib.closing(sqlite3.connect(demo)) as database, database:
            database.execute("UPDATE tickets SET subject = 'changed' WHERE id = 1")

        bundles = lambda: list((folder / "data" / "uploads").iterdir())
        terminal, end = pty.openpty()
        restore = ["restore", archive, "--target", source["id"], "--mode", "overwrite", "--force", "--without-files", "--password-env", "PASSWORD"]
        process = subprocess.Popen([COFFER, "--server", server.origin, *restore], env=env, stdin=end, stdout=end, stderr=end, start_new_session=True)
        os.close(end)
        said = b""
        while b"Type the name of the target" not in said:
            try:
                said += os.read(terminal, 4096)
            except OSError:
                self.fail("it ended: " + said.decode())
        # It is rehearsed with what is restored, so that was sent.
        self.assertNotEqual(bundles(), [])
        process.send_signal(2)
        self.assertEqual(process.wait(timeout=30), 130)
        os.close(terminal)
        self.assertEqual(bundles(), [])


if __name__ == "__main__":
    unittest.main()
