"""How often codes may be tried: by record, and by the address that tries. Each try counts before it is looked at.

Who tries many at once is counted as many; a right code counts as none. Of an address only a keyed tag is kept, for an
hour, and of an IPv6 address only the network that one household has.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from casework.store import secrets
from home.errors import TooMany
from home.greffier import Greffier

WINDOW_S: Final = 3600
PER_RECORD: Final = 10
PER_ADDRESS: Final = 50
"""A library and a city's flat share an address; 50 tries at a code of 60 random bits find nothing."""
REQUESTS: Final = 20
"""Requests without a code from one address in an hour: each is work for an officer."""
_IPV6_NETWORK: Final = 56


def address_bucket(address: str) -> str:
    """What an address is counted under. What is no address is counted together."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "other"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_NETWORK), strict=False))
    return str(parsed)


def count(g: Greffier, record: str | None, bucket: str | None) -> tuple[bytes, ...]:
    """Count one try at the code of a record, from an address; what is None is not counted. Returns what was counted.

    Raises TooMany, for any code from then on, right ones too: nobody learns from the answer which one it was. Raises
    CannotRecord where it cannot be counted.
    """
    wanted = [("tried record", record, PER_RECORD), ("tried address", bucket, PER_ADDRESS)]
    return _count(g, wanted, "too many codes were tried: wait, or ask us by phone")


def count_request(g: Greffier, bucket: str | None) -> None:
    """Count a request that came without a code. Raises TooMany, CannotRecord."""
    _count(g, [("asked address", bucket, REQUESTS)], "too many requests came from here: wait, or ask us by phone")


def _count(g: Greffier, wanted: Sequence[tuple[str, str | None, int]], message: str) -> tuple[bytes, ...]:
    counted = [(g.vault.key_tag(scope, name), most) for scope, name, most in wanted if name is not None]
    now, waits = int(g.clock().timestamp()), list[int]()
    with g.writing() as conn:
        for tag, most in counted:
            number, seconds = secrets.count_try(conn, tag, now=now, window=WINDOW_S)
            if number > most:
                waits.append(seconds)
    if waits:
        raise TooMany(message, retry_after_s=max(waits))
    return tuple(tag for tag, _ in counted)


def take_back(g: Greffier, counted: tuple[bytes, ...]) -> None:
    """The code was right."""
    with g.writing() as conn:
        for tag in counted:
            secrets.take_back_try(conn, tag)
