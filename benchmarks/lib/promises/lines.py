"""Owns what a part says: a line a promise, and how large a run is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One promise. `met` is None where it could not be measured here; `figure` then says why."""

    name: str
    done: str
    figure: str
    target: str
    met: bool | None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "NOT met", None: "not measured"}[self.met]


@dataclass(frozen=True)
class Size:
    """A whole run, or one in miniature that only shows that the parts run."""

    miniature: bool = False

    def of(self, whole: int, miniature: int) -> int:
        """A number of things."""
        return miniature if self.miniature else whole

    def seconds(self, whole: float, miniature: float) -> float:
        """A time."""
        return miniature if self.miniature else whole


Part = Callable[[Size], Iterator[Line]]


def missing(name: str, why: str, target: str) -> Line:
    """What could not be measured here."""
    return Line(name, "", why, target, None)
