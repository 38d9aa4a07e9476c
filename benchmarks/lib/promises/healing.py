"""A worker that dies or hangs (P18): how long its clients wait, and that those of the other worker do not notice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

from lib import load
from lib.promises import stage
from lib.promises.lines import Line, Size
from lib.promises.stage import FILES, Backend
from tests.running import Server

CLIENTS, RATE = 10, 50  # each
PATIENCE_S = 20
LATE_MS = 150.0  # who waits longer was a client of the worker that went
WATCHDOG_S = 10


def run(size: Size) -> Iterator[Line]:
    with Backend() as upstream, stage.serving(upstream.url, workers=2) as server:
        stage.warm(server)
        yield _gone(server, signal.SIGKILL, size.seconds(6.0, 2.0), 1.0)
        if not size.miniature:
            yield _gone(server, signal.SIGSTOP, WATCHDOG_S + 4.0, WATCHDOG_S + 1.0)


def _gone(server: Server, kind: signal.Signals, seconds: float, limit_s: float) -> Line:
    before = set(server.workers())
    running = [_client(server, at, seconds) for at in range(CLIENTS)]
    time.sleep(seconds / 4)
    os.kill(min(before), kind)
    seen = [one.finish() for one in running]
    hit = [one for one in seen if one.lost or one.latency_ms(1.0) > LATE_MS]
    spared = [one for one in seen if one not in hit]
    longest_ms = max((one.latency_ms(1.0) for one in hit), default=0.0)
    lost = sum(one.lost for one in hit)
    done = f"{kind.name} to one of 2 workers under {CLIENTS} clients at {RATE}/s each"
    figure = f"{len(hit)} clients waited, {longest_ms:.0f} ms at most, {lost} of their {sum(o.sent for o in hit):,} "
    figure += f"questions lost; {len(spared)} others: {sum(o.lost for o in spared)} lost, slowest "
    figure += f"{max((o.latency_ms(1.0) for o in spared), default=0.0):.0f} ms"
    replaced = set(server.workers()) != before
    met = replaced and 0 < len(hit) < CLIENTS and longest_ms <= limit_s * 1e3 and lost <= limit_s * RATE * len(hit)
    return Line(f"heal, {kind.name}", done, figure, f"<= {limit_s:g} s of answers; others unaffected", met)


def _client(server: Server, at: int, seconds: float) -> load.Running:
    options = ("-l", f"{seconds:g}", "-Q", str(RATE), "-v", "-t", str(PATIENCE_S))
    file = FILES.classes(12)[at]
    source = f"127.0.{30 + at}.{10 + at * 7 % 5}"  # of both workers: an address always meets the same one
    return load.Running().start(server.port, file, source, *options, outstanding=RATE * PATIENCE_S)
