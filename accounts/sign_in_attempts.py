"""How often somebody may try to sign in: so often for each login, whether there is one or not, and for each address.

A try is counted before it is looked at, so that many at once are no more than the limit; one that succeeds takes its
login's count back. While a login is closed the right password is refused as well: the answer tells nothing.
"""

from __future__ import annotations

import ipaddress
import math
from datetime import datetime, timedelta
from typing import Final

from accounts import session_table as store
from accounts.second_factor import Keys
from accounts.transactions import changing
from home.errors import TooMany
from home.greffier import Greffier

WINDOW: Final = timedelta(minutes=15)
TRIES: Final = 5
"""Of one login in a window. A code of six digits, three of which are good, then holds against years of guessing by
somebody who has the password."""
TRIES_FROM: Final = 50
"""Of one address. This machine's own has no limit: a proxy here makes everyone local."""


def count(g: Greffier, keys: Keys, login: str, address: str) -> None:
    """Count a try. Raises TooMany, which says when to come back."""
    now = g.clock()
    buckets = [(keys.digest("attempt", "login", login), TRIES)]
    network = _network(address)
    if network:
        buckets.append((keys.digest("attempt", "address", network), TRIES_FROM))
    waits = []
    with changing(g) as conn:
        store.forget_old_attempts(conn, now - WINDOW)
        for bucket, most in buckets:
            tries, since = store.count_attempt(conn, bucket, now, now - WINDOW)
            if tries > most:
                waits.append(since + WINDOW)
    if waits:
        raise TooMany("too many tries: wait, then try again", retry_after_s=_seconds(max(waits), now))


def succeeded(g: Greffier, keys: Keys, login: str) -> None:
    """Take the count of a login back."""
    with changing(g) as conn:
        store.forget_attempts(conn, keys.digest("attempt", "login", login))


def _seconds(when: datetime, now: datetime) -> int:
    return max(1, math.ceil((when - now).total_seconds()))


def _network(address: str) -> str:
    """What counts as one address: with IPv6 the network of a household; empty for this machine."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if parsed.is_loopback:
        return ""
    if parsed.version == 6:
        return str(ipaddress.ip_network(f"{parsed}/64", strict=False))
    return str(parsed)
