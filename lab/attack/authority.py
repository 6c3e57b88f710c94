"""A time-stamping authority (RFC 3161) made and run by `openssl`, which can also be made to lie about the time."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

_CONFIG: Final = """\
[req]
distinguished_name = names
prompt = no
[names]
commonName = x
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[stamping]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = the_tsa
[the_tsa]
serial = {folder}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
_TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"


@dataclass(frozen=True, slots=True)
class Authority:
    """Its files in one folder: a CA of its own, certificate and key."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Authority | None:
        """A new one; None where this machine has no `openssl`."""
        if shutil.which("openssl") is None:
            return None
        folder.mkdir(parents=True)
        (folder / "serial").write_text("01\n", "ascii")
        (folder / "openssl.cnf").write_text(_CONFIG.format(folder=folder), "utf-8")
        made = cls(folder)
        for name in ("ca", "tsa"):
            made._run(f"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key")
        made._run("req -new -x509 -config openssl.cnf -extensions root -subj /CN=CA -key ca.key -days 7300 -out ca.pem")
        made._run("req -new -config openssl.cnf -subj /CN=TSA -key tsa.key -out tsa.csr")
        made._run(
            "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 7000 "
            "-extfile openssl.cnf -extensions stamping -out tsa.pem"
        )
        return made

    @property
    def ca(self) -> bytes:
        """The certificate that readers were given."""
        return (self.folder / "ca.pem").read_bytes()

    def reply(self, request: bytes) -> bytes:
        """The honest answer to a request."""
        (self.folder / "query.tsq").write_bytes(request)
        self._run(
            "ts -reply -config openssl.cnf -section the_tsa -queryfile query.tsq -signer tsa.pem -inkey tsa.key "
            "-chain ca.pem -out answer.tsr"
        )
        return (self.folder / "answer.tsr").read_bytes()

    def lie(self, data: bytes, moment: datetime) -> bytes:
        """A token over `data` that states `moment`, whenever that was."""
        (self.folder / "data").write_bytes(data)
        self._run("ts -query -data data -sha256 -cert -out own.tsq")
        (self.folder / "in.tsr").write_bytes(self.reply((self.folder / "own.tsq").read_bytes()))
        self._run("ts -reply -in in.tsr -token_out -out in.token")
        self._run("cms -verify -noverify -inform DER -in in.token -binary -out info.der")
        info = (self.folder / "info.der").read_bytes()
        false = re.sub(rb"(\x18\x0f)[0-9]{14}Z", rb"\g<1>" + moment.strftime("%Y%m%d%H%M%SZ").encode(), info, count=1)
        (self.folder / "info.der").write_bytes(false)
        self._run(
            "cms -sign -binary -nodetach -nosmimecap -outform DER -md sha256 -cades -signer tsa.pem "
            f"-econtent_type {_TST_INFO} -inkey tsa.key -certfile ca.pem -in info.der -out signed.der"
        )
        content = b"\x30\x03\x02\x01\x00" + (self.folder / "signed.der").read_bytes()
        return b"\x30\x82" + len(content).to_bytes(2, "big") + content

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        """The address of a server on this machine."""
        answer = self.reply

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = answer(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-type", "application/timestamp-reply")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/stamp"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _run(self, command: str) -> None:
        arguments = ["openssl", *command.split()]
        done = subprocess.run(arguments, cwd=self.folder, capture_output=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stderr.decode('utf-8', 'replace')[-300:]}")
