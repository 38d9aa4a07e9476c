"""Owns the targets and how each is read from samples: pure, values in and rows out.

A ratio is taken within a round, filterd over a peer measured seconds before or after it, and the median of the rounds
is what counts: on shared machines absolute figures swing by a third, these do not.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lib.sections import Sample

MILLION = 1_000_000
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Figure:
    """One row of the table of figures. `met` is None where it was not measured."""

    what: str
    target: str
    measured: str
    ratios: str
    met: bool | None


@dataclass(frozen=True)
class _Pair:
    """CPU of filterd over CPU of a peer, at one million names, in one section."""

    what: str
    section: str
    peer: str
    limit: float
    mine: str = "filterd"


_PAIRS = (
    _Pair("CPU per query, hits and blocked, 1M names, saturated", "hits", "unbound", 0.85),
    _Pair("the same, beside dnsdist", "hits", "dnsdist", 1.0),
    _Pair("CPU per query at 20,000 queries/s over 20 classes, 1M names", "fixed", "unbound", 1.3),
    _Pair("CPU per query, every query a miss (pool), 1M names", "miss", "unbound", 0.8),
    _Pair("with the compiled wheel: hits and blocked", "hits", "unbound", 0.85, "filterd-compiled"),
    _Pair("with the compiled wheel: 20,000 queries/s", "fixed", "unbound", 1.3, "filterd-compiled"),
    _Pair("with the compiled wheel: every query a miss", "miss", "unbound", 0.8, "filterd-compiled"),
)


def figures(samples: list[Sample]) -> list[Figure]:
    """Every target of the project, in its order."""
    return [
        *(_pair(samples, pair) for pair in _PAIRS),
        _growth(samples),
        _at_most(samples, "Table, bytes a name on real lists", "table", 9.0, lambda s: s.values["bytes_per_name"], "B"),
        _at_most(
            samples,
            "Private memory of a worker after 200,000 distinct names, 1M names",
            "memory",
            80.0,
            lambda s: s.values["private"] / 1e6,
            "MB",
            names=MILLION,
        ),
        _at_most(
            samples,
            "Start to first answer, 4M names",
            "start",
            1.0,
            lambda s: s.values["seconds"],
            "s",
            names=4 * MILLION,
        ),
        _at_most(samples, "Swap under load: queries lost", "swap", 0, lambda s: s.values["lost"], ""),
        _at_most(samples, "Swap under load: p99", "swap", 20.0, lambda s: s.values["p99_ms"], "ms"),
    ]


def round_ratios(mine: Iterable[Sample], theirs: Iterable[Sample]) -> list[float]:
    """CPU per query of `mine` over `theirs`, round by round."""
    peers = {sample.round: sample.values["cpu_us"] for sample in theirs}
    return [s.values["cpu_us"] / peers[s.round] for s in mine if peers.get(s.round)]


def of(samples: list[Sample], section: str, server: str, names: int, phase: int | None = None) -> list[Sample]:
    """The samples of one server at one size; those of its own phase unless told."""
    wanted = (section, server, names, names if phase is None else phase)
    return [s for s in samples if (s.section, s.server, s.names, s.phase) == wanted]


def _pair(samples: list[Sample], pair: _Pair) -> Figure:
    mine = of(samples, pair.section, pair.mine, MILLION)
    theirs = of(samples, pair.section, pair.peer, MILLION)
    target = f"at most {pair.limit:g} of {pair.peer}"
    ratios = round_ratios(mine, theirs)
    if not ratios:
        return Figure(pair.what, target, NOT_MEASURED, "", None)
    measured = f"{_median_cpu(mine):.1f} us, {pair.peer} {_median_cpu(theirs):.1f} us"
    return Figure(pair.what, target, measured, _spread(ratios), statistics.median(ratios) <= pair.limit)


def _growth(samples: list[Sample]) -> Figure:
    what, target = "CPU per query, 4M over 1M names, saturated", "at most 1.1"
    large = of(samples, "hits", "filterd", 4 * MILLION)
    small = of(samples, "hits", "filterd", MILLION, phase=4 * MILLION)
    ratios = round_ratios(large, small)
    if not ratios:
        return Figure(what, target, NOT_MEASURED, "", None)
    measured = f"{_median_cpu(large):.1f} us, at 1M {_median_cpu(small):.1f} us"
    return Figure(what, target, measured, _spread(ratios), statistics.median(ratios) <= 1.1)


def _at_most(
    samples: list[Sample],
    what: str,
    section: str,
    limit: float,
    value: Callable[[Sample], float],
    unit: str,
    names: int | None = None,
) -> Figure:
    found = [s for s in samples if s.section == section and s.server == "filterd" and names in (None, s.names)]
    if not found:
        return Figure(what, f"at most {limit:g} {unit}".strip(), NOT_MEASURED, "", None)
    worst = max(map(value, found))  # of its processes, of its swaps
    return Figure(what, f"at most {limit:g} {unit}".strip(), f"{worst:.3g} {unit}".strip(), "", worst <= limit)


def _median_cpu(samples: list[Sample]) -> float:
    return statistics.median(s.values["cpu_us"] for s in samples)


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
