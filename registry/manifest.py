"""The version manifest (DESIGN §5.5): canonical JSON of all that determines an answer. A version never changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from registry import declaration
from registry.canonical import Json, digest, format_canonical
from registry.declaration import Many, Part, declared
from registry.fitness import Fitness, Wording
from registry.remote import Remote
from registry.values import NAME, SLUG, AnyValue, Code, Flag, Integer, Multilingual, Text, Words

FORMAT = "manifest/1"

_NAME = Text(40, pattern=NAME, example="lower-case letters, digits and _ (at most 40)")
_SHA256 = Text(64, pattern=r"[0-9a-f]{64}", example="the SHA-256 of the file, 64 hexadecimal digits")
_KV = Code({"q8_0": {"en": "Q8_0"}, "f16": {"en": "F16"}})

CLASSES = Code(
    {
        "none": {"en": "no personal data", "nl": "geen persoonsgegeven"},
        "personal": {"en": "personal data", "nl": "persoonsgegeven"},
        "special": {"en": "sensitive personal data (GDPR 9)", "nl": "gevoelig persoonsgegeven (AVG 9)"},
        "criminal": {"en": "data on offences (GDPR 10)", "nl": "gegeven over strafbare feiten (AVG 10)"},
    }
)
RELEASES = Code(
    {
        "immediate": {"en": "at once", "nl": "meteen"},
        "after_review": {"en": "after a member of staff has looked", "nl": "nadat een medewerker heeft gekeken"},
    }
)
UNDECLARED = Code(
    {
        "refuse": {"en": "the record is refused", "nl": "het bericht wordt geweigerd"},
        "count": {"en": "left out, and counted", "nl": "weggelaten, en geteld"},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The weights, by their digest; tokenizer and chat template are inside the file."""

    sha256: str = field(metadata=declared(_SHA256, en="SHA-256 of the file", nl="SHA-256 van het bestand"))
    name: str = field(metadata=declared(Text(), en="Name", nl="Naam"))
    quantization: str = field(metadata=declared(Text(40), en="Quantisation", nl="Kwantisatie"))
    licence: str = field(metadata=declared(Text(100), en="Licence", nl="Licentie"))
    architecture: str | None = field(
        metadata=declared(
            Text(40, pattern=r"[a-z0-9_-]{1,40}", example="what the file's header names, such as llama"),
            en="Architecture",
            nl="Architectuur",
            presence="omitted",
            doc="A file whose header names another one is refused.",
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueWords:
    """How one value of a field reads to people, per language; the prompt keeps the value itself."""

    value: Json = field(metadata=declared(AnyValue(), en="Value", nl="Waarde"))
    label: Words = field(metadata=declared(Multilingual(200), en="In words", nl="In woorden"))


@dataclass(frozen=True, slots=True, kw_only=True)
class InputField:
    """One detail that the system may use. Nothing else enters a prompt, and each is committed in every record."""

    id: str = field(metadata=declared(_NAME, en="Id", nl="Id"))
    label: Words = field(metadata=declared(Multilingual(200), en="Detail", nl="Gegeven"))
    source: Words = field(metadata=declared(Multilingual(400), en="Where it comes from", nl="Waar het vandaan komt"))
    class_: str = field(metadata=declared(CLASSES, en="Kind of data", nl="Soort gegeven", article="GDPR 4(1), 9, 10"))
    neutral: Json = field(
        metadata=declared(
            AnyValue(),
            en="Neutral value",
            nl="Neutrale waarde",
            doc='Says "not stated" in a prompt; null for a conversation.',
            presence="nullable",
        )
    )
    schema: Json = field(metadata=declared(AnyValue(objects=True), en="Allowed values", nl="Toegestane waarden"))
    values: tuple[ValueWords, ...] | None = field(
        metadata=declared(
            Many(Part(ValueWords), 1, 256), en="Values in words", nl="Waarden in woorden", presence="omitted"
        )
    )
    protected: bool | None = field(
        metadata=declared(
            Flag(),
            en="Protected characteristic",
            nl="Beschermd kenmerk",
            presence="omitted",
            article="Charter of Fundamental Rights 21",
            doc="Never proposed as a change; if changing it alone changes the result, the result is set aside.",
        ),
        default=None,
    )
    group: str | None = field(
        metadata=declared(
            _NAME,
            en="Group",
            nl="Groep",
            presence="omitted",
            doc="Details of one group are also taken away together when a result is explained.",
        ),
        default=None,
    )

    def words(self, value: Json) -> Words | None:
        """How a value reads to people; None where the version has no words for it."""
        return next((item.label for item in self.values or () if item.value == value), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One run of the model: a template, and the member of the output that it fills."""

    output: str = field(metadata=declared(_NAME, en="Fills", nl="Vult"))
    template: str = field(metadata=declared(Text(20_000, lines=True), en="Prompt", nl="Opdracht"))
    max_tokens: int = field(metadata=declared(Integer(1, 4096), en="At most tokens", nl="Hoogstens tokens"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One of the answers that the first step may give, and what follows from it."""

    code: str = field(metadata=declared(_NAME, en="Code", nl="Code"))
    text: str = field(metadata=declared(Text(100), en="Model's words", nl="Woorden van het model"))
    bias_millinats: int = field(
        metadata=declared(Integer(-1_000_000, 1_000_000), en="Bias (millinats)", nl="Bias (millinats)")
    )
    label: Words = field(metadata=declared(Multilingual(200), en="Result", nl="Uitkomst"))
    release: str | None = field(metadata=declared(RELEASES, en="Leaves", nl="Gaat eruit", presence="nullable"))
    adverse: bool = field(metadata=declared(Flag(), en="Adverse", nl="Nadelig", article="AI Act 86(1)"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """How the next token is chosen. Greedy takes the likeliest; gumbel draws, repeatably, with the record's seed."""

    kind: str = field(
        metadata=declared(Code({"greedy": {"en": "greedy"}, "gumbel": {"en": "gumbel"}}), en="Sampler", nl="Keuze")
    )
    temperature_milli: int | None = field(
        metadata=declared(Integer(1, 10_000, scale=1000), en="Temperature", nl="Temperatuur", presence="omitted")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The runtime's settings that may move bits (reference/runtime.md 3)."""

    n_ctx: int = field(metadata=declared(Integer(1, 1_048_576), en="Context", nl="Context"))
    n_batch: int = field(metadata=declared(Integer(1, 1_048_576), en="Batch", nl="Batch"))
    n_ubatch: int = field(metadata=declared(Integer(1, 1_048_576), en="Micro-batch", nl="Microbatch"))
    n_seq_max: int = field(metadata=declared(Integer(1, 256), en="Sequences", nl="Reeksen"))
    type_k: str = field(metadata=declared(_KV, en="Type of K", nl="Type van K"))
    type_v: str = field(metadata=declared(_KV, en="Type of V", nl="Type van V"))
    kv_unified: bool = field(metadata=declared(Flag(), en="One KV stream for all", nl="Eén KV-stroom voor alles"))
    flash_attention: str = field(
        metadata=declared(
            Code({"auto": {"en": "auto"}, "on": {"en": "on"}, "off": {"en": "off"}}),
            en="Flash attention",
            nl="Flash attention",
        )
    )
    threads: int = field(metadata=declared(Integer(1, 512), en="Threads", nl="Threads"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that determines an answer of one version of one system."""

    system: str = field(
        metadata=declared(Text(64, pattern=SLUG, example="the slug of the system"), en="System", nl="Systeem")
    )
    version: int = field(metadata=declared(Integer(1, 1_000_000), en="Version", nl="Versie"))
    model: Model | None = field(metadata=declared(Part(Model), en="Model", nl="Model", presence="nullable"))
    fields: tuple[InputField, ...] = field(
        metadata=declared(Many(Part(InputField), 1, 64), en="Which data?", nl="Welke gegevens?")
    )
    steps: tuple[Step, ...] = field(metadata=declared(Many(Part(Step), 1, 8), en="Steps", nl="Stappen"))
    output_schema: Json = field(
        metadata=declared(AnyValue(objects=True), en="Form of the answer", nl="Vorm van het antwoord")
    )
    outcomes: tuple[Outcome, ...] = field(metadata=declared(Many(Part(Outcome), 1, 64), en="Results", nl="Uitkomsten"))
    sampler: Sampler = field(metadata=declared(Part(Sampler), en="Choice of words", nl="Keuze van woorden"))
    seed: str = field(
        metadata=declared(
            Code({"none": {"en": "none", "nl": "geen"}, "record": {"en": "one a record", "nl": "één per record"}}),
            en="Seed",
            nl="Startwaarde",
        )
    )
    context: Context | None = field(metadata=declared(Part(Context), en="Context", nl="Context", presence="nullable"))
    adapters: tuple[str, ...] = field(metadata=declared(Many(_SHA256, 0, 8), en="Adapters", nl="Adapters"))
    builds: tuple[str, ...] = field(
        metadata=declared(Many(Text(80), 0, 32), en="Accepted builds", nl="Toegestane builds")
    )
    streaming: bool = field(metadata=declared(Flag(), en="Streaming allowed", nl="Streaming toegestaan"))
    release: str = field(metadata=declared(RELEASES, en="A result leaves", nl="Een uitkomst gaat eruit"))
    remote: Remote | None = field(metadata=declared(Part(Remote), en="Remote", nl="Op afstand", presence="nullable"))
    undeclared: str | None = field(
        metadata=declared(UNDECLARED, en="Undeclared data", nl="Gegevens die niet zijn opgegeven", presence="omitted")
    )
    wordings: tuple[Wording, ...] | None = field(
        metadata=declared(
            Many(Part(Wording), 1, 8),
            en="Other wordings",
            nl="Andere bewoordingen",
            presence="omitted",
            doc="Prompts that mean the same as the first step's. An explanation must hold in all of them.",
        ),
        default=None,
    )
    fitness: Fitness | None = field(
        metadata=declared(Part(Fitness), en="Tested on", nl="Getoetst op", presence="omitted"), default=None
    )

    def outcome(self, code: str) -> Outcome | None:
        """The declared outcome of that code; None for the reserved ones."""
        return next((outcome for outcome in self.outcomes if outcome.code == code), None)

    @property
    def counts_undeclared(self) -> bool:
        """Whether a record from elsewhere with data beyond the declared fields is taken without them."""
        return self.undeclared == "count"

    def release_of(self, code: str) -> str:
        """`immediate` or `after_review`: the outcome's rule, else the version's; reserved ones wait for a person.

        A version that streams keeps none back: what it says has left when its end is known.
        """
        outcome = self.outcome(code)
        if outcome is None:
            return "immediate" if self.streaming else "after_review"
        return outcome.release or self.release


@dataclass(frozen=True)
class SystemVersion:
    """A numbered, immutable version of a system."""

    system: str
    version: int
    manifest: Manifest

    @cached_property
    def digest(self) -> str:
        """`sha256:…` of the canonical manifest."""
        return manifest_digest(self.manifest)

    @property
    def model(self) -> str | None:
        """SHA-256 (64 hexadecimal digits) of the weights; None for a remote model."""
        return self.manifest.model.sha256 if self.manifest.model else None


def format_manifest(manifest: Manifest) -> bytes:
    """Canonical JSON (RFC 8785) of a manifest: the bytes whose SHA-256 every decision names."""
    return format_canonical({"format": FORMAT, **declaration.format_object(manifest)})


def manifest_digest(manifest: Manifest) -> str:
    """`sha256:…` of the canonical manifest."""
    return digest(format_manifest(manifest))


def numbered(manifest: Manifest, version: int) -> Manifest:
    """The same manifest under another number."""
    return replace(manifest, version=version)


def json_schema() -> dict[str, Json]:
    """JSON Schema 2020-12 of a manifest."""
    found = declaration.object_schema(Manifest)
    properties = {"format": {"const": FORMAT}, **found["properties"]}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Manifest of a system version"}
    return head | found | {"required": ["format", *found["required"]], "properties": properties}
