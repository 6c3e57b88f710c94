"""What people and programs see of a version whose model runs elsewhere: register, report, API, notice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.deciding import decide
from service.disclosing import report, transparency
from service.systems import register

pytestmark = pytest.mark.enable_socket

TAX = "tax-question-reply"
INPUT = {"message": "May I pay next month instead of now?", "bill_year": 2026}
PROVIDER = "Voorbeeld AI (invented)"


def answers(stand: Any) -> Any:
    return stand.says(json.dumps({"result": "payment"}), "You can pay in ten parts.")


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ["The AI model does not run at our place", "EU, Frankfurt", "We cannot check this"]),
        ("nl", ["Het AI-model draait niet bij ons", "EU, Frankfurt", "draait elders, gevraagd via ons"]),
    ],
)
def test_the_register_says_who_runs_the_model_and_where(
    remote_stand: Any, opened: Any, lang: str, words: list[str]
) -> None:
    with opened("https://api.voorbeeld-ai.example/v1") as home:
        page = report.system_page(home.g, TAX, lang)
        html = report.render(home.g, page, lang, "html").decode()
        for word in [PROVIDER, "voorbeeld-small-2", *words]:
            assert word in html, word
        twin = json.loads(report.render(home.g, page, lang, "json"))
        assert json.dumps(twin).count(PROVIDER) >= 1


def test_the_report_marks_results_that_were_made_elsewhere(remote_stand: Any, opened: Any) -> None:
    with remote_stand.serving(*answers(remote_stand)) as endpoint, opened(endpoint.url) as home:
        decide.decide(home.g, TAX, INPUT)
        today = datetime.now(UTC).date()
        made = transparency.period_report(home.g, today - timedelta(days=1), today, "en")
        (shown,) = made.systems
        assert shown.elsewhere == (PROVIDER,)
        assert "ran at another organisation: " + PROVIDER in report.render(home.g, made, "en", "html").decode()


def test_the_api_decides_with_it_as_with_any_other(remote_stand: Any, opened: Any, portals: Any) -> None:
    failing = remote_stand.sends(remote_stand.json_body({}, status="429 Later", head="retry-after: 42\r\n"))
    with remote_stand.serving(*answers(remote_stand), failing) as endpoint:
        with opened(endpoint.url) as home:
            folder = home.g.home
        with portals.served(folder) as portal, portal.client() as client:
            headers = portal.key("client", TAX)
            asked = {"system": TAX, "input": INPUT}
            answer = client.post("/api/decisions", json=asked, headers=headers)
            assert answer.status_code in {200, 201}, answer.text
            assert answer.json()["outcome"] == "pay"
            facts = client.get(f"/api/systems/{TAX}").json()
            assert facts["remote"]["provider"] == PROVIDER
            problem = client.post("/api/decisions", json=asked, headers=headers)
            assert problem.status_code == 503
            assert problem.headers["content-type"] == "application/problem+json"
            assert problem.headers["retry-after"] == "42"
            assert endpoint.url not in problem.text
            assert client.get("/health").status_code == 200


def test_the_openai_address_answers_whole_and_refuses_the_rest_by_name(
    remote_stand: Any, opened: Any, portals: Any
) -> None:
    with remote_stand.serving(*answers(remote_stand)) as endpoint:
        with opened(endpoint.url) as home:
            folder = home.g.home
        with portals.served(folder) as portal, portal.client() as client:
            headers = portal.key("client", TAX)
            asked = {"model": TAX, "messages": [{"role": "user", "content": json.dumps(INPUT)}]}
            for more in ({"stream": True}, {"logprobs": True}):
                refused = client.post("/v1/chat/completions", json=asked | more, headers=headers)
                assert refused.status_code in {400, 422}, refused.text
                assert refused.json()["error"]["param"] == next(iter(more))
            assert endpoint.connections == 0
            answer = client.post("/v1/chat/completions", json=asked, headers=headers)
            assert answer.status_code == 200, answer.text
            assert answer.json()["choices"][0]["message"]["content"] == "You can pay in ten parts."
            assert answer.json()["usage"]["total_tokens"] == 90
            assert answer.headers["x-greffier-record"]


def test_a_provider_that_keeps_its_counts_leaves_the_openai_usage_out(
    remote_stand: Any, opened: Any, portals: Any
) -> None:
    silent = remote_stand.says(json.dumps({"result": "payment"}), "You can pay in ten parts.", usage=...)
    with remote_stand.serving(*silent) as endpoint:
        with opened(endpoint.url) as home:
            folder = home.g.home
        with portals.served(folder) as portal, portal.client() as client:
            asked = {"model": TAX, "messages": [{"role": "user", "content": json.dumps(INPUT)}]}
            answer = client.post("/v1/chat/completions", json=asked, headers=portal.key("client", TAX))
            assert answer.status_code == 200, answer.text
            assert answer.json()["usage"] is None


def test_a_local_version_shows_no_provider(loan_home: Any) -> None:
    from service.wiring import open_home

    with open_home(loan_home) as g:
        page = report.system_page(g, "social-loan-check", "en")
        assert page.version is not None
        assert page.version.remote is None
        assert "Another organisation gets these data" not in report.render(g, page, "en", "html").decode()
        assert register.show(g, "social-loan-check").version is not None
