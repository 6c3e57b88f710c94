"""The register of a database that is built anew: states from the log, documents from wherever they are still found.

The log has the digest of each public record and manifest, not their text. A text is put back only if it has the digest
that the log names; states, models and the index of changes follow from the entries alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.actions.register_check import Told
from app.errors import UsageError
from auditlog.store.aside import Old
from registry.canonical import digest
from registry.errors import FormatError
from registry.manifest import format_manifest, numbered
from registry.register_file import RegisterFile, parse_register_file
from registry.store import history as history_store
from registry.store import model_files as model_store
from registry.store import restore, tables
from registry.store.model_files import RegisteredModel
from registry.system import format_record
from runtime.models import weights

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass
class Documents:
    """Texts by their digest, and the names of models by theirs."""

    texts: dict[str, str] = field(default_factory=dict)
    files: list[RegisterFile] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

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


def find_documents(old: Old, folder: Path | None) -> Documents:
    """What the old database still has, and register files: one, or those among the `*.json` files of a folder.

    Raises UsageError for one file that is no register file.
    """
    found = Documents()
    for row in old.rows(tables.SYSTEM):
        found.add(str(row["record"]))
    for row in old.rows(tables.VERSION):
        found.add(str(row["manifest"]))
    for row in old.rows(tables.MODEL):
        found.names[row["sha256"]] = str(row["name"])
    for path in _files(folder):
        try:
            file = parse_register_file(path.read_bytes())
        except (FormatError, OSError) as error:
            if path != folder:
                continue
            raise UsageError(f"{path.name} is no register file ({error})", field="--documents") from error
        found.files.append(file)
        found.add(format_record(file.system).decode())
    return found


def put_back(conn: Connection, told: Told, documents: Documents, models: Path) -> None:
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
    for slug, places in _by_system(told.changes).items():
        if slug in present:
            for log, index in places:
                history_store.add_changes(conn, slug, log, [index])


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
