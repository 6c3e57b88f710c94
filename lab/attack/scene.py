"""Where the attacks happen: a real installation with all its peers, made once and copied for each attack.

Waterveen keeps the log and is the attacker. Archive is another installation with a witness. A monitor and a mirror
follow Waterveen's public log, two citizens hold receipts, an auditor holds keys, policy and a checkpoint of the middle.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn

from auditlog.core.entries.receipt import format_receipt
from auditlog.core.formats.note import format_vkey
from auditlog.core.formats.policy import Policy, parse_policy
from auditlog.peers.identity import open_witness
from auditlog.peers.introduction import format_about
from auditlog.peers.witness import Witness
from auditlog.writing.keys import read_key_ring
from auditlog.writing.log import Unit
from cli.demo.run import CASES, ON_THE_WAY
from home.greffier import Greffier
from home.settings import PROFILE_FILE, SETTINGS_FILE
from lab.attack.authority import Authority
from lab.attack.scripted_runtime import Clerk, model_bytes
from service.cases import reviews
from service.deciding import boots, decide, idempotency
from service.erasing import erase
from service.logs import mirror, monitor, publish, timestamp
from service.logs import witness as witness_action
from service.proving import receipts
from service.records import reading
from service.records.reading import CLI
from service.systems import lifecycle, register
from service.wiring import create_home, open_home
from web.server import config
from web.tlog.witness import create_witness_app, witness_config

NAME: Final = "waterveen.example/log"
SYSTEM: Final = "tax-question-reply"
HOUR: Final = timedelta(hours=1)
MAX_AGE: Final = 3 * 3600
_SETTINGS: Final = "publish_pace_s = 0\nentries_public = true\nwitness_timeout_s = 20\nwitness_grace_s = 0\n"


@dataclass
class Clock:
    """A clock that goes on when told, for all parties at once. `back` is what the operator's own is behind."""

    now: datetime
    back: timedelta = timedelta()

    def __call__(self) -> datetime:
        return self.now - self.back

    def posix(self) -> float:
        """What everybody else's clock says."""
        return self.now.timestamp()


@dataclass
class Scene:
    """One copy of everything. `home` is Waterveen's; the other folders belong to those who look at its log."""

    folder: Path
    clock: Clock
    authority: Authority | None
    letters: dict[str, bytes] = field(default_factory=dict)  # id that a letter names → receipt, empty: none was given
    early: bytes = b""
    ids: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=lambda: [1])
    texts: dict[str, str] = field(default_factory=dict)  # id → the outcome that the letter tells
    left_out: list[str] = field(default_factory=list)  # ids of what was computed and kept out of the log
    # What the operator does while others look: publish nothing new, change what is handed out, show another log.
    silent: bool = False
    after_export: Callable[[Path], None] = lambda _: None
    shown: dict[str, Callable[[], contextlib.AbstractContextManager[str]]] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "waterveen"

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def policy(self) -> Policy:
        """The policy that everybody but the operator took from elsewhere, before the attack."""
        return parse_policy((self.folder / "policy").read_bytes())

    def copy(self, to: Path) -> Scene:
        """All of it again, to be broken."""
        shutil.copytree(self.folder, to)
        made = Scene(to, Clock(self.clock.now), self.authority, dict(self.letters), self.early)
        made.ids, made.texts = list(self.ids), dict(self.texts)
        return made

    @contextlib.contextmanager
    def opened(self, *, tolerant: bool = False) -> Iterator[Greffier]:
        """Waterveen's installation, with the runtime of the attacks."""
        with open_home(self.home, clock=self.clock, tolerant=tolerant) as g:
            g.runtime = Clerk(g)
            yield g

    @contextlib.contextmanager
    def witness(self) -> Iterator[Witness]:
        """Archive's witness, over HTTP, at the address that Waterveen's policy has."""
        witness = open_witness(self.archive / "keys", self.archive / "witness.db", clock=self.clock.posix)
        try:
            about = witness_action.about(self.archive, witness)
            app = create_witness_app(witness, lambda: format_about(about), burst=1e6)
            with serving(witness_config(app, "127.0.0.1", 0)) as url:
                self._move_witness(url)
                yield witness
        finally:
            witness.close()

    def _move_witness(self, url: str) -> None:
        """A port of this machine is not kept: the lines of Waterveen's policy name the new one."""
        path, known = self.home / "policy", self.folder / "witness.url"
        old = known.read_text("utf-8") if known.exists() else url
        path.write_text(path.read_text("utf-8").replace(old, url), "utf-8")
        known.write_text(url, "utf-8")

    def older(self, name: str = "older") -> Path:
        """What the operator kept: the whole home as it was in the middle."""
        return self.folder / name


@contextlib.contextmanager
def serving(settings: uvicorn.Config) -> Iterator[str]:
    """A server on a free port of this machine, for as long as the block lasts."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, name="attack-server", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            if time.monotonic() > deadline:
                raise RuntimeError("a server did not start")
            time.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=15)
        structlog.configure(**before)


@contextlib.contextmanager
def portal(g: Greffier) -> Iterator[str]:
    """Waterveen's own server."""
    with serving(config(g, "127.0.0.1", 0)) as url:
        yield url


