"""What the law asks on the way into use: refused, warned of, or let through in public."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.bench import records_scene
from registry.errors import TransitionRefused
from registry.parts.law import Use
from service.keeping import fsck
from service.systems import admission, classify, gates, lifecycle, register

ENTRY = {"link": "https://eu.example/1", "number": None, "registered": "2027-12-01", "restricted": False}
CLOSED = {"link": None, "number": None, "registered": "2027-12-01", "restricted": True}
FRIA = {
    **{name: {"en": "Text."} for name in ("processes", "period", "persons", "harms")},
    **{name: {"en": "Text."} for name in ("oversight", "measures", "summary")},
    "made": "2027-11-01", "notified": "2027-11-02", "link": None,
}  # fmt: skip
PAPER = {"kind": "eu_declaration", "received": "2027-11-01", "version": None, "link": None}
WHOLE: dict[str, Any] = {"eu_database": ENTRY, "fria": FRIA, "papers": [PAPER]}
USE = {
    name: name in {"public_authority", "public_service", "decides_about_persons", "personal_data"}
    for name in Use.__dataclass_fields__
} | {"generates": []}
BECAUSE = lifecycle.Override("law", {"en": "An invented law says so."})


def effects(stand: Any) -> dict[str, str]:
    """Duty → what its gate does today."""
    return {one.duty: one.effect for one in gates.look(stand.g, stand.slug)}


def test_before_its_date_a_duty_warns(stand: Any) -> None:
    stand.write()
    stand.approve()
    assert effects(stand) == dict.fromkeys(("5", "16", "26.8", "27", "49.1", "49.3"), "warn")
    stand.start()
    assert register.show(stand.g, stand.slug).state == "active"


@pytest.mark.parametrize(("day", "refused"), [("2027-12-01", False), ("2027-12-02", True)])
def test_from_its_date_on_it_refuses(stand: Any, day: str, refused: bool) -> None:
    stand.write()
    stand.approve()
    stand.on(day)
    if not refused:
        stand.start()
        return
    with pytest.raises(TransitionRefused, match=r"AI Act 16.*--override"):
        stand.start()
    for lacking, article in (("eu_database", "26.8"), ("fria", "27")):
        stand.write(**{name: value for name, value in WHOLE.items() if name != lacking})
        assert effects(stand)[article] == "refuse"
        with pytest.raises(TransitionRefused, match="is needed since 2027-12-02"):
            stand.start()
    stand.write(**WHOLE)
    assert "refuse" not in effects(stand).values()
    stand.start()


def test_a_step_that_leads_to_no_decision_is_not_asked(stand: Any) -> None:
    stand.write()
    stand.on("2027-12-02")
    stand.approve()
    lifecycle.change_state(stand.g, stand.slug, "retired", account="approver")


def test_what_was_in_use_before_has_until_2030(stand: Any) -> None:
    stand.write(first_use="2026-11-26")
    stand.approve()
    stand.start()
    lifecycle.stop(stand.g, stand.slug, reason="maintenance", account="officer")
    stand.on("2028-01-01")
    assert effects(stand)["26.8"] == "warn"
    lifecycle.resume(stand.g, stand.slug, account="approver")
    lifecycle.stop(stand.g, stand.slug, reason="maintenance", account="officer")
    stand.on("2030-08-02")
    assert effects(stand)["26.8"] == "refuse"
    with pytest.raises(TransitionRefused, match="since 2030-08-02"):
        lifecycle.resume(stand.g, stand.slug, account="approver")


def test_a_contested_date_refuses_where_that_is_set(stand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.write()
    stand.approve()
    object.__setattr__(stand.g, "settings", stand.g.settings.model_copy(update={"gate_contested": "refuse"}))
    assert {name for name, effect in effects(stand).items() if effect == "refuse"} == {"49.1", "49.3"}
    with pytest.raises(TransitionRefused, match=r"49\(1\).*since 2026-08-02, contested"):
        stand.start()
    stand.write(eu_database=ENTRY | {"registered": "2026-11-01"})
    stand.start()


@pytest.mark.parametrize(
    ("points", "enforcement", "entry", "met"),
    [
        (["III.5.a"], False, CLOSED, False),
        (["III.6.e"], False, CLOSED, False),
        (["III.6.e"], True, CLOSED, True),
        (["III.1.a"], True, CLOSED, True),
        (["III.2"], False, CLOSED, True),
        (["III.5.a"], False, ENTRY | {"link": None}, False),
        (["III.5.a"], False, ENTRY | {"link": None, "number": "EU-1"}, True),
    ],
)
def test_the_closed_section_is_for_those_who_may_use_it(
    stand: Any, points: list[str], enforcement: bool, entry: dict[str, Any], met: bool
) -> None:
    named = {"annex_iii": points, "annex_i": [], "exit_6_3": None, "reason": {"en": "Of this class."}}
    secret = {
        "member": "eu_database",
        "reason": "article_49_4",
        "explanation": {"en": "It is not public."},
        "until": None,
    }
    more = {"publication": {"state": "partly", "withheld": [secret]}} if enforcement else {}
    stand.write(classification=named, use={"law_enforcement": enforcement}, eu_database=entry, **more)
    stand.on("2027-12-02")
    asked = effects(stand)
    assert ("26.8" not in asked and "49.5" not in asked) is met


def test_an_override_leads_past_a_duty_and_everybody_can_read_it(stand: Any) -> None:
    stand.write()
    stand.approve()
    stand.on("2027-12-02")
    stand.start(override=BECAUSE)
    (public,) = admission.overrides(stand.g, stand.slug)
    assert (public.ground, public.statement, public.version, public.fitness) == ("law", BECAUSE.because, 1, None)
    kinds = [entry["kind"] for entry in register.history(stand.g, stand.slug)]
    assert kinds[-2:] == ["override/1", "state/1"]


def test_an_override_that_nothing_needs_is_refused(stand: Any) -> None:
    stand.write()
    stand.approve()
    with pytest.raises(TransitionRefused, match="override"):
        stand.start(override=BECAUSE)


def test_a_prohibited_use_has_no_override(stand: Any) -> None:
    stand.write()
    stand.approve()
    classify.classify(stand.g, stand.slug, stand.screened("c", "yes"), role="administrator")
    for override in (None, BECAUSE):
        with pytest.raises(TransitionRefused, match=r"AI Act 5\(1\)\(c\): this use is prohibited"):
            stand.start(override=override)
    classify.classify(stand.g, stand.slug, stand.answers(), role="administrator")
    stand.start()


@pytest.mark.parametrize(("day", "effect"), [("2026-12-01", "warn"), ("2026-12-02", "refuse")])
def test_the_new_prohibitions_have_their_day(stand: Any, day: str, effect: str) -> None:
    stand.write()
    classify.classify(stand.g, stand.slug, stand.screened("ba", "yes"), role="administrator")
    stand.on(day)
    assert effects(stand)["5"] == effect


def test_an_answer_without_certainty_warns(stand: Any) -> None:
    stand.write()
    classify.classify(stand.g, stand.slug, stand.screened("f", "unsure"), role="administrator")
    assert effects(stand)["5"] == "warn"


def test_who_profiles_people_cannot_start_by_an_exit(stand: Any) -> None:
    named = {"annex_iii": ["III.5.a"], "annex_i": [], "exit_6_3": "a", "reason": {"en": "A small task."}}
    stand.write(classification=named, use={"profiling": True})
    stand.approve()
    with pytest.raises(TransitionRefused, match=r"6\(3\): it profiles people"):
        stand.start(override=BECAUSE)
    stand.write(classification=named)
    stand.start()


def test_facts_that_are_not_said_let_nothing_through_once_they_may_matter(stand: Any) -> None:
    file = {name: value for name, value in WHOLE.items() if name != "eu_database"}
    stand.write(**file, unknown_use=True)
    stand.approve()
    stand.on("2027-12-02")
    with pytest.raises(TransitionRefused, match=r"may be needed since 2027-12-02.*say use.public_authority"):
        stand.start()


def test_a_system_without_a_version_has_its_override_too(stand: Any) -> None:
    file = json.loads(records_scene.system_file())
    del file["version"]
    named = {"annex_iii": ["III.5.a"], "annex_i": [], "exit_6_3": None, "reason": {"en": "A benefit."}}
    file["system"] |= {"capture": "none", "use": USE, "classification": named}
    register.register(stand.g, json.dumps(file).encode(), account="maker")
    stand.approve()
    stand.on("2027-12-02")
    with pytest.raises(TransitionRefused, match=r"AI Act 26\(1\).*instructions.*--override"):
        stand.start()
    stand.start(override=BECAUSE)
    (public,) = admission.overrides(stand.g, stand.slug)
    assert (public.version, public.statement) == (0, BECAUSE.because)
    assert not list(fsck.check_all(stand.g))
