"""`/api/receipts/{id}`: the proof that a result is in the log, for all; what it says, for whose role needs it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

from accounts.caller import Known
from auditlog.core.entries.receipt import Receipt, format_receipt
from auditlog.core.entries.record import Entry, parse_entry
from service.proving import receipts
from web.auth import Caller, Installation, access_of, authorize, reader_of

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["receipts"])

_UUID4: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "A key was sent, and it is not valid"},
    404: {"description": "No such record in this log"},
    410: {"description": "The content was erased; entry and proof remain, ask without a key"},
}


@router.get(
    "/api/receipts/{id}", response_class=Response, responses={200: {"content": {"application/json": {}}}, **_PROBLEMS}
)
def read_receipt(
    g: Installation,
    caller: Caller,
    request: Request,
    id: Annotated[str, Path(pattern=_UUID4)],
) -> Response:
    """Entry and proof; with a key that reaches the system also what went in and came out.

    Output and outcome stay closed while an officer has the result. Nothing is opened for role operator.
    """
    receipt = receipts.receipt(g, id, openings=None)
    if caller is not None and caller.role in access_of(request).opens and _in_scope(caller, receipt):
        receipt = receipts.receipt(g, id, openings=reader_of(caller))
    return Response(
        format_receipt(receipt),
        media_type="application/json",
        headers={"cache-control": "no-store", "vary": "authorization"},
    )


def _in_scope(caller: Known, receipt: Receipt) -> bool:
    entry = parse_entry(receipt.entry)
    return isinstance(entry, Entry) and caller.reaches(str(entry.members.get("system", "")))
