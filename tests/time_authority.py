"""A real time-stamping authority for tests: a CA made by `openssl`, and a loopback server over `openssl ts -reply`."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """
[ca]
default_ca = the_ca
[the_ca]
new_certs_dir = {folder}
database = {folder}/index
serial = {folder}/serial
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
policy = any
copy_extensions = none
unique_subject = no
default_days = 3650
[any]
commonName = supplied
[req]
distinguished_name = names
prompt = no
[names]
commonName = x
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[stamping]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[stamping_not_critical]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = timeStamping
[stamping_and_more]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping,emailProtection
[mail]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,emailProtection
[plain]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
[tsa]
default_tsa = the_tsa
[the_tsa]
dir = {folder}
serial = {folder}/tsa.serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = {digests}
accuracy = secs:1
clock_precision_digits = {precision}
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = {ess}
"""
RESPONSE_TYPE = "application/timestamp-reply"


def openssl(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run the real program; its output is in the error that pytest shows."""
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, timeout=60, check=False)
    assert not check or done.returncode == 0, (arguments, done.stderr.decode())
    return done


@dataclass
class Authority:
    """A CA of its own in `folder`. Certificates are `<name>.pem` with `<name>.key`, as PEM."""

    folder: Path
    digests: str = "sha256, sha384, sha512"
    precision: int = 0
    ess: str = "sha256"
    requests: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        for name, content in (("index", ""), ("serial", "1000\n"), ("tsa.serial", "01\n")):
            (self.folder / name).write_text(content)
        self.configure()
        self._key("ca")
        openssl(
            "req", "-new", "-x509", "-config", self.config, "-extensions", "root",
            "-subj", f"/CN=CA {self.folder.name}", "-key", self.folder / "ca.key", "-days", "7300", "-out", self.ca,
        )  # fmt: skip
        self.issue("tsa")

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def config(self) -> Path:
        return self.folder / "openssl.cnf"

    def configure(self, **options: object) -> None:
        """Write the configuration anew, with other digests, precision or certificate digests."""
        for name, value in options.items():
            setattr(self, name, value)
        text = CONFIG.format(folder=self.folder, digests=self.digests, precision=self.precision, ess=self.ess)
        self.config.write_text(text)

    def issue(
        self, name: str, *, kind: str = "stamping", start: str = "", end: str = "", issuer: str = "ca", key: str = ""
    ) -> Path:
        """A certificate of `kind` (a section of CONFIG), valid from `start` to `end` (YYYYMMDDHHMMSSZ)."""
        key = key or name
        if key == name:
            self._key(name)
        request = self.folder / f"{name}.csr"
        openssl(
            "req", "-new", "-config", self.config, "-subj", f"/CN=TSA {name}", "-key", self.folder / f"{key}.key",
            "-out", request,
        )  # fmt: skip
        dates = (["-startdate", start] if start else []) + (["-enddate", end] if end else [])
        openssl(
            "ca", "-batch", "-notext", "-config", self.config, "-extensions", kind, "-in", request, *dates,
            "-cert", self.folder / f"{issuer}.pem", "-keyfile", self.folder / f"{issuer}.key",
            "-out", self.folder / f"{name}.pem",
        )  # fmt: skip
        return self.folder / f"{name}.pem"

    def reply(self, request: bytes, *, signer: str = "tsa", chain: bool = True) -> bytes:
        """The answer of `openssl ts -reply` to a request; with `chain` the CA's certificate comes along."""
        self.requests.append(request)
        query, answer = self.folder / "query.tsq", self.folder / "answer.tsr"
        query.write_bytes(request)
        openssl(
            "ts", "-reply", "-config", self.config, "-section", "the_tsa", "-queryfile", query, "-out", answer,
            "-signer", self.folder / f"{signer}.pem", "-inkey", self.folder / f"{signer}.key",
            *(["-chain", self.ca] if chain else []),
        )  # fmt: skip
        return answer.read_bytes()

    def stamp(
        self,
        data: bytes,
        *,
        signer: str = "tsa",
        digest: str = "sha256",
        certificate: bool = True,
        chain: bool = True,
    ) -> bytes:
        """A response over `data`, to a request that `openssl ts -query` made."""
        (self.folder / "data").write_bytes(data)
        openssl(
            "ts", "-query", "-data", self.folder / "data", f"-{digest}", *(["-cert"] if certificate else []),
            "-out", self.folder / "own.tsq",
        )  # fmt: skip
        return self.reply((self.folder / "own.tsq").read_bytes(), signer=signer, chain=chain)

    def sign(self, token_info: bytes, *, signer: str, ess: bool = True) -> bytes:
        """A response over a given TSTInfo, signed by `openssl cms`, which does not ask what a certificate is for."""
        content, out = self.folder / "info.der", self.folder / "signed.der"
        content.write_bytes(token_info)
        openssl(
            "cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-outform", "DER", "-md", "sha256",
            "-econtent_type", "1.2.840.113549.1.9.16.1.4", *(["-cades"] if ess else []),
            "-signer", self.folder / f"{signer}.pem", "-inkey", self.folder / f"{signer}.key",
            "-in", content, "-out", out,
        )  # fmt: skip
        return sequence(b"\x30\x03\x02\x01\x00" + out.read_bytes())

    def token_info(self, response: bytes) -> bytes:
        """The TSTInfo (DER) inside a response."""
        answer, token, info = (self.folder / name for name in ("in.tsr", "in.token", "in.info"))
        answer.write_bytes(response)
        openssl("ts", "-reply", "-in", answer, "-token_out", "-out", token)
        openssl("cms", "-verify", "-noverify", "-inform", "DER", "-in", token, "-binary", "-out", info)
        return info.read_bytes()

    def accepts(self, response: bytes, data: bytes, *, ca: Path | None = None, untrusted: Path | None = None) -> bool:
        """What `openssl ts -verify` says, at this moment."""
        answer, content = self.folder / "check.tsr", self.folder / "check.data"
        answer.write_bytes(response)
        content.write_bytes(data)
        more = [] if untrusted is None else ["-untrusted", untrusted]
        told = openssl("ts", "-verify", "-in", answer, "-data", content, "-CAfile", ca or self.ca, *more, check=False)
        return told.returncode == 0 and b"Verification: OK" in told.stdout

    @contextlib.contextmanager
    def served(self, answer: str = "good") -> Iterator[str]:
        """A loopback server; yields its URL. `answer`: good, or one of `_Handler.bad`."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.authority, server.answer, server.done = self, answer, threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/stamp"
        finally:
            server.done.set()
            server.shutdown()
            server.server_close()
            thread.join()

    def _key(self, name: str) -> None:
        openssl(
            "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.folder / f"{name}.key"
        )


class _Handler(BaseHTTPRequestHandler):
    """Answers POST as its server's `answer` says."""

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["content-length"]))
        assert self.headers["content-type"] == "application/timestamp-query"
        server = self.server
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, f"_{server.answer}")(server.authority, request)

    def _send(self, data: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-type": RESPONSE_TYPE, "content-length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def _good(self, authority: Authority, request: bytes) -> None:
        self._send(authority.reply(request))

    def _refusing(self, authority: Authority, request: bytes) -> None:
        authority.configure(digests="sha512")
        self._send(authority.reply(request))

    def _forgetful(self, authority: Authority, request: bytes) -> None:
        """Answers the first request for ever."""
        authority.requests.append(request)
        self._send(authority.stamp(b"something else"))

    def _replaying(self, authority: Authority, request: bytes) -> None:
        """Another token over the same bytes: only the nonce differs."""
        at = request.index(bytes.fromhex("0420")) + 2  # the digest
        query = authority.folder / "same.tsq"
        openssl("ts", "-query", "-digest", request[at : at + 32].hex(), "-sha256", "-cert", "-out", query)
        self._send(authority.reply(query.read_bytes()))

    def _garbage(self, _authority: Authority, _request: bytes) -> None:
        self._send(b"<html>please log in</html>")

    def _empty(self, _authority: Authority, _request: bytes) -> None:
        self._send(b"")

    def _large(self, _authority: Authority, _request: bytes) -> None:
        self._send(b"\x30" * 5_000_000)

    def _failing(self, authority: Authority, request: bytes) -> None:
        self._send(authority.reply(request), 503)

    def _moved(self, _authority: Authority, _request: bytes) -> None:
        self._send(b"", 307, location="/elsewhere")

    def _silent(self, _authority: Authority, _request: bytes) -> None:
        self.server.done.wait(30)

    def _dripping(self, _authority: Authority, _request: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", "5000")
        self.end_headers()
        end = time.monotonic() + 30
        while time.monotonic() < end and not self.server.done.wait(0.1):
            self.wfile.write(b"0")
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Quiet."""


def sequence(content: bytes) -> bytes:
    """A DER SEQUENCE around a content of 256 to 65,535 bytes."""
    assert 256 <= len(content) < 1 << 16
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content
