"""What the state machine of `test_log_states.py` plays with: a home that can be copied and put back, a witness behind a
line that can be cut, and a book of everything that was promised."""

from __future__ import annotations

import itertools
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from auditlog.core.entries.receipt import Receipt, format_receipt, parse_receipt, verify_receipt
from auditlog.core.errors import NotFound, VerifyError
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.keyring import format_key_ring
from auditlog.core.formats.merkle import leaf_hash, root_hash
from auditlog.core.formats.policy import Policy, check_policy, parse_policy
from auditlog.core.formats.tiles import parse_entries_path, parse_tile_path
from auditlog.peers.introduction import About, with_witness
from auditlog.peers.mirror import name_of
from auditlog.peers.witness import Witness
from auditlog.store import log as log_store
from auditlog.store.engine import reading
from auditlog.writing.log import Integrated, Unit
from home import policy_file
from home.greffier import Greffier
from service.keeping import fsck
from service.wiring import create_home, open_home

NAME = "waterveen.example/log"


class Line:
    """The network between log and witness, as an ASGI application in front of the witness's own.

    `mode`: "up"; "down", where nothing arrives; "lost", where requests arrive and answers do not come back.
    """

    def __init__(self) -> None:
        self.app: Callable[..., Any] | None = None
        self.mode = "up"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def swallow(_message: Any) -> None:
            """What the witness says is lost on its way."""

        assert self.app is not None
        if self.mode == "up":
            await self.app(scope, receive, send)
            return
        if self.mode == "lost":
            await self.app(scope, receive, swallow)
        await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


# --- databases that can be copied -------------------------------------------------------------------------------------


class Files:
    """SQLite: a copy is the file, taken while nobody has it open."""

    def __init__(self, folder: Path) -> None:
        self._names = (folder / f"copy-{number}.db" for number in itertools.count())

    def create(self, home: Path) -> None:
        create_home(home, "waterveen", NAME)

    def start(self, template: Path, home: Path) -> None:
        shutil.copytree(template, home)

    def copy(self, home: Path) -> Path:
        assert not (home / "greffier.db-wal").exists(), "somebody has it open"
        return Path(shutil.copyfile(home / "greffier.db", next(self._names)))

    def put_back(self, home: Path, copy: Path) -> None:
        for path in home.glob("greffier.db*"):
            path.unlink()
        shutil.copyfile(copy, home / "greffier.db")

    def end(self, home: Path) -> None:
        shutil.rmtree(home)


