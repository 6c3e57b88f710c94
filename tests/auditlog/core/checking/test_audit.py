"""The audit of a whole log: what holds, and for each way in which it does not, the place and a plain sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.checking.audit import ReadFile, audit, result_json
from auditlog.core.entries.record import make_entry, parse_time
from auditlog.core.errors import FormatError, NotFound, VerifyError
from auditlog.core.formats.keyring import key_ring
from auditlog.core.formats.note import Note, format_note, parse_note


def reader(files: Mapping[str, bytes]) -> ReadFile:
    def read(path: str) -> bytes:
        try:
            return files[path]
        except KeyError:
            raise NotFound("no such file", field=path) from None

    return read


@pytest.fixture(scope="module")
def whole(example: ModuleType) -> Any:
    return example.build_log(600)


@pytest.fixture
def files(whole: Any) -> dict[str, bytes]:
    return whole.pack()


def fails(log: Any, files: Mapping[str, bytes] | None = None, **options: Any) -> str:
    with pytest.raises(VerifyError) as caught:
        audit(reader(log.pack() if files is None else files), log.keys, **options)
    return str(caught.value)


def holds(log: Any) -> None:
    audit(reader(log.pack()), log.keys)


def test_a_whole_log_holds(whole: Any, files: dict[str, bytes]) -> None:
    result = audit(reader(files), whole.keys)
    assert result.origin == whole.origin
    assert result.size == 600
    assert result.signatures == ("Ed25519", "ML-DSA-44")
    assert sum(result.kinds.values()) == 600
    assert result.kinds["decision/1"] == 575
    assert result.opaque == 1
    assert result.first_time == "2026-03-02T09:00Z"
    assert result_json(result)["size"] == 600


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 513])
def test_every_shape_of_the_right_edge_holds(whole: Any, size: int) -> None:
    assert audit(reader(whole.pack(size=size)), whole.keys).size == size


def test_an_empty_log_holds(whole: Any) -> None:
    assert audit(reader(whole.pack([])), whole.keys).size == 0


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537])
def test_a_third_level_of_tiles_begins(example: ModuleType, size: int) -> None:
    log = example.ExampleLog(example.make_signers())
    files = log.pack([b"%d" % n for n in range(size)])
    assert audit(reader(files), log.keys, strict=False).size == size
    assert ("tile/2/000.p/1" in files) == (size >= 65_536)


def test_three_levels_of_tiles_hold_and_are_compared(example: ModuleType) -> None:
    log = example.ExampleLog(example.make_signers())
    entries = [b"%d" % n for n in range(65_536 + 300)]
    files = log.pack(entries)
    assert audit(reader(files), log.keys, strict=False).size == len(entries)
    assert "tile/2/000.p/1" in files
    for path in ("tile/2/000.p/1", "tile/1/000", "tile/1/001.p/1", "tile/0/256"):
        changed = {**files, path: files[path][:-1] + bytes([files[path][-1] ^ 1])}
        assert fails(log, changed, strict=False).startswith(f"{path}: hash ")


def test_without_strict_reading_only_hashes_and_signatures_are_checked(whole: Any) -> None:
    files = whole.pack([*whole.entries, b"not an entry"])
    assert audit(reader(files), whole.keys, strict=False).kinds == {}
    assert fails(whole, files).startswith("entry 600: is not a proper entry")


def test_the_origin_is_the_name_of_the_keys(example: ModuleType, whole: Any) -> None:
    other = example.make_signers("other.example/1")
    with pytest.raises(FormatError, match="one log"):
        audit(reader(whole.pack()), key_ring([*whole.keys.vkeys, other[1].vkey]))


@pytest.mark.parametrize("index", [0, 17, 255, 256, 599])
def test_a_changed_entry_is_named_by_its_index(whole: Any, files: dict[str, bytes], index: int) -> None:
    path = ("tile/entries/000", "tile/entries/001", "tile/entries/002.p/88")[index // 256]
    data = bytearray(files[path])
    data[files[path].index(whole.entries[index]) + 20] ^= 1
    assert fails(whole, {**files, path: bytes(data)}).startswith(f"entry {index}: ")


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"])
def test_a_changed_tile_is_named_by_its_path(whole: Any, files: dict[str, bytes], path: str) -> None:
    data = bytearray(files[path])
    data[33] ^= 1
    assert fails(whole, {**files, path: bytes(data)}).startswith(f"{path}: hash 1 ")
    assert fails(whole, {**files, path: files[path][:-1]}).startswith(f"{path}: must be ")


def test_a_missing_file_is_named(whole: Any, files: dict[str, bytes]) -> None:
    for path in files:
        rest = {name: content for name, content in files.items() if name != path}
        assert fails(whole, rest) == f"{path}: this file is missing"


def test_a_damaged_bundle_is_named(whole: Any, files: dict[str, bytes]) -> None:
    path = "tile/entries/002.p/88"
    assert fails(whole, {**files, path: files[path] + b"\0"}).startswith(f"{path}: the file is damaged")
    assert fails(whole, {**files, path: files[path] + b"\0\0"}) == f"{path}: must hold 88 entries and holds 89"


def test_lines_of_the_checkpoint_are_named(whole: Any, files: dict[str, bytes]) -> None:
    lines = files["checkpoint"].split(b"\n")
    cases = {
        0: (b"other.example/1", "checkpoint line 1: this is not the checkpoint of register.example/1"),
        1: (b"0600", "checkpoint line 2: "),
        2: (lines[2][:-4] + b"!!!=", "checkpoint line 3: "),
    }
    for line, (value, message) in cases.items():
        changed = b"\n".join([*lines[:line], value, *lines[line + 1 :]])
        assert fails(whole, {**files, "checkpoint": changed}).startswith(message)


@pytest.mark.parametrize(("line", "kind"), [(4, "Ed25519"), (5, "ML-DSA-44")])
def test_a_stripped_or_wrong_signature_is_named(whole: Any, files: dict[str, bytes], line: int, kind: str) -> None:
    lines = files["checkpoint"].split(b"\n")
    assert len(lines) == 7
    stripped = b"\n".join([*lines[:line], *lines[line + 1 :]])
    assert fails(whole, {**files, "checkpoint": stripped}).startswith(f"checkpoint: the {kind} signature")
    other = whole.checkpoint(whole.entries[:599]).split(b"\n")
    swapped = b"\n".join([*lines[:line], other[line], *lines[line + 1 :]])
    expected = f"checkpoint line {line + 1}: the {kind} signature does not belong to this checkpoint"
    assert fails(whole, {**files, "checkpoint": swapped}).startswith(expected)


def test_an_extension_line_is_refused_even_when_signed(whole: Any, files: dict[str, bytes]) -> None:
    text = parse_note(files["checkpoint"]).text + "extra\n"
    signed = format_note(Note(text, tuple(signer.sign(text) for signer in whole.signers)))
    assert "extension" in fails(whole, {**files, "checkpoint": signed})


def test_an_unsigned_rebuild_fails_at_the_root(whole: Any, files: dict[str, bytes]) -> None:
    entries = whole.entries.copy()
    entries[20] = entries[21]
    rebuilt = {**whole.pack(entries), "checkpoint": files["checkpoint"]}
    assert fails(whole, rebuilt).startswith("checkpoint line 3: the entries do not lead to the root")


def test_another_log_with_other_keys_fails_at_the_signatures(example: ModuleType, whole: Any) -> None:
    other = example.build_log(60, seed=2)
    assert "other keys signed" in fails(whole, other.pack())


def test_a_tampered_byte_wins_over_what_the_entry_then_says(example: ModuleType) -> None:
    """Someone who edits an entry into nonsense is told that it was changed, not that its JSON is odd."""
    log, _, _ = example.start_log()
    files = log.pack()
    path = next(name for name in files if name.startswith("tile/entries/"))
    changed = {**files, path: files[path].replace(b'{"agency"', b'{"agencx"', 1)}
    assert fails(log, changed).startswith("entry 0: its bytes are not those that were signed")


def test_fractions_and_spaces_in_an_entry_are_refused(example: ModuleType) -> None:
    log, _, _ = example.start_log()
    entry = make_entry("pulse/1", id=log.id(), agency="example-agency", time=log_time(log), boots=[], recording="ok")
    for data in (entry.data + b" ", entry.data.replace(b"[]", b"[1.5]"), b"\xff"):
        assert fails(log, log.pack([*log.entries, data])).startswith("entry 8: is not a proper entry: ")


def log_time(log: Any) -> Any:
    return parse_time(log.made[0].time)
