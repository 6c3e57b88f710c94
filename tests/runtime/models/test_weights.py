from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from runtime.errors import ModelAltered, ModelMissing, ModelTruncated, NotGguf
from runtime.models.weights import ModelFile, add_model, model_path, open_model, stamp


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A sound GGUF file of 70 KB: metadata of several kinds, and one tensor of 128 × 128 floats."""
    keys = [
        text(b"general.architecture") + number(8, 4) + text(b"llama"),
        text(b"general.file_type") + number(4, 4) + number(0, 4),
        text(b"tokens") + number(9, 4) + number(8, 4) + number(2, 8) + text(b"a") + text(b"b"),
        text(b"scores") + number(9, 4) + number(6, 4) + number(3, 8) + bytes(12),
    ]
    tensor = text(b"weight") + number(2, 4) + number(128, 8) * 2 + number(0, 4) + number(0, 8)
    head = b"GGUF" + number(3, 4) + number(1, 8) + number(len(keys), 8) + b"".join(keys) + tensor
    path = tmp_path / "small.gguf"
    path.write_bytes(head + bytes(-len(head) % 32) + bytes(range(256)) * 256)
    return path


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "little")


def text(value: bytes) -> bytes:
    return number(len(value), 8) + value


@pytest.fixture
def own(small: Path, tmp_path: Path) -> ModelFile:
    """A model that a test may damage."""
    return add_model(small, tmp_path / "models")


def test_the_real_model(model_file: ModelFile, gguf: Path) -> None:
    assert hashlib.sha256(gguf.read_bytes()).hexdigest() == model_file.sha256
    assert model_file.metadata["general.license"] == "apache-2.0"
    assert not any("tokens" in key for key in model_file.metadata)  # the vocabulary is stepped over
    open_model(model_file.path.parent, model_file.sha256).close()


def rewrite(path: Path, offset: int, data: bytes) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def test_a_model_lies_under_its_hash_and_cannot_be_written(own: ModelFile) -> None:
    assert own.path.name == f"{own.sha256}.gguf"
    assert hashlib.sha256(own.path.read_bytes()).hexdigest() == own.sha256
    assert stat.S_IMODE(own.path.stat().st_mode) == 0o444
    assert own.size == own.path.stat().st_size
    assert own.metadata["general.architecture"] == "llama"


def test_adding_twice_gives_the_same_file_and_no_leftovers(own: ModelFile) -> None:
    again = add_model(own.path, own.path.parent)
    assert again == own
    assert [path.name for path in own.path.parent.iterdir()] == [own.path.name]


def test_adding_restores_an_altered_file(own: ModelFile, small: Path) -> None:
    rewrite(own.path, 50_000, b"!")
    add_model(small, own.path.parent)
    open_model(own.path.parent, own.sha256).close()


def test_the_descriptor_that_was_hashed_is_the_one_that_is_loaded(own: ModelFile) -> None:
    opened = open_model(own.path.parent, own.sha256)
    own.path.unlink()
    own.path.write_bytes(b"GGUF, but another file under the same name")
    assert hashlib.sha256(Path(opened.load_path).read_bytes()).hexdigest() == own.sha256
    opened.close()


def test_writing_while_it_is_loaded_is_noticed(own: ModelFile) -> None:
    opened = open_model(own.path.parent, own.sha256)
    before = own.path.stat()
    rewrite(own.path, 50_000, b"!")
    os.utime(own.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ModelAltered, match="while it was being loaded"):
        opened.verify_untouched()
    opened.close()


def test_one_byte_with_its_time_restored_is_altered(own: ModelFile) -> None:
    before, mark = own.path.stat(), stamp(own.path.parent, own.sha256)
    rewrite(own.path, own.size - 1, b"\xff" if own.path.read_bytes()[-1] != 0xFF else b"\x00")
    os.utime(own.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ModelAltered) as caught:
        open_model(own.path.parent, own.sha256)
    assert caught.value.reason == "model_altered"
    assert type(caught.value) is ModelAltered
    assert caught.value.field == f"models/{own.sha256}.gguf"
    assert "greffier model add" in str(caught.value)
    assert stamp(own.path.parent, own.sha256) != mark


@pytest.mark.parametrize("size", [3, 100, 300, 60_000, 65_536])
def test_a_truncated_file_is_named_so(own: ModelFile, size: int) -> None:
    own.path.chmod(0o600)
    os.truncate(own.path, size)
    kind = NotGguf if size < 4 else ModelTruncated
    with pytest.raises(kind) as caught:
        open_model(own.path.parent, own.sha256)
    assert caught.value.reason == "model_altered"
    with pytest.raises(kind):
        add_model(own.path, own.path.parent)
    assert len(list(own.path.parent.iterdir())) == 1


def test_a_missing_model(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as caught:
        open_model(tmp_path, "ab" * 32)
    assert caught.value.reason == "model_missing"
    assert stamp(tmp_path, "ab" * 32) is None
    with pytest.raises(ModelMissing):
        add_model(tmp_path / "none.gguf", tmp_path)


@pytest.mark.parametrize("name", ["../../etc/passwd", "AB" * 32, "ab", ""])
def test_only_hashes_name_models(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelMissing):
        model_path(tmp_path, name)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GG",
        b"PK\x03\x04 not a model",
        b"GGUF\x09\x00\x00\x00" + bytes(16),
        b"GGUF\x03\x00\x00\x00" + b"\xff" * 16,
    ],
)
def test_what_is_not_gguf_is_not_added(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "file.gguf"
    file.write_bytes(data)
    with pytest.raises(NotGguf) as caught:
        add_model(file, tmp_path / "models")
    assert caught.value.reason == "model_altered"
    assert list((tmp_path / "models").iterdir()) == []


def test_a_link_or_folder_is_no_model(own: ModelFile, gguf: Path) -> None:
    own.path.unlink()
    own.path.symlink_to(gguf)
    with pytest.raises(ModelAltered, match="regular file"):
        open_model(own.path.parent, own.sha256)
    own.path.unlink()
    own.path.mkdir()
    with pytest.raises(ModelAltered, match="regular file"):
        open_model(own.path.parent, own.sha256)
