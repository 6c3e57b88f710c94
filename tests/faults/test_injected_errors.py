"""Promises 2 and 3 under Tessera's method: every system call on a file of the home fails once, in turn (SQLite).

strace lists the calls of a phase; then the phase runs again for each of them with an I/O error, a full disk, or a kill
there. GREFFIER_FAULTS=all tries every point, a number tries that many a phase; the figures of a full run are in
docs/performance.md.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import cli
from auditlog.core.entries.record import parse_entry
from auditlog.store import log as log_store
from auditlog.vault.record_keys import KEY_SIZE
from auditlog.writing.guard import Guard
from home.creation import MARKER, is_half_made
from home.errors import SettingsError
from service.wiring import open_home

FAULTS = os.environ.get("GREFFIER_FAULTS", "16")
SEED = int(os.environ.get("GREFFIER_SEED", "20261124"))


@dataclass
class Result:
    """What a phase's runs came to."""

    phase: str
    tried: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        every = [problem for problems in self.wrong.values() for problem in problems]
        lost, forks = (sum(problem.startswith(word) for problem in every) for word in ("lost", "fork"))
        ended = ", ".join(f"{how} {count}" for how, count in sorted(self.ended.items()))
        return f"{self.phase}: {self.tried} injection points ({ended}); acknowledged lost {lost}, forks {forks}"


@dataclass
class Faults:
    """The phases over every point, each on a copy of a template home."""

    injection: Any
    driver: Any
    scratch: Path

    def all_of(self, phase: str, template: Path | None, judge: Callable[[Path, Any], list[str]]) -> Result:
        """Run `phase` once to list its calls, then once for every chosen point; `judge` says what is wrong after."""
        home = self.home(template)
        listed = self.driver.run(phase, home, self.scratch, self.injection.trace_all())
        assert (listed.status, listed.errors.count("Traceback")) == (0, 0), listed.errors
        assert [one for one in listed.said if one.keys() & {"refused", "failed"}] == []
        assert judge(home, listed) == []
        every = list(self.injection.points(self.injection.calls(listed, home)))
        result = Result(phase)
        for point in chosen(every):
            if result.tried % 50 == 49:
                print(f"{result} (of {len(every)})", file=sys.__stderr__, flush=True)
            home = self.home(template)
            ran = self.driver.run(phase, home, self.scratch, point.options(home))
            result.tried += 1
            result.ended[outcome(ran)] += 1
            try:
                problems = in_order(ran) + judge(home, ran)
            except Exception as error:
                problems = [f"afterwards: {type(error).__name__}: {error}"]
            if problems:
                result.wrong[str(point)] = problems
        return result

    def home(self, template: Path | None) -> Path:
        home = self.scratch / "home"
        shutil.rmtree(home, ignore_errors=True)
        if template is not None:
            shutil.copytree(template, home, copy_function=copy)
        return home


def copy(name: str, to: str) -> None:
    """Model files are linked, since they are large and never written."""
    if name.endswith(".gguf"):
        os.link(name, to)
    else:
        shutil.copy2(name, to)


def chosen(every: list[Any]) -> list[Any]:
    """All points, or as many as were asked for, of as many different sorts as there are; the same ones each time."""
    if FAULTS == "all":
        return every
    rng = random.Random(SEED)
    sorts: dict[tuple[str, str, str], list[Any]] = {}
    for point in rng.sample(every, len(every)):
        sorts.setdefault((point.file, point.call, point.fault), []).append(point)
    heads = [points[0] for points in sorts.values()]
    rest = [point for points in sorts.values() for point in points[1:]]
    return sorted([*rng.sample(heads, len(heads)), *rest][: int(FAULTS)])


def outcome(ran: Any) -> str:
    if ran.status == -9:
        return "killed"
    if not ran.injected:
        return "call not reached"
    return "refused, then went on" if any("refused" in one or "failed" in one for one in ran.said) else "went on"


def in_order(ran: Any) -> list[str]:
    """The process was killed by us, or ended by itself; whatever it refused it refused by name."""
    wrong = []
    if ran.status not in (0, -9):
        wrong.append(f"ended with status {ran.status}: {ran.errors[-3000:]}")
    if "Traceback" in ran.errors or "internal error" in ran.errors:
        wrong.append(f"an error that nobody foresaw: {ran.errors[-600:]}")
    for one in ran.said:
        if "internal error" in str(one.get("failed", "")) or one.get("refused") == "unknown":
            wrong.append(f"an error that nobody foresaw: {one}")
    return wrong


@pytest.fixture
def faults(injection: Any, driver: Any) -> Iterator[Faults]:
    # Paths of a test's own folder would be cut by strace.
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        yield Faults(injection, driver, Path(folder))


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[Result], None]:
    """Print the figures, then fail with every point that went wrong."""

    def told(result: Result) -> None:
        with capsys.disabled():
            print(f"\n{result}", end="")
        assert result.tried
        assert not result.wrong, "\n".join(f"{point}: {'; '.join(wrong)}" for point, wrong in result.wrong.items())
        if FAULTS == "all":
            # A run is not the same each time (threads), but nearly: else the list of points would mean nothing.
            assert result.ended["call not reached"] <= result.tried // 10

    return told


# --- the whole installation -------------------------------------------------------------------------------------------


def test_appending(faults: Faults, tell: Any, invariants: Any, loan_template: Path) -> None:
    tell(faults.all_of("appending", loan_template, lambda home, ran: invariants.after(home, ran.said)))


def test_starting(faults: Faults, tell: Any, invariants: Any, loan_template: Path) -> None:
    tell(faults.all_of("starting", loan_template, lambda home, ran: invariants.after(home, ran.said)))


