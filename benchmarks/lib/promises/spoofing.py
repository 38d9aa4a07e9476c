"""How hard the server is to poison (P10): guesses at questions under way, and whether ids and ports can be foretold."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from lib.promises import speaker, stage
from lib.promises.lines import Line, Size
from lib.promises.stage import UNLIMITED
from tests.conformance.counting import Counting, likelihood
from tests.conformance.test_rows_29_33_upstream import series
from tests.upstreams import Question, Upstream, honest

QUESTIONS = 10
FRESH = f"{UNLIMITED}source_ports: fresh\n"
P = 0.01
SETTLED_S = 0.25  # for all fifty to have arrived; then the first is asked once more, which is not meant here


def run(size: Size) -> Iterator[Line]:
    yield _guesses(size.of(100_000, 2_000))
    yield _parallel()
    yield _evenness(size)


class Guessing:
    """The attacker has seen where the question came from and where it went: only the id is left to guess."""

    def __init__(self, each: int) -> None:
        self.each = each
        self.sent = 0
        self.chance = random.Random(29)

    def __call__(self, asked: Question) -> Iterable[bytes]:
        if asked.name.startswith("target") and asked.transport == "udp":
            packet = speaker.lie(asked.packet)[2:]
            for _ in range(self.each):
                ident = self.chance.randbytes(2)
                if ident != asked.packet[:2]:
                    self.sent += 1
                    yield ident + packet
        yield from honest(asked)


def _guesses(count: int) -> Line:
    guessing = Guessing(count // QUESTIONS)
    accepted = silent = 0
    with Upstream(guessing) as upstream, stage.serving(upstream.url, more=FRESH) as server:
        for number in range(QUESTIONS):
            for _ in range(2):  # the second time out of the cache
                told = stage.address(server.port, f"target{number}.example.org", within_s=10)
                accepted += told == speaker.POISON
                silent += not told
    done = (
        f"{QUESTIONS} questions from fresh ports; {guessing.sent:,} replies with wrong ids from the right address to "
    )
    done += "the right port, then the true one"
    figure = f"{accepted} accepted, {silent} questions without an answer"
    return Line("spoof, guesses", done, figure, "0 accepted", accepted == 0 and silent == 0)


def _parallel() -> Line:
    """The same question of many at once must not be under way more than once (the birthday attack)."""
    name = "shared.example.org"
    with Upstream() as upstream, stage.serving(upstream.url, more=FRESH) as server, contextlib.ExitStack() as stack:
        upstream.held.add(name)
        clients = [stack.enter_context(server.udp(f"127.0.31.{100 + i}")) for i in range(50)]
        for client in clients:
            client.send(stage.packet(name))
        upstream.wait_for(name)
        time.sleep(SETTLED_S)
        under_way = len(upstream.asked(name))
        upstream.release(name)
        answered = sum(bool(client.recv(4096)) for client in clients)
    figure = f"{under_way} question under way, {answered} of {len(clients)} answered"
    met = under_way == 1 and answered == len(clients)
    return Line("spoof, parallel", f"the same question of {len(clients)} clients at once", figure, "at most 1", met)


def _evenness(size: Size) -> Line:
    """By chance alone one run in twenty has a p below 0.01 among its five; two in a row hardly ever do."""
    rounds: list[dict[str, float]] = []
    with Counting() as counting, stage.serving(counting.url, more=FRESH) as server:
        for number in range(size.of(2, 1)):
            pairs = series(server, counting, f"even{number}")
            rounds.append(_likelihoods(pairs))
            if min(rounds[-1].values()) > P:
                break
    figure = "; ".join(", ".join(f"{word} p={p:.3f}" for word, p in one.items()) for one in rounds)
    figure += f"; {len(set(pairs)):,} different pairs of {len(pairs):,}"
    met = min(rounds[-1].values()) > P
    return Line("spoof, chance", "chi-square of ids and source ports of 10,000 questions", figure, f"p > {P}", met)


def _likelihoods(pairs: list[tuple[int, int]]) -> dict[str, float]:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    return {
        "id's high byte": likelihood([ident >> 8 for ident, _ in pairs], 256),
        "low byte": likelihood([ident & 255 for ident, _ in pairs], 256),
        "port's range": likelihood([(port - low) * 64 // (high - low + 1) for _, port in pairs], 64),
        "low bits": likelihood([port & 63 for _, port in pairs], 64),
        "steps of ids": likelihood([(b[0] - a[0]) % 65536 >> 8 for a, b in pairwise(pairs)], 256),
    }
