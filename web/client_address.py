"""From which address a request came: for limits of tries alone, never for rights.

Behind a proxy of the agency's own everybody comes from the proxy. The setting `client_address_header` names the header
in which that proxy says who asked (`x-forwarded-for`); of several addresses the last one is what it added itself.
"""

from __future__ import annotations

from fastapi import Request

from home.greffier import Greffier
from service.cases.code_attempts import address_bucket


def address_of(request: Request, g: Greffier) -> str:
    """The address of whoever asks, as far as it is known; empty where it is not."""
    address = request.client.host if request.client is not None else ""
    header = g.settings.client_address_header
    if header is not None:
        given = request.headers.getlist(header)
        address = given[-1].rpartition(",")[2].strip() if given else address
    return address


def bucket_of(request: Request, g: Greffier) -> str:
    """What the tries of whoever asks are counted under."""
    return address_bucket(address_of(request, g))
