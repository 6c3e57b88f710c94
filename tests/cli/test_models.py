"""Model files that cannot run: what the caller is told, and what the log says of it. The runtime goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from auditlog.store import log as log_store
from cli.demo.run import CASES
from home.errors import Refused
from home.greffier import Greffier
from service.deciding import decide
from service.keeping import fsck
from service.logs import gaps
from service.systems import lifecycle, register
from service.wiring import open_home

LOAN = "social-loan-check"


def refusals(g: Greffier) -> list[Any]:
    with g.reading() as conn:
        entries = [entry for _, entry in log_store.entries_of_kinds(conn, g.log.number, ("refused/1",))]
    return [entry.members["reason"] for entry in entries]


def register_with(g: Greffier, file: Path) -> None:
    """The loan check over another model file, in use."""
    model = register.add_model(g, file)
    document = json.loads((CASES / f"{LOAN}.json").read_bytes())
    document["version"]["model"]["sha256"] = model.sha256
    register.register(g, json.dumps(document).encode())
    for state in ("in_review", "approved", "active"):
        lifecycle.change_state(g, LOAN, state)


def test_a_model_that_no_memory_holds_is_refused_before_it_is_loaded(
    loan_home: Path, loan_input: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREFFIER_MEMORY_MIB", "64")
    with open_home(loan_home) as g:
        for _ in range(2):
            with pytest.raises(Refused, match="memory") as refused:
                decide.decide(g, LOAN, loan_input)
        assert refused.value.reason == "too_large"
        assert refusals(g) == ["too_large"] * 2
        assert g.runtime.boot is not None, "the worker ended over it"
    monkeypatch.setenv("GREFFIER_MEMORY_MIB", "4096")
    with open_home(loan_home) as g:
        assert decide.decide(g, LOAN, loan_input).held
        assert fsck.check_all(g) == []
        assert all(boot.missing == () for boot in gaps.read_gaps(g).boots)


def test_a_model_of_an_architecture_that_this_build_does_not_know(
    bare: Path, model_file: Path, tmp_path: Path, loan_input: dict[str, Any]
) -> None:
    file = tmp_path / "file.gguf"
    file.write_bytes(model_file.read_bytes().replace(b"llama", b"lhama"))
    with open_home(bare) as g:
        register_with(g, file)
        for _ in range(2):
            with pytest.raises(Refused) as refused:
                decide.decide(g, LOAN, loan_input)
        assert refused.value.reason == "build_not_accepted"
        assert refusals(g) == ["build_not_accepted"] * 2
        assert g.runtime.boot is not None, "the worker ended over it"
        assert fsck.check_all(g) == []


@pytest.mark.parametrize(
    ("size", "found"), [(None, "missing"), (0, "altered"), (3, "altered"), (5_000, "altered"), (90_000_000, "altered")]
)
def test_a_file_that_is_cut_or_gone_is_refused_and_named(
    bare: Path, model_file: Path, tmp_path: Path, loan_input: dict[str, Any], size: int | None, found: str
) -> None:
    with open_home(bare) as g:
        register_with(g, model_file)
        (path,) = g.models().iterdir()
        if size is None:
            path.unlink()
        else:
            path.chmod(0o600)
            with path.open("r+b") as file:
                file.truncate(size)
        with pytest.raises(Refused) as refused:
            decide.decide(g, LOAN, loan_input)
        assert refused.value.reason == f"model_{found}"
        assert "greffier model add" in str(refused.value)
        assert refusals(g) == [f"model_{found}"]
        assert g.runtime.boot is not None, "the worker ended over it"
        # Put back, and it goes on.
        register.add_model(g, model_file)
        assert decide.decide(g, LOAN, loan_input).held


@pytest.mark.parametrize("data", [b"", b"GG", b"PK\x03\x04 an archive", b"GGUF\x03\x00\x00\x00", b"GGUF" * 4_000])
@pytest.mark.parametrize("options", [(), ("--quantize", "Q8_0")])
def test_what_is_no_model_is_not_taken_in(
    bare: Path, command: Any, unchanged: Any, tmp_path: Path, data: bytes, options: tuple[str, ...]
) -> None:
    file = tmp_path / "Piet Jansen.gguf"
    file.write_bytes(data)
    with unchanged(bare):
        told = command("model", "add", file, *options, "--home", bare)
    assert told.code == 3
    assert told.line.startswith("model: ")
