"""`/api/lookups`: find my decisions. The reference comes in the body, never in an address, and is kept nowhere."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from accounts.token import Forbidden
from auditlog.core.entries.receipt import format_receipt
from auditlog.core.formats.canonical import Json, parse_json
from home.errors import UsageError
from service.disclosing import lookup
from web.auth import Caller, Installation, authorize, reader_of
from web.json_body import Sent, read_body, taking

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["lookups"])

_Reference = Annotated[str, Field(min_length=1, max_length=200)]
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "No valid key"},
    403: {"description": "The role of the key does not reach this"},
    422: {"description": "Not valid; field and fix are named"},
    503: {"description": "The log cannot note this access now, so nothing is given"},
}


class LookupRequest(BaseModel):
    """What is looked up: one person, or one case."""

    model_config = ConfigDict(extra="forbid", strict=True)

    subject: Annotated[_Reference | None, Field(description="reference of a person, in any spelling")] = None
    case: Annotated[_Reference | None, Field(description="reference of a case, in any spelling")] = None
    purpose: Annotated[
        Literal["lookup", "access_file", "correction", "letter", "explanation", "evidence"],
        Field(description="what for; it stands in the log"),
    ] = "lookup"
    receipts: Annotated[bool, Field(description="whether to open the records and give their receipts")] = False


@router.post(
    "/api/lookups",
    response_class=JSONResponse,
    responses=_PROBLEMS,
    openapi_extra=taking(LookupRequest),
)
def look_up(g: Installation, caller: Caller, body: Sent) -> Response:
    """The decisions about a person, or in a case, within the scope of the key; none is an answer, too.

    The access is in the log before the answer leaves. `restricted`: how many more may not be used for this purpose.
    """
    if caller is None:
        raise Forbidden("this needs a key")
    asked = read_body(LookupRequest, body)
    reference = _reference(asked)
    answer = lookup.look_up(
        g, reader_of(caller), asked.purpose, reference, receipted=asked.receipts, within=caller.reaches
    )
    stamp = answer.log
    return JSONResponse(
        {
            "records": [_shown(one) for one in answer.records],
            "restricted": answer.restricted,
            "log": {"origin": stamp.origin, "size": stamp.size, "root": stamp.root},
        },
        headers={"cache-control": "no-store"},
    )


def _reference(asked: LookupRequest) -> lookup.Reference:
    if asked.subject is not None and asked.case is None:
        return lookup.Reference("subject", asked.subject, "subject")
    if asked.case is not None and asked.subject is None:
        return lookup.Reference("case", asked.case, "case")
    raise UsageError("give one of subject and case", field="subject")


def _shown(found: lookup.FoundRecord) -> dict[str, Json]:
    shown: dict[str, Json] = {
        "id": found.id,
        "log": found.log,
        "index": found.index,
        "time": found.time,
        "system": found.system,
        "version": found.version,
        "mode": found.mode,
    }
    if found.receipt is not None:
        shown["receipt"] = parse_json(format_receipt(found.receipt))
    return shown
