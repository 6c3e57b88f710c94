"""The letter that explains a result, for the person whose request was answered with it: by the tracking code."""

from __future__ import annotations

from app.actions.cases import asking
from app.actions.cases.codes import READER
from app.actions.disclosing import letters
from app.errors import Refused
from app.home import Greffier
from auditlog.errors import Erased
from reports.letter.context import Asked, Letter


def own_letter(g: Greffier, tracking_code: str, *, bucket: str | None = None) -> Letter:
    """The letter, without an access code: one that was given out stays good. The person's access is in the log first.

    Raises CodeRejected and TooMany as `asking.status`; Refused where the request was not answered with an explanation,
    where its record was erased, and where the letter would say what the person was not told yet; CannotRecord.
    """
    found = asking.status(g, tracking_code, bucket=bucket)
    request = asking.find(g, tracking_code, bucket=bucket)
    if not found.letter or request.reference is None:
        raise _refused()
    try:
        asked = Asked(received=request.received, due=request.due)
        return letters.letter(g, READER, request.reference, asked=asked)
    except Erased:  # at this moment
        raise _refused() from None


def _refused() -> Refused:
    return Refused("has no letter that may be given now", reason="no_letter", field="letter")
