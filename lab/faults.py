"""Faults planted on purpose, at least one a promise and a room, and the tests that must notice: `python -m lab.faults`.

Each fault is one small change of one file, such as a hurried hand makes. It is made in a copy of the tree, the tests of
its room run there, and one of them must fail. Exit 1 where a fault goes unnoticed. `--list` names them, `NAME …` plays
those alone, `--tests PATHS` runs other tests than those beside the fault.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_LEFT_OUT: Final = (".git", ".venv*", "node_modules", "__pycache__", ".*_cache", ".hypothesis")


@dataclass(frozen=True, slots=True)
class Fault:
    """`before` stands once in `file`, and becomes `after`; `tests` are paths below tests/."""

    name: str
    file: str
    before: str
    after: str
    tests: str


FAULTS: Final = (
    # --- one a promise
    Fault("1 no registration: what was stopped leaves", "registry/store/systems.py",
          "if row is None or lifecycle.mode_of(row.state) is None:", "if row is None:",
          "promises/test_no_registration_no_inference.py registry/test_systems.py service/deciding"),
    Fault("1 no registration: another model file", "runtime/models/weights.py",
          "if _stamp(os.fstat(self.fd)) != self.stamp:", "if False:", "runtime/models"),
    Fault("2 no record: released above the guard", "auditlog/writing/log.py",
          "self._guard.raise_to(growth.size, root, prove=self._prove)", "pass",
          "auditlog/writing promises/test_guarded_receipts.py"),
    Fault("3 silent change: another root below the guard", "auditlog/recovery/fsck.py",
          "elif tree.roots.get(size, root) != root:", "elif False:",
          "auditlog/recovery promises/test_cut_fork_rollback.py"),
    Fault("4 anyone can check: an opening is not compared", "auditlog/core/entries/receipt.py",
          "verify_opening(opening, commitment)", "pass", "auditlog/core/entries"),
    Fault("5 replay: rows that contradict count as equal", "runtime/replay/judge.py",
          "if forced.rows_contradict:", "if False:", "runtime/replay"),
    Fault("6 erasure: the key is not overwritten", "auditlog/vault/erasure.py",
          "keys.overwrite(slots)", "pass", "auditlog/vault promises/test_erasure.py"),
    Fault("7 explanation: noise passes for an effect", "runtime/explain/reliability.py",
          "if max(map(abs, effects), default=0) < FLOORS * floor:", "if False:", "runtime/explain"),
    # --- auditlog
    Fault("formats: the odd leaf is dropped", "auditlog/core/formats/merkle.py",
          "level += odd", "level += odd[:0]", "auditlog/core/formats"),
    Fault("entries: a field may be opened twice", "auditlog/core/entries/receipt.py",
          "if len({opening.field for opening in openings}) != len(openings):", "if False:", "auditlog/core/entries"),
    Fault("counting: a number of one is told", "auditlog/core/counting/suppression.py",
          "return 1 <= abs(self.numbers[name]) < self.floor", "return 1 < abs(self.numbers[name]) < self.floor",
          "auditlog/core/counting"),
    Fault("checking: another agency's entry", "auditlog/core/checking/rules.py",
          "if entry.agency != self.past.agency:", "if False:", "auditlog/core/checking"),
    Fault("store: the roll-up forgets a number", "auditlog/store/rollup.py",
          "return log, key.system, NO_VERSION if key.version is None else key.version, key.mode or \"\", key.day",
          "return log, key.system, NO_VERSION, key.mode or \"\", key.day", "auditlog/store"),
    Fault("vault: a reference is tagged in the clear", "auditlog/vault/subjects.py",
          'return hmac.digest(index_key, normalised.encode("utf-8"), "sha256")',
          'return hmac.digest(b"", normalised.encode("utf-8"), "sha256")', "auditlog/vault"),
    Fault("vault: a held record is erased", "auditlog/vault/erasure.py", "if grounds:", "if False:",
          "auditlog/vault service/erasing"),
    Fault("writing: a damaged guard is read", "auditlog/writing/guard.py",
          "if format_guard_line(line) != data or len(line.root) != _ROOT_BYTES or line.size < 0:", "if False:",
          "auditlog/writing"),
    Fault("writing: a checkpoint with a key missing", "auditlog/writing/signing.py",
          "if not all(vkey in self._at_hand for vkey in vkeys):", "if False:",
          "auditlog/writing service/logs/test_rotation.py"),
    Fault("recovery: a database below the guard passes", "auditlog/recovery/fsck.py", "if size > heads.size:",
          "if False:", "auditlog/recovery promises/test_cut_fork_rollback.py"),
    Fault("peers: a checkpoint that shrinks is cosigned", "auditlog/peers/submission.py",
          "if old > body.size:", "if False:", "auditlog/peers"),
    Fault("peers: a log that is old is fresh", "auditlog/peers/monitor.py",
          "if self.max_age is not None and not memory.frozen and self.now - newest > self.max_age:", "if False:",
          "auditlog/peers service/logs/test_mirror_and_monitor.py"),
    # --- runtime
    Fault("output: an answer is weighed by its first token", "runtime/output/answers.py",
          "for at, token in enumerate(tokens):", "for at, token in list(enumerate(tokens))[:1]:", "runtime/output"),
    Fault("engine: readers get nothing", "runtime/engine/sharing.py", "if readers and left:", "if False:",
          "runtime/engine/test_sharing.py"),
    Fault("sampler: noise is the same at each place", "runtime/sampler.py",
          'f"{seed}|{position}".encode()', 'f"{seed}|0".encode()', "runtime/test_sampler.py runtime/replay"),
    Fault("prompt: NUL in a value", "runtime/prompt.py",
          "if _MARK in value or not _is_unicode(value):", "if not _is_unicode(value):", "runtime/test_prompt.py"),
    Fault("worker: a number is given twice", "runtime/worker/counter.py", "self._cell.value += 1",
          "self._cell.value += self._cell.value == 0", "runtime/worker/test_counter.py"),
    Fault("gateway: a reply that broke off", "runtime/gateway/reply.py",
          'if "error" in body and "choices" not in body:', "if False:", "runtime/gateway"),
    # --- registry, reports, casework
    Fault("registry: a step for any reason", "registry/lifecycle.py",
          "if reason is not None and reason not in step.reasons:", "if False:", "registry/test_lifecycle.py"),
    Fault("registry: what is restricted is public", "registry/publication.py",
          "return state not in NOT_YET and not is_restricted(system)", "return state not in NOT_YET",
          "registry/test_publication.py"),
    Fault("exchange: a formula in a cell", "registry/exchange/atrs.py",
          'guarded("" if value is None else str(value))', '"" if value is None else str(value)', "registry/exchange"),
    Fault("reports: a cell that was not committed", "reports/recount.py", "if root != tally.root:", "if False:",
          "reports service/figures"),
    Fault("reports: a time without its zone", "reports/formats.py", "value.astimezone(UTC)", "value",
          "reports/test_render.py reports/test_documents.py"),
    Fault("casework: answered although nobody knows who asks", "casework/request.py",
          'if step == "answered" and request.identity == "unchecked":', "if False:", "casework service/cases"),
    Fault("casework: a term ends on a Saturday", "casework/days.py", "return last if beyond < 0 else",
          "return last if beyond < 1 else", "casework"),
    # --- home, accounts
    Fault("home: no limit a minute", "home/rate_limits.py", "if len(use.came) >= self._per_minute:", "if False:",
          "home"),
    Fault("accounts: a session that does not end", "accounts/session.py",
          "if now - row.seen >= _idle(g) or now - row.created >= _longest(g):", "if False:", "accounts"),
    Fault("accounts: a row changed past the log", "accounts/log_check.py",
          'elif entry["row"] != row_digest(row):', "elif False:", "accounts"),
    # --- service
    Fault("records: content without an access", "service/records/reading.py",
          "accesses.note(g, reader, purpose, ids, scope=scope, also=also)", "pass", "service/records"),
    Fault("records: shown before the person was told", "service/records/release.py",
          'elif isinstance(day, str) and date.fromisoformat(day) <= today:', "elif isinstance(day, str):",
          "service/cases service/records"),
    Fault("deciding: a held result is given", "service/records/release.py",
          'return outcome is not None and manifest.release_of(outcome) == "after_review"', "return False",
          "promises/test_held_results.py service/deciding"),
    Fault("deciding: money is cut off, not rounded", "service/deciding/costs.py", "return (2 * value + by) // (2 * by)",
          "return value // by", "service/deciding/test_costs.py"),
    Fault("systems: one pair of eyes", "service/systems/approval.py",
          'if g.settings.four_eyes == "enforced" and not', 'if g.settings.four_eyes == "never" and not',
          "service/systems"),
    Fault("external: a number with another record", "service/external/idempotency.py",
          "dict(entry.commitments) == line.commitments", "True", "service/external"),
    Fault("erasing: what belongs to others, too", "service/erasing/erase.py", 'if joint == "keep" else set()',
          "if False else set()", "service/erasing"),
    Fault("cases: any tracking code", "service/cases/public_requests.py",
          "if not hmac.compare_digest(wanted, kept) or request is None", "if request is None", "service/cases"),
    Fault("replaying: the wrong kind of entry", "service/replaying/replay.py", "if entry.kind != REPLAY:",
          "if False:", "service/replaying web/api/test_replays.py"),
    Fault("explaining: any entry can be explained", "service/explaining/explain.py", "if entry.kind != DECISION:",
          "if False:", "service/explaining"),
    Fault("figures: a difference is settled", "service/figures/recount.py", "if found.differences:", "if False:",
          "service/figures"),
    Fault("invoices: a bill of years", "service/invoices/check.py", "if (until - first).days > 400:", "if False:",
          "service/invoices"),
    Fault("proving: a sample whose root is known", "service/proving/samples.py",
          "if format_time(not_before) <= format_time(g.clock()):", "if False:", "service/proving"),
    Fault("disclosing: more records than can be opened", "service/disclosing/lookup.py",
          "if receipted and len(found) > MAX_OPENED:", "if False:", "service/disclosing service/records web/api"),
    Fault("logs: entries of an agency that keeps them", "service/logs/publish.py",
          "if not g.settings.entries_public:", "if False:", "service/logs web promises/test_reading.py"),
    Fault("keeping: restored over what is there", "service/keeping/restore.py",
          "if there and database_url is not None:", "if False:", "service/keeping"),
    # --- web, cli
    Fault("web: a key where a person must sign in", "web/auth.py", 'if access.signed_in and caller.via == "key":',
          "if False:", "web/test_access.py promises/test_reading.py"),
    Fault("web: no security headers", "web/headers.py", "headers.setdefault(name, value)", "pass", "web"),
    Fault("cli: brackets in a name are markup", "cli/options.py",
          "printable(str(row.get(name)))", "str(row.get(name))", "cli service/systems"),
)  # fmt: skip


def _left_out(folder: str, names: list[str]) -> set[str]:
    found = shutil.ignore_patterns(*_LEFT_OUT)(folder, names)
    return found | ({"demo"} & {*names} if Path(folder) == ROOT else set())


def plant(fault: Fault, tests: str | None = None) -> tuple[bool, float, str]:
    """Whether a test noticed, the seconds that it took, and the last line of what the tests said.

    Raises ValueError where the fault's line does not stand once in its file.
    """
    text = (ROOT / fault.file).read_text("utf-8")
    if text.count(fault.before) != 1:
        raise ValueError(f"{fault.name}: its line stands {text.count(fault.before)} times in {fault.file}")
    with tempfile.TemporaryDirectory(prefix="greffier-fault-") as folder:
        copy = Path(folder) / "greffier"
        shutil.copytree(ROOT, copy, ignore=_left_out)
        (copy / fault.file).write_text(text.replace(fault.before, fault.after), "utf-8")
        paths = [f"tests/{name}" for name in (tests or fault.tests).split()]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *paths]
        began = time.monotonic()
        done = subprocess.run(
            command, cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False
        )
        said = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        last = said[0] if said else (done.stdout.splitlines() or done.stderr.splitlines() or [""])[-1]
        return done.returncode == 1, time.monotonic() - began, last


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = ArgumentParser(prog="python -m lab.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="the beginning of a fault's name")
    parser.add_argument("--list", action="store_true", help="print the names of all faults, and plant none")
    parser.add_argument("--tests", help="other tests than those beside the fault, paths below tests/")
    options = parser.parse_args(arguments)
    chosen = [one for one in FAULTS if not options.names or one.name.startswith(tuple(options.names))]
    if options.list:
        sys.stdout.write("".join(f"{one.name}: {one.file}\n" for one in chosen))
        return 0
    unnoticed = 0
    for one in chosen:
        noticed, seconds, last = plant(one, options.tests)
        unnoticed += not noticed
        sys.stdout.write(f"{'noticed' if noticed else 'MISSED'}  {seconds:5.1f} s  {one.name}\n         {last}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - unnoticed} of {len(chosen)} noticed\n")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
