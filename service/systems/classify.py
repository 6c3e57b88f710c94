"""The class of a system by questions: answers are kept with who, when and by which rules, and come to a proposal.

An `answers/1` entry tells of each round, in the transaction that keeps it: by it the gate knows the answers.
The record changes only where that is asked for (`apply`): as any change of it, with an entry of its own.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from auditlog.core.entries.record import format_time
from auditlog.writing.log import Sequenced, Unit
from home.greffier import Greffier
from registry import wizard
from registry.answers import format_answers, parse_answers
from registry.canonical import Json
from registry.declaration import format_object
from registry.errors import AnswersChanged, Conflict, Retired
from registry.register_file import RegisterFile, format_register_file
from registry.store import answers as store
from registry.store import systems as system_store
from registry.store.answers import Answered
from registry.wizard import Proposal, Question
from service.systems import answers_check, approval, register
from service.systems.duties import rules_of

if TYPE_CHECKING:
    from sqlalchemy import Connection


def questions(g: Greffier) -> tuple[Question, ...]:
    """What is asked, by the rules in force."""
    return wizard.questions(rules_of(g))


def classify(
    g: Greffier, slug: str, data: bytes, *, role: str, account: str | None = None, apply: bool = False
) -> Proposal:
    """Keep a file of answers (`greffier-answers/1`), and propose class and facts of use for the record.

    `apply`: change the record so, at once. Raises FormatError that names the member, UnknownSystem, Retired,
    AnswersChanged where earlier rounds were changed past the program, Conflict, CannotRecord; nothing is kept then.
    """
    rules, answers = rules_of(g), parse_answers(data)
    approval.check_account(account)
    with g.reading() as conn:
        found = system_store.read_system(conn, slug)
        newest = system_store.list_versions(conn, slug)[-1:]
        held = answers_check.held(conn, slug)
    if found.state == "retired":
        raise Retired("was taken out of use; nothing is classed any more", field="system")
    if held.standing == "changed" and held.rounds:
        # A new round would vouch for the old ones as somebody left them.
        raise AnswersChanged(answers_check.CHANGED, field="system")
    proposal = wizard.propose(found.system, answers, rules)
    given = Answered(
        slug=slug,
        number=0,
        rules=rules.version,
        digest=rules.digest,
        minute=format_time(g.clock()),
        role=role,
        account=account,
        text=format_answers(answers).decode(),
        salt=secrets.token_hex(32),
    )
    _keep(g, held.rounds, store.next_round(held.rounds, given))
    if apply and proposal.differs:
        record = replace(found.system, classification=proposal.classification, use=proposal.use)
        file = RegisterFile(record, newest[0].manifest if newest else None)
        register.register(g, json.dumps(format_register_file(file)).encode(), account=account)
    return proposal


def _keep(g: Greffier, before: Sequence[Answered], given: Answered) -> None:
    """The round and the entry that tells of it, in one unit."""
    entry = g.make(
        answers_check.KIND, system=given.slug, rules=given.rules, answers=store.rounds_digest([*before, given])
    )

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        if not store.add_answers(conn, before, given):
            raise Conflict("was answered meanwhile; look at those answers, then repeat", field="system")
        approval.note(conn, given.slug, sequenced, given.account)

    g.log.append(Unit((entry,), rows)).result()


def rounds(g: Greffier, slug: str) -> list[Answered]:
    """Every round of answers about a system, the newest first. For staff. Raises UnknownSystem."""
    with g.reading() as conn:
        system_store.read_system(conn, slug)
        return store.list_answers(conn, slug)


def as_json(found: Proposal) -> dict[str, Json]:
    """A proposal for machines, as the members that the record would have."""
    return {
        "classification": format_object(found.classification),
        "use": format_object(found.use),
        "differs": list(found.differs),
        "prohibited": [
            {
                "letter": item.letter,
                "certain": item.certain,
                "from": item.day.isoformat(),
                "question": dict(item.question),
            }
            for item in found.prohibited
        ],
    }