@pytest.mark.parametrize(
    ("file", "call"), [("keys/records.keys", "fdatasync"), ("guard/log-1.guard", "pwrite64")], ids=["erasing", "guard"]
)
def test_starting_after_a_crash(
    faults: Faults,
    tell: Any,
    invariants: Any,
    injection: Any,
    loan_template: Path,
    tmp_path: Path,
    file: str,
    call: str,
) -> None:
    """Faults while recovery runs: an erasure is half done, or the guard is behind the database.

    The first call is that of the day's figures, which are recorded before anything is erased.
    """
    crashed = shutil.copytree(loan_template, tmp_path / "crashed", copy_function=copy)
    point = faults.injection.Point(file, call, 2, "signal=KILL")
    before = faults.driver.run("erasing", crashed, faults.scratch, point.options(crashed))
    assert before.status == -9
    assert (crashed / "greffier.db-wal").stat().st_size
    assert b"objection" in (crashed / "guard" / "erasures").read_bytes()

    def judge(home: Path, ran: Any) -> list[str]:
        wrong: list[str] = invariants.after(home, [*before.said, *ran.said])
        with open_home(home) as g, g.reading() as conn:
            kinds = [parse_entry(data).kind for _, data in log_store.iterate_entries(conn, 1)]
        return wrong if kinds.count("erasure/1") == 1 else [*wrong, "the erasure was not completed, or twice"]

    tell(faults.all_of("starting", crashed, judge))


def init_at(home: Path) -> list[str]:
    return ["init", "--home", str(home), "--agency", "waterveen", "--origin", "waterveen.example/log"]


def test_making(faults: Faults, tell: Any, invariants: Any) -> None:
    """`greffier init`: afterwards it can be repeated, or the home opens clean."""

    def judge(home: Path, ran: Any) -> list[str]:
        # A marker that could not be removed is in nobody's way.
        left = [path.name for path in home.rglob("*") if path.name != MARKER] if home.exists() else []
        failed = ran.status == 0 and {"ended": 0} not in ran.said
        # What fails at each call fails for cleaning up, too: then the next init must do it, or the home be whole.
        hindered, half = ran.injections > 1, is_half_made(home)
        wrong = [f"a failed init left {left}"] if failed and left and not hindered else []
        try:
            return [*wrong, *invariants.after(home, [])]
        except Exception:
            if failed and left and hindered and not half:
                wrong.append(f"a failed init left {left}, and nothing that says so")
            again = cli.run(init_at(home))
            if again != 0:
                return [*wrong, f"neither opens nor can be made again ({again})"]
        return [*wrong, *invariants.after(home, [])]

    tell(faults.all_of("making", None, judge))


@pytest.mark.parametrize(
    ("file", "call", "number"),
    [("keys", "openat", 1), ("keys", "openat", 2), ("keys", "openat", 3), ("greffier.db-journal", "unlink", 1)],
)
def test_the_next_init_removes_what_a_failed_one_could_not(
    faults: Faults, invariants: Any, injection: Any, file: str, call: str, number: int
) -> None:
    """The call fails from then on, so that cleaning up fails as well."""
    home = faults.home(None)
    point = injection.Point(file, call, number, "error=ENOSPC", persistent=True)
    ran = faults.driver.run("making", home, faults.scratch, point.options(home))
    assert in_order(ran) == []
    assert ran.injections > 1
    assert {"ended": 0} not in ran.said
    assert is_half_made(home)
    with pytest.raises(SettingsError, match="was not made to its end"), open_home(home):
        pass
    left = {path.relative_to(home) for path in home.rglob("*.key")}
    assert cli.run(init_at(home)) == 0
    assert invariants.after(home, []) == []
    # Keys that nobody relied on are gone, not kept beside the new ones.
    assert not {path for path in left if (home / path).exists() and path.name.startswith("log-")}


# --- guard and key store alone ----------------------------------------------------------------------------------------


def test_the_guard_never_falls_below_what_it_promised(faults: Faults, tell: Any, tmp_path: Path) -> None:
    def judge(home: Path, ran: Any) -> list[str]:
        promised = max((one["guard"] for one in ran.said if "guard" in one), default=None)
        line = Guard(home / "guard").read_line() if (home / "guard").exists() else None
        if promised is None:
            return []
        if line is None or line.size < promised:
            return [f"lost: promised {promised}, stands at {line}"]
        return []

    (tmp_path / "empty").mkdir()
    tell(faults.all_of("guarding", tmp_path / "empty", judge))


def test_the_key_store_keeps_what_it_promised(faults: Faults, tell: Any, tmp_path: Path) -> None:
    def judge(home: Path, ran: Any) -> list[str]:
        path = home / "record.keys"
        data = path.read_bytes() if path.exists() else b""
        given = [one["given"] for one in ran.said if "given" in one]
        erased = {one["erased"] for one in ran.said if "erased" in one}
        # Ordered and not confirmed: the key may be there or not.
        began = outcome(ran) == "killed" or any("failed" in one for one in ran.said)
        wrong = [] if len(set(given)) == len(given) else ["a slot was given out twice"]
        for slot, key in next((one["durable"] for one in reversed(ran.said) if "durable" in one), []):
            kept = data[slot * KEY_SIZE : (slot + 1) * KEY_SIZE]
            allowed = {bytes(KEY_SIZE)} if slot in erased else {bytes.fromhex(key)}
            if slot == given[0] and began:
                allowed.add(bytes(KEY_SIZE))
            if kept not in allowed:
                wrong.append(f"lost: the key of slot {slot}")
        return wrong

    (tmp_path / "empty").mkdir()
    tell(faults.all_of("keeping", tmp_path / "empty", judge))
