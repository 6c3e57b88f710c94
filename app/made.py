"""What `init` makes, so that a failed one can take it away again: nothing half-made stays in the way of the next."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path


@contextlib.contextmanager
def removed_on_failure(paths: Iterable[Path], found: Callable[[], Iterable[Path]] = tuple) -> Iterator[None]:
    """Where the block fails, remove those of `paths` that were not there before it. Folders stand before their files.

    `found` finds files whose names are known only afterwards. What was there before is never touched, and a folder
    stays while something else lies in it.
    """
    fresh = [path for path in paths if not path.exists() and not path.is_symlink()]
    old = set(found())
    try:
        yield
    except BaseException:
        for path in reversed([*fresh, *(path for path in found() if path not in old)]):
            with contextlib.suppress(OSError):
                if path.is_dir():
                    path.rmdir()
                else:
                    path.unlink(missing_ok=True)
        raise
