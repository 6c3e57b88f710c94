"""Promise 3 over an exported log: whatever is changed, the offline audit fails and names the file or the entry.

One test states what the audit of one export cannot see (a log cut to an older signed size); `docs/trust.md` says who.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.checking.tree import format_sums, parse_sums
from auditlog.core.errors import VerifyError
from auditlog.recovery.export import audit_tree, export_log
from auditlog.store.log import reading
from auditlog.writing.guard import Guard

SIZE = 600
# Random positions a file, besides first, middle and last.
RANDOM_POSITIONS = 6


@pytest.fixture(scope="module")
def log(example: ModuleType) -> Any:
    return example.build_log(SIZE)


@pytest.fixture(scope="module")
def exported(example: ModuleType, log: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of a real database, written by the real writer."""
    folder = tmp_path_factory.mktemp("exported")
    engine = example.record(log, f"sqlite:///{folder}/greffier.db", Guard(folder / "guard"))
    with reading(engine) as conn:
        export_log(conn, 1, log.keys, folder / "log")
    engine.dispose()
    assert audit_tree(folder / "log", log.keys).size == SIZE
    return folder / "log"


@pytest.fixture
def tree(exported: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy to tamper with."""
    shutil.copytree(exported, tmp_path / "log")
    return tmp_path / "log"


def files_of(tree: Path) -> list[str]:
    return sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file())


def failure(tree: Path, log: Any, **options: Any) -> str:
    with pytest.raises(VerifyError) as caught:
        audit_tree(tree, log.keys, **options)
    return str(caught.value)


def write_all(tree: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)


def replace_tree(tree: Path, files: dict[str, bytes], *, sums: bool = True) -> None:
    """Put other tiles and bundles (and a checkpoint, if given) in place, and mend SHA256SUMS as an attacker would."""
    shutil.rmtree(tree / "tile")
    write_all(tree, files)
    if sums:
        mend_sums(tree)


def mend_sums(tree: Path) -> None:
    listed = parse_sums((tree / "SHA256SUMS").read_bytes())
    fresh = {name: sha256((tree / name).read_bytes()).hexdigest() for name in listed}
    (tree / "SHA256SUMS").write_bytes(format_sums(fresh))


def names_place(message: str, path: str) -> bool:
    """The message begins with the file, or with an entry inside it, or with SHA256SUMS where that was changed."""
    if message.startswith((f"{path}: ", f"{path} line ")):
        return True
    bundle = re.match(r"tile/entries/(\d{3})", path)
    entry = re.match(r"entry (\d+): ", message)
    return bool(bundle and entry and int(entry[1]) // 256 == int(bundle[1]))


def test_one_changed_byte_anywhere_is_found_and_named(example: ModuleType, tree: Path, log: Any) -> None:
    rng = Random(2026)
    paths = files_of(tree)
    assert len(paths) == 5 + 3 + 3 + 1
    changes = 0
    for path in paths:
        size = (tree / path).stat().st_size
        original = (tree / path).read_bytes()
        positions = {0, size // 2, size - 1, *(rng.randrange(size) for _ in range(RANDOM_POSITIONS))}
        for position in sorted(positions):
            example.change_byte(tree / path, position, flip=1 << rng.randrange(8))
            message = failure(tree, log)
            if path == "SHA256SUMS":
                # A changed digest or name is told as the file whose line no longer fits.
                assert message.split(":")[0].split(" line")[0] in paths, (path, position, message)
            else:
                assert names_place(message, path), (path, position, message)
            (tree / path).write_bytes(original)
            changes += 1
    assert changes > 60
    audit_tree(tree, log.keys)


def test_one_changed_byte_in_every_entry_is_found_and_the_entry_named(tree: Path, log: Any) -> None:
    """By hashes alone; the place inside the entry is drawn."""
    rng = Random(7)
    for number, path in enumerate(["tile/entries/000", "tile/entries/001", "tile/entries/002.p/88"]):
        original = (tree / path).read_bytes()
        for index in rng.sample(range(number * 256, min((number + 1) * 256, SIZE)), 25):
            data = bytearray(original)
            start = original.index(log.entries[index])
            data[start + rng.randrange(len(log.entries[index]))] ^= 1 << rng.randrange(8)
            (tree / path).write_bytes(bytes(data))
            assert failure(tree, log, strict=False).startswith(f"entry {index}: ")
        (tree / path).write_bytes(original)


def test_every_removed_file_is_found_and_named(tree: Path, log: Any) -> None:
    for path in files_of(tree):
        original = (tree / path).read_bytes()
        (tree / path).unlink()
        message = failure(tree, log)
        assert message.startswith(f"{path}: ")
        assert "missing" in message
        (tree / path).write_bytes(original)
    audit_tree(tree, log.keys)


@pytest.mark.parametrize(
    "path",
    ["note.txt", "tile/0/003", "tile/0/002", "tile/entries/002", "tile/2/000.p/1", "tile/entries/README", "a/b/c"],
)
def test_every_extra_file_is_found_and_named(tree: Path, log: Any, path: str) -> None:
    write_all(tree, {path: b"more"})
    assert failure(tree, log) == f"{path}: this file does not belong to the export"


def test_a_swapped_file_is_found(tree: Path, log: Any) -> None:
    first, second = (tree / "tile/entries/000").read_bytes(), (tree / "tile/entries/001").read_bytes()
    write_all(tree, {"tile/entries/000": second, "tile/entries/001": first})
    assert failure(tree, log).startswith("entry 0: ")


def test_a_deleted_middle_entry_with_everything_rebuilt_but_unsigned(tree: Path, log: Any) -> None:
    left = [entry for index, entry in enumerate(log.entries) if index != 300]
    replace_tree(tree, log.pack(left) | {"checkpoint": (tree / "checkpoint").read_bytes()})
    # The checkpoint still says 600, so the last bundle is one short.
    assert failure(tree, log).startswith("tile/entries/002.p/88: this file is missing")
    # Even with the size kept by a doubled entry, the root tells.
    replace_tree(tree, log.pack([*left, left[-1]]) | {"checkpoint": (tree / "checkpoint").read_bytes()})
    assert failure(tree, log).startswith("checkpoint line 3: the entries do not lead to the root")


def test_a_deleted_middle_entry_with_the_size_in_the_checkpoint_changed(tree: Path, log: Any) -> None:
    left = [entry for index, entry in enumerate(log.entries) if index != 300]
    files = log.pack(left)
    text, signatures = (tree / "checkpoint").read_bytes().split(b"\n\n")
    rebuilt = files["checkpoint"].split(b"\n\n")[0]
    assert rebuilt != text
    replace_tree(tree, files | {"checkpoint": rebuilt + b"\n\n" + signatures})
    assert failure(tree, log).startswith("checkpoint line 5: the Ed25519 signature does not belong to this checkpoint")


def test_a_swapped_pair_with_everything_rebuilt_but_unsigned(tree: Path, log: Any) -> None:
    entries = log.entries.copy()
    entries[100], entries[101] = entries[101], entries[100]
    replace_tree(tree, log.pack(entries) | {"checkpoint": (tree / "checkpoint").read_bytes()})
    assert failure(tree, log).startswith("checkpoint line 3: ")


def test_a_swapped_pair_in_the_bundle_alone(tree: Path, log: Any) -> None:
    entries = log.entries.copy()
    entries[100], entries[101] = entries[101], entries[100]
    bundle = log.pack(entries)["tile/entries/000"]
    write_all(tree, {"tile/entries/000": bundle})
    assert failure(tree, log).startswith("entry 100: ")


def test_the_whole_log_replaced_by_one_signed_with_other_keys(example: ModuleType, tree: Path, log: Any) -> None:
    other = example.build_log(SIZE, seed=99)
    replace_tree(tree, other.pack() | {"log.vkey": other.vkey.encode()})
    # It is a good log, under the keys that came with it ...
    assert audit_tree(tree, other.keys).size == SIZE
    # ... and not the log whose keys the auditor holds.
    assert failure(tree, log).startswith("checkpoint: the Ed25519 signature of this log is missing: ")


@pytest.mark.parametrize(("line", "kind"), [(4, "Ed25519"), (5, "ML-DSA-44")])
def test_a_stripped_signature_line(tree: Path, log: Any, line: int, kind: str) -> None:
    lines = (tree / "checkpoint").read_bytes().split(b"\n")
    write_all(tree, {"checkpoint": b"\n".join([*lines[:line], *lines[line + 1 :]])})
    mend_sums(tree)
    assert failure(tree, log) == (
        f"checkpoint: the {kind} signature of this log is missing: it was stripped, or other keys signed"
    )


def test_a_signature_line_made_with_the_other_key_type_alone(example: ModuleType, tree: Path, log: Any) -> None:
    """Who broke Ed25519 only cannot rewrite history: the ML-DSA-44 line of the true log does not fit the new root."""
    entries = [*log.entries[:-1], log.entries[5]]
    forged = log.checkpoint(entries).split(b"\n")
    forged[5] = (tree / "checkpoint").read_bytes().split(b"\n")[5]
    replace_tree(tree, log.pack(entries) | {"checkpoint": b"\n".join(forged)})
    assert failure(tree, log).startswith(
        "checkpoint line 6: the ML-DSA-44 signature does not belong to this checkpoint"
    )


def test_another_origin(example: ModuleType, tree: Path, log: Any) -> None:
    other = example.build_log(SIZE, origin="other.example/1")
    write_all(tree, {"checkpoint": other.pack()["checkpoint"]})
    mend_sums(tree)
    assert failure(tree, log) == "checkpoint line 1: this is not the checkpoint of register.example/1"


def test_an_operator_who_holds_the_keys_still_cannot_break_the_rules_of_entries(tree: Path, log: Any) -> None:
    """Dropping a registration and signing anew leaves decisions of a system that nobody registered."""
    index = next(i for i, entry in log.made.items() if entry.kind == "version/1")
    left = [entry for i, entry in enumerate(log.entries) if i != index]
    replace_tree(tree, log.pack(left))
    assert re.match(r"entry \d+: names a version that no earlier entry registered", failure(tree, log))


@pytest.mark.parametrize("size", [1, 256, 599])
def test_a_log_cut_to_an_older_signed_size_passes_the_audit_of_an_export_alone(tree: Path, log: Any, size: int) -> None:
    """The limit of this check: an older checkpoint is as truly signed as the newest.

    Who kept the guard, a later checkpoint, or a receipt above that size sees it; from issue 3 on witnesses do.
    """
    replace_tree(tree, log.pack(size=size))
    assert audit_tree(tree, log.keys).size == size
