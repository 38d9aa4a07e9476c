"""Owns the swap: a server takes a new table of 1,000,000 names while 20 classes ask. What was lost, and how late."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from lib import load, servers
from lib.sections import CLASS_SOURCES, RATE, WARM, Phase, Sample

BEFORE_S = 2.0
BETWEEN_S = 2.0
LOAD_S = 14.0
SWAPS = 5  # of a server that is quick enough to do as many in the time


def swaps(phase: Phase) -> Iterator[Sample]:
    """Per server: the same load without a swap, then with as many as fit."""
    for server in phase.running:
        yield Sample("calm", server.kind, server.place.names, phase.names, 0, _under_load(server, phase, None))
        action, note = server.reload(), "reload"
        if action is None:
            action, note = _restart(server), "restart"
        values = _under_load(server, phase, action)
        yield Sample("swap", server.kind, server.place.names, phase.names, 0, values, note)


def _restart(server: servers.Server) -> Callable[[], None]:
    def restart() -> None:
        server.stop()
        server.start()

    return restart


def _under_load(server: servers.Server, phase: Phase, action: Callable[[], None] | None) -> dict[str, float]:
    files = phase.files.classes(WARM)
    seconds = LOAD_S if action else LOAD_S / 2
    began = time.monotonic()
    running = load.paced(server.place.port, files, CLASS_SOURCES, RATE, seconds, latencies=True)
    done = 0
    time.sleep(BEFORE_S)
    while action and done < SWAPS and time.monotonic() - began < LOAD_S - BETWEEN_S:
        action()
        done += 1
        time.sleep(BETWEEN_S)
    seen = running.finish()
    return {
        "swaps": done,
        "sent": seen.sent,
        "lost": seen.lost,
        "p50_ms": seen.latency_ms(0.5),
        "p99_ms": seen.latency_ms(0.99),
        "max_ms": seen.latency_ms(1.0),
    }
