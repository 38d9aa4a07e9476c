"""A day of a school inside one process: millions of questions to a forwarder whose clock is a number.

Run as a program, `python day.py QUESTIONS`: prints a line of JSON with its resident memory for each half million.
Every question moves the clock by the same step; lists change every hour, overrides every ten minutes; answers live for
30 s to an hour, one upstream reply in a hundred is lost, one in two hundred comes over TCP.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent.parent.parent)]

from filterd.core.exchange import Exchange  # noqa: E402
from filterd.core.firstseen import SECRET_BYTES, FirstSeen, Register  # noqa: E402
from filterd.core.forwarder import Forwarder  # noqa: E402
from filterd.core.overrides import Override, Overrides  # noqa: E402
from filterd.core.sites import Sites  # noqa: E402
from filterd.core.snapshot import Snapshot  # noqa: E402
from lib import mix  # noqa: E402
from lib.promises import speaker  # noqa: E402
from tests import schools  # noqa: E402

DAY_S = 86_400.0
REPORT = 500_000
NEW_SHARE, LOST_SHARE, CUT_SHARE = 0.12, 0.01, 0.005
TRANSPORTS = ("udp",) * 46 + ("tcp", "tcp", "tls", "https")
PLACES = ("3a", "7-3", "9b", "staff-room", None)
SWAP_S, TOGGLE_S = 3600.0, 600.0


class Day:
    """One forwarder, its clock and its school."""

    def __init__(self, questions: int, seed: int = 1) -> None:
        self.questions = questions
        self.step_s = DAY_S / questions
        self.now = 1000.0
        self.chance = random.Random(seed)
        names = mix.zipf_mix()
        blocked = [name for rank, name in enumerate(names) if mix.is_blocked_rank(rank)]
        self._tables = [schools.table({"adult": blocked[at:], "games": ["games.example"]}) for at in (0, 1)]
        register = Register(self.chance.randbytes(SECRET_BYTES), self._today)
        self.seen = FirstSeen(register, Sites(["com", "net", "org", "vn", "com.vn", "example"], ()), 7)
        self.forwarder = Forwarder(self._snapshot(0), schools.plan(2), self._wall, os.urandom)
        self._packets = [_packet(name, mix.kind_of_rank(rank)) for rank, name in enumerate(names)]
        self._weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(len(names))))
        self.replies = 0

    def run(self) -> None:
        for number in range(self.questions // 10_000):
            for packet in self.chance.choices(self._packets, cum_weights=self._weights, k=10_000):
                self.now += self.step_s
                self._ask(packet)
                due = self.forwarder.deadline()
                if due is not None and due <= self.now:
                    self._tick()
            self._live(number * 10_000 * self.step_s, 10_000 * self.step_s)
            if (number + 1) * 10_000 % REPORT == 0:
                self._report((number + 1) * 10_000)

    def _ask(self, packet: bytes) -> None:
        chance, forwarder = self.chance, self.forwarder
        if chance.random() < NEW_SHARE:
            packet = _packet(f"www.{chance.getrandbits(48):x}.com", "A")
        transport = chance.choice(TRANSPORTS)
        row = self._rows[chance.randrange(len(PLACES))]
        if transport == "udp":
            known = forwarder.memo.young(row.index, "udp").get(packet[2:])
            if known is not None and known[0] > self.now:
                self.replies += 1
                return
        outcome = forwarder.query(packet, transport, row, packet, self.now, b"\x7f\0\x1f\7")
        if isinstance(outcome, Exchange):
            self._fly(outcome)
        elif outcome is not None:
            self.replies += 1
        while forwarder.extra:
            self._fly(forwarder.extra.pop())

    def _fly(self, exchange: Exchange) -> None:
        """The upstream answers within this step, or never."""
        drawn = self.chance.random()
        if drawn < LOST_SHARE:
            return
        packet = speaker.honest(exchange.packet, 30 + sum(exchange.packet[12:18]) * 7 % 3570)
        if drawn < LOST_SHARE + CUT_SHARE and not exchange.tcp:
            packet = speaker.cut(exchange.packet)
        self._take(self.forwarder.response(exchange, packet, self.now, exchange.upstream, exchange.tcp))

    def _take(self, outcome: list[tuple[object, bytes]] | Exchange | None) -> None:
        if isinstance(outcome, Exchange):
            self._fly(outcome)
        elif outcome:
            self.replies += len(outcome)

    def _tick(self) -> None:
        sends, exchanges = self.forwarder.tick(self.now)
        self._take(sends)
        for exchange in exchanges:
            self._fly(exchange)

    def _live(self, before_s: float, passed_s: float) -> None:
        """Lists, overrides and the day, as the worker is told of them."""
        self.seen.changes()
        if int(before_s / TOGGLE_S) != int((before_s + passed_s) / TOGGLE_S):
            self.seen.register.roll(self._today)
            self.forwarder.use(self._snapshot(before_s + passed_s))

    def _snapshot(self, since_s: float) -> Snapshot:
        lists, toggle = int(since_s / SWAP_S) % 2, int(since_s / TOGGLE_S) % 2
        until = int(self._wall() + TOGGLE_S)
        overrides = Overrides((Override("7-3", until, profile="free"),) if toggle else ())
        table = self._tables[lists]
        found = Snapshot(schools.POLICY, table, overrides, self._wall(), seen=self.seen)
        self._rows = [schools.row(found, place) for place in PLACES]
        return found

    def _wall(self) -> float:
        return schools.NOW + self.now

    @property
    def _today(self) -> int:
        return int(self._wall() // DAY_S)

    def _report(self, asked: int) -> None:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
        forwarder = self.forwarder
        seen = {"asked": asked, "resident": resident, "replies": self.replies, "pending": forwarder.pending}
        seen |= {"cached": len(forwarder.cache), "hits": forwarder.cache_hits, "hours": (self.now - 1000) / 3600}
        print(json.dumps(seen), flush=True)


def _packet(name: str, kind: str) -> bytes:
    return schools.query(name, {"A": 1, "AAAA": 28, "HTTPS": 65}[kind])


if __name__ == "__main__":
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    Day(int(sys.argv[1])).run()
