"""A bound on work per second: what is over it is refused, not delayed."""

from __future__ import annotations


class Budget:
    """`per_second` units, of which two seconds' worth can be saved up. Times are monotonic seconds."""

    __slots__ = ("_left", "_per_second", "_since", "refused")

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._left = 2.0 * per_second
        self._since = 0.0
        self.refused = 0

    def affords(self, units: int, now: float) -> bool:
        """Whether there is anything left; if so `units` are spent, even more than there are."""
        earned = max(now - self._since, 0.0) * self._per_second
        self._left = min(self._left + earned, 2.0 * self._per_second)
        self._since = now
        if self._left < 0:
            self.refused += 1
            return False
        self._left -= units
        return True
