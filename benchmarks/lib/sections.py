"""Owns what is measured: each function takes running servers and yields samples; nothing is judged here.

Servers take turns within a round (A B C, A B C, ...), so that a slow minute of a shared machine falls on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lib import load, mix, servers

RATE = 20_000
CLASS_SOURCES = tuple(f"127.0.{30 + c}.10" for c in range(mix.CLASSES))
ONE_SOURCE = CLASS_SOURCES[1]
WARM = 99  # the salt of queries nobody measures
WARM_S = 2.0


@dataclass
class Sample:
    """One measurement. `values` by name: cpu_us, rate, lost, busy, p99_ms, bytes, seconds, ..."""

    section: str
    server: str
    names: int
    phase: int  # the round of sizes it was taken in: samples are compared within one phase
    round: int
    values: dict[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Phase:
    """The servers that stand side by side at one table size."""

    names: int
    running: list[servers.Server]
    rounds: int
    seconds: float
    files: mix.Files


def warm(phase: Phase) -> None:
    """Have every server answer every question of the mix once, and check that it blocks and allows."""
    asked = mix.zipf_mix()
    blocked = [rank for rank in range(60) if mix.is_blocked_rank(rank)]
    for server in phase.running:
        load.once(server.place.port, phase.files.warm(), ONE_SOURCE, seconds=20)
        load.saturate(server.place.port, phase.files.mix(WARM), WARM_S, ONE_SOURCE)
        for rank in range(60):
            expected = rank in blocked and server.place.names > 0
            if not _eventually(server, asked[rank], blocked=expected):
                word = "block" if expected else "allow"
                raise RuntimeError(f"{server.kind} with {server.place.names} names does not {word} {asked[rank]}")


def _eventually(server: servers.Server, name: str, *, blocked: bool) -> bool:
    return any(
        servers.right_answer(server.place.port, name, blocked=blocked, source=ONE_SOURCE) for _ in range(10)
    )


def saturated(phase: Phase, kind: str = "mix") -> Iterator[Sample]:
    """Warm answers, from one address, as fast as they come. `kind` is mix, allowed, blocked or types."""

    def ask(server: servers.Server, turn: int) -> load.Load:
        return load.saturate(server.place.port, phase.files.mix(turn, kind), phase.seconds, ONE_SOURCE)

    yield from _in_turn(phase, "hits" if kind == "mix" else f"hits-{kind}", ask)


def paced(phase: Phase) -> Iterator[Sample]:
    """Warm answers at RATE in all from one address of each of 20 classes."""

    def ask(server: servers.Server, turn: int) -> load.Load:
        files = phase.files.classes(turn)
        return load.paced(server.place.port, files, CLASS_SOURCES, RATE, phase.seconds).finish()

    for server in phase.running:
        ask(server, WARM)
    yield from _in_turn(phase, "fixed", ask)


def missed(phase: Phase, *, one_domain: bool = False) -> Iterator[Sample]:
    """Every question new to the server and sent upstream: random domains, or random names below one."""

    def ask(server: servers.Server, turn: int) -> load.Load:
        queries = phase.files.miss(turn, one_domain=one_domain)
        return load.saturate(server.place.port, queries, phase.seconds, ONE_SOURCE)

    yield from _in_turn(phase, "below" if one_domain else "miss", ask)


def paced_misses(phase: Phase) -> Iterator[Sample]:
    """Every question new, at RATE over 20 classes."""

    def ask(server: servers.Server, turn: int) -> load.Load:
        files = phase.files.class_misses(turn)
        return load.paced(server.place.port, files, CLASS_SOURCES, RATE, phase.seconds).finish()

    yield from _in_turn(phase, "miss-fixed", ask)


def _in_turn(phase: Phase, section: str, ask: Callable[[servers.Server, int], load.Load]) -> Iterator[Sample]:
    for turn in range(phase.rounds):
        for server in phase.running:
            before = server.cpu_seconds()
            seen = ask(server, turn)
            used = server.cpu_seconds() - before
            yield Sample(section, server.kind, server.place.names, phase.names, turn, _costs(seen, used))


def _costs(seen: load.Load, used_s: float) -> dict[str, float]:
    return {
        "cpu_us": used_s / max(1, seen.completed) * 1e6,
        "rate": seen.rate,
        "lost": seen.lost,
        "busy": used_s / max(seen.seconds, 1e-9),
        "failed": sum(n for code, n in seen.rcodes.items() if code not in {"NOERROR", "NXDOMAIN"}),
    }


def starts(phase: Phase) -> Iterator[Sample]:
    """Time from exec to the first right answer of each server, as it was when this phase began."""
    for server in phase.running:
        values = {"seconds": server.start_s}
        yield Sample("start", server.kind, server.place.names, phase.names, 0, values, server.start_note)


def memory(phase: Phase) -> Iterator[Sample]:
    """Private and resident bytes of each process after DISTINCT_NAMES different questions."""
    for server in phase.running:
        seen = load.once(server.place.port, phase.files.distinct(), ONE_SOURCE, seconds=20)
        for at, one in enumerate(server.memory()):
            values = {"private": one.private, "resident": one.resident, "asked": seen.completed}
            yield Sample("memory", server.kind, server.place.names, phase.names, at, values, one.command)
