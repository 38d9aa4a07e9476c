"""What a new table of lists is tried with: names that must resolve, names that must be blocked, names to measure by.

Values only. `config` makes them from probes.yaml and from what the other files speak of; `probe` and `quality` use
them. Names are in `names.normal` form and stand for themselves, as a device asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from filterd.core.policy import Text


@dataclass(frozen=True, slots=True)
class Group:
    """Names of one kind. Categories in `unless` may hold them on purpose."""

    id: str
    name: Text
    names: tuple[str, ...]
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Names that must be blocked wherever the category is closed."""

    category: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Probes:
    """All of them. `quality` are further groups for measuring; those of `must_resolve` are measured as well."""

    must_resolve: tuple[Group, ...] = ()
    must_block: tuple[Sentinels, ...] = ()
    quality: tuple[Group, ...] = ()


def each_once(groups: Iterable[Group]) -> Iterator[tuple[str, Group]]:
    """Every name with its group; one that is in several comes with the first."""
    seen: set[str] = set()
    for group in groups:
        for name in group.names:
            if name not in seen:
                seen.add(name)
                yield name, group
