"""Writing an evidence folder, or the same as one zip: whole or not at all, the same bytes for the same content."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auditlog.recovery import export
from home import policy_file
from home.errors import UsageError
from home.greffier import Greffier
from service.proving.item import Pack

_OLDEST = (1980, 1, 1, 0, 0, 0)  # what a zip can say at least; a time of making would change the bytes


def demand_new(to: Path) -> None:
    """Made sure of before anything is read for it. Raises UsageError where no folder or file can be made there."""
    to = to.absolute()
    try:
        taken = to.is_symlink() or (to.exists() and (to.suffix == ".zip" or not to.is_dir() or any(to.iterdir())))
        if not taken:
            to.parent.mkdir(parents=True, exist_ok=True)
            Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent)).rmdir()
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}; name another place", field="-o") from None
    if taken:
        raise UsageError("exists already: name a new file that ends in .zip, or a new folder", field="-o")


def write_folder(g: Greffier, pack: Pack, to: Path) -> None:
    """Into a new folder, private to its owner: it may hold content. Raises UsageError where it cannot be made."""
    to = to.absolute()
    if to.is_symlink() or (to.exists() and not (to.is_dir() and not any(to.iterdir()))):
        raise UsageError("exists and is not an empty folder: choose a new one", field="-o")
    with _built(g, pack, to) as folder:
        folder.replace(to)


def write_zip(g: Greffier, pack: Pack, to: Path) -> None:
    """As one file, private to its owner. Raises UsageError where it cannot be made, or is there already."""
    to = to.absolute()
    if to.is_symlink() or to.exists():
        raise UsageError("exists already: choose a new name", field="-o")
    with _built(g, pack, to) as folder:
        packed = folder.with_name("evidence.zip")
        packed.touch(mode=0o600)
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
            for path in sorted(one for one in folder.rglob("*") if one.is_file()):
                info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), date_time=_OLDEST)
                info.create_system = 3  # else the bytes would depend on the system that wrote them
                info.external_attr = 0o600 << 16
                with path.open("rb") as source, archive.open(info, "w", force_zip64=False) as target:
                    shutil.copyfileobj(source, target)
        packed.replace(to)


@contextmanager
def _built(g: Greffier, pack: Pack, to: Path) -> Iterator[Path]:
    """The finished folder beside where it shall go; what is left of it in the end is removed."""
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        workplace = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}; name another place", field="-o") from None
    try:
        folder = workplace / "evidence"
        folder.mkdir(mode=0o700)
        for name, data in pack.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if pack.log is not None:
            _export(g, pack, pack.log, folder / "log")
        yield folder
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}; name another place", field="-o") from None
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _export(g: Greffier, pack: Pack, number: int, to: Path) -> None:
    """A copy of the log, under the state that the proofs lead to or a later one."""
    ring = g.keys.of(g.settings.origin_of(number))
    policy = policy_file.with_logs(policy_file.read_text(g), g.keys, g.settings.base_url)
    with g.reading() as conn:
        export.export_log(conn, number, ring, to, policy=policy, head=pack.head)
