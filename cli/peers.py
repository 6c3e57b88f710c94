"""`greffier monitor`, `mirror`, `mirrors`: other people's logs, followed and kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli.options import AsJson, plain, print_json, print_rows, print_text, progress
from home.database import open_database
from home.errors import UsageError
from home.greffier import utc_now
from home.settings import read_settings
from service.logs import mirror as mirror_action
from service.logs import mirror_cosigner, trust
from service.logs import monitor as monitor_action

PolicyFile = Annotated[
    Path | None, typer.Option("--policy", help="C2SP policy: the log's keys, its witnesses, and how many must cosign.")
]
VkeyFile = Annotated[Path | None, typer.Option("--vkey", help="The log's keys alone, as its log.vkey has them.")]
MaybeHome = Annotated[
    Path | None, typer.Option("--home", envvar="GREFFIER_HOME", help="The installation whose mirrors they are.")
]
To = Annotated[Path | None, typer.Option("--to", help="Folder of the mirrors; by default that of the home.")]


def add_commands(app: typer.Typer) -> None:
    """Register this file's commands."""
    app.command("monitor")(monitor)
    app.command("mirror")(mirror)
    app.command("mirrors")(mirrors)


def monitor(
    url: Annotated[str, typer.Argument(help="Prefix of any tlog-tiles log, such as https://HOST/log/1.")],
    state: Annotated[Path, typer.Option("--state", help="Folder of what the last run saw, and of evidence.")],
    policy: PolicyFile = None,
    vkey: VkeyFile = None,
    max_age: Annotated[
        int | None, typer.Option("--max-age", min=1, help="Seconds that the log may stand still.")
    ] = None,
    entries: Annotated[bool, typer.Option("--entries", help="Keep all entries, and check what they say.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with the log that succeeds a closed one.")] = False,
    as_json: AsJson = False,
) -> int:
    """Look at a log: does it keep to what it signed? Exit 0 yes, 1 no (with evidence), 4 not reached: try again."""
    trusted = trust.read_trust(policy, vkey)
    if trusted is None:
        raise UsageError("is needed: the log's keys from a place other than the log", field="--policy or --vkey")
    now = int(utc_now().timestamp())
    found = monitor_action.follow(
        url, trusted, state, now=now, max_age=max_age, entries=entries, successors=follow, tell=progress
    )
    if as_json:
        print_json({"holds": found.holds, "logs": plain(found.reports), "onward": found.onward})
    else:
        for report in found.reports:
            print_text(report.sentence)
        if found.onward is not None:
            print_text(f"To go on with it: --follow, or greffier monitor {found.onward}")
    return 0 if found.holds else 1


def mirror(
    source: Annotated[
        str, typer.Argument(help="Address of a log, an export, a folder of mirrors, or a device's home.")
    ],
    to: To = None,
    home: MaybeHome = None,
    policy: PolicyFile = None,
    vkey: VkeyFile = None,
    cosign: Annotated[
        bool, typer.Option("--cosign", help="Say by the home's own cosigner that all of it is held here.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Take over what a log has more than our copy, verified. Exit 1 where it contradicts the copy (with evidence)."""
    root = _root(to, home)
    if cosign and home is None:
        raise UsageError("is needed to cosign: its keys are there", field="--home")
    if policy is None and vkey is None and home is not None:
        own = home / read_settings(home).policy_file
        policy = own if own.is_file() else None
    trusted = trust.read_trust(policy, vkey)
    ring = None if trusted is None else trusted.logs
    now = int(utc_now().timestamp())
    with _opened(source) as sources:
        taken = mirror_action.mirror(sources, root, ring, now=now, progress=_progress)
    if cosign and home is not None:
        sound = [one.origin for one in taken if one.problem is None]
        for origin, names in mirror_cosigner.cosign_copies(home, root, sound, ring).items():
            progress(f"{origin}: cosigned by {', '.join(names)}")
    if as_json:
        print_json(plain(taken))
    else:
        for one in taken:
            print_text(one.problem or f"{one.origin}: {one.size} entries, {one.size - one.before} of them new")
    return 1 if any(one.problem for one in taken) else 0


def mirrors(to: To = None, home: MaybeHome = None, as_json: AsJson = False) -> None:
    """The logs that are mirrored here: size, newest entry, when last seen, whether one was refused."""
    if to is not None and not to.is_dir():
        raise UsageError("is no folder: give the folder of the mirrors", field="--to")
    kept = mirror_action.list_kept(_root(to, home))
    if as_json:
        print_json(plain(kept))
    elif kept:
        print_rows([plain(one) for one in kept], as_json=False)
    else:
        progress("no log is mirrored here")


def _root(to: Path | None, home: Path | None) -> Path:
    if to is not None:
        return to
    if home is None:
        raise UsageError("is needed, or --home", field="--to")
    return home / read_settings(home).mirrors


@contextlib.contextmanager
def _opened(source: str) -> Iterator[list[mirror_action.Source]]:
    if mirror_action.is_home(source):
        with open_database(Path(source)) as engine, mirror_action.open_source(source, database=engine) as sources:
            yield sources
    else:
        with mirror_action.open_source(source) as sources:
            yield sources


def _progress(done: int, whole: int) -> None:
    if done % (64 * 256) == 0:
        progress(f"{done} of {whole} entries")
