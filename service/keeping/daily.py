"""What a served home does by itself once a day (UTC): tombstones that are due, tallies, expiry."""

from __future__ import annotations

import logging
from datetime import date

from auditlog.core.errors import AuditLogError, CannotRecord
from home.errors import AppError
from home.greffier import Greffier
from service.erasing import erase, expire
from service.figures import recount

logger = logging.getLogger(__name__)


def run(g: Greffier, last: date | None) -> date | None:
    """Do the day's work where it was not done since `last`; returns the day for which it is done now.

    What a rule refuses (the clock, a hold) is told to the operator and tried again the next day. Raises CannotRecord:
    then it is tried again.
    """
    today = g.clock().date()
    if today == last or g.problem is not None:
        return last
    try:
        erase.complete_pending(g)
        erase.write_tombstones(g)
        recount.settle(g)
        if g.settings.expire_daily:
            expired = expire.expire(g)
            if expired:
                logger.info("%d records expired", expired)
    except CannotRecord:
        raise
    except (AppError, AuditLogError) as error:
        # Errors name fields and fixes, never what a record holds.
        logger.warning("the day's work was refused: %s", error)
    return today
