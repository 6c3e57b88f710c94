"""Quantising a model file at install. The file that comes out has a hash of its own: that is the model's identity.

llama.cpp does it in a process of its own (`runtime.models.quantizer`), since it may abort and takes memory. One file,
one type and one build of llama.cpp give the same bytes, whatever the number of threads.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.errors import ModelAltered, ModelMissing, ModelUnusable, NoRoom
from runtime.models.gguf import Scalar, count_weights, read_header
from runtime.models.weights import ModelFile, adopt, hash_file, unfinished

# Name → (number of llama.cpp's `llama_ftype`, bytes that 256 weights take at least). Types that need an importance
# matrix are left out: no data for one comes with a file.
KINDS: Final[Mapping[str, tuple[int, int]]] = {
    "Q2_K": (10, 84),
    "Q3_K_S": (11, 110),
    "Q3_K_M": (12, 110),
    "Q3_K_L": (13, 110),
    "Q4_0": (2, 144),
    "Q4_1": (3, 160),
    "Q4_K_S": (14, 144),
    "Q4_K_M": (15, 144),
    "Q5_0": (8, 176),
    "Q5_1": (9, 192),
    "Q5_K_S": (16, 176),
    "Q5_K_M": (17, 176),
    "Q6_K": (18, 210),
    "Q8_0": (7, 272),
}
NO_ROOM: Final = 3  # exit code of the child: the file could not be written
_WHOLE: Final = (0, 1, 32)  # `general.file_type` of files that nobody has quantised: F32, F16, BF16

Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be quantised, hashed and still open: what was hashed is what is read. `weights`: how many it holds."""

    fd: int
    sha256: str
    weights: int
    metadata: Mapping[str, Scalar]

    @property
    def quantized(self) -> bool:
        """Whether it is quantised already; what that lost does not come back."""
        return self.metadata.get("general.file_type") not in _WHOLE


@contextmanager
def opened(file: Path) -> Iterator[Source]:
    """Opens and hashes the file to be quantised. Raises ModelMissing, NotGguf, ModelTruncated."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ModelMissing("there is no such file", field="model", fix="give the path of a GGUF file") from error
    try:
        metadata, weights = read_header(fd), count_weights(fd)
        yield Source(fd, hash_file(fd), weights, metadata)
    finally:
        os.close(fd)


def quantize(source: Source, folder: Path, kind: str, told: Told = lambda _done, _all: None) -> ModelFile:
    """Makes the quantised file in the folder of models, under its own hash. `told`: tensors done, and all of them.

    `kind` is one of KINDS. Raises NoRoom, ModelUnusable (llama.cpp cannot quantise it), ModelAltered (it was written
    to meanwhile). Nothing stays in the folder then.
    """
    number, per_256 = KINDS[kind]
    with unfinished(folder) as fresh:
        _demand_room(folder, source.weights * per_256 // 256)
        _run(source, Path(fresh.name), number, told)
        if hash_file(source.fd) != source.sha256:
            raise ModelAltered("the file was written to while it was read", field="model", fix="add it again")
        return adopt(folder, Path(fresh.name))


def _demand_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise _no_room(f"the quantised file needs {needed >> 20} MiB at least, and {free >> 20} MiB are free")


def _no_room(what: str) -> NoRoom:
    return NoRoom(what, field="models", fix="free some space there, or choose a smaller type")


def _run(source: Source, target: Path, number: int, told: Told) -> None:
    # -P: the working directory is no place to import from.
    command = [sys.executable, "-P", "-m", "runtime.models.quantizer", str(source.fd), str(target), str(number)]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    process = subprocess.Popen(
        [*command, str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(source.fd,),
        env=environment,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                done, _, total = line.partition(" ")
                told(int(done), int(total))
            code = process.wait()
        finally:
            process.kill()  # of no effect on one that has ended
    if code == NO_ROOM:
        raise _no_room("the quantised file could not be written whole")
    if code != 0:
        ended = "llama.cpp ended over it" if code < 0 else "llama.cpp does not quantise it"
        raise ModelUnusable(ended, field="model", fix="give a file that this build knows, or add it as it is")
