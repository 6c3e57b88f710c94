"""Requests that wait: in order within a program, and the programs in turn, so that no system starves another. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from runtime.errors import Busy

T = TypeVar("T")
_REMEMBERED = 256


class Waiting(Generic[T]):
    """A bounded queue with one lane for each program."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._lanes: dict[str, deque[T]] = {}
        self._turns: OrderedDict[str, int] = OrderedDict()  # when a program last had one
        self._turn = 0

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def __iter__(self) -> Iterator[T]:
        for lane in self._lanes.values():
            yield from lane

    def add(self, program: str, item: T) -> None:
        """Puts an item behind those of its program. Raises Busy where no more may wait."""
        if len(self) >= self.room:
            raise Busy(f"{self.room} requests wait already", field="queue", fix="ask again later")
        self._lanes.setdefault(program, deque()).append(item)

    def turns(self) -> list[T]:
        """The first of each program, whoever had no turn for longest before the others."""
        order = sorted(self._lanes, key=lambda program: self._turns.get(program, 0))
        return [self._lanes[program][0] for program in order]

    def take(self, program: str, item: T) -> None:
        """Takes an item out: its program has had its turn."""
        self.remove(program, item)
        self._turn += 1
        self._turns[program] = self._turn
        self._turns.move_to_end(program)
        while len(self._turns) > _REMEMBERED:
            self._turns.popitem(last=False)

    def remove(self, program: str, item: T) -> None:
        """Takes an item out; turns stay."""
        lane = self._lanes[program]
        lane.remove(item)
        if not lane:
            del self._lanes[program]
