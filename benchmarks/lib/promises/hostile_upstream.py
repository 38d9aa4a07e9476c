"""An upstream that lies, swells, loops and drips, while other clients ask: memory, latencies, and what was kept.

Once it is asked for a zone of its own (as the name servers of one domain are), once it is the school's first upstream.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lib.promises import speaker, stage
from lib.promises.lines import Line, Size
from lib.promises.stage import FILES, SOURCES, UNLIMITED, Backend
from tests.running import Server

ZONE = "bad.example"
ATTACK_RATE, CACHED_RATE, MISS_RATE = 300, 500, 200
KINDS = sorted(speaker.KINDS)
TARGET_MS = 20


def run(size: Size) -> Iterator[Line]:
    with Backend() as good, Backend(hostile=True) as bad:
        more = f"{UNLIMITED}conditional: {{{ZONE}: ['{bad.url}']}}\n"
        with stage.serving(good.url, more=more) as server:
            yield from _attacked(size, server, bad, f"asked for {ZONE} only")
    with Backend() as good, Backend(hostile=True) as bad, stage.serving(bad.url, good.url) as server:
        yield from _attacked(size, server, bad, "the first of two upstreams")


def _attacked(size: Size, server: Server, bad: Backend, place: str) -> Iterator[Line]:
    seconds = size.seconds(15.0, 1.5)
    stage.warm(server)
    chance = random.Random(29)
    names = [f"{KINDS[i % len(KINDS)]}-{chance.getrandbits(40):x}.{ZONE}" for i in range(int(ATTACK_RATE * seconds))]
    quiet = stage.ask(server.port, FILES.mix(5), SOURCES[0], CACHED_RATE, seconds / 4).finish()
    watched = stage.Watched(server)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "names.txt"
        path.write_text("".join(f"{name} A\n" for name in names))
        attack = stage.ask(server.port, path, SOURCES[9], ATTACK_RATE, seconds)
        cached = stage.ask(server.port, FILES.mix(6), SOURCES[0], CACHED_RATE, seconds)
        new = stage.ask(server.port, FILES.miss(6), SOURCES[1], MISS_RATE, seconds)
        watched.during(seconds)
        told, missed, attacked = cached.finish(), new.finish(), attack.finish()
    done = f"{place}; {attacked.sent:,} questions for {len(KINDS)} kinds of wrong answers in {seconds:g} s"
    figure = f"worker's private memory {watched.most_mb:.1f} MB (before {watched.before_mb:.1f} MB)"
    yield Line(f"malicious-upstream, memory, {place}", done, figure, "<= 100 MB", watched.most_mb <= 100)
    figure = f"cached p99 {told.latency_ms(0.99):.2f} ms (quiet {quiet.latency_ms(0.99):.2f} ms), new names p99 "
    figure += f"{missed.latency_ms(0.99):.2f} ms; {told.lost + missed.lost} lost, "
    figure += f"{stage.failures(told) + stage.failures(missed)} SERVFAIL"
    late = max(told.latency_ms(0.99), missed.latency_ms(0.99)) > TARGET_MS
    met = not late and told.lost + missed.lost + stage.failures(told) + stage.failures(missed) == 0
    yield Line(f"malicious-upstream, others, {place}", done, figure, f"p99 <= {TARGET_MS} ms, 0 lost", met)
    yield _kept(size, server, bad, place, names)


def _kept(size: Size, server: Server, bad: Backend, place: str, names: list[str]) -> Line:
    """The liar is replaced by an honest one at its place, and everything is asked again."""
    bad.kill()
    bad.hostile = False
    bad.start()
    server.wait_metric('filterd_dns_upstream_up{upstream="0"}', lambda up: up == 1)
    sample = [name for name in names if not name.startswith(("alias", "huge", "many"))]  # those were theirs to say
    sample = random.Random(30).sample(sample, min(len(sample), size.of(1000, 100)))
    asked = [*sample, *(speaker.bystander(i) for i in range(speaker.BYSTANDERS))]
    answers = [stage.address(server.port, name) for name in asked]
    wrong = answers.count(speaker.POISON)
    done = f"an honest upstream in its place, {len(asked):,} names asked again"
    figure = f"{wrong} wrong answers kept; {answers.count(speaker.GOOD)} right, {answers.count(b'')} SERVFAIL, "
    figure += (
        f"{answers.count(None)} silent; {server.metrics()['filterd_dns_internal_errors_total']:.0f} internal errors"
    )
    return Line(f"malicious-upstream, kept, {place}", done, figure, "nothing wrong cached", wrong == 0)
