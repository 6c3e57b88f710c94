from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.enable_socket

RIGHT = {
    "en": "This does not say whether the result is right. You can ask why, or ask a member of staff to look again.",
    "nl": "Dit zegt niet of de uitkomst juist is. U kunt uitleg vragen of een medewerker opnieuw laten kijken.",
}
GENUINE = {
    "en": "This receipt is genuine. Municipality of Waterveen recorded this result on or before",
    "nl": "Dit bewijs is echt. Gemeente Waterveen legde deze uitkomst uiterlijk op",
}
ALTERED = {
    "en": "This receipt does not match the log. Something was changed or damaged:",
    "nl": "Dit bewijs klopt niet met het logboek. Er is iets veranderd of beschadigd:",
}
ERASED = {
    "en": "This result is in the log. Municipality of Waterveen erased the details on",
    "nl": "Deze uitkomst staat in het logboek. Gemeente Waterveen heeft de gegevens op",
}
NOT_FOUND = {
    "en": "We cannot find this result in the log of Municipality of Waterveen.",
    "nl": "Wij vinden deze uitkomst niet in het logboek van Gemeente Waterveen.",
}


def said(response: httpx.Response, status: int = 200) -> str:
    assert response.status_code == status
    assert response.headers["cache-control"] == "no-store"
    return " ".join(response.text.split())


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_a_genuine_receipt_by_file_and_by_paste(client: httpx.Client, portal: Any, lang: str) -> None:
    receipt = portal.records.receipt
    by_file = client.post(f"/check?lang={lang}", files={"file": ("a.receipt.json", receipt), "reference": (None, "")})
    by_paste = client.post(f"/check?lang={lang}", data={"receipt": receipt.decode(), "reference": ""})
    for response in (by_file, by_paste):
        text = said(response)
        assert GENUINE[lang] in text
        assert RIGHT[lang] in text
        assert ("No outside organisation" if lang == "en" else "Geen andere organisatie") in text


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_an_altered_receipt_names_what_was_changed(client: httpx.Client, portals: Any, portal: Any, lang: str) -> None:
    changed = portals.altered(portal.records.receipt).decode()
    text = said(client.post(f"/check?lang={lang}", data={"receipt": changed}))
    assert ALTERED[lang] in text
    assert "“outcome”" in text
    assert GENUINE[lang] not in text
    assert RIGHT[lang] not in text


@pytest.mark.parametrize("part", ["entry", "proof"])
def test_a_change_of_entry_or_proof_is_altered(client: httpx.Client, portal: Any, part: str) -> None:
    receipt = json.loads(portal.records.receipt)
    receipt[part] = receipt[part].replace("live", "test") if part == "entry" else receipt[part].replace("A", "B", 3)
    assert ALTERED["en"] in said(client.post("/check?lang=en", data={"receipt": json.dumps(receipt)}))


@pytest.mark.parametrize(
    "junk", ["{}", "[]", "no json", '{"entry": 1}', "<script>alert(1)</script>", "\x00", "9" * 5000]
)
def test_what_is_no_receipt_is_not_quoted(client: httpx.Client, junk: str) -> None:
    text = said(client.post("/check?lang=en", data={"receipt": junk}))
    assert ALTERED["en"] in text
    assert "<script" not in text


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_an_erased_record_says_when_and_why(client: httpx.Client, portal: Any, lang: str) -> None:
    text = said(client.post(f"/check?lang={lang}", data={"receipt": portal.records.erased_receipt.decode()}))
    assert ERASED[lang] in text
    assert ("consent was withdrawn" if lang == "en" else "de toestemming is ingetrokken") in text
    assert ERASED[lang] in said(client.post(f"/check?lang={lang}", data={"reference": portal.records.erased}))


def test_a_receipt_of_another_log_is_not_found(client: httpx.Client, portal: Any) -> None:
    other = portal.records.receipt.decode().replace("waterveen.example/log/1", "elsewhere.example/log/1")
    assert NOT_FOUND["en"] in said(client.post("/check?lang=en", data={"receipt": other}))


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_the_reference_alone_is_found_but_calls_nothing_genuine(client: httpx.Client, portal: Any, lang: str) -> None:
    text = said(client.post(f"/check?lang={lang}", data={"reference": f" {portal.records.held.upper()} "}))
    assert RIGHT[lang] in text
    assert GENUINE[lang] not in text
    absent = "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"
    assert NOT_FOUND[lang] in said(client.post(f"/check?lang={lang}", data={"reference": absent}))


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "file"),
        ({"receipt": "  ", "reference": ""}, "file"),
        ({"receipt": "{}", "reference": "x"}, "file"),
        ({"reference": "PERSONAL-99"}, "reference"),
    ],
)
def test_a_form_with_a_mistake_says_where(client: httpx.Client, data: dict[str, str], field: str) -> None:
    response = client.post("/check?lang=en", data={"nothing": "", **data})
    text = said(response, 422)
    assert f'<a href="#{field}">' in text
    assert f'id="{field}-error"' in text
    assert 'role="alert"' in text
    # What was typed stands in its own field again, so that it can be mended there, and nowhere else.
    assert "PERSONAL-99" not in text.replace('value="PERSONAL-99"', "")


def test_a_receipt_that_is_not_yet_published_says_when_to_come_back(
    portals: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("paced") / "home"
    portals.make_home(home, pace_s=7200)
    with portals.served(home) as portal, portal.client() as client:
        client.get("/log/1/checkpoint").raise_for_status()
        receipt = portals.decide_one(portal.g)
        text = said(client.post("/check?lang=en", data={"receipt": receipt.decode()}))
        assert "This receipt is genuine and signed by Municipality of Waterveen." in text
        assert "that normally takes 120 minutes." in text
        assert "Check again after" in text
        assert RIGHT["en"] in text


def test_nothing_of_a_receipt_is_logged_or_kept(
    client: httpx.Client, portal: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    marker = "EVIDENTLY-INVENTED-MARKER"
    size = portal.g.log.state().size
    with caplog.at_level(logging.DEBUG):
        for value in (portal.records.receipt.decode(), json.dumps({marker: marker}), marker):
            client.post("/check?lang=en", data={"receipt": value})
            client.post("/check", files={"file": (marker, value.encode())})
        client.post("/check", data={"reference": portal.records.given})
    logged = "".join(capfd.readouterr()) + caplog.text
    assert '"route": "/check"' in logged
    assert marker not in logged
    assert portal.records.given not in logged
    assert portal.g.log.state().size == size
    assert not any(marker.encode() in path.read_bytes() for path in portal.g.home.rglob("*.db*"))


def test_too_large_a_file_is_a_page_with_advice(client: httpx.Client) -> None:
    response = client.post("/check?lang=en", files={"file": ("big", b"x" * (1 << 20))})
    assert response.status_code == 413
    assert "check that you chose the right file" in response.text


def test_a_body_of_another_kind_is_a_page_not_a_fault(client: httpx.Client) -> None:
    assert client.post("/check", json={}).status_code == 422
    assert client.post("/check").status_code == 422
