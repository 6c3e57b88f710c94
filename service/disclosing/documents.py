"""THE table of documents that are written by name: what each is of, who may see the file, and how it is gathered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from home.greffier import Greffier
from service.disclosing import letters, notices, processing, report, statements
from service.records.reading import Reader
from service.systems.incidents import Incident

Of = Literal["system", "record", "incident", "agency"]
Make = Callable[[Greffier, Reader, str, str], object]
"""From installation, reader, what it is of (its slug or id; empty for the agency), and language."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One document. `private`: its file is the owner's alone, since it holds what is about persons; such a document
    needs a log that can be written, since the access is noted first."""

    of: Of
    make: Make
    private: bool = False


DOCUMENTS: Final[dict[str, Kind]] = {
    "system": Kind("system", lambda g, _reader, slug, lang: report.system_page(g, slug, lang)),
    "letter": Kind("record", lambda g, reader, id_, _lang: letters.letter(g, reader, id_), private=True),
    "notice": Kind("system", lambda g, _reader, slug, _lang: notices.decision_notice(g, slug)),
    "workers": Kind("system", lambda g, _reader, slug, _lang: notices.worker_notice(g, slug)),
    "article-50": Kind("system", lambda g, _reader, slug, _lang: notices.article_50(g, slug)),
    "fria": Kind("system", lambda g, _reader, slug, _lang: statements.fria(g, slug)),
    "instructions": Kind("system", lambda g, _reader, slug, _lang: statements.instructions(g, slug)),
    "incident": Kind(
        "incident", lambda g, reader, id_, _lang: statements.incident_notice(g, reader, id_), private=True
    ),
    "incident-report": Kind(
        "incident", lambda g, reader, id_, _lang: statements.incident_report(g, reader, id_), private=True
    ),
    "logging": Kind("agency", lambda g, _reader, _of, _lang: statements.logging_statement(g)),
    "accessibility": Kind("agency", lambda g, _reader, _of, _lang: statements.accessibility(g)),
    "processing": Kind("agency", lambda g, _reader, _of, _lang: processing.processing_record(g)),
}


def of_incident(found: Incident) -> tuple[str, ...]:
    """The documents that there are of an incident, by their names in `DOCUMENTS`."""
    notice = () if found.duty == "provider" else ("incident",)
    return notice if statements.report_due(found) is None else (*notice, "incident-report")
