"""Requests that wait: in order within a program, and the programs in turn, so that no system starves another. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from runtime.errors import Busy

T = TypeVar("T")


class Waiting(Generic[T]):
    """A bounded queue with one lane for each program."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._lanes: OrderedDict[str, deque[T]] = OrderedDict()  # whose turn it is comes first

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
        """The first of each program, in the order of their turns."""
        return [lane[0] for lane in self._lanes.values()]

    def take(self, program: str, item: T) -> None:
        """Takes an item out; its program's next turn comes after all others'."""
        self.remove(program, item)
        if program in self._lanes:
            self._lanes.move_to_end(program)

    def remove(self, program: str, item: T) -> None:
        """Takes an item out; turns stay."""
        lane = self._lanes[program]
        lane.remove(item)
        if not lane:
            del self._lanes[program]
