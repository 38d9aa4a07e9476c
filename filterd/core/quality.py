"""How good the lists are: what they close by mistake in each tier, and how much each of them adds to its category.

A name counts as covered by another source when that one lists this very name, by itself or by a name above it;
exceptions are left out. Address lists have no names and are not compared. Pure: tables and probes in, figures out.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from filterd.core import names
from filterd.core.matrix import Row
from filterd.core.policy import Policy
from filterd.core.probe import at_fault, categories_of, sources_of, standing
from filterd.core.probes import Group, Probes, each_once
from filterd.core.rules.model import EXCEPTION
from filterd.core.snapshot import Snapshot
from filterd.core.table import CODE_BITS, Table

LANGUAGE = "vi"


@dataclass(frozen=True, slots=True)
class Overblocked:
    """A name of the curated set that lists close, by which categories and which of their sources."""

    name: str
    group: str
    categories: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TierQuality:
    """Of `tried` names of the curated set those that are closed by mistake."""

    tier: str
    tried: int
    blocked: tuple[Overblocked, ...]


@dataclass(frozen=True, slots=True)
class SourceQuality:
    """`only`: entries whose name no other source of the category covers. `missed`: for a source that knows sites of the
    language, entries whose name no source of the category without that language covers; None for others.
    """

    source: str
    category: str
    entries: int
    only: int
    missed: int | None


@dataclass(frozen=True, slots=True)
class Quality:
    """`categories` counts the distinct entries of each."""

    tiers: tuple[TierQuality, ...]
    sources: tuple[SourceQuality, ...]
    categories: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def quality(
    policy: Policy, table: Table, probes: Probes, languages: Mapping[str, tuple[str, ...]], now: float
) -> Quality:
    """All figures. `languages` by source id, as sources.yaml says; `now`: Unix seconds."""
    snapshot, rows = standing(policy, table, now)
    wanted = list(each_once((*probes.must_resolve, *probes.quality)))
    tiers = tuple(TierQuality(row.tier, len(wanted), _overblocked(snapshot, row, wanted)) for row in rows)
    speaking = frozenset(at for at, s in enumerate(table.sources) if LANGUAGE in languages.get(s.id, ()))
    sources, categories = _shares(table, speaking)
    return Quality(tiers, sources, categories)


def _overblocked(snapshot: Snapshot, row: Row, wanted: Iterable[tuple[str, Group]]) -> tuple[Overblocked, ...]:
    found = []
    for name, group in wanted:
        key = names.key_of_text(name)
        mask = at_fault(snapshot, row, key, snapshot.index.bits(group.unless))
        if mask:
            categories = categories_of(snapshot, mask)
            found.append(Overblocked(name, group.id, categories, sources_of(snapshot.table, key, categories)))
    return tuple(found)


def _shares(table: Table, speaking: frozenset[int]) -> tuple[tuple[SourceQuality, ...], dict[str, int]]:
    """Every source's figures, and the distinct entries by category."""
    total, only, missed = ([0] * len(table.sources) for _ in range(3))
    in_category: Counter[str] = Counter()
    for path, count in Counter(table.paths()).items():  # few are distinct
        own, all_of = _listing(table, path[:1]), _listing(table, path)
        in_category.update({table.sources[at].category: count for at in own})
        for at in own:
            category = table.sources[at].category
            others = [other for other in all_of if other != at and table.sources[other].category == category]
            total[at] += count
            only[at] += 0 if others else count
            missed[at] += count if at in speaking and speaking.issuperset(others) else 0
    sources = tuple(
        SourceQuality(source.id, source.category, total[at], only[at], missed[at] if at in speaking else None)
        for at, source in enumerate(table.sources)
    )
    return sources, dict(sorted(in_category.items()))


def _listing(table: Table, path: Iterable[int]) -> set[int]:
    """The sources whose elements in these sets block."""
    return {e >> CODE_BITS for at in path for e in table.elements(at) if not e & EXCEPTION}
