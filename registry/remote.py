"""A version whose model somebody else runs, asked through our gateway."""

from __future__ import annotations

from dataclasses import dataclass, field

from registry.declaration import declared
from registry.values import Code, Flag, Text

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
