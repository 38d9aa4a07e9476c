"""Packets nobody should send (P8), by the drivers of tests/fuzz, and what comes out for what goes in (P9)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

from lib.promises.lines import Line, Size
from tests.conformance.lab import laboratory, told
from tests.conformance.test_rows_42_50_endurance import LARGE, matrix
from tests.fuzz.inside import Inside
from tests.fuzz.outside import Outside
from tests.running import OUTSIDE, STAFF, Server

SEEDS = (1, 2, 3, 4, 5)
OUTSIDE_EACH, INSIDE_EACH = 1_000_000, 200_000
GROWTH, CONTROL_MS = 1.05, 50.0
WARM = 300_000  # packets before these: the caches are full at 80,000, remembered failures (1.2 MB) at 270,000
WAIT_S = 0.3


def run(size: Size) -> Iterator[Line]:
    for seed in SEEDS[: size.of(len(SEEDS), 1)]:
        yield _outside(seed, size.of(WARM, 500), size.of(OUTSIDE_EACH, 2_000))
    yield _inside(size)
    yield from _amplification()


def _outside(seed: int, warm: int, count: int) -> Line:
    """A running server, over UDP and TCP, its upstream answering anything. What it keeps is bounded and fills up during
    the first packets; memory is compared from there on.
    """
    with tempfile.TemporaryDirectory(prefix="filterd-fuzz-") as directory:
        world = Outside(Path(directory), seed)
        try:
            world.run(lambda: world.sent >= warm)
            before = world.resident_bytes()
            world.run(lambda: world.sent >= warm + count)
            growth = world.resident_bytes() / before
            faults = world.faults()
        finally:
            world.close()
    p99_ms = quantiles(world.controls_s, n=100)[98] * 1e3
    figure = f"{world.sent:,} packets, {faults:.0f} internal errors, no traceback, {len(world.controls_s):,} control "
    figure += f"questions answered, p99 {p99_ms:.1f} ms; memory x{growth:.3f} of {before / 1e6:.1f} MB after {warm:,}"
    met = faults == 0 and p99_ms <= CONTROL_MS and growth <= GROWTH
    return Line(
        f"packets, seed {seed}", "tests/fuzz/outside.py", figure, "0 faults, control <= 50 ms, memory x1.05", met
    )


def _inside(size: Size) -> Line:
    """The forwarder alone; a promise that does not hold ends the run with its seed and step."""
    sent = 0
    for seed in SEEDS:
        world = Inside(seed)
        world.run(lambda world=world: world.sent >= size.of(INSIDE_EACH, 1_000))  # type: ignore[misc]
        sent += world.sent
    figure = f"{sent:,} packets of clients and upstreams, all promises held after each"
    return Line("packets, forwarder", f"tests/fuzz/inside.py, {len(SEEDS)} seeds", figure, "all hold", True)


def _amplification() -> Iterator[Line]:
    """Every packet of the matrix once, the upstream's TXT answers as large as they get."""
    asked, pairs = matrix(), []
    for records in (LARGE, LARGE[:4]):  # too many for UDP, and as many as go into it
        with tempfile.TemporaryDirectory() as directory, laboratory(Path(directory), script=told(*records)) as lab:
            pairs += [(packet, _reply(lab.server, packet, STAFF)) for packet in asked]
            heard = sum(bool(_reply(lab.server, packet, OUTSIDE, 0.01)) for packet in asked)
    longest = max(len(reply) for _, reply in pairs)
    errors = max((len(reply) - len(sent) for sent, reply in pairs if reply and reply[3] & 15 in (1, 4, 5)), default=0)
    ratio = sum(len(reply) for _, reply in pairs) / sum(len(sent) for sent, _ in pairs)
    worst = max(len(reply) / len(sent) for sent, reply in pairs if sent)
    done = f"{len(pairs)} packets: odd ones, and 12 types of 6 names with and without EDNS"
    figure = (
        f"longest reply {longest} bytes, errors at most {errors:+d} bytes on their query; bytes out/in {ratio:.2f}, "
    )
    figure += f"worst single {worst:.1f}"
    met = longest <= 1232 and errors <= 11
    yield Line("packets, amplification", done, figure, "<= 1232 bytes, errors <= query + 11", met)
    yield Line("packets, outside the networks", done, f"{heard} replies", "0 replies", heard == 0)


def _reply(server: Server, packet: bytes, source: str, within_s: float = WAIT_S) -> bytes:
    with server.udp(source, within_s=within_s) as sock:
        sock.send(packet)
        try:
            return sock.recv(65536)
        except TimeoutError:
            return b""
