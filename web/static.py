"""Our own style sheet, script and icon: compressed once, and asked for anew only when they changed."""

from __future__ import annotations

import gzip
import os
from functools import lru_cache
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_TEXT: Final = (".css", ".js", ".svg")
_KEPT: Final = ("content-type", "last-modified")
# Names carry no version, so a browser asks again after this time; mostly it hears that nothing changed.
_CACHE: Final = "public, max-age=300"


class OwnFiles(StaticFiles):
    """Static files. They hold nothing secret and nothing that was sent, so compressing them betrays nothing."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """One file, compressed where the reader takes that."""
        plain = super().file_response(full_path, stat_result, scope, status_code)
        plain.headers["cache-control"] = _CACHE
        plain.headers["vary"] = "accept-encoding"
        takes = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        if not takes or plain.status_code != 200 or not os.fspath(full_path).endswith(_TEXT):
            return plain
        headers = {name: plain.headers[name] for name in _KEPT if name in plain.headers}
        # Weak (RFC 9110, 8.8.1): the same file in other bytes.
        headers |= {"etag": f"W/{plain.headers['etag']}", "content-encoding": "gzip"}
        headers |= {"cache-control": _CACHE, "vary": "accept-encoding"}
        return Response(_compressed(os.fspath(full_path), stat_result.st_mtime_ns), headers=headers)


@lru_cache(maxsize=32)
def _compressed(path: str, _changed: int) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - the name that Starlette found
        return gzip.compress(file.read(), 9, mtime=0)
