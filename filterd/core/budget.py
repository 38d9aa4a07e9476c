"""Token buckets: what somebody may ask, and how much work per second is done at all. What is over is refused."""

from __future__ import annotations


class Bucket:
    """`saved` tokens at the time `since`; more come with time. Times are monotonic seconds."""

    __slots__ = ("saved", "since")

    def __init__(self, saved: float, now: float) -> None:
        self.saved = saved
        self.since = now

    def fill(self, now: float, rate: float, burst: float) -> float:
        """Add what was earned since, `rate` a second; gives what is in it now, which is at most `burst`."""
        saved = self.saved + (now - self.since) * rate
        self.since = now
        self.saved = saved = min(saved, float(burst))
        return saved


class Budget:
    """`per_second` units, of which two seconds' worth can be saved up."""

    __slots__ = ("_bucket", "_per_second", "refused")

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._bucket = Bucket(2.0 * per_second, 0.0)
        self.refused = 0

    def affords(self, units: int, now: float) -> bool:
        """Whether there is anything left; if so `units` are spent, even more than there are."""
        if self._bucket.fill(now, self._per_second, 2.0 * self._per_second) < 0:
            self.refused += 1
            return False
        self._bucket.saved -= units
        return True