def decide_one(s: Scene, g: Greffier, *, key: str | None = None) -> str:
    """A citizen asks and gets a letter with a reference, and a receipt; returns the reference."""
    asked = None if key is None else idempotency.Key("attack", key, "key", CLI)
    answer = decide.decide(g, SYSTEM, {"message": "May I pay later?", "bill_year": 2026}, subjects=("P-1",), key=asked)
    (record,) = reading.recount(g, [answer.id])
    s.letters[answer.id] = format_receipt(receipts.receipt_of(g, record))
    s.texts[answer.id] = str(answer.outcome)
    s.ids.append(answer.id)
    return answer.id


def pulse(g: Greffier) -> None:
    """As the server does once an hour."""
    boots.pulse(g)


def append(g: Greffier, *kinds: tuple[str, dict[str, Any]]) -> None:
    """Entries of the operator's choice, one after the other, through the real writer."""
    for kind, members in kinds:
        g.log.append(Unit((g.make(kind, **members),))).result()


def advance(g: Greffier) -> bool:
    """Publish now, with what cosignatures there are."""
    return publish.advance(g, at_once=True)


# --- the honest past --------------------------------------------------------------------------------------------------


def build(folder: Path) -> Scene:
    """Six hours of honest work, then the look that each party takes at it. Needs no model.

    The authority's clock is the machine's, so its token is taken in the middle, which is now; the rest is to come.
    """
    authority = Authority.make(folder / "authority")
    s = Scene(folder, Clock(datetime.now(UTC).replace(second=0, microsecond=0) - 3 * HOUR), authority)
    create_home(s.home, "waterveen", NAME, clock=s.clock)
    create_home(s.archive, "archive", "archive.example/log", clock=s.clock)
    shutil.copyfile(CASES / "agency.json", s.home / PROFILE_FILE)
    with (s.home / SETTINGS_FILE).open("a", encoding="utf-8") as settings:
        settings.write(_SETTINGS)
    witness_action.create(s.archive, "archive.example/witness")
    _introduce(s)
    with s.witness():
        with s.opened() as g:
            _register(s, g)
            _work(s, g)
            reviews.record_review(g, s.ids[0], reviews.Review("confirm", "as suggested", "because"))
            erase.erase(g, s.ids[1], ground="objection")
            advance(g)
            _stamp(s, g)
            s.early = g.publisher.checkpoint()
        shutil.copytree(s.home, s.older())
        with s.opened() as g:
            _work(s, g)
            decide_one(s, g, key="a-key")
            boots.close(g)
            advance(g)
        look(s)
    return s


def _introduce(s: Scene) -> None:
    """One command: Waterveen's policy names the witness, which cosigns Waterveen's log from then on."""
    with s.witness() as witness:
        witness.trust(read_key_ring(s.home / "keys" / "log.vkey"))
        url = (s.folder / "witness.url").read_text("utf-8")
        lines = [f"witness archive-{key.type} {text} {url}" for key, text in _lines(witness)]
        names = " ".join(line.split()[1] for line in lines)
        own = (s.home / "policy").read_text("utf-8").replace("quorum none\n", "")
        text = "\n".join([own.rstrip("\n"), *lines, f"group archive all {names}", "quorum archive", ""])
        parse_policy(text)
        (s.home / "policy").write_text(text, "utf-8")
        (s.folder / "policy").write_text(text, "utf-8")


def _lines(witness: Witness) -> list[tuple[Any, str]]:
    return [(key, format_vkey(key)) for key in witness.vkeys]


def _register(s: Scene, g: Greffier) -> None:
    file = s.folder / "model.gguf"
    file.write_bytes(model_bytes())
    model = register.add_model(g, file)
    data = json.loads((CASES / f"{SYSTEM}.json").read_bytes())
    data["version"]["model"] = {**data["version"]["model"], "sha256": model.sha256}
    register.register(g, json.dumps(data).encode())
    # Its model is no model: nothing of it can be tested.
    g.settings = g.settings.model_copy(update={"fitness": "reported", "four_eyes": "reported"})
    for state in (*ON_THE_WAY, "active"):
        lifecycle.change_state(g, SYSTEM, state)


def _work(s: Scene, g: Greffier) -> None:
    for _ in range(3):
        pulse(g)
        decide_one(s, g)
        decide_one(s, g)
        s.clock.now += HOUR


def _stamp(s: Scene, g: Greffier) -> None:
    if s.authority is None:
        return
    with s.authority.served() as url:
        g.settings = g.settings.model_copy(update={"timestamp_url": url})
        timestamp.stamp(g, now=True)


def look(s: Scene) -> None:
    """The first look of monitor and mirror, at the honest log."""
    with s.opened() as g, portal(g) as url:
        followed = monitor.follow(
            f"{url}/log/1", s.policy, s.folder / "monitor", now=int(s.clock.posix()), max_age=MAX_AGE, entries=True
        )
        assert followed.holds, followed.reports
        with mirror.open_source(f"{url}/log/1") as sources:
            taken = mirror.mirror(sources, s.folder / "mirror", s.policy.logs, now=int(s.clock.posix()))
        assert all(one.problem is None for one in taken)
