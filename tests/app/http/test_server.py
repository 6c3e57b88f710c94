from __future__ import annotations

import time
from typing import Any

import pytest

from app.http.server import config, pulsing
from auditlog.store import log as log_store

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


def test_addresses_are_not_logged_and_forwarded_ones_not_believed(portal: Any) -> None:
    settings = config(portal.g, "127.0.0.1", 0)
    assert settings.access_log is False
    assert settings.proxy_headers is False
