"""`/operator` and `/metrics`: the same numbers, and the sum over the records to the token and the millionth."""

from __future__ import annotations

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.store import log as log_store
from lab.bench.records_scene import SYSTEM as ELSEWHERE
from lab.bench.records_scene import line, system_file
from service.deciding import latency_targets
from service.systems import lifecycle, register

pytestmark = pytest.mark.enable_socket

RULES = Path(__file__).parents[3] / "docs" / "alerts" / "greffier.rules.yml"


def from_records(g: Any, ids: set[str]) -> Counter[tuple[str, ...]]:
    """Sums over the opened usage of these records: what nobody but their own content says."""
    found: Counter[tuple[str, ...]] = Counter()
    with g.reading() as conn:
        for _, data in log_store.iterate_entries(conn, 1, 0, g.log.state().size):
            entry = parse_entry(data)
            if not isinstance(entry, Entry) or entry.id not in ids:
                continue
            usage = g.vault.open(conn, entry.id, entry).values["usage"]
            system = entry.members["system"]
            found[system, "decisions"] += 1
            found[system, "prompt_tokens"] += usage["prompt_tokens"]
            found[system, "output_tokens"] += usage["output_tokens"]
            found[system, "cost", usage["currency"]] += usage["cost_millionths"]
            if usage["energy_uj"] is not None:
                found[system, "energy", usage["energy_method"]] += usage["energy_uj"]
    return +found


def from_metrics(text: str) -> Counter[tuple[str, ...]]:
    names = {
        "greffier_decisions_total": ("decisions", None),
        "greffier_prompt_tokens_total": ("prompt_tokens", None),
        "greffier_output_tokens_total": ("output_tokens", None),
        "greffier_cost_millionths_total": ("cost", "currency"),
        "greffier_energy_microjoules_total": ("energy", "method"),
    }
    found: Counter[tuple[str, ...]] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in names:
                name, label = names[sample.name]
                assert sample.value == int(sample.value)
                more = () if label is None else (sample.labels[label],)
                found[sample.labels["system"], name, *more] += int(sample.value)
    return +found


def from_operator(told: dict[str, Any], part: str) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for one in told["systems"]:
        amounts = one[part]["amounts"]
        for name in ("decisions", "prompt_tokens", "output_tokens"):
            found[one["system"], name] += amounts[name]
        for code, number in amounts["cost_millionths"].items():
            found[one["system"], "cost", code] += number
        for code, number in amounts["energy_uj"].items():
            found[one["system"], "energy", code] += number
    return +found


def decide(client: httpx.Client, portal: Any, portals: Any, *, system: str | None = None) -> str:
    body = {"system": system or portals.HELD_SYSTEM, "input": portals.HELD_INPUT}
    if system is not None:
        body["input"] = portals.INPUT
    answer = client.post("/api/decisions", json=body, headers=portal.key("client"))
    answer.raise_for_status()
    return str(answer.json()["id"])


def told(client: httpx.Client, portal: Any, **params: str) -> dict[str, Any]:
    answer = client.get("/operator", params=params, headers=portal.key("operator"))
    answer.raise_for_status()
    return dict(answer.json())


def system_of(found: dict[str, Any], slug: str) -> dict[str, Any]:
    return next(dict(one) for one in found["systems"] if one["system"] == slug)


