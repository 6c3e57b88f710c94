"""A form that a person filled in: what stands in its fields, and which of them hold a mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Filled:
    """`values`: text by field, shown again so that nobody types twice; never a code that opens something.

    `mistakes`: field → code, in the order of the page; `forms.html` has the words.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    mistakes: Mapping[str, str] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.mistakes
