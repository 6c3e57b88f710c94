"""The letter that explains a result, for the person whose request was answered with it: by the tracking code."""

from __future__ import annotations

from auditlog.core.errors import Erased
from home.errors import Refused
from home.greffier import Greffier
from reports.letter.context import AnsweredRequest, Letter
from service.cases import public_requests
from service.cases.access_codes import READER
from service.disclosing import letters


def own_letter(g: Greffier, tracking_code: str, *, bucket: str | None = None) -> Letter:
    """The letter, without an access code: one that was given out stays good. The person's access is in the log first.

    Raises CodeRejected and TooMany as `public_requests.status`; Refused where the request was not answered with an
    explanation, where its record was erased, and where the letter would say what the person was not told yet;
    CannotRecord.
    """
    found = public_requests.status(g, tracking_code, bucket=bucket)
    request = public_requests.find(g, tracking_code, bucket=bucket)
    if not found.letter or request.reference is None:
        raise _refused()
    try:
        asked = AnsweredRequest(received=request.received, due=request.due)
        return letters.letter(g, READER, request.reference, asked=asked)
    except Erased:  # at this moment
        raise _refused() from None


def _refused() -> Refused:
    return Refused("has no letter that may be given now", reason="no_letter", field="letter")
