"""Rotations and successions that meet: two processes at once, another host, and half a pair of keys."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from auditlog.core.errors import CannotRecord
from auditlog.writing.keys import create_keys
from auditlog.writing.log import Unit
from home.errors import Refused
from service.keeping import fsck
from service.logs import rotation
from service.wiring import create_home, open_home, succeed_home

NAME = "waterveen.example/log"


@pytest.fixture
def home(tmp_path: Path, home_url: str | None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation on each database in turn, which publishes at once."""
    monkeypatch.setenv("GREFFIER_PUBLISH_PACE_S", "0")
    made = tmp_path / "home"
    create_home(made, "waterveen", NAME, database_url=home_url)
    return made


def record(g) -> None:
    g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),))).result()


def before_appending(g, action) -> None:
    """Let `action` run between what a process looked at and what it appends: the other process's moment."""
    append = g.log.append

    def late(unit):
        g.log.append = append
        action()
        return append(unit)

    g.log.append = late


def test_two_that_finish_a_rotation_retire_the_keys_once(home):
    with open_home(home) as g:
        rotation.begin(g)
        assert g.publisher.advance(at_once=True)
    with open_home(home) as one, open_home(home) as two:
        before_appending(two, lambda: (rotation.finish(one), record(one)))
        with pytest.raises(Refused, match="another process"):
            rotation.finish(two)
        record(two)
    with open_home(home) as g:
        assert fsck.check_all(g) == []


def test_two_that_begin_a_rotation_add_one_pair(home):
    with open_home(home) as one, open_home(home) as two:
        before_appending(two, lambda: rotation.begin(one))
        with pytest.raises(Refused, match="another process"):
            rotation.begin(two)
    with open_home(home) as g:
        assert len(g.keys.keys) == 4
        assert fsck.check_all(g) == []


def test_half_a_pair_of_keys_that_a_kill_left_is_not_taken_for_a_pair(home):
    create_keys(home / "keys", f"{NAME}/2")
    next((home / "keys").glob("log-2.ml-dsa-44.*")).unlink()
    assert succeed_home(home, "year") == f"{NAME}/2"
    with open_home(home) as g:
        record(g)
        assert len(g.keys.of(g.log.origin).keys) == 2


def test_a_log_whose_loss_another_host_stated_takes_nothing_more(home, tmp_path, home_url):
    """Each host has a guard of its own: one that lost it may state a loss while the other one records in peace."""
    other = tmp_path / "other"
    with open_home(home) as here:
        record(here)
        shutil.copytree(home, other, ignore=shutil.ignore_patterns("greffier.db*", "*.guard"))
        if home_url is None:
            with (other / "greffier.toml").open("a") as file:
                file.write(f'database_url = "sqlite:///{home}/greffier.db"\n')
        assert succeed_home(other, "loss") == f"{NAME}/2"
        with pytest.raises(CannotRecord, match="frozen"):
            record(here)
