"""The house is a test: arrows, homes of heavy libraries, sizes; each contract fails on a planted violation."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (
    *("registry", "runtime", "auditlog", "casework", "reports"),
    *("home", "accounts", "service", "web", "cli", "lab"),
)
MAX_FILE, MAX_FUNCTION = 320, 60
UNNAMED = re.compile(r"(utils?|helpers?|common|misc|manager|models|schemas|base)\.py")
# contract → (file, a line that breaks it)
VIOLATIONS = {
    "arrows": ("auditlog/store/log.py", "import registry.system"),
    "reports-types": ("reports/agency.py", "import auditlog.store.log"),
    "service-rooms": ("service/records/query.py", "import service.deciding.decide"),
    "core-alone": ("auditlog/core/entries/record.py", "import orjson"),
    "home-sqlalchemy": ("service/records/query.py", "import sqlalchemy"),
    "home-llama": ("service/deciding/programs.py", "import llama_cpp"),
    "home-jinja": ("service/disclosing/report.py", "import jinja2"),
    "home-fastapi": ("service/deciding/decide.py", "import fastapi"),
    "home-cryptography": ("service/wiring.py", "import cryptography"),
}


def source_files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copied_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    house = tmp_path_factory.mktemp("house")
    shutil.copy2(ROOT / "pyproject.toml", house)
    for path in source_files():
        target = house / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return house


def test_every_contract_holds(copied_house: Path) -> None:
    told = lint_imports(copied_house)
    assert told.returncode == 0, told.stdout
    assert "0 broken" in told.stdout


def test_every_contract_has_a_planted_violation() -> None:
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    assert {contract["id"] for contract in configured} == set(VIOLATIONS)


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_planted_violation_breaks_its_contract(copied_house: Path, contract: str) -> None:
    name, line = VIOLATIONS[contract]
    path = copied_house / name
    before = path.read_text("utf-8")
    path.write_text(before.replace("\nfrom ", f"\n{line}\nfrom ", 1), "utf-8")
    try:
        told = lint_imports(copied_house)
    finally:
        path.write_text(before, "utf-8")
    assert told.returncode == 1, told.stdout
    assert "1 broken" in told.stdout, told.stdout


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_keep_their_size_and_have_names(path: Path) -> None:
    assert not UNNAMED.fullmatch(path.name), "name it after its subject"
    text = path.read_text("utf-8")
    assert text.count("\n") <= MAX_FILE, "split by subject"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert code_lines(node) <= MAX_FUNCTION, f"{node.name} is too long"


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    assert node.end_lineno is not None
    lines = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node) is not None:
        first = node.body[0]
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def test_importing_a_pure_module_loads_no_database() -> None:
    heavy = "[m for m in ('sqlalchemy', 'numpy') if m in sys.modules]"
    code = f"import sys, auditlog.core.entries.receipt, auditlog.core.checking.audit; print({heavy})"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, known: set[str]) -> set[str]:
    """Our modules that a source imports anywhere: at the top, in a function, or for its types only."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            # A package's own file counts only where something of it is meant, and not one of its modules.
            found |= members if members <= known else {node.module} | (members & known)
    return found & known


def circle(sources: Mapping[str, str]) -> list[str]:
    """The modules of one circle of imports; none where there is none."""
    known = set(sources)
    try:
        TopologicalSorter({name: imported(text, known) - {name} for name, text in sources.items()}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_files_import_each_other_in_a_circle() -> None:
    sources = {module_of(path): path.read_text("utf-8") for path in source_files()}
    assert circle(sources) == []
    planted = {**sources, "registry.remote": "from registry.manifest_rules import parse_draft\n"}
    assert {"registry.remote", "registry.manifest_rules"} <= set(circle(planted))
