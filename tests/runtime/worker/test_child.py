"""The child process by itself, spoken to in raw frames."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from runtime.models.weights import ModelFile
from runtime.worker.counter import unclosed
from runtime.worker.frames import FrameReader, format_frame


def start(model_file: ModelFile, run_dir: Path, *, parent: int | None = None) -> subprocess.Popen[bytes]:
    boot = str(uuid.uuid4())
    folders = ["--models-dir", str(model_file.path.parent), "--run-dir", str(run_dir)]
    command = [
        sys.executable,
        "-m",
        "runtime.worker.child",
        *folders,
        "--boot",
        boot,
        f"--parent={parent or os.getpid()}",
    ]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_it_ends_with_its_pipe(model_file: ModelFile, tmp_path: Path) -> None:
    process = start(model_file, tmp_path)
    assert process.stdout is not None
    (ready,) = FrameReader(process.stdout.fileno()).read() or []
    assert ready["type"] == "ready"
    assert unclosed(tmp_path) == []
    process.communicate(timeout=60)
    assert unclosed(tmp_path) == [(ready["boot"], 0)]


def test_it_closes_in_order_and_answers_what_it_does_not_know(model_file: ModelFile, tmp_path: Path) -> None:
    process = start(model_file, tmp_path)
    frames = [{"type": "load", "id": "1", "model": model_file.sha256}, {"type": "dance", "id": "2"}, {"type": "close"}]
    out, err = process.communicate(b"".join(map(format_frame, frames)), timeout=60)
    assert process.returncode == 0, err
    inward, outward = os.pipe()
    os.write(outward, out)
    os.close(outward)
    got = FrameReader(inward).read() or []
    os.close(inward)
    progress = [frame["permille"] for frame in got if frame["type"] == "progress"]
    assert progress == sorted(progress)
    assert progress[-1] == 1000
    got = [frame for frame in got if frame["type"] != "progress"]
    assert [frame["type"] for frame in got] == ["ready", "loaded", "fault", "closed"]
    assert got[2]["fault"]["kind"] == "PipeBroken"
    assert got[3]["n"] == 0


def test_it_will_not_live_without_the_parent_that_it_was_told(model_file: ModelFile, tmp_path: Path) -> None:
    process = start(model_file, tmp_path, parent=1)
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("boot", ["../x", "not-a-uuid"])
def test_a_boot_id_is_no_path(model_file: ModelFile, tmp_path: Path, boot: str) -> None:
    folders = ["--models-dir", str(model_file.path.parent), "--run-dir", str(tmp_path)]
    command = [sys.executable, "-m", "runtime.worker.child", *folders, "--boot", boot, f"--parent={os.getpid()}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert done.returncode != 0
    assert list(tmp_path.iterdir()) == []