def test_metrics_operator_and_records_agree_to_the_token_and_the_millionth(
    client: httpx.Client, portal: Any, portals: Any
) -> None:
    before = from_operator(told(client, portal), "records")
    assert from_metrics(client.get("/metrics").text) == Counter()
    ids = {decide(client, portal, portals) for _ in range(3)}
    ids.add(decide(client, portal, portals, system=portals.SYSTEM))
    # Refused ones add nothing that was used, nor does what is asked again.
    bad = {"system": portals.HELD_SYSTEM, "input": {"room": "much"}}
    assert client.post("/api/decisions", json=bad, headers=portal.key("client")).status_code == 422
    # Records from elsewhere are records.
    register_elsewhere(portal)
    sent = client.post("/api/records", json={"records": [line(1), line(2)]}, headers=portal.key("client"))
    assert sent.status_code == 200, sent.text
    ids |= {one["id"] for one in sent.json()["results"]}
    expected = from_records(portal.g, ids)
    assert expected[portals.HELD_SYSTEM, "decisions"] == 3
    assert expected[ELSEWHERE, "cost", "EUR"] == 702 + 704
    now = told(client, portal)
    assert from_metrics(client.get("/metrics").text) == expected
    assert from_operator(now, "process") == expected
    assert from_operator(now, "records") - before == expected
    mine = system_of(now, portals.HELD_SYSTEM)
    assert mine["process"]["amounts"]["refused"] == {"input_invalid": 1}
    for name in ("answered", "queue", "first_token", "total"):
        assert mine["process"]["times"][name]["count"] == 3
        assert sum(mine["process"]["times"][name]["buckets_ms"].values()) == 3
    assert system_of(now, portals.SYSTEM)["process"]["times"]["per_token"]["count"] == 1
    assert mine["process"]["times"]["answered"]["sum_us"] > mine["process"]["times"]["total"]["sum_us"]


def register_elsewhere(portal: Any) -> None:
    """A system that runs elsewhere, in use."""
    register.register(portal.g, system_file().replace(b"bench-agency", b"waterveen"))
    for state in ("in_review", "approved", "active"):
        lifecycle.change_state(portal.g, ELSEWHERE, state)