class Server:
    """PostgreSQL: a copy is a database made from another as its template."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._numbers = itertools.count()
        self._made: list[str] = []
        self._admin = create_engine(self._url, isolation_level="AUTOCOMMIT")

    def create(self, home: Path) -> None:
        create_home(home, "waterveen", NAME, database_url=self._at(self._make("template0", "states_template")))

    def start(self, template: Path, home: Path) -> None:
        shutil.copytree(template, home)
        settings = home / "greffier.toml"
        database = self._make("states_template", f"states_home_{next(self._numbers)}")
        settings.write_text(settings.read_text().replace("states_template", database))

    def copy(self, home: Path) -> str:
        return self._make(self._of(home), f"states_copy_{next(self._numbers)}")

    def put_back(self, home: Path, copy: str) -> None:
        name = self._of(home)
        self._run(f"DROP DATABASE {name} WITH (FORCE)")
        self._run(f"CREATE DATABASE {name} TEMPLATE {copy}")

    def end(self, home: Path) -> None:
        shutil.rmtree(home)
        for name in self._made[1:]:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")
        del self._made[1:]

    def close(self) -> None:
        for name in self._made:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")
        self._admin.dispose()

    def _of(self, home: Path) -> str:
        found = re.search(r"states_\w+", (home / "greffier.toml").read_text())
        assert found is not None
        return found[0]

    def _at(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _make(self, source: str, name: str) -> str:
        self._run(f"CREATE DATABASE {name} TEMPLATE {source}")
        self._made.append(name)
        return name

    def _run(self, statement: str) -> None:
        with self._admin.connect() as conn:
            conn.execute(text(statement))


# --- the book ---------------------------------------------------------------------------------------------------------


@dataclass
class Book:
    """Everything that was promised to anybody, of all logs of one home. Leaf hashes are in `leaves`, by origin."""

    acknowledged: dict[str, tuple[str, int, bytes]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    signed: dict[tuple[str, int], bytes] = field(default_factory=dict)
    notes: dict[tuple[str, int], bytes] = field(default_factory=dict)
    receipts: list[bytes] = field(default_factory=list)
    leaves: dict[str, list[bytes]] = field(default_factory=dict)

    def promise(self, done: Integrated) -> None:
        """An answer that a caller got."""
        for position, one in enumerate(done.sequenced):
            assert one.entry.id not in self.acknowledged
            self.acknowledged[one.entry.id] = (one.origin, one.index, one.entry.data)
            if one.index % 3 == 0:
                self.receipts.append(format_receipt(Receipt(one.entry.data, done.proof(position))))
        self.see(done.checkpoint)

    def see(self, note: bytes, *, whole: bool = True) -> None:
        """A checkpoint that the log signed, wherever it was found: no other may be signed of its size.

        Not `whole`: a witness keeps the lines of the keys that it was told alone.
        """
        origin, size, root = note.split(b"\n", 3)[:3]
        place = (origin.decode(), int(size))
        assert self.signed.setdefault(place, root) == root, f"two roots of {place} were signed"
        if whole:
            self.notes[place] = note

    def see_entries(self, origin: str, entries: list[bytes]) -> None:
        """The entries as they stand now begin with those that stood before, or, after a loss, the other way round."""
        now = [leaf_hash(data) for data in entries]
        before = self.leaves.setdefault(origin, now)
        shorter = min(len(now), len(before))
        assert now[:shorter] == before[:shorter], f"the entries of {origin} are not those that stood there"
        if len(now) > len(before):
            self.leaves[origin] = now

    def check(self, ring_of: Policy, *, whole: bool) -> None:
        """All checkpoints ever signed are of one growing tree; with `whole`, they and all receipts verify now."""
        from auditlog.core.formats.canonical import format_base64

        for (origin, size), root in self.signed.items():
            if size <= len(self.leaves.get(origin, ())):
                found = format_base64(root_hash(self.leaves[origin][:size])).encode()
                assert found == root, f"the checkpoint of {origin} at {size} is not of this tree"
        if not whole:
            return
        for (origin, size), note in self.notes.items():
            try:
                open_checkpoint(note, ring_of.logs, origin=origin)
            except VerifyError as error:
                raise AssertionError(f"the checkpoint of {origin} at {size}: {error}\n{note.decode()}") from error
        for data in self.receipts:
            receipt = parse_receipt(data)
            origin = receipt.proof.checkpoint.split(b"\n", 1)[0].decode()
            verify_receipt(receipt, ring_of.logs, origin=origin)


class Process:
    """One opened home, that is one program that has the log in hand."""

    def __init__(self, home: Path) -> None:
        self._opened: AbstractContextManager[Greffier] = open_home(home)
        self.g = self._opened.__enter__()
        self.opened = True

    def close(self) -> None:
        if self.opened:
            self.opened = False
            self._opened.__exit__(None, None, None)

    def die(self, point: int, units: list[Unit]) -> list[Future[Integrated]]:
        """The writer ends at this point of its next group, as if it was killed; then all is dropped."""

        def trace(at: int) -> None:
            if at == point:
                raise SystemExit

        self.g.log._trace = trace
        futures = [self.g.log.append(unit) for unit in units]
        thread = self.g.log._thread
        assert thread is not None
        thread.join(30)
        assert not thread.is_alive()
        self.g.log._drop_connection()  # as the end of a process closes its files
        self.close()
        return futures


class World:
    """A home, its witness, its book; `Process`es come and go."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.book = Book()
        self.home = stage.folder / f"home-{next(stage.numbers)}"
        stage.database.start(stage.template, self.home)
        shutil.copytree(stage.witness_template, self.home / "other-witness")
        self.witness: Witness = stage.open_witness(self.home / "other-witness")
        stage.line.app, stage.line.mode = stage.app_of(self.witness), "up"
        self.main = Process(self.home)
        self.second: Process | None = None
        self.told = ""
        g = self.main.g
        edited = with_witness(policy_file.read_text(g), About(self.witness.vkeys), stage.url)
        policy_file.write_text(g, edited.text)
        self.tell_witness()

    def tell_witness(self) -> None:
        """The keys of this log, as `greffier witness trust` gives them to the witness."""
        ring = self.main.g.keys
        self.witness.trust(ring)
        self.told = format_key_ring(ring)

    def policy(self) -> Policy:
        return parse_policy((self.home / "policy").read_bytes())

    def processes(self) -> list[Process]:
        return [self.main] if self.second is None else [self.main, self.second]

    def close_all(self) -> None:
        for process in self.processes():
            process.close()
        self.second = None

    def reopen(self) -> None:
        self.main = Process(self.home)

    def seen_by_witness(self, origin: str) -> int:
        """The size that the witness cosigned last."""
        try:
            note = self.witness.checkpoint(name_of(origin))
        except NotFound:
            return 0
        self.book.see(note, whole=False)
        return int(note.split(b"\n", 2)[1])

    def pulses(self, count: int) -> Unit:
        g = self.main.g
        return Unit(tuple(g.make("pulse/1", boots=[], recording="ok") for _ in range(count)))

    def append(self, sizes: list[int], *, threads: int = 1) -> None:
        """Units of these sizes, handed to all processes in turn by so many threads; all must be acknowledged."""
        units, turns = [self.pulses(size) for size in sizes], itertools.cycle(self.processes())
        tasks = list(zip(turns, units, strict=False))
        with ThreadPoolExecutor(threads) as pool:
            for done in pool.map(lambda task: task[0].g.log.append(task[1]).result(30), tasks):
                self.book.promise(done)

    def reader(self, number: int) -> Callable[[str], bytes]:
        """The public files of one log."""
        publisher = self.main.g.publishers[number]

        def read(path: str) -> bytes:
            if path == "checkpoint":
                return publisher.checkpoint()
            if path.startswith("tile/entries/"):
                return publisher.entries(*parse_entries_path(path))
            return publisher.tile(parse_tile_path(path))

        return read

    def check(self, *, whole: bool = False) -> None:
        """Every promise against what stands in the database now."""
        g, policy = self.main.g, self.policy()
        found: dict[str, list[bytes]] = {}
        with reading(g.engine) as conn:
            for number in sorted(g.publishers):
                origin = g.settings.origin_of(number)
                head = log_store.read_head(conn, number)
                assert head is not None
                rows = conn.execute(text("SELECT idx FROM auditlog_entry WHERE log = :k ORDER BY idx"), {"k": number})
                assert list(rows.scalars()) == list(range(head.size)), "indices have gaps"
                found[origin] = log_store.read_entries(conn, number, 0, head.size)
                self.book.see_entries(origin, found[origin])
                self.book.see(head.note)
                guarded = g.guard_of(number).read()
                assert guarded is not None
                assert head.size == guarded[0] if number == g.log.number else head.size <= guarded[0]
                published = log_store.read_head(conn, number, "published")
                if published is not None:
                    assert published.size <= head.size
                    self.book.see(published.note)
                    check_policy(policy, published.note)
                    open_checkpoint(published.note, g.keys, origin=origin)
                self.seen_by_witness(origin)
        for name, (origin, index, data) in self.book.acknowledged.items():
            if name not in self.book.lost:
                assert found[origin][index : index + 1] == [data], f"an acknowledged entry of {origin} is lost"
        self.book.check(policy, whole=whole)
        if whole:
            assert fsck.check_all(g) == []

    def end(self) -> None:
        self.close_all()
        self.witness.close()
        self.stage.database.end(self.home)


@dataclass
class Stage:
    """What all examples of a run share."""

    folder: Path
    database: Any
    line: Line
    url: str
    stand: Any
    app_of: Callable[[Witness], Any]
    numbers: Iterator[int] = field(default_factory=itertools.count)
    reached: Counter[str] = field(default_factory=Counter)
    template: Path = field(init=False)
    witness_template: Path = field(init=False)

    def __post_init__(self) -> None:
        self.template = self.folder / "template"
        self.witness_template = self.folder / "witness"
        self.database.create(self.template)
        self.stand.make_witness(self.witness_template, clock=time.time).close()

    def open_witness(self, folder: Path) -> Witness:
        witness: Witness = self.stand.reopen(folder, time.time)
        return witness
