"""Console transcripts run as tests; the README is one of them.

In a `console` block a line that begins with `$ ` is a command; what follows is its output, stdout before stderr, where
`…` stands for anything, and `[exit N]` for its exit code (0 if not said).
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STORIES = [ROOT / "README.md", *sorted(Path(__file__).parent.glob("*.md"))]


@dataclass
class Command:
    line: str
    output: list[str] = field(default_factory=list)
    exit_code: int = 0


def commands(text: str) -> list[Command]:
    found: list[Command] = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Command(line[2:]))
            elif match := re.fullmatch(r"\[exit (\d+)\]", line):
                found[-1].exit_code = int(match[1])
            else:
                found[-1].output.append(line)
    return found


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.name)
def test_a_story_happens_as_it_is_told(story: Path, demo_home: Path, tmp_path: Path) -> None:
    told = commands(story.read_text("utf-8"))
    assert told, "a story without commands"
    (tmp_path / "demo").symlink_to(demo_home)
    binaries = str(Path(sys.executable).parent)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GREFFIER_")}
    environment |= {"PATH": f"{binaries}{os.pathsep}{environment['PATH']}", "COLUMNS": "200"}
    for command in told:
        done = subprocess.run(
            shlex.split(command.line),
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        seen = done.stdout + done.stderr
        assert done.returncode == command.exit_code, f"{command.line}\n{seen}"
        matches(command, seen)


def matches(command: Command, seen: str) -> None:
    """Every told line is found, in order, in what was seen."""
    lines = [line.rstrip() for line in seen.splitlines()]
    position = 0
    for wanted in command.output:
        pattern = re.compile(".*".join(map(re.escape, wanted.rstrip().split("…"))))
        while position < len(lines) and not pattern.fullmatch(lines[position]):
            position += 1
        assert position < len(lines), f"{command.line}\n{wanted!r} is not in\n{seen}"
        position += 1
