"""A small home with the demo's systems and a few real decisions, and the server over it. Conftests load it by path."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvicorn

from accounts import administration, api_keys, session
from accounts.roles import KEY_ROLES
from accounts.transactions import changing
from auditlog.core.entries.receipt import format_receipt
from cli.demo.run import CASES, LIVE, ON_THE_WAY, model_path
from home.greffier import Clock, Greffier, utc_now
from home.settings import PROFILE_FILE, SETTINGS_FILE
from service.deciding import decide
from service.erasing import erase
from service.proving import receipts
from service.records.reading import CLI
from service.systems import lifecycle, register
from service.wiring import create_home, open_home
from web import cookies
from web.server import config

SYSTEM = "tax-question-reply"
INPUT = {"message": "May I pay next month rather than now?", "bill_year": 2026}
HELD_SYSTEM = "social-loan-check"
HELD_INPUT = {"payment_record": "always on time", "income": "a steady job", "debts": "no debts", "room": 250}
SUBJECT = "TEST-0999"  # an invented person


@dataclass
class Records:
    """Ids of decisions in the home, by what became of them; receipts as they were given out."""

    given: str = ""
    held: str = ""
    erased: str = ""
    receipt: bytes = b""
    erased_receipt: bytes = b""


@dataclass
class Portal:
    """A server at `url`, and the open home behind it."""

    g: Greffier
    url: str
    records: Records = field(default_factory=Records)
    server: uvicorn.Server | None = None

    def key(self, role: str, *systems: str) -> dict[str, str]:
        """A header with a new key of that role; headers of a session where only people have the role."""
        if role not in KEY_ROLES:
            return self.staff(role, *systems)
        made = api_keys.create_key(self.g.engine, role=role, systems=systems, now=self.g.clock())
        return {"authorization": f"Bearer {made.secret}"}

    def staff(self, role: str, *systems: str) -> dict[str, str]:
        """Headers of a new account of that role that has signed in: its cookie, and the token of its forms."""
        login = f"test.{secrets.token_hex(6)}"
        made = administration.add(self.g, login=login, name="Tess Voorbeeld", role=role, systems=systems, by=None)
        with changing(self.g) as conn:
            token = session.begin(self.g, conn, made.account, "full")
        return {"cookie": f"{cookies.SESSION}={token}", "x-csrf-token": session.form_token(token)}

    def client(self) -> httpx.Client:
        """A client of this server alone: nothing of the environment's proxies."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=60)


def make_home(home: Path, *, pace_s: int = 0, clock: Clock = utc_now) -> None:
    """An installation with the three systems of the demo in the states of the demo."""
    create_home(home, "waterveen", "waterveen.example/log", clock=clock)
    shutil.copyfile(CASES / "agency.json", home / PROFILE_FILE)
    with (home / SETTINGS_FILE).open("a", encoding="utf-8") as settings:
        settings.write(f"publish_pace_s = {pace_s}\n")
    with open_home(home, clock=clock) as g:
        register.add_model(g, model_path())
        for slug, state in LIVE.items():
            register.register(g, (CASES / f"{slug}.json").read_bytes())
            for step in (*ON_THE_WAY, state):
                lifecycle.change_state(g, slug, step)


def decide_some(g: Greffier) -> Records:
    """Three decisions: one given out, one held for an officer, one erased afterwards."""
    records = Records()
    given = decide.decide(g, SYSTEM, INPUT, subjects=(SUBJECT,))
    assert not given.held, "the model gave another topic than the demo's: choose another question"
    held, gone = (decide.decide(g, HELD_SYSTEM, HELD_INPUT, subjects=(SUBJECT,)) for _ in range(2))
    assert held.held
    records.given, records.held, records.erased = given.id, held.id, gone.id
    records.receipt = format_receipt(receipts.receipt(g, given.id, openings=CLI))
    records.erased_receipt = format_receipt(receipts.receipt(g, gone.id, openings=CLI))
    erase.erase(g, gone.id, ground="consent_withdrawn")
    return records


def decide_one(g: Greffier) -> bytes:
    """The receipt of one short decision, which an officer still has."""
    made = decide.decide(g, HELD_SYSTEM, HELD_INPUT, subjects=(SUBJECT,))
    return format_receipt(receipts.receipt(g, made.id, openings=CLI))


def altered(receipt: bytes) -> bytes:
    """The receipt with another outcome in it."""
    value = json.loads(receipt)
    for opening in value["openings"]:
        if opening["field"] == "outcome":
            opening["value"] = "remission"
    return json.dumps(value).encode()


def copy_of_a_home(folder: Path) -> tuple[Path, Records]:
    """A home with decisions, in `folder`. It is made once a session: what takes time is the model."""
    if not _made:
        home = Path(tempfile.mkdtemp(prefix="greffier-portal-")) / "home"
        atexit.register(shutil.rmtree, home.parent, ignore_errors=True)
        make_home(home)
        with open_home(home) as g:
            _made.append((home, decide_some(g)))
    home, records = _made[0]
    return Path(shutil.copytree(home, folder / "home", copy_function=_link_models)), records


def _link_models(name: str, to: str) -> None:
    """Model files are large and never written; from another disk they are copied."""
    if name.endswith(".gguf"):
        with contextlib.suppress(OSError):
            os.link(name, to)
            return
    shutil.copy2(name, to)


_made: list[tuple[Path, Records]] = []


@contextlib.contextmanager
def served(home: Path, *, tolerant: bool = False) -> Iterator[Portal]:
    """The server on a free port of this machine, for as long as the block lasts."""
    with open_home(home, tolerant=tolerant) as g:
        server = uvicorn.Server(config(g, "127.0.0.1", 0))
        thread = threading.Thread(target=server.run, name="portal", daemon=True)
        thread.start()
        try:
            yield Portal(g, _address(server), server=server)
        finally:
            server.should_exit = True
            thread.join(timeout=60)


def _address(server: uvicorn.Server) -> str:
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.02)
    host, port = server.servers[0].sockets[0].getsockname()
    return f"http://{host}:{port}"
