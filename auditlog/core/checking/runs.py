"""Runs of the runtime (boots) and their counters, for `rules`: each number once, none after the end."""

from __future__ import annotations

from collections.abc import Callable

from auditlog.core.checking.history import Boot, place, wrong


class Runs:
    """The runs that a log names. `missing(index, sentence)` is told of one that no entry here stated."""

    def __init__(self, boots: dict[str, Boot], missing: Callable[[int, str], None]) -> None:
        self._boots = boots
        self._missing = missing

    def begin(self, index: int, boot: str) -> None:
        """The `boot` entry of a run."""
        # `unclosed` may name a boot that died before its own entry was written, so those ids are not looked up.
        if boot in self._boots:
            raise wrong(index, "states a boot that an earlier entry stated already")
        self._boots[boot] = Boot()

    def known(self, index: int, boot: str) -> Boot:
        """The run of an entry that names one."""
        known = self._boots.get(boot)
        if known is None:
            self._missing(index, "names a boot that no earlier entry stated")
            known = self._boots[boot] = Boot()
        return known

    def take(self, index: int, boot: str, n: int) -> None:
        """One number of a boot's counter, taken by exactly one decision, refusal or unfinished run."""
        known = self.known(index, boot)
        first = known.numbers.setdefault(n, index)
        if first != index:
            raise wrong(index, f"uses counter number {n} of its boot, which {place(first)} has used; each is used once")
        self.below_close(index, known, n)

    def below_close(self, index: int, boot: Boot, n: int) -> None:
        """A number that lies above what the run stated when it ended was used after its end."""
        if boot.closed_at is not None and n > boot.reached:
            raise wrong(
                index, f"uses counter number {n}, but {place(boot.closed_at)} closed its boot at {boot.reached}"
            )
        boot.highest = max(boot.highest, n)

    def close(self, index: int, name: str, n: int) -> None:
        """The `close` entry of a run."""
        boot = self.known(index, name)
        if boot.closed_at is not None:
            raise wrong(index, f"closes a boot that {place(boot.closed_at)} has closed")
        if n < boot.highest:
            raise wrong(index, f"closes its boot at {n}, but number {boot.highest} was used before")
        boot.closed_at, boot.reached = index, n
