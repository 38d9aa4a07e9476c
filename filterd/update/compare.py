"""`filterd lists diff` and `quality`: two generations side by side, top sites from the technician's file, figures.

Tables come from `store.tables`, verified; nothing is written.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filterd.core import names
from filterd.core.difference import Difference, TierChange, difference, verdict_changes
from filterd.core.policy import Policy
from filterd.core.table import EMPTY, Table
from filterd.errors import ListError, NameSyntaxError, TableError
from filterd.store import files, tables

MAX_TOP_SITES = 1_000_000
MAX_TOP_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed, and whose verdicts on `top_sites` many names."""

    difference: Difference
    tiers: tuple[TierChange, ...]
    top_sites: int


def compare(policy: Policy, before: Table, after: Table, top: Iterable[str], now: float) -> Comparison:
    """All that `diff` shows. `top`: names in normal form, the most important first; `now`: Unix seconds."""
    wanted = tuple(top)
    changed = verdict_changes(policy, before, after, wanted, now)
    return Comparison(difference(before, after), changed, len(wanted))


def generation_before(state_dir: Path) -> str | None:
    """The generation older than the one in force, if one is kept."""
    in_force = tables.current(state_dir)
    kept = tables.generations(state_dir)
    older = kept[kept.index(in_force) + 1 :] if in_force in kept else kept
    return older[0] if older else None


def open_generation(state_dir: Path, generation: str | None) -> Table:
    """The table of a generation, every byte of it checked; None is the empty one. Raises TableError."""
    if generation is None:
        return EMPTY
    kept = tables.generations(state_dir)
    if generation not in kept:
        raise TableError(f"{generation[:80]!r} is not kept; there is {', '.join(kept) or 'none'}")
    return tables.open_table(tables.verify(state_dir, generation))


def read_top_sites(path: Path) -> tuple[str, ...]:
    """The names of a file, each once and in its order: one name a line, or `rank,name`; the first million.

    What is no name (a heading, a comment, an address) is passed over. Raises ListError for a file that cannot be read,
    or that has no name at all.
    """
    try:
        handle = files.open_regular(path, MAX_TOP_BYTES, links=True)
    except OSError as error:
        raise ListError(f"{path} cannot be read: {error.strerror or error}; it is top_sites of school.yaml") from None
    except ValueError as error:
        raise ListError(f"{error}; it is top_sites of school.yaml") from None
    with open(handle, encoding="utf-8-sig", errors="replace") as file:  # noqa: PTH123 - it is open already
        found = tuple(itertools.islice(dict.fromkeys(_names(file)), MAX_TOP_SITES))
    if not found:
        raise ListError(f"{path} has no names; write one a line, or rank,name")
    return found


def _names(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        fields = [field.strip().strip('"') for field in line.split(",")]
        text = fields[1] if len(fields) > 1 and fields[0].isdigit() else fields[0]
        if "." not in text or text.startswith("#"):
            continue
        try:
            name = names.normal(text)
        except NameSyntaxError:
            continue
        if not name.rpartition(".")[2].isdigit():
            yield name
