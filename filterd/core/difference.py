"""What entered and left between two tables, by source and category, and whose verdicts that changes.

Rules are compared key by key, addresses range by range. A sample is chosen by a hash of its text: the same on every
run, and from all over the alphabet. It takes a byte of memory for each name, and two numbers for each range.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from zlib import crc32

from filterd.core import names
from filterd.core.decide import decide
from filterd.core.policy import Policy
from filterd.core.probe import standing
from filterd.core.rules.model import BELOW, COVERS_MASK, EXCEPTION
from filterd.core.table import CODE_BITS, Table
from filterd.core.verdict import Action

SAMPLES = 10

Rule = tuple[str, str, int]  # source, category, code


@dataclass(frozen=True, slots=True)
class Change:
    """Rules that entered and left. Samples: `x.example` with all below it, `=x.example` alone, `*.x.example` below it
    only, `except x.example`, `192.0.2.0-192.0.2.255`.
    """

    entered: int = 0
    left: int = 0
    entered_samples: tuple[str, ...] = ()
    left_samples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """By source id and by category, sorted; what did not change is left out. A rule enters a category when the first
    of its sources has it, and leaves with the last. `before` and `after` are generations.
    """

    before: str
    after: str
    names_before: int
    names_after: int
    sources: dict[str, Change]
    categories: dict[str, Change]


@dataclass(frozen=True, slots=True)
class TierChange:
    """How many names a tier finds closed that were open, and open that were closed; the first of them as samples."""

    tier: str
    closed: int
    opened: int
    closed_samples: tuple[str, ...]
    opened_samples: tuple[str, ...]


def difference(before: Table, after: Table) -> Difference:
    """Everything that changed from one table to the other."""
    tally = _Tally(before, after)
    for key, new, old in after.compared(before):
        if (steps := tally.steps(new, old)) is not None:
            rank = _rank(key)
            for step in steps:
                step.side.count += 1
                if rank < step.side.worst:
                    step.keep(rank, names.text_of_key(key), key.endswith(names.EXACT))
    for text, new, old in _ranges(before, after):
        for step in tally.steps(new, old) or ():
            step.side.count += 1
            step.keep(_rank(text.encode()), text)
    return tally.result()


def verdict_changes(
    policy: Policy, before: Table, after: Table, wanted: Iterable[str], now: float
) -> tuple[TierChange, ...]:
    """What becomes of these names in each tier, the most important first. `now`: Unix seconds."""
    old, old_rows = standing(policy, before, now)
    new, new_rows = standing(policy, after, now)
    found: list[tuple[list[str], list[str]]] = [([], []) for _ in policy.tiers]
    same = _SameMask(before, after)
    for name in wanted:
        key = names.key_of_text(name)
        if same(before.mask(key), after.mask(key)):
            continue
        for (closed, opened), old_row, new_row in zip(found, old_rows, new_rows, strict=True):
            was = decide(old, old_row, key).action is Action.BLOCK
            if was != (decide(new, new_row, key).action is Action.BLOCK):
                (opened if was else closed).append(name)
    return tuple(
        TierChange(tier.id, len(closed), len(opened), tuple(closed[:SAMPLES]), tuple(opened[:SAMPLES]))
        for tier, (closed, opened) in zip(policy.tiers, found, strict=True)
    )


def _rank(text: bytes) -> int:
    """A number of 32 bits that looks like chance; a checksum alone would bring like names together."""
    return crc32(text) * 0x9E3779B1 & 0xFFFFFFFF


class _SameMask:
    """Whether a mask of one table means the same categories as one of the other: their bits may stand elsewhere."""

    def __init__(self, before: Table, after: Table) -> None:
        self._before, self._after = before.categories, after.categories
        self._known: dict[tuple[int, int], bool] = {}

    def __call__(self, old: int, new: int) -> bool:
        if old == new and self._before == self._after:
            return True
        if (old, new) not in self._known:
            self._known[old, new] = _named(self._before, old) == _named(self._after, new)
        return self._known[old, new]


def _named(categories: tuple[str, ...], mask: int) -> set[str]:
    return {category for bit, category in enumerate(categories) if mask >> bit & 1}


class _Side:
    """How many rules, and those of the smallest rank."""

    __slots__ = ("count", "kept", "worst")

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[tuple[int, str]] = []
        self.worst = 1 << 32

    def keep(self, rank: int, text: str) -> None:
        if rank < self.worst:
            insort(self.kept, (rank, text))
            if len(self.kept) > SAMPLES:
                self.kept.pop()
                self.worst = self.kept[-1][0]

    def samples(self) -> tuple[str, ...]:
        return tuple(sorted(text for _, text in self.kept))


@dataclass(frozen=True, slots=True)
class _Step:
    """What one change of a set means: one more rule on a side, written with its mark."""

    side: _Side
    mark: str
    below: bool = False

    def keep(self, rank: int, text: str, exact: bool = False) -> None:
        self.side.keep(rank, f"{self.mark}{'=' if exact else '*.' if self.below else ''}{text}")


class _Tally:
    """Counts by source and category. Each pair of sets is worked out once: there are few."""

    def __init__(self, before: Table, after: Table) -> None:
        self._tables = before, after
        self._known: dict[tuple[int, int], tuple[_Step, ...] | None] = {}
        self._sources: dict[str, tuple[_Side, _Side]] = {}
        self._categories: dict[str, tuple[_Side, _Side]] = {}

    def steps(self, new: int, old: int) -> tuple[_Step, ...] | None:
        """What a key with these sets adds to; None for nothing."""
        pair = new, old
        if pair not in self._known:
            self._known[pair] = self._worked_out(new, old) or None
        return self._known[pair]

    def _worked_out(self, new: int, old: int) -> tuple[_Step, ...]:
        before, after = self._tables
        was, is_now = _rules(before, old), _rules(after, new)
        steps: list[_Step] = []
        for at, rules, others in ((0, is_now, was), (1, was, is_now)):
            for source, _, code in sorted(rules - others):
                steps.append(self._step(self._sources, source, at, code))
            for category in sorted(_blocking(rules) - _blocking(others)):
                steps.append(self._step(self._categories, category, at, 0))
        return tuple(steps)

    def _step(self, sides: dict[str, tuple[_Side, _Side]], name: str, at: int, code: int) -> _Step:
        side = sides.setdefault(name, (_Side(), _Side()))[at]
        return _Step(side, "except " if code & EXCEPTION else "", code & COVERS_MASK == BELOW)

    def result(self) -> Difference:
        before, after = self._tables
        return Difference(
            before.generation,
            after.generation,
            before.names,
            after.names,
            _changes(self._sources),
            _changes(self._categories),
        )


def _changes(sides: dict[str, tuple[_Side, _Side]]) -> dict[str, Change]:
    return {
        name: Change(entered.count, left.count, entered.samples(), left.samples())
        for name, (entered, left) in sorted(sides.items())
    }


def _rules(table: Table, at: int) -> set[Rule]:
    found = set()
    for element in table.elements(at):
        source = table.sources[element >> CODE_BITS]
        found.add((source.id, source.category, element & (1 << CODE_BITS) - 1))
    return found


def _blocking(rules: set[Rule]) -> set[str]:
    return {category for _, category, code in rules if not code & EXCEPTION}


def _ranges(before: Table, after: Table) -> Iterator[tuple[str, int, int]]:
    """Every stretch of addresses with its set after and before, as `first-last`; stretches nobody has are left out."""
    for bits in (32, 128):
        old, new = list(before.ranges(bits)), list(after.ranges(bits))
        firsts = sorted({first for first, _ in (*old, *new)})
        yield from _stretches(bits, firsts, old, new)


def _stretches(
    bits: int, firsts: list[int], old: list[tuple[int, int]], new: list[tuple[int, int]]
) -> Iterator[tuple[str, int, int]]:
    sets, at = [0, 0], [0, 0]
    for index, first in enumerate(firsts):
        for side, bounds in enumerate((new, old)):
            if at[side] < len(bounds) and bounds[at[side]][0] == first:
                sets[side] = bounds[at[side]][1]
                at[side] += 1
        if sets != [0, 0]:
            last = (firsts[index + 1] if index + 1 < len(firsts) else 1 << bits) - 1
            yield _written(bits, first, last), sets[0], sets[1]


def _written(bits: int, first: int, last: int) -> str:
    ends = [str(ip_address(bound.to_bytes(bits // 8, "big"))) for bound in dict.fromkeys((first, last))]
    return "-".join(ends)
