"""A thousand idle TCP clients and five thousand pipelined queries a second, while UDP is asked and timed."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lib import load, mix
from lib.promises import stage
from lib.promises.lines import Line, Size
from lib.promises.stage import FILES, SOURCES, Backend
from tests.running import Server, framed, receive

ADDRESSES, EACH, BUSY = 50, 20, 50
RATE, AT_ONCE = 5_000, 50
UDP_RATE = 1_000


def run(size: Size) -> Iterator[Line]:
    seconds, each = size.seconds(8.0, 1.0), size.of(EACH, 2)
    with Backend() as upstream, stage.serving(upstream.url, more="") as server, contextlib.ExitStack() as stack:
        stage.warm_within_limits(server, size.seconds(8.0, 1.0))
        batches = _batches()
        quiet = [_udp(server, seconds / 4).finish().latency_ms(0.99) for _ in range(2)]
        watched = stage.Watched(server)
        clients = [
            stack.enter_context(server.connect(f"127.0.{100 + i % 10}.{10 + i // 10}", within_s=10))
            for i in range(ADDRESSES)
            for _ in range(each)
        ]
        if _everyone(clients) < len(clients):
            raise RuntimeError("not everybody was answered at first")
        rounds = [_round(server, clients, turn, seconds, batches, watched) for turn in range(size.of(3, 1))]
    growth_mb = watched.most_mb - watched.before_mb
    done = f"{len(clients):,} clients from {ADDRESSES} addresses, {AT_ONCE} pipelined at a time for {seconds:g} s"
    alive = min(one.alive for one in rounds)
    rate = statistics.median(one.rate for one in rounds)
    figure = f"{alive:,} of {len(clients):,} answered to the end; {rate:,.0f} pipelined queries/s, all answered, "
    figure += f"slowest batch {max(one.slowest_s for one in rounds) * 1e3:.0f} ms"
    yield Line("tcp, answered", done, figure, f"all, {RATE:,}/s", alive == len(clients) and rate >= 0.95 * RATE)
    yield Line("tcp, memory", done, f"worker's private memory +{growth_mb:.1f} MB", "<= 60 MB", growth_mb <= 60)
    tails_ms = [one.udp.latency_ms(0.99) for one in rounds]
    lost = sum(one.udp.lost for one in rounds)
    figure = f"{lost} lost of {sum(one.udp.sent for one in rounds):,}, p99 {statistics.median(tails_ms):.2f} ms "
    figure += f"(rounds {min(tails_ms):.2f} to {max(tails_ms):.2f} ms, alone {min(quiet):.2f} to {max(quiet):.2f} ms)"
    met = lost == 0 and statistics.median(tails_ms) <= 5
    yield Line("tcp, UDP meanwhile", f"{UDP_RATE:,} UDP queries/s beside it", figure, "p99 <= 5 ms, 0 lost", met)


@dataclass
class Round:
    """What one round saw: idle clients that were answered, pipelined questions a second, and UDP."""

    alive: int
    rate: float
    slowest_s: float
    udp: load.Load


def _round(
    server: Server,
    clients: list[socket.socket],
    turn: int,
    seconds: float,
    batches: list[bytes],
    watched: stage.Watched,
) -> Round:
    """Other connections are busy every time: none is asked more than a thousand questions."""
    udp = _udp(server, seconds)
    answered, took_s, slowest_s = 0, 0.0, 0.0
    alive = len(clients)
    for _ in range(2):  # an idle client asks now and then, or it would be closed after ten seconds
        with ThreadPoolExecutor(1, initializer=lambda: os.nice(5)) as behind:  # who measures UDP goes first
            busy = clients[turn :: max(1, len(clients) // BUSY)]
            one = behind.submit(_pipelined, busy, seconds / 2, batches, watched).result()
        answered, took_s, slowest_s = answered + one[0], took_s + one[1], max(slowest_s, one[2])
        alive = min(alive, _everyone(clients))
    told = udp.finish()
    watched.look()
    return Round(alive, answered / took_s, slowest_s, told)


def _udp(server: Server, seconds: float) -> load.Running:
    return load.paced(
        server.port, FILES.classes(4)[:10], SOURCES[:10], UDP_RATE, seconds, latencies=True
    )  # each within its rate limit


def _everyone(clients: list[socket.socket]) -> int:
    """Each asks once, spread over a second, as idle clients do; how many were answered."""
    packet = framed(stage.packet("localhost"))
    answered = 0
    for at, client in enumerate(clients):
        with contextlib.suppress(OSError):
            client.sendall(packet)
            answered += bool(receive(client))
        if at % 10 == 9:
            time.sleep(0.005)
    return answered


def _batches() -> list[bytes]:
    """Questions as they are sent, AT_ONCE together."""
    names = mix.zipf_mix()[:2000]
    starts = range(0, len(names), AT_ONCE)
    return [b"".join(framed(stage.packet(name)) for name in names[at : at + AT_ONCE]) for at in starts]


def _pipelined(
    clients: list[socket.socket], seconds: float, batches: list[bytes], watched: stage.Watched
) -> tuple[int, float, float]:
    """RATE questions a second over these clients in turn: how many were answered, in how long, the slowest batch."""
    began = time.monotonic()
    answered, slowest_s = 0, 0.0
    for turn, (client, batch) in enumerate(zip(itertools.cycle(clients), itertools.cycle(batches), strict=False)):
        due = began + turn * AT_ONCE / RATE
        if due - began >= seconds:
            break
        time.sleep(max(0.0, due - time.monotonic()))
        asked = time.monotonic()
        client.sendall(batch)
        answered += sum(bool(receive(client)) for _ in range(AT_ONCE))
        slowest_s = max(slowest_s, time.monotonic() - asked)
        if turn % 50 == 0:
            watched.look()
    return answered, time.monotonic() - began, slowest_s
