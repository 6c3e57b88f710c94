"""Whatever a client sends by the document we publish, no answer is our fault."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.enable_socket

# No decision is made here: the fuzzed bodies name systems that do not exist, or fields that are not declared.
EXAMPLES = 12


def test_no_answer_to_generated_requests_is_a_fault(portal: Any, client: httpx.Client) -> None:
    schema = schemathesis.openapi.from_url(f"{portal.url}/openapi.json")
    headers = [{}, portal.key("auditor"), portal.key("client")]
    statuses: set[int] = set()
    for result in schema.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy(), header=st.sampled_from(headers))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case: Any, header: dict[str, str]) -> None:
            response = case.call(base_url=portal.url, headers=header, timeout=30)
            statuses.add(response.status_code)
            assert response.status_code < 500, f"{case.method} {case.path}: {response.status_code}"

        check()
    assert {200, 401, 404, 422} <= statuses
