"""The check in the reader's own browser: the keys it needs, and a receipt as a file that checks itself (DESIGN §5.4).

The script is built from `clients/js` (`make check-page`). Where it is not there, a page goes without it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from auditlog.core.entries.receipt import Receipt, format_receipt
from auditlog.core.formats.policy import format_policy
from home import policy_file
from home.errors import SettingsError
from home.greffier import Greffier
from home.settings import AgencyProfile

SCRIPT: Final = Path(__file__).parents[2] / "web" / "static" / "verify.js"


@dataclass(frozen=True, slots=True)
class Checker:
    """What the script gets from us: `keys` is a C2SP policy.

    `minutes`: how long publishing takes. `address`: where a reference can be looked up.
    """

    keys: str
    minutes: int
    address: str


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose receipt it is, as far as pages name it: as `Site` in web/pages/site.py."""

    agency: str
    profile: AgencyProfile | None


def has_script() -> bool:
    """Whether the script was built."""
    return SCRIPT.is_file()


def checker(g: Greffier) -> Checker:
    """Raises CannotRecord where the database cannot be read, SettingsError for a damaged policy file."""
    # Logs of others that the policy may name are left out: their receipts are not ours to call genuine.
    policy = replace(policy_file.read_policy(g), logs=g.keys, log_urls={})
    return Checker(
        keys=format_policy(policy),
        minutes=max(1, g.settings.publish_pace_s // 60),
        address=f"{g.settings.base_url.rstrip('/')}/check",
    )


def receipt_html(g: Greffier, receipt: Receipt, lang: str) -> bytes:
    """`X.receipt.html`: the receipt as a page that shows and checks it without a server, also from a disk.

    Raises SettingsError where the script is not built, LanguageError.
    """
    if not has_script():
        raise SettingsError("is not built: run `make check-page` (it needs npm)", field=SCRIPT.name)
    script = SCRIPT.read_text("ascii")
    page = g.renderer.page(
        "receipt_file.html",
        lang,
        site=Issuer(g.profile.name(lang) if g.profile else g.settings.agency, g.profile),
        checker=checker(g),
        receipt=format_receipt(receipt).decode("utf-8"),
        script=script,
        script_digest=f"sha256-{base64.b64encode(sha256(script.encode()).digest()).decode()}",
    )
    return page.encode("utf-8")
