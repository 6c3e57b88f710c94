"""What the register says to records from elsewhere, asked once a batch: gates, and versions made ready."""

from __future__ import annotations

from dataclasses import dataclass, field

from home.errors import Refused, UsageError
from home.greffier import Greffier
from registry.errors import RegistryError, UnknownVersion
from registry.lifecycle import Gate
from registry.store import external_gate
from registry.store import systems as register_store
from service.external.lines import Line
from service.external.values import Version


@dataclass(slots=True)
class Register:
    """The register as one batch sees it."""

    g: Greffier
    _gates: dict[tuple[str, int | None], Gate | Refused | UsageError] = field(default_factory=dict)
    _versions: dict[tuple[str, int], Version] = field(default_factory=dict)

    def gate(self, line: Line) -> Gate:
        """The gate for a line's system and version. Raises Refused or UsageError."""
        key = line.system, line.version
        if key not in self._gates:
            self._gates[key] = self._ask(*key)
        found = self._gates[key]
        if isinstance(found, Exception):
            raise found
        return found

    def ask_again(self) -> None:
        """Forget the gates: something changed meanwhile."""
        self._gates.clear()

    def of(self, gate: Gate) -> Version:
        """The version that a gate let through."""
        key = gate.system, gate.version
        if key not in self._versions:
            self._versions[key] = Version(gate.record, gate.running.manifest)
        return self._versions[key]

    def version(self, slug: str, number: int) -> Version:
        """A version that a record names."""
        if (slug, number) not in self._versions:
            with self.g.reading() as conn:
                system = register_store.read_system(conn, slug).system
                version = register_store.read_version(conn, slug, number)
            self._versions[slug, number] = Version(system, version.manifest)
        return self._versions[slug, number]

    def _ask(self, slug: str, version: int | None) -> Gate | Refused | UsageError:
        try:
            with self.g.reading() as conn:
                return external_gate.gate(conn, slug, version)
        except UnknownVersion:
            return UsageError("is no version of this system", field="version")
        except RegistryError as error:
            message = str(error).removeprefix(f"{error.field}: ")
            return Refused(message, reason=error.reason or "not_running", field="system")
