"""The register of a database that is built anew: states from the log, documents from wherever they are still found.

The log has the digest of each public record, manifest, report of tests and reason of an override, not their text. A
text is put back only if it has the digest that the log names; states, models and the index of changes follow from the
entries alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from auditlog.store.replacement import Old
from home.errors import UsageError
from registry.canonical import digest, format_canonical, parse_json
from registry.errors import FormatError
from registry.gate_report import FORMAT as REPORT
from registry.gate_report import format_statement, parse_statement
from registry.manifest import format_manifest, numbered
from registry.register_file import RegisterFile, parse_register_file
from registry.store import answers as answer_store
from registry.store import as_of as past_store
from registry.store import fitness as fitness_store
from registry.store import history as history_store
from registry.store import incidents as incident_store
from registry.store import model_files as model_store
from registry.store import restore, tables
from registry.store.model_files import RegisteredModel
from registry.system import format_record
from runtime.models import weights
from service.systems.register_check import LoggedRegister

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass
class Documents:
    """Texts by their digest, the names of models by theirs, and whose step an entry was by its place."""

    texts: dict[str, str] = field(default_factory=dict)
    files: list[RegisterFile] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    accounts: dict[history_store.Place, str | None] = field(default_factory=dict)
    incidents: list[Mapping[str, Any]] = field(default_factory=list)
    answers: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Take a text that may be what the log names."""
        self.texts[digest(text.encode())] = text

    def record(self, wanted: str) -> str | None:
        """The public record of that digest."""
        return self.texts.get(wanted)

    def manifest(self, slug: str, version: int, wanted: str) -> str | None:
        """The manifest of that digest; a register file does not say which number its version was given."""
        if wanted in self.texts:
            return self.texts[wanted]
        drafts = (file.manifest for file in self.files if file.manifest is not None and file.system.slug == slug)
        texts = (format_manifest(numbered(draft, version)).decode() for draft in drafts)
        return next((text for text in texts if digest(text.encode()) == wanted), None)


_TEXTS: Final = (
    (tables.SYSTEM, "record"),
    (tables.RECORD, "record"),
    (tables.VERSION, "manifest"),
    (tables.FITNESS, "report"),
    (tables.OVERRIDE, "statement"),
    (tables.MODIFICATION, "statement"),
)


def find_documents(old: Old, folder: Path | None) -> Documents:
    """What the old database still has, and register files: one, or those among the `*.json` files of a folder.

    Raises UsageError for one file that is no register file.
    """
    found = Documents()
    for table, column in _TEXTS:
        for row in old.rows(table):
            found.add(str(row[column]))
    for row in old.rows(tables.STEP):
        found.accounts[row["log"], row["idx"]] = row["account"]
    found.incidents += old.rows(tables.INCIDENT)
    found.answers += old.rows(tables.ANSWER)
    for row in old.rows(tables.MODEL):
        found.names[row["sha256"]] = str(row["name"])
    for path in _files(folder):
        try:
            file = parse_register_file(path.read_bytes())
        except (FormatError, OSError) as error:
            if (text := _public_text(path)) is not None:
                found.add(text)
            elif path == folder:
                raise UsageError(f"{path.name} is no register file ({error})", field="--documents") from error
            continue
        found.files.append(file)
        found.add(format_record(file.system).decode())
    return found


def put_back(conn: Connection, told: LoggedRegister, documents: Documents, models: Path) -> None:
    """Write the register's tables as far as the documents are there."""
    for sha256, columns in sorted(told.models.items()):
        name = documents.names.get(sha256) or weights.read_name(models, sha256) or sha256[:12]
        model_store.add_model(conn, RegisteredModel(sha256, name=name, **columns))
    present = set()
    for slug, columns in sorted(told.systems.items()):
        record = documents.record(columns.get("record", ""))
        if record is not None:
            restore.put_system(conn, slug, record, **{k: v for k, v in columns.items() if k != "record"})
            present.add(slug)
    for (slug, version), columns in sorted(told.versions.items()):
        manifest = documents.manifest(slug, version, columns["manifest"])
        if slug in present and manifest is not None:
            restore.put_version(conn, slug, version, manifest)
    _put_tests_back(conn, told, documents, present)
    _put_past_back(conn, told, documents, present)
    incident_store.put_back(conn, told.incidents, (row for row in documents.incidents if row["slug"] in present))
    answers = [row for row in documents.answers if row["slug"] in present]
    answer_store.put_back(conn, answer_store.to_keep(answers, told.answers))
    for slug, places in _by_system(told.changes).items():
        if slug in present:
            for log, index in places:
                history_store.add_changes(conn, slug, log, [index])
                if (log, index) in documents.accounts:
                    past_store.add_steps(conn, slug, log, [index], documents.accounts[log, index])


def _put_tests_back(conn: Connection, told: LoggedRegister, documents: Documents, present: Set[str]) -> None:
    """Reports and the reasons of overrides, as far as their texts are there."""
    for place, columns in sorted(told.reports.items()):
        report = documents.texts.get(columns["report"])
        if columns["slug"] in present and report is not None:
            fitness_store.add_report(conn, columns["slug"], columns["version"], place, report)
    for place, columns in sorted(told.overrides.items()):
        statement = documents.texts.get(columns["statement"])
        if columns["slug"] in present and statement is not None:
            fitness_store.add_override(conn, place=place, **{**columns, "statement": statement})


def _put_past_back(conn: Connection, told: LoggedRegister, documents: Documents, present: Set[str]) -> None:
    """Records as they were, and what a new version changed, as far as their texts are there."""
    for place, columns in sorted(told.records.items()):
        record = documents.record(columns["record"])
        if columns["slug"] in present and record is not None:
            past_store.add_record(conn, columns["slug"], place, record)
    for place, columns in sorted(told.modifications.items()):
        statement = documents.texts.get(columns["statement"])
        if columns["slug"] in present and statement is not None:
            past_store.add_modification(conn, place=place, **{**columns, "statement": statement})


def _public_text(path: Path) -> str | None:
    """A report of tests, or the reasons of an override by language, as the register gives them; None for another."""
    try:
        value = parse_json(path.read_bytes())
        if isinstance(value, dict) and value.get("format") == REPORT:
            return format_canonical(value).decode()
        return format_statement(parse_statement(value, "statement")).decode()
    except (FormatError, OSError):
        return None


def _by_system(changes: Mapping[history_store.Place, Mapping[str, Any]]) -> dict[str, list[history_store.Place]]:
    found: dict[str, list[history_store.Place]] = {}
    for place, columns in sorted(changes.items()):
        found.setdefault(columns["slug"], []).append(place)
    return found


def _files(folder: Path | None) -> Iterator[Path]:
    if folder is None:
        return
    if not folder.exists():
        raise UsageError("is neither a file nor a folder", field="--documents")
    found: Iterable[Path] = [folder] if folder.is_file() else sorted(folder.glob("*.json"))
    yield from found
