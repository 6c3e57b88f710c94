"""Attacks on what readers are shown: one is served something else, something old, or nothing."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace

from home.settings import SETTINGS_FILE
from lab.attack.attacks import SERVING, attack
from lab.attack.databases import PULSE
from lab.attack.forgery import forget_witness
from lab.attack.parties import MIRROR, MONITOR, publish_anyway
from lab.attack.scene import HOUR, Scene, advance, append, portal


def _other_log(s: Scene) -> Scene:
    """A second home with the same keys, which goes on differently."""
    other = replace(s, folder=s.folder / "other", shown={})
    shutil.copytree(s.home, other.home)
    with other.opened() as g:
        append(g, PULSE, PULSE)
    return other


@attack(SERVING, "a fork shown to one reader only, who demands the witness's cosignature")
def split_view(s: Scene) -> None:
    other = _other_log(s)
    publish_anyway(other)
    s.shown[MIRROR] = lambda: _served(other)
    s.shown[MONITOR] = lambda: _served(other)


@contextlib.contextmanager
def _served(other: Scene) -> Iterator[str]:
    with other.opened() as g, portal(g) as url:
        yield url


@attack(SERVING, "a fork shown to one reader only, who demands no cosignature")
def split_view_unwitnessed(s: Scene) -> None:
    other = _other_log(s)
    publish_anyway(other)
    s.shown[MIRROR] = lambda: _served(other)
    with s.opened() as g:
        append(g, PULSE, PULSE, PULSE)


@attack(SERVING, "the same, and the witness colludes: it cosigns both")
def split_view_cosigned(s: Scene) -> None:
    other = _other_log(s)
    with s.witness() as witness:
        text = (s.home / "policy").read_text("utf-8")
        (other.home / "policy").write_text(text, "utf-8")
        del witness
        with other.opened() as g:
            advance(g)
    forget_witness(s.archive)
    s.shown[MIRROR] = lambda: _served(other)
    with s.opened() as g:
        append(g, PULSE, PULSE, PULSE)


@attack(SERVING, "the log withheld from one reader")
def withheld(s: Scene) -> None:
    s.shown[MONITOR] = lambda: contextlib.nullcontext("http://127.0.0.1:1")


@attack(SERVING, "the entries withheld, though the agency had published them")
def entries_withheld(s: Scene) -> None:
    path = s.home / SETTINGS_FILE
    path.write_text(path.read_text("utf-8").replace("entries_public = true", "entries_public = false"), "utf-8")
    with s.opened() as g:
        append(g, PULSE)


@attack(SERVING, "an old checkpoint served for hours, while the log goes on")
def stale(s: Scene) -> None:
    _publish_late(s, 5, republish=False)


@attack(SERVING, "the same, and the witness is asked for fresh cosignatures on the old size")
def stale_but_fresh(s: Scene) -> None:
    _publish_late(s, 5)


@attack(SERVING, "published two hours late, within the three that the monitor allows")
def late(s: Scene) -> None:
    _publish_late(s, 2, republish=False)


def _publish_late(s: Scene, hours: int, *, republish: bool = True) -> None:
    """The server's pace decides: it is slower than any reader's patience."""
    s.silent = True
    path = s.home / SETTINGS_FILE
    text = path.read_text("utf-8").replace("publish_pace_s = 0", "publish_pace_s = 86400")
    path.write_text(text if republish else f"{text}republish_s = 604800\n", "utf-8")
    for _ in range(hours):
        s.clock.now += HOUR
        with s.opened() as g:
            append(g, PULSE)


@attack(SERVING, "no witness asked any more: published without cosignatures")
def uncosigned(s: Scene) -> None:
    path = s.home / "policy"
    kept = [line for line in path.read_text("utf-8").splitlines() if line.split()[:1] in ([], ["#"], ["log"])]
    path.write_text("\n".join([*kept, "quorum none", ""]), "utf-8")
    with s.opened() as g:
        append(g, PULSE)
