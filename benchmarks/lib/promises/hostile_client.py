"""One client that floods (P12): twenty thousand random names a second, then five hundred idle TCP connections."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator

from lib import load
from lib.promises import stage
from lib.promises.lines import Line, Size
from lib.promises.stage import FILES, SOURCES, Backend
from tests.running import Server

OTHERS, RATE = 8, 800  # clients and their questions a second in all, within the limits of each
FLOOD_RATE, CONNECTIONS = 20_000, 500
PLACES = {"another class": "127.0.66.6", "the same class": "127.0.30.66"}
FLOOD_OPTIONS = ("-O", "suppress=timeout,unexpected")


def run(size: Size) -> Iterator[Line]:
    rounds, seconds = size.of(5, 1), size.seconds(4.0, 1.0)
    with Backend() as upstream, stage.serving(upstream.url, more="") as server:
        stage.warm_within_limits(server, size.seconds(8.0, 1.0))
        watched = stage.Watched(server)
        for word, source in PLACES.items():
            ratios, lost, figures, sent = [], 0, [], 0
            for turn in range(rounds):
                quiet = _others(server, seconds).finish()
                flood = _flood(server, source, seconds, turn)
                others = _others(server, seconds)
                watched.during(seconds)
                seen, flooded = others.finish(), flood.finish()
                lost += seen.lost
                sent += flooded.sent
                figures.append((quiet.latency_ms(0.99), seen.latency_ms(0.99)))
                ratios.append(figures[-1][1] / figures[-1][0])
            name = f"malicious-client, flood from {word}"
            done = f"{sent / rounds / seconds:,.0f} random names/s from one address, {rounds} rounds of {seconds:g} s; "
            yield _line(name, done + f"{OTHERS} others at {RATE}/s", lost, figures, ratios)
        yield from _idle(server, rounds, seconds, watched)
    figure = f"worker's private memory {watched.most_mb:.1f} MB (before {watched.before_mb:.1f} MB)"
    yield Line("malicious-client, memory", "all of it together", figure, "<= 100 MB", watched.most_mb <= 100)


def _others(server: Server, seconds: float) -> load.Running:
    sources = (*(f"127.0.30.{10 + i}" for i in range(OTHERS // 2)), *SOURCES[2 : 2 + OTHERS // 2])
    return load.paced(server.port, FILES.classes(7)[:OTHERS], sources, RATE, seconds, latencies=True)


def _flood(server: Server, source: str, seconds: float, turn: int) -> load.Running:
    options = ("-l", f"{seconds:g}", "-Q", str(FLOOD_RATE), *FLOOD_OPTIONS)
    file = FILES.miss(20 + turn, one_domain=True)
    return load.Running().start(server.port, file, source, *options, outstanding=60_000)


def _idle(server: Server, rounds: int, seconds: float, watched: stage.Watched) -> Iterator[Line]:
    ratios, lost, figures = [], 0, []
    accepted = 0
    for _ in range(rounds):
        quiet = _others(server, seconds).finish()
        with contextlib.ExitStack() as stack:
            for _ in range(CONNECTIONS):
                with contextlib.suppress(OSError):
                    stack.enter_context(server.connect(PLACES["another class"], within_s=1))
            accepted = int(server.wait_metric("filterd_dns_tcp_connections", lambda n: n > 0))
            seen = _others(server, seconds).finish()
            watched.look()
        lost += seen.lost
        figures.append((quiet.latency_ms(0.99), seen.latency_ms(0.99)))
        ratios.append(figures[-1][1] / figures[-1][0])
    done = f"{CONNECTIONS} TCP connections from one address that say nothing ({accepted} kept)"
    yield _line("malicious-client, idle connections", done, lost, figures, ratios)


def _line(name: str, done: str, lost: int, figures: list[tuple[float, float]], ratios: list[float]) -> Line:
    quiet_ms, meanwhile_ms = (statistics.median(column) for column in zip(*figures, strict=True))
    ratio = statistics.median(ratios)
    figure = f"others: {lost} lost, p99 {meanwhile_ms:.2f} ms (quiet {quiet_ms:.2f} ms), x{ratio:.2f} "
    figure += f"({min(ratios):.2f} to {max(ratios):.2f})"
    met = lost == 0 and ratio <= 2 and meanwhile_ms <= 20
    return Line(name, done, figure, "0 lost, p99 <= 2x and <= 20 ms", met)
