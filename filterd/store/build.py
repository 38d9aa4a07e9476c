"""From the copies on disk to a published table: what `lists build` and the nightly update both do.

A list that must not be used never stops the others; what went missing since the last generation is said by name.
Nothing is fetched and nothing is printed here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from filterd.core.compiler import Compiled, Input, compile_table
from filterd.core.source import Source
from filterd.core.table import TableSource
from filterd.errors import ListError, TableError
from filterd.store import lists, suffixes, tables


@dataclass(slots=True)
class Built:
    """The outcome. `generation` is None when no list was usable: then nothing was published and nothing changed."""

    generation: str | None = None
    compiled: Compiled | None = None
    no_copy: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # source id to reason
    lost: list[str] = field(default_factory=list)  # in the generation before, not in this one, and still wanted


def build(sources: Iterable[Source], blocklists: Path, state_dir: Path, now: int) -> Built:
    """Compile every enabled source that has a copy and publish the table. `now` is Unix seconds.

    Raises TableError when the table cannot be written, ListError when a list changed meanwhile; nothing changes then.
    """
    wanted = [source for source in sources if source.enabled]
    before = _sources_in_force(state_dir)
    built = Built()
    with lists.Shelf() as shelf:
        inputs = []
        for source in wanted:
            taken = _take(shelf, source, blocklists, state_dir, built)
            if taken is not None:
                inputs.append(taken)
        built.compiled = compile_table(shelf.in_reading_order(inputs), suffixes.load())
    built.refused.update(built.compiled.refused)
    built.compiled.refused = built.refused
    used = {source.id for source in built.compiled.sources}
    built.lost = [source.id for source in wanted if source.id in before and source.id not in used]
    if used:
        built.generation = tables.publish(state_dir, built.compiled, now)
    return built


def _take(shelf: lists.Shelf, source: Source, blocklists: Path, state_dir: Path, built: Built) -> Input | None:
    try:
        copy = lists.locate(source, blocklists, state_dir)
        if copy is not None:
            return shelf.take(copy)
        built.no_copy.append(source.id)
    except ListError as error:
        built.refused[source.id] = str(error)
    return None


def _sources_in_force(state_dir: Path) -> dict[str, TableSource]:
    generation = tables.current(state_dir)
    if generation is None:
        return {}
    try:
        return {source.id: source for source in tables.sources_of(state_dir, generation)}
    except TableError:
        return {}  # a damaged table names nobody; the new one replaces it
