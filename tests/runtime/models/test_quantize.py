"""Quantised files: the same bytes each time, whole or not at all, and nothing left of what was killed."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime.errors import ModelMissing, ModelTruncated, ModelUnusable, NoRoom, NotGguf
from runtime.models import quantize, weights
from runtime.models.weights import ModelFile, read_model


def made(file: Path, folder: Path, kind: str = "Q4_0") -> ModelFile:
    with quantize.opened(file) as source:
        return quantize.quantize(source, folder, kind)


def test_the_same_file_and_type_give_the_same_bytes(gguf: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    with quantize.opened(gguf) as source:
        assert source.quantized
        assert source.weights == 134_515_008
        first = quantize.quantize(source, tmp_path / "models", "Q4_0", lambda done, total: steps.append((done, total)))
    assert steps == [(number, 272) for number in range(1, 273)]
    assert first.sha256 != source.sha256
    assert first.metadata["general.architecture"] == "llama"
    assert first.metadata["general.file_type"] == quantize.KINDS["Q4_0"][0]
    assert read_model(tmp_path / "models", first.sha256) == first
    assert made(gguf, tmp_path / "models") == first
    assert [path.name for path in (tmp_path / "models").iterdir()] == [f"{first.sha256}.gguf"]


@pytest.mark.parametrize(
    ("change", "kind"),
    [(lambda data: data[: len(data) // 2], ModelTruncated), (lambda _: b"PK\x03\x04 no model", NotGguf)],
)
def test_what_is_no_whole_gguf_file_is_not_quantised(gguf: Path, tmp_path: Path, change: object, kind: type) -> None:
    file = tmp_path / "file.gguf"
    file.write_bytes(change(gguf.read_bytes()))
    with pytest.raises(kind):
        made(file, tmp_path / "models")
    assert not (tmp_path / "models").exists()
    with pytest.raises(ModelMissing):
        made(tmp_path / "none.gguf", tmp_path / "models")


def test_a_file_that_llama_cpp_does_not_know(gguf: Path, tmp_path: Path) -> None:
    """The header is sound, and its architecture is nobody's."""
    file = tmp_path / "file.gguf"
    file.write_bytes(gguf.read_bytes().replace(b"llama", b"lhama"))
    with pytest.raises(ModelUnusable, match="does not quantise"):
        made(file, tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_too_little_room_is_said_before_and_a_half_file_goes(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1 << 20}))
        with pytest.raises(NoRoom, match="72 MiB at least, and 1 MiB are free"):
            made(gguf, tmp_path / "models")
    # A disk that fills up meanwhile: the device that is always full stands in for it.
    with quantize.opened(gguf) as source, pytest.raises(NoRoom, match="written whole"):
        quantize._run(source, Path("/dev/full"), 2, lambda *_: None)
    assert list((tmp_path / "models").iterdir()) == []


def test_what_a_killed_one_left_goes_with_the_next(gguf: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    script = (
        "import sys\nfrom pathlib import Path\nfrom runtime.models import quantize\n"
        "with quantize.opened(Path(sys.argv[1])) as source:\n"
        "    quantize.quantize(source, Path(sys.argv[2]), 'Q4_K_M', lambda *_: print('on', flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(gguf), str(models)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{child}").exists(), "the quantising process lives on"
    (left,) = models.glob(".adding-*")
    old = time.time() - 3_600
    os.utime(left, (old, old))
    held = models / ".adding-held"
    held.write_bytes(b"GGUF")
    os.utime(held, (old, old))
    with held.open("rb") as working:
        fcntl.flock(working, fcntl.LOCK_EX)
        model = weights.add_model(gguf, models)
    assert sorted(path.name for path in models.iterdir()) == [held.name, f"{model.sha256}.gguf"]
