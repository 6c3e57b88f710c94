"""What an operator should mend: settings, keys, models, publication, and replays that came out otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from home.greffier import Greffier
from registry.store import model_files as model_store
from runtime.errors import RuntimeFault
from runtime.models import weights
from service.logs import publish, timestamp
from service.replaying import health as replay_health
from service.systems import answers_check, overdue

if TYPE_CHECKING:
    pass


from service.keeping.fsck import Finding

_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def remarks(g: Greffier) -> list[Finding]:
    """What is wrong and no outage: publication, witnesses, time stamps; replays that came out otherwise."""
    found = [Finding(place, message) for place, message in publish.findings(g)]
    found += [Finding("replay", message) for message in replay_health.warnings(g)]
    late = timestamp.late(g)
    return found if late is None else [*found, Finding("time stamp", late)]


def doctor(g: Greffier) -> list[Finding]:
    """What an operator should mend: guard beside the database, models missing or changed, keys readable by others."""
    found: list[Finding] = []
    if g.problem is not None:
        found.append(Finding("log", str(g.problem)))
    if g.guard.path.resolve().is_relative_to(g.home.resolve()):
        found.append(
            Finding("guard_dir", "lies in the same backup tree as the database: set guard_dir to another disk")
        )
    found += remarks(g)
    found += [
        Finding(f"keys/{path.name}", "is no key of log.vkey: of a rotation that was not recorded, or somebody else's")
        for path in g.key_folder.unlisted()
    ]
    if g.settings.fitness == "reported":
        message = "is reported: versions decide about people whatever their tests say; write enforced"
        found.append(Finding("fitness", message))
    if g.settings.four_eyes == "reported":
        message = "is reported: one account may make a system and approve it; write enforced"
        found.append(Finding("four_eyes", message))
    site = urlsplit(g.settings.base_url)
    if site.scheme != "https" and site.hostname not in _THIS_MACHINE:
        message = "is not https: passwords and sessions of staff can be read on the way"
        found.append(Finding("base_url", message))
    if g.profile is None:
        found.append(Finding("agency.json", "is missing: without names, address and rights no letter can be written"))
    found += [
        Finding(f"keys/{path.name}", "can be read by others: chmod 600")
        for path in sorted((g.home / "keys").iterdir())
        if path.suffix in {".key", ".keys"} and path.stat().st_mode & 0o077
    ]
    found += _model_findings(g)
    found += [Finding(place, message) for place, message in (*overdue.findings(g), *answers_check.findings(g))]
    return found


def _model_findings(g: Greffier) -> Iterator[Finding]:
    with g.reading() as conn:
        models = model_store.list_models(conn)
    for model in models:
        try:
            weights.open_model(g.models(), model.sha256).close()
        except RuntimeFault as error:
            yield Finding(f"models/{model.sha256[:12]}….gguf", str(error))
