from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from accounts import api_keys
from auditlog.core.entries.record import format_time
from auditlog.store import log as log_store
from service.keeping import fsck
from service.logs import gaps
from web.server import config, pulsing

pytestmark = pytest.mark.enable_socket


def test_the_server_says_in_the_log_that_it_lives(portals: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("pulse") / "home"
    portals.make_home(home)
    with portals.open_home(home) as g:
        with pulsing(g, 0.05):
            time.sleep(0.6)
        with g.reading() as conn:
            pulses = list(log_store.entries_of_kinds(conn, g.log.number, ("pulse/1",)))
        assert len(pulses) >= 2
        size = g.log.state().size
        time.sleep(0.2)
        assert g.log.state().size == size


def pulses_of(g: Any) -> list[str]:
    with g.reading() as conn:
        return [
            str(entry.members["recording"]) for _, entry in log_store.entries_of_kinds(conn, g.log.number, ("pulse/1",))
        ]


def minutes_of_pulses(g: Any) -> list[str]:
    with g.reading() as conn:
        return [entry.time for _, entry in log_store.entries_of_kinds(conn, g.log.number, ("pulse/1",))]


def eventually(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


class Hours:
    """A clock on which each beat of the test's heart is an hour."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_a_server_that_lives_for_hours_leaves_none_of_them_silent(portals: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    clock = Hours()
    portals.make_home(home, clock=clock)
    with portals.open_home(home, clock=clock) as g:
        with pulsing(g, 0.2):
            for _ in range(4):
                eventually(lambda: minutes_of_pulses(g)[-1:] == [format_time(clock.now)])
                clock.now += timedelta(hours=1)
        clock.now += timedelta(hours=5)
        (still,) = gaps.read_gaps(g).silences
        assert still.end is None
        with pulsing(g, 60):
            eventually(lambda: minutes_of_pulses(g)[-1:] == [format_time(clock.now)])
        (found,) = gaps.read_gaps(g).silences
        assert found.hours >= 5
        assert (found.explained, found.end is None) == (False, False)


def test_the_first_pulse_after_an_outage_says_so(portals: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    portals.make_home(home)
    guard = home / "guard" / "log-1.guard"
    away = guard.with_suffix(".away")
    with portals.open_home(home) as g, pulsing(g, 0.1, 0.05):
        eventually(lambda: pulses_of(g))
        guard.rename(away)
        eventually(lambda: not g.log.state().recording)
        away.rename(guard)
        eventually(lambda: "recovered" in pulses_of(g))
        eventually(lambda: pulses_of(g)[-1] == "ok")
    with portals.open_home(home) as g:
        assert pulses_of(g).count("recovered") == 1
        assert fsck.check_all(g) == []


def test_a_server_that_is_told_to_stop_closes_its_boot(
    portals: Any, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> None:
    home = tmp_path_factory.mktemp("stopped") / "home"
    portals.make_home(home)
    with portals.open_home(home) as g:
        key = api_keys.create_key(g.engine, role="client", now=g.clock()).secret
    port = free_port()
    command = [Path(sys.executable).with_name("greffier"), "serve", "--home", home, "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            wait_for(client)
            body = {"system": portals.HELD_SYSTEM, "input": portals.HELD_INPUT}
            made = client.post("/api/decisions", json=body, headers={"authorization": f"Bearer {key}"})
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert made.status_code == 201
    assert process.returncode == 0
    assert made.json()["id"].encode() not in errors
    with portals.open_home(home) as g, g.reading() as conn:
        kinds = [entry.kind for _, entry in log_store.entries_of_kinds(conn, g.log.number, ("boot/1", "close/1"))]
    assert kinds == ["boot/1", "close/1"]


def wait_for(client: httpx.Client) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            client.get("/health")
            return
        time.sleep(0.1)
    pytest.fail("the server did not start")


def test_addresses_are_not_logged_and_forwarded_ones_not_believed(portal: Any) -> None:
    settings = config(portal.g, "127.0.0.1", 0)
    assert settings.access_log is False
    assert settings.proxy_headers is False
