"""Upstreams that die, or fall silent, and come back under load (P11): who hears SERVFAIL, how late, how long after."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from lib import load
from lib.promises import stage
from lib.promises.lines import Line, Size
from lib.promises.stage import FILES, SOURCES, Backend
from tests.running import Server

RATE, SLOW_RATE = 5_000, 500
STALE_WITHIN_MS = 1900


def run(size: Size) -> Iterator[Line]:
    yield from _one_of_two(size, RATE, "killed")
    yield from _one_of_two(size, RATE, "silent")
    yield from _one_of_two(size, SLOW_RATE, "killed")
    yield from _both(size, RATE, 2.0)
    yield from _both(size, SLOW_RATE, 5.0)


class Mixed:
    """Known names (hits), blocked names and new names (misses), from three clients."""

    def __init__(self, server: Server, rate: int, seconds: float, salt: int) -> None:
        port = server.port
        self.known = stage.ask(port, FILES.mix(salt, "allowed"), SOURCES[0], rate * 6 // 10, seconds)
        self.blocked = stage.ask(port, FILES.mix(salt, "blocked"), SOURCES[1], rate * 2 // 10, seconds)
        self.new = stage.ask(port, FILES.miss(salt), SOURCES[2], rate * 2 // 10, seconds)

    def finish(self) -> dict[str, load.Load]:
        return {"known": self.known.finish(), "blocked": self.blocked.finish(), "new": self.new.finish()}


def _times(size: Size) -> tuple[float, float, float]:
    """When it goes, when it comes back, when the load ends."""
    return size.seconds(3.0, 0.8), size.seconds(8.0, 2.0), size.seconds(12.0, 3.5)


def _one_of_two(size: Size, rate: int, how: str) -> Iterator[Line]:
    gone_s, back_s, end_s = _times(size)
    with Backend() as first, Backend() as second, stage.serving(first.url, second.url) as server:
        stage.warm(server)
        go, back = _ways(first, how)
        mixed = Mixed(server, rate, end_s, salt=1)
        time.sleep(gone_s)
        go()
        time.sleep(back_s - gone_s)
        back()
        seen = mixed.finish()
    failed = sum(map(stage.failures, seen.values()))
    lost = sum(one.lost for one in seen.values())
    p99_ms = max(one.latency_ms(0.99) for one in seen.values())
    done = f"{rate:,} queries/s, 60 % hits, 20 % blocked, 20 % misses; the first of two upstreams {how} "
    done += f"at {gone_s:g} s, back at {back_s:g} s"
    figure = f"{failed} SERVFAIL, {lost} lost of {sum(one.sent for one in seen.values()):,}; p99 "
    figure += ", ".join(f"{kind} {one.latency_ms(0.99):.1f} ms" for kind, one in seen.items())
    met = failed == 0 and lost == 0 and p99_ms <= 500
    yield Line(f"upstream-dies, one of two, {rate}/s, {how}", done, figure, "0 SERVFAIL, p99 <= 500 ms", met)


def _ways(backend: Backend, how: str) -> tuple[Callable[[], None], Callable[[], None]]:
    return (backend.kill, backend.start) if how == "killed" else (backend.pause, backend.resume)


def _both(size: Size, rate: int, recovery_s: float) -> Iterator[Line]:
    """No upstream lives; answers have expired by then (TTL 1 s)."""
    gone_s, back_s, end_s = _times(size)
    with Backend(ttl_s=1) as only, stage.serving(only.url) as server:
        stage.warm(server)
        quiet = Mixed(server, rate, gone_s, salt=2).finish()["blocked"].latency_ms(0.99)
        mixed = Mixed(server, rate, end_s, salt=3)
        time.sleep(gone_s)
        only.kill()
        time.sleep(back_s - gone_s)
        only.start()
        fresh_s = stage.first_fresh_s(server, f"back{rate}")
        seen = mixed.finish()
        stale = server.wait_metric("filterd_dns_stale_answers_total", lambda n: n >= 0)
    known, blocked = seen["known"], seen["blocked"]
    done = f"{rate:,} queries/s as above, TTL 1 s; the only upstream killed at {gone_s:g} s, back at {back_s:g} s"
    figure = f"cached names: {stage.failures(known)} SERVFAIL, {known.lost} lost of {known.sent:,}, {stale:,.0f} stale "
    figure += f"answers, slowest {known.latency_ms(1.0):.0f} ms; names nobody knew: {stage.failures(seen['new']):,} "
    figure += f"SERVFAIL, slowest {seen['new'].latency_ms(1.0):.0f} ms"
    met = stage.failures(known) == 0 and known.lost == 0 and stale > 0 and known.latency_ms(1.0) <= STALE_WITHIN_MS
    yield Line(f"upstream-dies, none lives, {rate}/s", done, figure, "no SERVFAIL; stale within 1.9 s", met)
    figure = f"blocked names: {stage.failures(blocked) + blocked.lost} lost, p99 {blocked.latency_ms(0.99):.2f} ms, "
    met = blocked.lost == 0 and blocked.latency_ms(0.99) <= max(2 * quiet, quiet + 5)
    yield Line(
        f"upstream-dies, blocked names meanwhile, {rate}/s", done, f"{figure}before {quiet:.2f} ms", "unchanged", met
    )
    done = "from the upstream's first answer to the first fresh one for a client"
    yield Line(
        f"upstream-dies, recovery, {rate}/s", done, f"{fresh_s:.2f} s", f"<= {recovery_s:g} s", fresh_s <= recovery_s
    )
