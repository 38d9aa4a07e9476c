"""Which upstream to ask: passive health from what really happened, back-off and probes. No sockets, no clock.

An upstream is down after `FAILURES` time-outs in a row with no answer between them. A time-out says nothing where the
upstream answered anything else since that question was sent: then it is the name that nobody answers for, and whoever
asks for many such names must not close the Internet to all others. A down one is probed at once and then once every
`PROBE_S` seconds; its first answer, to a probe or to anything else, brings it back. Upstreams are told apart by their
index; `NOBODY` stands for one that is no longer configured, and what it does is not noted.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

FAILURES = 3
PROBE_S = 1.0
NOBODY = -1
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


@dataclass(slots=True)
class Upstream:
    """Counters since start; `buckets[i]` counts answers within BUCKETS_S[i] and above the one before."""

    failures_in_row: int = 0
    down: bool = False
    probe_at: float = 0.0
    heard: float = 0.0  # when it last answered
    answers: int = 0
    timeouts: int = 0
    errors: int = 0
    latency_sum_s: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))


class Upstreams:
    """In the order of preference that the configuration gives."""

    def __init__(self, count: int) -> None:
        self.all = [Upstream() for _ in range(count)]

    @property
    def all_down(self) -> bool:
        return self.first() is None

    def first(self) -> int | None:
        """The upstream for a new question: the first healthy one, or None."""
        for i, upstream in enumerate(self.all):
            if not upstream.down:
                return i
        return None

    def other(self, tried: list[int]) -> int | None:
        """An upstream that was not asked yet, a healthy one before one that is down; None if all were."""
        fresh = [i for i in range(len(self.all)) if i not in tried]
        return next((i for i in fresh if not self.all[i].down), fresh[0] if fresh else None)

    def after_silence(self, tried: list[int]) -> int:
        """The upstream for one more attempt where not all are down: a healthy one, at best one that was not asked,
        else the one asked longest ago.
        """
        up = [i for i, upstream in enumerate(self.all) if not upstream.down]
        for i in up:
            if i not in tried:
                return i
        return max(up, key=tried[::-1].index)

    def answered(self, index: int, elapsed_s: float, now: float) -> bool:
        """Note an answer; True if the upstream had been down."""
        if index == NOBODY:
            return False
        upstream = self.all[index]
        upstream.answers += 1
        upstream.heard = now
        upstream.latency_sum_s += elapsed_s
        upstream.failures_in_row = 0
        upstream.buckets[bisect_left(BUCKETS_S, elapsed_s)] += 1
        recovered, upstream.down = upstream.down, False
        return recovered

    def failed(self, index: int, now: float, sent: float | None = None) -> None:
        """Note a time-out of what was `sent` then, or (None) a refused connection."""
        if index == NOBODY:
            return
        upstream = self.all[index]
        upstream.timeouts += 1
        if sent is not None and upstream.heard > sent:
            return
        upstream.failures_in_row += 1
        if upstream.failures_in_row >= FAILURES and not upstream.down:
            upstream.down = True
            upstream.probe_at = now

    def spoilt(self, index: int) -> None:
        """Note an answer that was none: malformed, or an error such as SERVFAIL. It says nothing about reachability."""
        if index != NOBODY:
            self.all[index].errors += 1

    def due_probes(self, now: float) -> list[int]:
        """Down upstreams whose probe is due; each is due again PROBE_S later."""
        due = [i for i, upstream in enumerate(self.all) if upstream.down and upstream.probe_at <= now]
        for i in due:
            self.all[i].probe_at = now + PROBE_S
        return due

    def next_probe(self) -> float | None:
        return min((upstream.probe_at for upstream in self.all if upstream.down), default=None)
