"""Explanations and surveys as JSON objects: what crosses the worker's pipe, and what a record keeps. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from runtime.explain.question import (
    Change,
    Cost,
    Curve,
    Effect,
    Explained,
    Found,
    GroupEffect,
    Limits,
    Question,
    Sentence,
    Stability,
    Survey,
    Surveyed,
    SurveyOrder,
    Threshold,
    Tried,
    Wording,
)
from runtime.program import format_program, parse_program
from runtime.verdict import format_order, parse_order


def format_question(question: Question) -> dict[str, Any]:
    """As the JSON object that crosses the pipe."""
    return {**asdict(question), "replay": format_order(question.replay)}


def parse_question(data: Mapping[str, Any]) -> Question:
    """What `format_question` wrote."""
    return Question(
        replay=parse_order(data["replay"]),
        wordings=tuple(Wording(**one) for one in data["wordings"]),
        protected=tuple(data["protected"]),
        groups=tuple(tuple(group) for group in data["groups"]),
        seed=data["seed"],
        limits=Limits(**data["limits"]),
    )


def format_survey_order(order: SurveyOrder) -> dict[str, Any]:
    """As the JSON object that crosses the pipe."""
    return {**asdict(order), "program": format_program(order.program)}


def parse_survey_order(data: Mapping[str, Any]) -> SurveyOrder:
    """What `format_survey_order` wrote."""
    return SurveyOrder(
        **{
            **data,
            "program": parse_program(data["program"]),
            "cases": tuple(data["cases"]),
            "wordings": tuple(Wording(**one) for one in data["wordings"]),
            "protected": tuple(data["protected"]),
            "groups": tuple(tuple(group) for group in data["groups"]),
            "limits": Limits(**data["limits"]),
        }
    )


def format_explained(explained: Explained) -> dict[str, Any]:
    """As a JSON object."""
    return asdict(explained)


def parse_explained(data: Mapping[str, Any]) -> Explained:
    """What `format_explained` wrote."""
    found = None if data["found"] is None else parse_found(data["found"])
    return Explained(**{**data, "found": found, "cost": Cost(**data["cost"])})


def format_surveyed(surveyed: Surveyed) -> dict[str, Any]:
    """As a JSON object."""
    return asdict(surveyed)


def parse_surveyed(data: Mapping[str, Any]) -> Surveyed:
    """What `format_surveyed` wrote."""
    return Surveyed(**{**data, "survey": Survey(**data["survey"]), "cost": Cost(**data["cost"])})


def format_found(found: Found) -> dict[str, Any]:
    """As a JSON object, for pipe and record."""
    return asdict(found)


def parse_found(data: Mapping[str, Any]) -> Found:
    """What `format_found` wrote."""
    stability = data["stability"]
    return Found(
        **{
            **data,
            "reasons": tuple(data["reasons"]),
            "effects": tuple(_effect(one) for one in data["effects"]),
            "groups": tuple(GroupEffect(tuple(one["fields"]), one["effect"]) for one in data["groups"]),
            "changes": tuple(_change(one) for one in data["changes"]),
            "protected": tuple(_change(one) for one in data["protected"]),
            "stability": None if stability is None else _stability(stability),
            "deletion": _curve(data["deletion"]),
            "insertion": _curve(data["insertion"]),
            "tried": Tried(**data["tried"]),
            "limits": Limits(**data["limits"]),
        }
    )


def _effect(data: Mapping[str, Any]) -> Effect:
    sentences = tuple(Sentence(**one) for one in data["sentences"])
    return Effect(**{**data, "effects": tuple(data["effects"]), "sentences": sentences})


def _change(data: Mapping[str, Any]) -> Change:
    threshold = None if data["threshold"] is None else Threshold(**data["threshold"])
    values = tuple((name, value) for name, value in data["values"])
    return Change(**{**data, "values": values, "threshold": threshold, "left_out": tuple(data["left_out"])})


def _stability(data: Mapping[str, Any]) -> Stability:
    return Stability(tuple(tuple(top) for top in data["tops"]), data["same"], tuple(data["ranks"]))


def _curve(data: Mapping[str, Any] | None) -> Curve | None:
    return None if data is None else Curve(tuple(data["top"]), tuple(data["random"]))
