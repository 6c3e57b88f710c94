"""What a kind of entry is made of: members in clear, and values that the entry commits to. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from auditlog.core.entries.vocabulary import Type


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an entry. `many`: a list in strictly rising order; an object is ordered by its first member."""

    name: str
    type: Type
    doc: str
    nullable: bool = False
    codes: tuple[str, ...] = ()
    many: bool = False
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """A value that the entry commits to (64 hex digits), and what the value is once it is opened."""

    name: str
    doc: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind with its version. `person`: the entry is about one affected person, and must betray nothing of the case.

    `inputs`: besides `committed` there is one commitment `in_<field>` per declared input field.
    `one_of`: exactly one of these members is not null. `together`: these are null together.
    """

    name: str
    doc: str
    members: tuple[Member, ...] = ()
    committed: tuple[Committed, ...] = ()
    inputs: bool = False
    person: bool = False
    one_of: tuple[str, ...] = ()
    together: tuple[str, ...] = ()

    @property
    def commits(self) -> tuple[str, ...]:
        """Names of the fixed commitments, in the table's order."""
        return tuple(one.name for one in self.committed)


COMMON = (
    Member("kind", "code", "the kind and its version"),
    Member("id", "id", "of this entry; a time-ordered id would betray the time"),
    Member("agency", "slug", "the agency whose log this is"),
    Member("time", "time", "when the entry was made"),
)

SYSTEM = Member("system", "slug", "the system as registered")
VERSION = Member("version", "uint", "its version")
