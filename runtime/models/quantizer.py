"""The process that quantises: `python -m runtime.models.quantizer FD TARGET TYPE PARENT`, started by `quantize`.

Writes `DONE ALL` (tensors) while it goes on. It ends with the process that started it.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
from typing import Final

from runtime import llama
from runtime.models.quantize import NO_ROOM

_TENSOR: Final = re.compile(r"\[\s*(\d+)/\s*(\d+)\]")
_PR_SET_PDEATHSIG: Final = 1


def main() -> int:
    """0: the file is there. NO_ROOM: it could not be written. Anything else: llama.cpp does not do it."""
    source, target, number, parent = sys.argv[1:]
    # Python would note Ctrl-C, and act on it only after the call.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        return 1
    last = ""

    def said(line: str) -> None:
        nonlocal last
        last = line or last
        found = _TENSOR.match(line)
        if found is not None:
            sys.stdout.write(f"{found[1]} {found[2]}\n")
            sys.stdout.flush()

    if llama.quantize(f"/proc/self/fd/{source}", target, int(number), said):
        return 0
    return NO_ROOM if "iostream error" in last else 1


if __name__ == "__main__":
    sys.exit(main())
