"""Promise 5 as far as it goes in this version: a record names everything that determines its output.

The graded verdict of `greffier replay` comes with the runtime issue; here the recorded facts alone, in another process,
give the same tokens and the same log-probabilities.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.actions import decide, programs, reading
from app.actions.reading import CLI
from app.wiring import open_home
from registry.store import systems as register_store
from runtime.program import Request


def test_a_record_runs_again_to_the_same_tokens_and_log_probabilities(
    loan_home: Path, loan_input: dict[str, Any]
) -> None:
    with open_home(loan_home) as g:
        record = decide.decide(g, "social-loan-check", loan_input).id
    with open_home(loan_home) as g:
        recorded: Any = reading.open(g, CLI, "export", record)
        with g.reading() as conn:
            version = register_store.read_version(conn, "social-loan-check", recorded.entry.members["version"])
        assert version.digest == recorded.entry.members["manifest"]
        fields = {name[3:]: value for name, value in recorded.values.items() if name.startswith("in_")}
        request = Request("again", programs.program(version.manifest), fields, recorded.values["run"]["seed"])
        again = g.runtime.generate(request).result()
    facts = programs.run_facts(again)
    for name in ("prompt_tokens", "output_tokens", "logprobs", "alternatives", "model", "build", "sampler"):
        assert facts[name] == recorded.values["run"][name], name
    assert programs.to_json(again.output) == recorded.values["output"]
    assert again.outcome == recorded.values["outcome"]
