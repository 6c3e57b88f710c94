"""The register for machines over HTTP: pages of it, what is withheld, past days, and the published schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from lab.bench import records_scene
from registry.modification import Modification
from service.systems import lifecycle, register

pytestmark = pytest.mark.enable_socket
HIDDEN = {"member": "risks", "reason": "security", "explanation": {"en": "It helps a thief."}, "until": None}
RISK = {"kind": "use", "risk": {"en": "Zeppelins."}, "mitigation": {"en": "Invented care."}}
SCRIPT = "<script>alert(1)</script> <img src=x onerror=alert(2)>"
STRANGE = f"{SCRIPT} \u0628\u064a\u0627\u0646\u0627\u062a e\u0301\u0302 \u05e9\u05dc\u05d5\u05dd"
SYSTEMS: dict[str, dict[str, Any]] = {
    "partly": {"risks": [RISK], "publication": {"state": "partly", "withheld": [HIDDEN]}},
    "restricted": {"publication": {"state": "restricted", "withheld": [HIDDEN]}},
    "strange": {"name": {"en": STRANGE[:200]}, "limits": {"en": STRANGE}, "owner": {"unit": SCRIPT, "contact": SCRIPT}},
}


@pytest.fixture(scope="module")
def client(portals: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A served home with the demo's systems and three more."""
    home, _ = portals.copy_of_a_home(tmp_path_factory.mktemp("register"))
    with portals.served(home) as portal:
        for slug, members in SYSTEMS.items():
            file = json.loads(records_scene.system_file())
            file["system"] |= {"agency": "waterveen", "slug": slug, **members}
            register.register(portal.g, json.dumps(file).encode())
            for state in ("in_review", "approved", "active"):
                lifecycle.change_state(portal.g, slug, state)
        file = json.loads(records_scene.system_file(records_scene.answers(later="later")))
        file["system"] |= {"agency": "waterveen", "slug": "strange", **SYSTEMS["strange"]}
        answer = Modification("yes", {"en": f"Another purpose {SCRIPT}", "nl": "Een ander doel."})
        register.register(portal.g, json.dumps(file).encode(), account="eef.voorbeeld", substantial=answer)
        with portal.client() as client:
            yield client


def test_pages_facets_and_totals(client: httpx.Client) -> None:
    first = client.get("/register.json", params={"limit": 2}).json()
    assert [one["record"]["slug"] for one in first["systems"]] == ["health-line-aid", "partly"]
    assert (first["total"], first["restricted"]) == (5, {"security": 1})
    assert first["facets"]["state"] == {"active": 4, "pilot": 1}
    assert first["facets"]["risk"]["high_risk"] == 2
    rest = client.get("/register.json", params={"limit": 50, "cursor": first["next"]}).json()
    assert [one["record"]["slug"] for one in rest["systems"]] == ["social-loan-check", "strange", "tax-question-reply"]
    assert rest["next"] is None
    found = client.get("/register.json", params={"q": "lening terug", "risk": ["high_risk", "other"]}).json()
    assert [one["record"]["slug"] for one in found["systems"]] == ["social-loan-check"]


@pytest.mark.parametrize(
    "address",
    [
        "/register.json?colour=red",
        "/register.json?theme=motto",
        "/register.json?limit=0",
        "/register.json?cursor=x",
        f"/register.json?q={'x' * 201}",
        "/register/partly/history.json?as_of=yesterday",
        "/register/partly/history.json?from=2026-01-01",
        "/register/partly/history.json?as_of=2026-01-01&to=2026-01-02",
    ],
)
def test_a_wrong_parameter_is_a_problem(client: httpx.Client, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/register.json?limit=100", "/register/partly.json", "/register/partly/history.json?as_of=2100-01-01",
             "/register/partly?lang=en", "/register?lang=en", "/register.csv"],
)  # fmt: skip
def test_a_withheld_member_is_nowhere_and_its_reason_is_in_the_record(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert "Zeppelins" not in response.text
    if path == "/register/partly.json":
        assert response.json()["record"]["publication"]["withheld"] == [HIDDEN]


@pytest.mark.parametrize(
    "path", ["", ".json", "/history", "/history.json", "/history.json?as_of=2100-01-01"],
)  # fmt: skip
def test_a_restricted_system_is_as_if_it_were_not_there(client: httpx.Client, path: str) -> None:
    assert client.get(f"/register/restricted{path}").status_code == 404
    assert client.get("/api/systems/restricted").status_code == 404
    assert "restricted<" not in client.get("/register?lang=en").text


@pytest.mark.parametrize(
    "path", ["/register/strange?lang=en", "/register?lang=en", "/register/strange/history?lang=en"]
)
def test_what_people_wrote_is_shown_and_never_run(client: httpx.Client, path: str) -> None:
    html = client.get(f"{path}?lang=en").text
    assert "<script>alert" not in html
    assert "onerror=alert(2)>" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert client.get("/register/strange.json").json()["record"]["limits"]["en"] == STRANGE


def test_every_public_record_fits_the_published_schema(client: httpx.Client) -> None:
    response = client.get("/register/schema.json")
    assert response.headers["content-type"].startswith("application/schema+json")
    schema = response.json()
    Draft202012Validator.check_schema(schema)
    systems = client.get("/register.json?limit=100").json()["systems"]
    assert len(systems) == 5
    for one in systems:
        Draft202012Validator(schema).validate(one["record"])


def test_a_day_and_two_days(client: httpx.Client) -> None:
    past = client.get("/register/partly/history.json", params={"as_of": "2100-01-01"}).json()
    assert past["whole"] is False
    assert past["entry"]["kind"] == "system/1"
    assert past["entry"]["proof"].startswith("c2sp.org/tlog-proof@v1")
    assert [one["what"]["role"] for one in past["approvals"]] == ["administrator"]
    two = client.get("/register/partly/history.json", params={"from": "2100-01-01", "to": "2100-01-02"}).json()
    assert two["changes"] == []
    assert client.get("/register/partly/history.json", params={"as_of": "2020-01-01"}).status_code == 404


def test_everybody_reads_whether_a_new_version_was_a_substantial_change(client: httpx.Client) -> None:
    (told,) = client.get("/register/strange.json").json()["modifications"]
    assert (told["version"], told["substantial"], told["because"]["nl"]) == (2, "yes", "Een ander doel.")
    html = client.get("/register/strange/history?lang=nl").text
    assert "Versie 2 is een substanti\u00eble wijziging van het systeem" in html
    assert "Een ander doel." in html
    assert "eef.voorbeeld" not in html + client.get("/register/strange.json").text
