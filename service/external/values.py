"""From a decision made elsewhere to what its record holds: values by field, held against the version that decided."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, cast

from auditlog.core.entries.vocabulary import INPUT_PREFIX
from auditlog.core.formats.canonical import Json
from auditlog.vault.subjects import normalise_all
from home.errors import UsageError
from registry.manifest import Manifest
from registry.manifest_rules import RESERVED_OUTCOMES
from registry.system import AISystem
from runtime.capture import Usage
from runtime.errors import RuntimeFault
from runtime.output.schema import validate_field, validate_output
from service.deciding import costs
from service.external.lines import NUMBERS, Committed, Reported

AHEAD: Final = timedelta(minutes=5)
"""How far a sender's clock may be before ours."""
SUBJECTS: Final = "subjects"
UNDECLARED: Final = "undeclared"

Fits = Callable[[Json], bool]
_TYPES: Final[Mapping[str, type]] = {"string": str, "integer": int, "boolean": bool}
_QUICK: Final = frozenset(
    {"type", "title", "description", "enum", "const", "minLength", "maxLength", "pattern", "minimum", "maximum"}
)


class Version:
    """One version of one system, made ready to hold many records against it."""

    def __init__(self, system: AISystem, manifest: Manifest) -> None:
        self.system = system
        self.manifest = manifest
        self._fields = {item.id: (item.schema, _fits(item.schema)) for item in manifest.fields}
        self._output = _fits_object(manifest.output_schema)
        self._names = frozenset(f"{INPUT_PREFIX}{name}" for name in self._fields)
        self._texts = {outcome.code: outcome.text for outcome in manifest.outcomes}

    def content(self, line: Reported, received: datetime) -> dict[str, Json]:
        """The values that the record commits to, without the persons concerned. Raises UsageError naming the member.

        `received`: when the line came, in UTC; it is recorded at once, to a group commit.
        Of data that the version does not declare only the number is kept, where the version says so (`run`).
        """
        if line.decided > received + AHEAD:
            raise UsageError("lies in the future: set the clock of the system that sends it", field="decided")
        undeclared = self._demand_fields(line.inputs)
        self._demand_result(line)
        came = _micro(received)
        return {
            **{f"{INPUT_PREFIX}{name}": line.inputs.get(name) for name in self._fields},
            "output": line.output,
            "outcome": line.outcome,
            "parent": line.parent,
            "usage": self._usage(line.usage),
            "run": {UNDECLARED: undeclared} if undeclared else None,
            "times": {"received": came, "decided": _micro(line.decided), "recorded": came},
        }

    def demand_names(self, line: Committed) -> None:
        """Raise UsageError unless the sender committed to each declared field, and to no other."""
        given = frozenset(name for name in line.commitments if name.startswith(INPUT_PREFIX))
        for name in sorted(self._names - given):
            raise UsageError("is missing: the version declares it", field=f"commitments.{name}")
        if given != self._names:
            raise UsageError("commits to a field that the version does not declare", field="commitments")

    def held(self, outcome: str) -> bool:
        """Whether the version lets a result with this outcome wait for a member of staff."""
        return self.manifest.release_of(outcome) == "after_review"

    def _demand_fields(self, inputs: Mapping[str, Json]) -> int:
        undeclared = len(inputs.keys() - self._fields.keys())
        if undeclared and not self.manifest.counts_undeclared:
            known = ", ".join(self._fields)
            raise UsageError(
                f"holds {undeclared} field(s) that the version does not declare; it has {known}", field="input"
            )
        for name, (schema, fits) in self._fields.items():
            value = inputs.get(name)
            if value is not None and not fits(value):
                try:
                    validate_field(cast("Any", schema), value, name)
                except RuntimeFault as fault:
                    raise UsageError(fault.message, field=f"input.{fault.field}") from None
        return undeclared

    def _demand_result(self, line: Reported) -> None:
        if line.outcome in RESERVED_OUTCOMES:
            return  # it was cut off, or did not fit: then the output is what it is
        text = self._texts.get(line.outcome)
        if text is None:
            raise UsageError(f"is not declared; the version has {', '.join(self._texts)}", field="outcome")
        if not self._output(line.output):
            try:
                validate_output(cast("Any", self.manifest.output_schema), line.output)
            except RuntimeFault as fault:
                raise UsageError(fault.message, field=fault.field) from None
        first = self.manifest.steps[0].output
        if cast("dict[str, Json]", line.output)[first] != text:
            raise UsageError("is not the outcome that this output stands for", field="outcome")

    def _usage(self, stated: Mapping[str, Json] | None) -> dict[str, Json] | None:
        """Usage as it was stated; where no cost was, that of the system's tariff, if it follows from what was."""
        if stated is None:
            return None
        usage: dict[str, Json] = {**stated, "tariff_valid_from": None}
        tariff = self.system.tariff
        if tariff is None or stated["cost_millionths"] is not None:
            return usage
        tokens = (stated["prompt_tokens"], stated["output_tokens"])
        if None in tokens or (tariff.components.device_hour is not None and stated["total_us"] is None):
            return usage
        measured = Usage(*cast("tuple[int, int]", tokens), 0, 0, cast("int", stated["total_us"] or 0), None, "")
        usage["cost_millionths"] = costs.cost_millionths(tariff, measured)
        usage["currency"] = tariff.currency
        usage["tariff_valid_from"] = tariff.valid_from.isoformat()
        return usage


