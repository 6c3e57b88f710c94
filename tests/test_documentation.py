"""Documentation is tested: commands, routes, settings and kinds are described; the tour's functions exist in order."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
import typer

from accounts.roles import ROUTES
from auditlog.core.entries.kinds import KINDS
from auditlog.core.entries.records_page import describe
from cli import app as cli
from home.settings import Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def commands() -> list[str]:
    found = []
    root = typer.main.get_command(cli)
    for name, command in root.commands.items():
        below = getattr(command, "commands", None)
        found += [f"{name} {inner}" for inner in below] if below else [name]
    return sorted(found)


@pytest.mark.parametrize("command", commands())
def test_each_command_is_in_the_manual(command: str) -> None:
    assert f"`greffier {command}" in (DOCS / "commands.md").read_text("utf-8")


def test_the_manual_names_no_command_that_is_not_there() -> None:
    named = re.findall(r"^\| `greffier ([a-z-]+(?: [a-z-]+)?)", (DOCS / "commands.md").read_text("utf-8"), re.MULTILINE)
    known = set(commands())
    assert named
    assert all(name in known or name.split()[0] in known for name in named)


def test_each_route_and_setting_is_in_the_manual() -> None:
    text = (DOCS / "commands.md").read_text("utf-8")
    missing = [route for route in ROUTES if route.split()[1].split("{")[0].rstrip("/") not in text]
    missing += [name for name in Settings.model_fields if f"`{name}`" not in text]
    assert missing == []


def test_records_page_is_made_from_the_table() -> None:
    assert (DOCS / "records.md").read_text("utf-8") == describe()


def test_each_kind_is_in_the_records_page() -> None:
    text = (DOCS / "records.md").read_text("utf-8")
    assert all(kind in text for kind in KINDS)


def tour_names() -> list[str]:
    return re.findall(r"^\d+\. `([a-z_.]+[a-zA-Z_.]*)`", (DOCS / "tour.md").read_text("utf-8"), re.MULTILINE)


def test_the_tour_names_functions_that_exist() -> None:
    names = tour_names()
    assert len(names) >= 12
    for name in names:
        module, attribute = split(name)
        assert attribute in defined(module), name


def split(name: str) -> tuple[str, str]:
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        path = ROOT.joinpath(*parts[:end])
        if path.with_suffix(".py").exists() or (path / "__init__.py").exists():
            return ".".join(parts[:end]), ".".join(parts[end:])
    raise AssertionError(f"no module in {name}")


def defined(module: str) -> set[str]:
    file = importlib.import_module(module).__file__
    assert file is not None
    found: set[str] = set()
    for node in ast.parse(Path(file).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
    return found


def test_adrs_are_numbered_and_named() -> None:
    numbers = [int(path.name[:4]) for path in sorted((DOCS / "adr").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
    for path in (DOCS / "adr").glob("*.md"):
        assert path.read_text("utf-8").startswith(f"# {path.name[:4]} "), path.name


def test_no_page_claims_conformity() -> None:
    for path in [ROOT / "README.md", *DOCS.rglob("*.md"), *(ROOT / "reports").rglob("*.po")]:
        text = path.read_text("utf-8").lower()
        assert "compliant with the ai act" not in text, path
        assert "conforms to the ai act" not in text, path


def test_each_page_is_listed_for_a_reader() -> None:
    text = (DOCS / "README.md").read_text("utf-8")
    pages = {path.name for path in DOCS.glob("*.md")} - {"README.md"}
    assert pages == {page for page in pages if f"({page})" in text}


def test_links_between_documents_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md"), ROOT / "auditlog" / "core" / "README.md"]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_folders_named_by_the_architecture_are_there() -> None:
    named = re.findall(r"^\| `([a-z/]+)/`", (DOCS / "architecture.md").read_text("utf-8"), re.MULTILINE)
    assert len(named) >= 10
    assert [name for name in named if not (ROOT / name).is_dir()] == []


def test_the_cores_example_runs() -> None:
    page = (ROOT / "auditlog" / "core" / "README.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
