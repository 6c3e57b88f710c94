"""A form that is sent twice makes one request: a double click, a page that is loaded again, a browser that tries again.

The form carries a random token. Id and tracking code of the request follow from it and from all that was filled in,
under a key of the installation: nothing more is kept, and nobody tells either without the token. A browser shows the
answer to the last sending alone, so the same sending gets the same acknowledgement, code and all, for some minutes;
later it is told that the request is here, and not the code, since the next one at that browser may be somebody else.
What was changed in between is a request of its own: nobody's words are dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from auditlog.core.entries.record import Entry, parse_entry, parse_time
from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import Json, format_canonical
from auditlog.store import log as log_store
from casework.request import Request
from casework.secret import TRACKING, draw_code
from casework.store import requests as store
from home.greffier import Greffier
from service.cases.public_requests import Opened, RequestIds
from service.deciding import idempotency

SAME_PAGE: Final = timedelta(minutes=10)
"""For how long the same sending gets the same page."""


@dataclass(frozen=True, slots=True)
class Known:
    """The same form came before, too long ago to show its code again. `request` None: it was closed or erased since."""

    request: Request | None


def once(
    g: Greffier, key: idempotency.Key, form: Mapping[str, Json], open_request: Callable[[RequestIds], Opened]
) -> Opened | Known:
    """What `open_request` makes of a form, or made of it before. `form`: all that was sent; `key`: of its token.

    Raises what `open_request` raises.
    """
    drawn = _ids_of(g, key, form)
    found = _found(g, drawn)
    if found is not None:
        return found
    try:
        return open_request(drawn)
    except FormatError:
        # The other sending, at this moment, was the first.
        found = _found(g, drawn)
        if found is None:
            raise
        return found


def _ids_of(g: Greffier, key: idempotency.Key, form: Mapping[str, Json]) -> RequestIds:
    sent = f"{key.text} {hashlib.sha256(format_canonical(dict(form))).hexdigest()}"
    id_ = UUID(bytes=g.vault.key_tag(f"id {key.scope}", sent)[:16], version=4)
    tag = g.vault.key_tag(f"code {key.scope}", sent)
    return RequestIds(str(id_), draw_code(TRACKING, lambda length: tag[:length]))


def _found(g: Greffier, drawn: RequestIds) -> Opened | Known | None:
    with g.reading() as conn:
        entry = log_store.find_entry(conn, drawn.id)
        request = store.find_request(conn, drawn.id)
    if entry is None:
        return None
    if request is None or request.state != "open" or g.ledger.names(drawn.id):
        return Known(None)
    came = parse_entry(entry.data)
    if not isinstance(came, Entry) or g.clock() - parse_time(came.time) > SAME_PAGE:
        return Known(request)
    return drawn.opened(request)
