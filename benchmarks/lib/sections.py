"""Owns what is measured: each function takes running servers and yields samples; nothing is judged here.

Servers take turns within a round (A B C, A B C, ...), so that a slow minute of a shared machine falls on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

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
    return any(servers.right_answer(server.place.port, name, blocked=blocked, source=ONE_SOURCE) for _ in range(10))


def saturated(phase: Phase, kind: str = "mix") -> Iterator[Sample]:
    """Warm answers, from one address, as fast as they come. `kind` is mix, allowed, blocked or types."""
    section = "hits" if kind == "mix" else f"hits-{kind}"
    yield from _in_turn(phase, section, lambda turn: [phase.files.mix(turn, kind)], _flat_out)


def paced(phase: Phase) -> Iterator[Sample]:
    """Warm answers at RATE in all from one address of each of 20 classes."""
    for server in phase.running:
        _at_rate(server, phase.files.classes(WARM), phase.seconds)
    yield from _in_turn(phase, "fixed", phase.files.classes, _at_rate)


def missed(phase: Phase, *, one_domain: bool = False) -> Iterator[Sample]:
    """Every question new to the server and sent upstream: random domains, or random names below one."""
    section = "below" if one_domain else "miss"
    yield from _in_turn(phase, section, lambda turn: [phase.files.miss(turn, one_domain=one_domain)], _flat_out)


def paced_misses(phase: Phase) -> Iterator[Sample]:
    """Every question new, at RATE over 20 classes."""
    yield from _in_turn(phase, "miss-fixed", phase.files.class_misses, _at_rate)


def _flat_out(server: servers.Server, queries: list[Path], seconds: float) -> load.Load:
    return load.saturate(server.place.port, queries[0], seconds, ONE_SOURCE)


def _at_rate(server: servers.Server, queries: list[Path], seconds: float) -> load.Load:
    return load.paced(server.place.port, queries, CLASS_SOURCES, RATE, seconds).finish()


def _in_turn(
    phase: Phase,
    section: str,
    queries: Callable[[int], list[Path]],
    ask: Callable[[servers.Server, list[Path], float], load.Load],
) -> Iterator[Sample]:
    """`queries` gives the files of a round, `ask` puts them to one server."""
    for turn in range(phase.rounds):
        files = queries(turn)
        for server in phase.running:
            before = server.cpu_seconds()
            seen = ask(server, files, phase.seconds)
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
        seen = load.once(server.place.port, phase.files.distinct(), ONE_SOURCE, seconds=30)
        for at, one in enumerate(server.memory()):
            sizes = {"private": one.private, "dirty": one.dirty, "resident": one.resident, "asked": seen.completed}
            values = {key: float(value) for key, value in sizes.items()}
            yield Sample("memory", server.kind, server.place.names, phase.names, at, values, one.command)