def test_an_answer_is_timed_until_its_record_is_integrated(
    client: httpx.Client, portal: Any, portals: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = system_of(told(client, portal), portals.HELD_SYSTEM)
    sync = portal.g.log._before_commit

    def slow() -> None:
        time.sleep(0.4)
        sync()

    monkeypatch.setattr(portal.g.log, "_before_commit", slow)
    decide(client, portal, portals)
    monkeypatch.undo()
    after = system_of(told(client, portal), portals.HELD_SYSTEM)
    spent = [one["process"]["times"][name]["sum_us"] for one in (before, after) for name in ("answered", "total")]
    assert (spent[2] - spent[0]) - (spent[3] - spent[1]) >= 400_000
    text = client.get("/metrics").text
    assert f'greffier_target_seconds{{system="{portals.HELD_SYSTEM}"}} 3.0' in text
    missed = after["process"]["missed"]
    assert f'greffier_target_missed_total{{system="{portals.HELD_SYSTEM}"}} {missed}.0' in text


def test_a_late_answer_is_counted(
    client: httpx.Client, portal: Any, portals: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = system_of(told(client, portal), portals.HELD_SYSTEM)["process"]["missed"]
    monkeypatch.setattr(latency_targets, "_passed_us", lambda _g, _content: 3_000_001)
    decide(client, portal, portals)
    monkeypatch.setattr(latency_targets, "_passed_us", lambda _g, _content: 3_000_000)
    decide(client, portal, portals)
    assert system_of(told(client, portal), portals.HELD_SYSTEM)["process"]["missed"] == before + 1


def test_devices_and_models_are_told_while_a_worker_runs(client: httpx.Client, portal: Any, portals: Any) -> None:
    decide(client, portal, portals)
    runtime = told(client, portal)["runtime"]
    assert runtime["running"]
    assert runtime["answers"]
    (device,) = runtime["devices"]
    assert device["output_tokens"] >= 1
    assert device["busy_us"] > 0
    assert 0 <= device["busy_permille"] <= 1000
    assert device["tokens_per_busy_s"] is not None
    assert [one["bytes"] > 0 for one in runtime["models"]] == [True]
    assert all(0 <= one["rows"] <= one["room"] for one in runtime["contexts"])
    text = client.get("/metrics").text
    assert f'greffier_device_busy_seconds_total{{device="{device["device"]}"}}' in text
    assert "greffier_runtime_queue 0.0" in text


def test_decisions_side_by_side_share_the_time_of_the_device(client: httpx.Client, portal: Any, portals: Any) -> None:
    decide(client, portal, portals)  # the model is loaded
    before = told(client, portal)["runtime"]["devices"][0]["busy_us"]
    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(lambda _: decide(client, portal, portals), range(6)))
    after = told(client, portal)["runtime"]["devices"][0]["busy_us"]
    with portal.g.reading() as conn:
        entries = [parse_entry(data) for _, data in log_store.iterate_entries(conn, 1, 0, portal.g.log.state().size)]
        usages = [portal.g.vault.open(conn, one.id, one).values["usage"] for one in entries if one.id in ids]
    busy = [usage["busy_us"] for usage in usages]
    assert len(busy) == 6
    assert after - before - len(busy) - 1 <= sum(busy) <= after - before + 1, "each is rounded down to a µs"
    # € 0.18 an hour: what they cost is what the device's time costs.
    assert abs(sum(usage["cost_millionths"] for usage in usages) - sum(busy) * 180_000 / 3_600_000_000) <= len(busy) / 2


def test_no_figure_holds_an_id_an_outcome_or_a_word_of_anyone(client: httpx.Client, portal: Any, portals: Any) -> None:
    id_ = decide(client, portal, portals)
    text = client.get("/metrics").text
    for one in (text, str(told(client, portal)["systems"])):
        assert id_ not in one
        assert portals.SUBJECT not in one
        assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", one)
        assert "remission" not in one
        assert "grant" not in one
    assert "# {" not in text, "an exemplar"
    labels = {
        name for family in text_string_to_metric_families(text) for sample in family.samples for name in sample.labels
    }
    codes = {"currency", "method", "reason", "device", "model", "le", "route", "status"}
    assert labels <= codes | {"system", "version", "mode"}


def test_only_an_operator_is_told_and_only_of_the_systems_of_its_key(
    client: httpx.Client, portal: Any, portals: Any
) -> None:
    assert client.get("/operator").status_code == 401
    for role in ("client", "officer", "auditor"):
        assert client.get("/operator", headers=portal.key(role)).status_code == 403
    scoped = client.get("/operator", headers=portal.key("operator", portals.SYSTEM)).json()
    assert [one["system"] for one in scoped["systems"]] == [portals.SYSTEM]


@pytest.mark.parametrize("month", ["2026-13", "x", "2026-11-01", "0000-01"])
def test_a_month_that_is_none_is_refused(client: httpx.Client, portal: Any, month: str) -> None:
    answer = client.get("/operator", params={"month": month}, headers=portal.key("operator"))
    assert answer.status_code == 422


def test_another_month_has_no_records(client: httpx.Client, portal: Any) -> None:
    found = told(client, portal, month="2020-02")
    assert found["month"] == "2020-02"
    assert from_operator(found, "records") == Counter()


def known_metrics(client: httpx.Client) -> set[str]:
    """The names of all metrics there are, in the forms in which rules name them."""
    text = client.get("/metrics").text
    known = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    return known | {f"{name}_count" for name in known if f"# TYPE {name} histogram" in text}


def test_the_page_for_operators_names_every_metric_and_no_other(
    client: httpx.Client, portal: Any, portals: Any
) -> None:
    decide(client, portal, portals)
    named = set(re.findall(r"greffier_\w+", (RULES.parents[1] / "operations.md").read_text("utf-8")))
    there = {name for name in known_metrics(client) if not name.endswith(("_count", "_created"))}
    there = {name for name in there if not name.startswith("greffier_http_")}
    assert named == there


def test_the_alert_rules_are_sound_and_name_metrics_that_there_are(
    client: httpx.Client, portal: Any, portals: Any
) -> None:
    decide(client, portal, portals)
    known = known_metrics(client)
    rules = yaml.safe_load(RULES.read_text("utf-8"))
    seen = set()
    for group in rules["groups"]:
        assert set(group) == {"name", "rules"}
        for rule in group["rules"]:
            assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
            assert re.fullmatch(r"Greffier[A-Za-z]+", rule["alert"])
            assert rule["alert"] not in seen
            seen.add(rule["alert"])
            assert rule["labels"]["severity"] in {"warning", "critical"}
            assert set(rule["annotations"]) == {"summary", "description"}
            assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
            names = set(re.findall(r"greffier_\w+", rule["expr"]))
            assert names <= known, names - known
            assert rule["expr"].count("(") == rule["expr"].count(")")
            grouped = re.findall(r"by \(([^)]*)\)", rule["expr"])
            for label in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
                assert all(label in one for one in grouped) or not grouped
    assert len(seen) >= 10
