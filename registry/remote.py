"""A version whose model somebody else runs, asked through our gateway: what it names, and what holds for it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from registry.declaration import declared
from registry.errors import FormatError
from registry.values import Code, Flag, Text

if TYPE_CHECKING:
    from registry.manifest import Manifest
    from registry.system import AISystem

FORMS = Code(
    {
        "json_schema": {"en": "by a JSON schema", "nl": "met een JSON-schema"},
        "json_object": {"en": "by a JSON schema, as llama.cpp takes it", "nl": "met een JSON-schema voor llama.cpp"},
        "text": {"en": "by the prompt alone", "nl": "alleen met de opdracht"},
    }
)

LIMITS = Code({"max_tokens": {"en": "max_tokens"}, "max_completion_tokens": {"en": "max_completion_tokens"}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A model that somebody else runs: it cannot be replayed."""

    provider: str = field(metadata=declared(Text(), en="Provider", nl="Aanbieder"))
    endpoint: str = field(
        metadata=declared(
            Text(500, pattern=r"https?://[^\s\"<>]+", example="an address that begins with https://"),
            en="Endpoint",
            nl="Adres",
        )
    )
    model: str = field(metadata=declared(Text(), en="Model", nl="Model"))
    terms: str = field(metadata=declared(Text(500), en="Terms", nl="Voorwaarden"))
    region: str | None = field(
        metadata=declared(
            Text(100), en="Where it runs", nl="Waar het draait", presence="omitted", article="GDPR 44, 13(1)(f)"
        ),
        default=None,
    )
    tier: str | None = field(
        metadata=declared(Text(100), en="Kind of service", nl="Soort dienst", presence="omitted"), default=None
    )
    form: str | None = field(
        metadata=declared(
            FORMS,
            en="How it is held to a form",
            nl="Hoe de vorm wordt gevraagd",
            presence="omitted",
            doc="Whatever is chosen, each answer is checked here. Left out: json_schema.",
        ),
        default=None,
    )
    limit: str | None = field(
        metadata=declared(
            LIMITS,
            en="How its length is limited",
            nl="Hoe de lengte wordt begrensd",
            presence="omitted",
            doc="The member of a request that this endpoint knows. Left out: max_tokens.",
        ),
        default=None,
    )
    stream: bool | None = field(
        metadata=declared(
            Flag(),
            en="Its answer is read as it grows",
            nl="Het antwoord wordt gelezen terwijl het groeit",
            presence="omitted",
            doc="Shows when its first words came. Nothing leaves before the record all the same.",
        ),
        default=None,
    )


def verify_remote(system: AISystem, manifest: Manifest, path: str) -> None:
    """Raises FormatError with the path of what does not fit; a version without a remote model always fits."""
    if manifest.remote is None:
        return
    _verify_endpoint(manifest.remote.endpoint, f"{path}.remote.endpoint")
    if manifest.streaming:
        raise FormatError(
            "is true, and what a model elsewhere gives leaves whole, after its record; write false",
            field=f"{path}.streaming",
        )
    for index, outcome in enumerate(manifest.outcomes):
        if outcome.bias_millinats:
            raise FormatError(
                "cannot be added to a model that runs elsewhere; write 0",
                field=f"{path}.outcomes[{index}].bias_millinats",
            )
    if system.classification.annex_iii:
        _verify_held(manifest, path)


def _verify_held(manifest: Manifest, path: str) -> None:
    """A result of Annex III that nobody here can make again leaves only after a person has looked."""
    what = "lets results of Annex III leave at once, made where nobody can check them again; write after_review"
    if manifest.release != "after_review":
        raise FormatError(what, field=f"{path}.release")
    for index, outcome in enumerate(manifest.outcomes):
        if manifest.release_of(outcome.code) != "after_review":
            raise FormatError(what, field=f"{path}.outcomes[{index}].release")


def _verify_endpoint(endpoint: str, path: str) -> None:
    """The address is public: no key, name or password in it. Only this machine is asked without TLS."""
    try:
        parts = urlsplit(endpoint)
        _ = parts.port
    except ValueError:
        raise FormatError("is no address; write it as https://host/v1", field=path) from None
    if not parts.hostname:
        raise FormatError("names no host; write it as https://host/v1", field=path)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise FormatError(
            "is public; leave out names, passwords, ? and #, and put the key into keys/remote/", field=path
        )
    if parts.path.rstrip("/").endswith("/chat/completions"):
        raise FormatError("ends before /chat/completions; leave that out", field=path)
    if parts.scheme != "https" and not _is_loopback(parts):
        raise FormatError("sends data without TLS; write https:// (http:// is for this machine only)", field=path)


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
