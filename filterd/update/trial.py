"""What a table does wrong that the table in force does not: asked before it is used, whoever compiled it.

What is wrong already is said and stops nobody: the night is no worse for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from filterd.core.probe import BELOW, Hit
from filterd.core.table import Table
from filterd.errors import TableError
from filterd.store import tables

Wrong = tuple[str, str, str]
"""What pupils feel: kind of hit, name and tier, whichever lists do it."""


def in_force(state_dir: Path) -> Table | None:
    """The table that a server has or would start with; None where there is no sound one: nothing is worse than that."""
    generation = tables.sound(state_dir)
    if generation is None:
        return None
    try:
        return tables.open_table(tables.verify(state_dir, generation))
    except (TableError, OSError):
        return None


def wrongs(hits: Iterable[Hit]) -> frozenset[Wrong]:
    """Every wrong of these hits."""
    return frozenset((hit.kind, hit.name, tier) for hit in hits for tier in hit.tiers)


def well_known(hit: Hit) -> tuple[bool, int]:
    """What to sort by so that names which people know come first: sites, then their hosts, then whatever is below."""
    return hit.name.startswith(BELOW), hit.name.count(".")


def sentence(hit: Hit) -> str:
    """A hit for the technician, as of a table that is not used."""
    whom = ", ".join(hit.tiers)
    if hit.kind == "block":
        return f"with this table {hit.name} would no longer be blocked for {whom}"
    return f"this table would block {hit.name} for {whom} by {', '.join(hit.sources)}"