def sent_values(values: Mapping[str, Json]) -> dict[str, Json]:
    """What the sender told, out of a record's values: what a repeated line must state again."""
    usage, times = values["usage"], cast("dict[str, Json]", values["times"])
    if isinstance(usage, dict):
        ours = usage["tariff_valid_from"] is not None
        stated = {name: usage[name] for name in (*NUMBERS, "energy_method", "currency")}
        usage = stated | (dict.fromkeys(("cost_millionths", "currency")) if ours else {})
    kept = {name: value for name, value in values.items() if name not in {"usage", "times"}}
    return {**kept, "usage": usage, "decided": times["decided"]}


def with_subjects(values: Mapping[str, Json], line: Reported) -> dict[str, Json]:
    """The values with the persons concerned, as the vault commits to them."""
    return {**values, SUBJECTS: [*normalise_all(line.subjects)]}


def _micro(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


# --- a schema's plain cases, without its validator ---------------------------------------------------------------
# A record has several fields, and a batch hundreds of records: the validator costs more than sealing. What these say
# fits does fit; of anything else the validator decides, and says why.


def _fits(schema: Json) -> Fits:
    if not isinstance(schema, dict) or not schema.keys() <= _QUICK or schema.get("type") not in _TYPES:
        return _never
    kind = _TYPES[cast("str", schema["type"])]
    if schema.keys() & {"enum", "const"}:
        if schema.keys() - {"type", "title", "description"} not in ({"enum"}, {"const"}):
            return _never
        words = frozenset(cast("list[str]", schema["enum"] if "enum" in schema else [schema["const"]]))
        return lambda value: type(value) is kind and value in words
    if kind is str:
        return _fits_text(schema)
    low, high = schema.get("minimum"), schema.get("maximum")
    return lambda value: (
        type(value) is kind and (low is None or value >= low) and (high is None or value <= high)  # type: ignore[operator]
    )


def _fits_text(schema: Mapping[str, Any]) -> Fits:
    least, most = schema.get("minLength", 0), schema.get("maxLength", 1 << 62)
    pattern = re.compile(schema["pattern"]) if "pattern" in schema else None
    return lambda value: (
        type(value) is str and least <= len(value) <= most and (pattern is None or pattern.search(value) is not None)
    )


def _fits_object(schema: Json) -> Fits:
    if (
        not isinstance(schema, dict)
        or schema.get("type") != "object"
        or schema.get("additionalProperties") is not False
    ):
        return _never
    if not schema.keys() <= {"type", "title", "description", "properties", "required", "additionalProperties"}:
        return _never
    members = {name: _fits(inner) for name, inner in cast("dict[str, Json]", schema["properties"]).items()}
    names = members.keys()
    return lambda value: (
        type(value) is dict and value.keys() == names and all(fits(value[name]) for name, fits in members.items())
    )


def _never(_value: Json) -> bool:
    return False
