"""The access file that a person asked for (GDPR 15), made by the officer who answers the request.

It is made for the answer and kept nowhere. All that there is of a person stands in it, of every system: so it is for
accounts that reach all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from auditlog.store import vault as vault_store
from casework.errors import StepRefused, TakenMeanwhile
from home.errors import Refused, UsageError
from home.greffier import Greffier
from reports.access_file.context import AccessFile
from service.cases import officer_requests
from service.disclosing import lookup
from service.disclosing.access_document import access_document
from service.disclosing.lookup import Reference
from service.records import reading


class LeadsNowhere(UsageError):
    """Nothing is held under this reference."""


class LeadsElsewhere(UsageError):
    """The reference is of somebody else than the record that the request is about."""


def asked_file(
    g: Greffier,
    reader: reading.Reader,
    request_id: str,
    *,
    version: int,
    person: str,
    systems: Sequence[str] | None = None,
) -> AccessFile:
    """The document for an open request; every access is in the log first, also that of a look-up which finds nothing.

    `person`: a reference of the person, in any spelling. `systems`: the officer's scope. Raises UsageError for one that
    cannot be one; LeadsNowhere, LeadsElsewhere; Refused outside the roles, and for an account that does not reach all
    systems; StepRefused where nobody knows who asks, where it is closed, and where it asks for something else;
    TakenMeanwhile, UnknownRecord, Erased, CannotRecord.
    """
    officer_requests.demand_acting(reader)
    request = officer_requests.find(g, request_id, systems)
    if systems is not None:
        raise Refused("holds what every system has: ask a colleague whose account reaches all", reason="scope")
    if request.version != version:
        raise TakenMeanwhile("somebody else took a step meanwhile: look at the request again", field="version")
    if request.right != "access" or request.state != "open":
        raise StepRefused("does not ask for what is held any more", field="right")
    if request.identity not in ("code", "checked"):
        raise StepRefused("say first how you know who asks (GDPR 12(6))", field="identity")
    _demand_person(g, reader, Reference("subject", person, "person"), request.reference)
    return access_document(g, reader, Reference("subject", person, "person"))


def _demand_person(g: Greffier, reader: reading.Reader, given: Reference, record: str | None) -> None:
    """A reference that was mistyped may be somebody else's. That it was tried is in the log before anything is said."""
    found = [one.entry.id for one in lookup.find(g, given)]
    if not found and not lookup.find_requests(g, given):
        reading.note_scope(g, reader, "access_file", [], given.scope)
        raise LeadsNowhere("leads to nothing that is held: check it", field=given.option)
    if record is None or record in found:
        return
    with g.reading() as conn:
        names_somebody = any(kind == "subject" for _, kind in vault_store.tags_of(conn, record))
    if names_somebody:
        reading.note_scope(g, reader, "access_file", [], given.scope)
        raise LeadsElsewhere("leads to somebody else than the record of this request: check it", field=given.option)
