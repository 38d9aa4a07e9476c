"""Which upstream to ask: passive health from what really happened, back-off and probes. No sockets, no clock.

An upstream is down after `FAILURES` time-outs in a row with no answer between them, or once others were asked in its
place `OVERTAKEN` times and answered while it said nothing for `SILENT_S`. A time-out says nothing where the upstream
answered anything else since that question was sent: then it is the name that nobody answers for, and whoever asks for
many such names must not close the Internet to all others. For the same reason `SPOILT` errors in a row (SERVFAIL,
REFUSED, malformed) only make it a suspect: a probe settles it, and until then it is asked.

A down one is probed at once and then once every `PROBE_S` seconds; its first good answer brings it back. All are probed
at start and every `CHECK_S`: a probe that comes back to us shows a loop, and whether the upstream keeps the case of a
name. Upstreams are told apart by their index; `NOBODY` stands for one that is no longer configured.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

FAILURES: Final = 3
SPOILT: Final = 20
OVERTAKEN: Final = 8
SILENT_S: Final = 0.3
PROBE_S: Final = 1.0
CHECK_S: Final = 60.0
CASE_MISSES: Final = 3
NOBODY: Final = -1
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# The 95th percentile of answer times, followed without keeping any: up by a fifth for a slower answer, down by a
# hundredth for a faster one. A second upstream is asked after that long, within these bounds.
_SLOWER: Final = 1.2
_FASTER: Final = 0.99
HEDGE_MIN_S: Final = 0.02
HEDGE_MAX_S: Final = 0.3
# At most a tenth of all questions is asked twice, so that a slow uplink is not given twice the load; but a dead
# upstream's questions are, until it is found out.
HEDGE_SHARE: Final = 0.1
HEDGES_SAVED: Final = 500.0


@dataclass(slots=True)
class Upstream:
    """Counters since start; `buckets[i]` counts answers within BUCKETS_S[i] and above the one before."""

    failures_in_row: int = 0
    spoilt_in_row: int = 0
    overtaken: int = 0
    silent_since: float = 0.0
    down: bool = False
    suspect: bool = False
    looping: bool = False
    keeps_case: bool = False
    case_misses: int = 0
    probe_at: float = 0.0
    probes: int = 0  # since it went down, or since the start
    heard: float = 0.0  # when it last answered
    slow_s: float = HEDGE_MIN_S
    in_flight: int = 0
    answers: int = 0
    timeouts: int = 0
    errors: int = 0
    latency_sum_s: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))


class Upstreams:
    """All of them. A `route` is a tuple of indexes, best first; `limit` is how many questions may wait for one."""

    def __init__(self, count: int, limit: int) -> None:
        self.all = [Upstream() for _ in range(count)]
        self.limit = limit
        self._hedges = HEDGES_SAVED

    def usable(self, index: int) -> bool:
        upstream = self.all[index]
        return not upstream.down and not upstream.looping

    def all_down(self, route: tuple[int, ...]) -> bool:
        return not any(map(self.usable, route))

    def first(self, route: tuple[int, ...]) -> int | None:
        """The upstream for a new question: the first healthy one for which not too many wait already, or None."""
        for i in route:
            upstream = self.all[i]
            if not upstream.down and not upstream.looping and upstream.in_flight < self.limit:
                return i
        return None

    def other(self, route: tuple[int, ...], tried: list[int]) -> int | None:
        """An upstream that was not asked yet, a healthy one before one that is down; None if all were."""
        fresh = [i for i in route if i not in tried and not self.all[i].looping]
        return next((i for i in fresh if self.usable(i)), fresh[0] if fresh else None)

    def hedge(self, route: tuple[int, ...], tried: list[int]) -> int | None:
        """A healthy upstream to ask beside a slow one, or None; one more of the tenth that may be asked twice."""
        found = next((i for i in route if i not in tried and self.usable(i)), None)
        if found is None or self._hedges < 1:
            return None
        self._hedges -= 1
        return found

    def after_silence(self, route: tuple[int, ...], tried: list[int]) -> int | None:
        """The upstream for one more attempt: a healthy one, at best one that was not asked, else the one asked longest
        ago; None if all are down.
        """
        up = [i for i in route if self.usable(i)]
        for i in up:
            if i not in tried:
                return i
        return max(up, key=tried[::-1].index) if up else None

    def hedge_after_s(self, index: int) -> float:
        """How long an answer may take before a second upstream is asked."""
        return self.all[index].slow_s

    def earn_hedge(self) -> None:
        """One more question that might be asked twice."""
        if self._hedges < HEDGES_SAVED:
            self._hedges += HEDGE_SHARE

    def settled(self, tried: list[int]) -> None:
        """A question is over; `tried` are the upstreams it was sent to."""
        for i in tried:
            if i != NOBODY:
                self.all[i].in_flight -= 1

    def answered(self, index: int, elapsed_s: float, now: float) -> bool:
        """Note a good answer; True if the upstream had been down."""
        if index == NOBODY:
            return False
        upstream = self.all[index]
        upstream.answers += 1
        upstream.heard = now
        upstream.latency_sum_s += elapsed_s
        upstream.failures_in_row = upstream.spoilt_in_row = upstream.overtaken = 0
        upstream.suspect = False
        if elapsed_s > upstream.slow_s:
            upstream.slow_s = min(upstream.slow_s * _SLOWER, HEDGE_MAX_S)
        elif upstream.slow_s > HEDGE_MIN_S:
            upstream.slow_s = max(upstream.slow_s * _FASTER, HEDGE_MIN_S)
        upstream.buckets[bisect_left(BUCKETS_S, elapsed_s)] += 1
        recovered, upstream.down = upstream.down, False
        if recovered:
            upstream.probe_at = now
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
        if upstream.failures_in_row >= FAILURES:
            self._down(upstream, now)

    def overtaken(self, index: int, sent: float, now: float) -> None:
        """Another upstream, asked later, answered what this one was `sent` first."""
        if index == NOBODY:
            return
        upstream = self.all[index]
        if upstream.heard > sent:
            return
        if not upstream.overtaken:
            upstream.silent_since = sent
        upstream.overtaken += 1
        if upstream.overtaken >= OVERTAKEN and now - upstream.silent_since >= SILENT_S:
            self._down(upstream, now)

    def spoilt(self, index: int, now: float, probe: bool = False) -> None:
        """Note an answer that was none: malformed, or an error such as SERVFAIL. To a `probe`, that means down."""
        if index == NOBODY:
            return
        upstream = self.all[index]
        upstream.errors += 1
        upstream.heard = now
        upstream.failures_in_row = upstream.overtaken = 0
        upstream.spoilt_in_row += 1
        if probe and upstream.suspect:
            self._down(upstream, now + PROBE_S)
        elif upstream.spoilt_in_row >= SPOILT and not upstream.suspect and not upstream.down:
            upstream.suspect = True
            upstream.probe_at = now

    def looped(self, index: int, looping: bool, now: float) -> bool:
        """Note what a probe found out; True if it is a loop that was not known."""
        upstream = self.all[index]
        found = looping and not upstream.looping
        upstream.looping = looping
        if looping:
            upstream.probe_at = now + PROBE_S
        return found

    def kept_case(self, index: int, kept: bool) -> None:
        """Whether an upstream's answer had the name in the case it was asked in."""
        if index == NOBODY:
            return
        upstream = self.all[index]
        upstream.case_misses = 0 if kept else upstream.case_misses + 1
        if upstream.case_misses >= CASE_MISSES:
            upstream.keeps_case = False

    def _down(self, upstream: Upstream, probe_at: float) -> None:
        if not upstream.down:
            upstream.down, upstream.suspect = True, False
            upstream.probe_at, upstream.probes = probe_at, 0

    def due_probes(self, now: float) -> list[int]:
        """Upstreams whose probe is due; a down one is due again PROBE_S later, any other after CHECK_S."""
        due = [i for i, upstream in enumerate(self.all) if upstream.probe_at <= now]
        for i in due:
            upstream = self.all[i]
            upstream.probe_at = now + (PROBE_S if upstream.down or upstream.looping else CHECK_S)
        return due

    def next_probe(self) -> float | None:
        return min((upstream.probe_at for upstream in self.all), default=None)
