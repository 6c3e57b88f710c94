"""Access codes of decisions: given out with the letter, and with one of them the person sees and asks.

A code is random, shown once, kept as a keyed digest, and gone when its record is erased. Whether a record has a code,
was erased, or never was, is told to nobody: a wrong code and a wrong reference get one answer, after the same work.
"""

from __future__ import annotations

import hmac
import os
from typing import Final

from auditlog.core.entries.receipt import Receipt
from auditlog.core.errors import Erased
from auditlog.vault.holds import demand_holdable
from casework.errors import CodeRejected
from casework.secret import ACCESS, REJECTED, draw_code, format_code, parse_code
from casework.store import secrets
from home.errors import Refused
from home.greffier import Greffier
from service.cases import code_attempts
from service.cases.code_attempts import address_bucket
from service.proving import receipts
from service.records import reading, release
from service.records.accesses import PERSON

__all__ = ("READER", "address_bucket", "check_code", "issue_code", "open_receipt")
READER: Final = reading.Reader(PERSON, None)
_SCOPE: Final = "access code"
_NO_DIGEST: Final = bytes(32)
_LONGEST: Final = 100


def issue_code(g: Greffier, record_id: str) -> str:
    """A new access code of a decision, as it is printed; it takes the place of an earlier one.

    Raises UnknownRecord, Erased, Refused for what is no decision.
    """
    if reading.find_live(g, record_id).entry.kind != release.RESULT_KIND:
        raise Refused("only a decision has an access code", reason="not_a_decision", field="id")
    code = draw_code(ACCESS, os.urandom)
    with g.writing() as conn:
        # In the transaction: what is erased meanwhile gets no code that would outlive it.
        demand_holdable(conn, g.ledger, record_id)
        secrets.put_code(conn, record_id, _digest(g, record_id, code))
    return format_code(code)


def check_code(g: Greffier, record_id: str, code: str, *, bucket: str | None = None) -> str:
    """The id of the record, where `code` is its code. Raises CodeRejected, TooMany.

    `bucket`: what the address is counted under (`address_bucket`); None where it came by another way than the web.
    """
    record_id, typed = record_id.strip().lower()[:_LONGEST], parse_code(code, ACCESS)
    counted = code_attempts.count(g, record_id, bucket)
    with g.reading() as conn:
        kept = secrets.find_code(conn, record_id)
    same = hmac.compare_digest(_digest(g, record_id, typed), kept or _NO_DIGEST)
    if kept is None or not same or g.ledger.names(record_id):
        raise CodeRejected(REJECTED, field="code")
    code_attempts.take_back(g, counted)
    return record_id


def open_receipt(g: Greffier, record_id: str, code: str, *, bucket: str | None = None) -> Receipt:
    """The receipt of a decision for whoever has its code: what went in, and what came out once that may be known.

    Where a person decides, output and outcome stay closed until the decision was notified. The access is in the log
    first. Raises CodeRejected, TooMany, CannotRecord.
    """
    record_id = check_code(g, record_id, code, bucket=bucket)
    try:
        return receipts.receipt(g, record_id, openings=READER)
    except Erased:  # at this moment
        raise CodeRejected(REJECTED, field="code") from None


def _digest(g: Greffier, record_id: str, code: str) -> bytes:
    return g.vault.key_tag(_SCOPE, f"{record_id} {code}")
