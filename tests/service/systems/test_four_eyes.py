"""Who makes a system does not approve it: refused to the same hand, told to everybody by role, to staff by account."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.bench import records_scene
from registry.errors import FormatError, TransitionRefused
from registry.modification import Modification
from service.systems import approval, lifecycle, register

SLUG = records_scene.SYSTEM
MAKER, APPROVER, THIRD = "eef.voorbeeld", "bo.voorbeeld", "ada.voorbeeld"
NO = Modification("no", {"en": "Only a label changed."})
YES = Modification("yes", {"en": "It has another purpose."})
NEW_VERSION = records_scene.answers(later="later")
REFUSED = "account: is none, or the one whose work this is"


@pytest.mark.parametrize("account", [MAKER, None])
def test_who_submitted_does_not_approve(house: Any, account: str | None) -> None:
    house.register()
    house.step("in_review", MAKER)
    size = house.g.log.state().size
    with pytest.raises(TransitionRefused, match=REFUSED):
        house.step("approved", account, role="approver")
    assert register.show(house.g, SLUG).state == "in_review"
    assert house.g.log.state().size == size, "nothing is written"
    house.step("approved", APPROVER, role="approver")


def test_the_command_line_without_an_account_is_one_hand(house: Any) -> None:
    house.register(account=None)
    house.step("in_review", None)
    with pytest.raises(TransitionRefused, match=REFUSED):
        house.step("approved", None)


def test_who_changed_the_record_meanwhile_does_not_approve_it(house: Any) -> None:
    house.register()
    house.step("in_review", MAKER)
    house.register(account=APPROVER, purpose={"en": "Advises on other things."})
    with pytest.raises(TransitionRefused, match=REFUSED):
        house.step("approved", APPROVER, role="approver")
    house.step("approved", THIRD, role="approver")


def test_what_was_approved_may_be_started_by_anybody_and_what_came_later_not(house: Any) -> None:
    house.register()
    house.step("in_review", MAKER)
    house.step("approved", APPROVER, role="approver")
    house.register(account=MAKER, version=NEW_VERSION)
    with pytest.raises(TransitionRefused, match=REFUSED):
        house.step("active", MAKER)
    house.step("active", MAKER, version=1)


def test_a_new_version_is_started_by_another_than_who_registered_it(house: Any) -> None:
    house.register()
    house.start()
    house.register(substantial=NO, version=NEW_VERSION)
    with pytest.raises(TransitionRefused, match=REFUSED):
        house.step("active", MAKER, reason="new_version", version=2)
    assert register.show(house.g, SLUG).running_version == 1
    house.step("active", APPROVER, reason="new_version", version=2)


def test_an_approval_of_one_version_is_none_of_another(house: Any) -> None:
    """Who registered the third version has nobody look at it by having the second one approved."""
    house.register()
    house.start()
    house.register(substantial=NO, version=NEW_VERSION)
    house.register(account=THIRD, substantial=NO, version=records_scene.answers(later="latest"))
    house.step("active", APPROVER, reason="approved", version=2)
    with pytest.raises(TransitionRefused, match=REFUSED):
        house.step("active", THIRD, reason="new_version", version=3)
    house.step("active", APPROVER, reason="new_version", version=3)


def test_a_substantial_change_runs_by_its_own_approval(house: Any) -> None:
    house.register()
    house.start()
    house.register(substantial=YES, version=NEW_VERSION)
    house.register(substantial=YES, version=records_scene.answers(later="latest"))
    house.step("active", APPROVER, reason="approved", version=2)
    with pytest.raises(TransitionRefused, match="was not approved since"):
        house.step("active", APPROVER, reason="new_version", version=3)


def test_an_approval_that_was_taken_back_counts_no_more(house: Any) -> None:
    house.register()
    house.step("in_review", MAKER)
    house.step("approved", APPROVER, role="approver")
    house.step("draft", APPROVER, role="approver")
    house.step("in_review", THIRD)
    with pytest.raises(TransitionRefused, match=REFUSED):
        house.step("approved", MAKER)
    house.step("approved", APPROVER, role="approver")


def test_who_stopped_a_system_does_not_let_it_go_on(house: Any) -> None:
    house.register()
    house.start()
    lifecycle.stop(house.g, SLUG, reason="incident", account=THIRD)
    for account in (THIRD, None):
        with pytest.raises(TransitionRefused, match=REFUSED):
            lifecycle.resume(house.g, SLUG, account=account)
    assert lifecycle.resume(house.g, SLUG, account=APPROVER).state == "active"


def test_anyone_may_stop_at_once(house: Any) -> None:
    house.register()
    house.start()
    assert lifecycle.stop(house.g, SLUG, reason="incident").state == "suspended"


@pytest.mark.parametrize("because", [None, NO])
def test_the_question_comes_with_a_new_version_from_pilot_on(house: Any, because: Any) -> None:
    house.register()
    with pytest.raises(FormatError, match="substantial: is asked for a new version of a system in use"):
        house.register(version=NEW_VERSION, substantial=NO)
    house.start()
    if because is None:
        with pytest.raises(FormatError, match=r"substantial: is missing.*AI Act 3\(23\)"):
            house.register(version=NEW_VERSION)
        assert len(register.history(house.g, SLUG)) == 6
    else:
        house.register(version=NEW_VERSION, substantial=because)
        (told,) = [one["what"] for one in register.history(house.g, SLUG) if one["kind"] == "modification/1"]
        assert (told["version"], told["substantial"], told["role"]) == (2, "no", "administrator")
        assert approval.modifications(house.g, SLUG)[0].because == {"en": "Only a label changed."}


def test_a_changed_record_alone_asks_nothing(house: Any) -> None:
    house.register()
    house.start()
    house.register(purpose={"en": "Advises on other things."})


def test_a_substantial_change_runs_only_by_a_fresh_approval(house: Any) -> None:
    house.register()
    house.start()
    house.register(substantial=YES, version=NEW_VERSION)
    with pytest.raises(TransitionRefused, match=r"version: changes the system substantially.*--reason approved"):
        house.step("active", APPROVER, reason="new_version", version=2)
    with pytest.raises(TransitionRefused, match=REFUSED):
        house.step("active", MAKER, reason="approved", version=2)
    assert register.show(house.g, SLUG).running_version == 1, "the version before goes on"
    house.step("active", APPROVER, reason="approved", version=2, role="approver")
    house.step("active", APPROVER, reason="new_version", version=1)
    house.step("active", APPROVER, reason="new_version", version=2)


def test_a_stop_is_no_way_around_that_approval(house: Any) -> None:
    house.register()
    house.start()
    house.register(substantial=YES, version=NEW_VERSION)
    lifecycle.stop(house.g, SLUG, reason="incident", account=THIRD)
    with pytest.raises(TransitionRefused, match="substantially"):
        house.step("active", APPROVER, reason="resolved", version=2)


def test_the_public_reads_roles_and_staff_read_accounts(house: Any) -> None:
    house.register()
    house.start()
    public = json.dumps(register.history(house.g, SLUG))
    assert MAKER not in public
    assert APPROVER not in public
    steps = [(one.what.get("to"), one.account, one.four_eyes) for one in approval.steps(house.g, SLUG)]
    assert steps[-3:] == [("in_review", MAKER, None), ("approved", APPROVER, True), ("active", APPROVER, None)]


def test_no_account_stands_in_the_log(house: Any) -> None:
    house.register()
    house.start()
    with house.g.reading() as conn:
        entries = b"".join(bytes(row[0]) for row in conn.exec_driver_sql("SELECT data FROM auditlog_entry"))
    assert b"voorbeeld" not in entries


def test_an_installation_that_only_reports_says_which_step_was_one_hand(
    home: Path, monkeypatch: pytest.MonkeyPatch, opened: Any
) -> None:
    monkeypatch.setenv("GREFFIER_FOUR_EYES", "reported")
    with opened(home) as g:
        file = json.loads(records_scene.system_file())
        file["system"]["agency"] = "waterveen"
        register.register(g, json.dumps(file).encode(), account=MAKER)
        for state in ("in_review", "approved", "active"):
            lifecycle.change_state(g, SLUG, state, account=MAKER)
        eyes = {str(one.what.get("to")): one.four_eyes for one in approval.steps(g, SLUG)}
        assert eyes["approved"] is False


@pytest.mark.parametrize("account", ["", "x" * 65, "a b", "a\nb", "<script>", "\u00e9va"])
def test_an_account_is_an_id(house: Any, account: str) -> None:
    with pytest.raises(FormatError, match="account: is no id of an account"):
        house.register(account=account)
    house.register()
    with pytest.raises(FormatError, match="account: is no id of an account"):
        house.step("in_review", account)
