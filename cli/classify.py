"""`greffier classify`: the questions about the class of a system, asked one by one or answered in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import Account, Home, print_json, progress, read_file
from cli.system import Role, Slug
from home.errors import UsageError
from registry.answers import FORMAT
from registry.values import say
from registry.wizard import Question
from service.systems import classify
from service.systems.duties import rules_of
from service.wiring import open_home

_YES, _NO = frozenset({"y", "yes", "j", "ja"}), frozenset({"n", "no", "nee"})
_REFUSED = 1


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("classify")(classify_system)


def classify_system(
    home: Home,
    slug: Slug,
    answers: Annotated[Path | None, typer.Option(help="A greffier-answers/1 file; `-` is standard input.")] = None,
    questions: Annotated[
        bool, typer.Option("--questions", help="Print the questions as JSON, and ask nothing.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Change the record as proposed, at once.")] = False,
    lang: Annotated[str | None, typer.Option(help="en or nl: of questions and reasons.")] = None,
    role: Role = "administrator",
    account: Account = None,
) -> int:
    """Answer the questions about the class of a system; keeps the answers, and proposes class and facts for its record.

    Exit 1 where Article 5 prohibits the use.
    """
    with open_home(home) as g:
        asked = classify.questions(g)
        if questions:
            print_json(asked)
            return 0
        language = lang or g.settings.languages[0]
        data = read_file(answers, "--answers") if answers else ask(asked, rules_of(g).version, language)
        found = classify.classify(g, slug, data, role=role, account=account, apply=apply)
    print_json({"system": slug, **classify.as_json(found), "applied": apply and bool(found.differs)})
    for item in found.prohibited:
        how = "is prohibited" if item.certain else "may be prohibited: find out"
        progress(f"AI Act 5(1)({item.letter}) {how}, from {item.day.isoformat()}")
    return _REFUSED if any(item.certain for item in found.prohibited) else 0


def ask(questions: Sequence[Question], rules: str, lang: str) -> bytes:
    """Ask each question on the terminal; the answers as a file has them. Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError("is needed where nobody can be asked: give a file of answers", field="--answers")
    given: dict[str, Any] = {"format": FORMAT, "rules": rules, "use": {}, "article_5": []}
    for question in questions:
        if question.path == "exit_6_3" and not given["annex_iii"]:
            given["exit_6_3"] = None
            continue
        put(given, question, _answer(question, lang), lang)
    return json.dumps(given).encode()


def put(given: dict[str, Any], question: Question, answer: tuple[Any, str], lang: str) -> None:
    """An answer with its reason at its place in the file."""
    value, reason = answer
    part, _, name = question.path.partition(".")
    if part == "use":
        given["use"][name] = value
    elif part == "article_5":
        given["article_5"].append({"letter": name, "applies": value, "reason": {lang: reason}})
    elif part == "exit_6_3":
        # Who names a condition says that the risk was assessed: the question says so.
        claimed = {"condition": value, "no_significant_risk": True, "reason": {lang: reason}}
        given[part] = None if value is None else claimed
    else:
        given[part] = {lang: value} if question.form == "text" else value


def _answer(question: Question, lang: str) -> tuple[Any, str]:
    """The value and, where it is wanted, the reason."""
    progress(f"\n{say(question.text, lang)} [{question.source}]")
    value = _FORMS[question.form](question, lang)
    reason = ""
    if question.reasoned and value is not None:
        reason = _line("Why? " if lang != "nl" else "Waarom? ")
    return value, reason


def _yes_no(_question: Question, lang: str) -> bool:
    while True:
        text = _line("j/n: " if lang == "nl" else "y/n: ").lower()
        if text in _YES | _NO:
            return text in _YES


def _one(question: Question, lang: str) -> str | None:
    """One code; an empty line is none, where nothing must be chosen."""
    _list(question, lang)
    codes = dict(question.options)
    while True:
        text = _line("code: ")
        if text in codes:
            return text
        if not text and question.path == "exit_6_3":
            return None


def _many(question: Question, lang: str) -> list[str]:
    _list(question, lang)
    codes = dict(question.options)
    while True:
        given = [item for item in _line("codes, or an empty line for none: ").replace(",", " ").split() if item]
        if all(item in codes for item in given):
            return list(dict.fromkeys(given))


def _text(_question: Question, _lang: str) -> str:
    while True:
        text = _line("> ")
        if text:
            return text


def _list(question: Question, lang: str) -> None:
    for code, words in question.options:
        progress(f"  {code}: {say(words, lang)}")


def _line(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise UsageError("ended before the last question; nothing was kept", field="standard input")
    return line.strip()


_FORMS = {"yes_no": _yes_no, "one": _one, "many": _many, "text": _text}
