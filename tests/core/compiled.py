"""Small compiled tables for tests: lists as (format, category, text)."""

from __future__ import annotations

from filterd.core.compiler import Compiled, Input, compile_table
from filterd.core.table import Table
from tests.core.rules.reading import SUFFIXES, source

ListText = tuple[str, str, str]


def inputs(*lists: ListText, **more: object) -> list[Input]:
    found = []
    for at, (form, category, text) in enumerate(lists):
        each = source(form, id=f"list-{at}", category=category, **more)
        found.append(Input(each, lambda text=text: [text.encode()], 1000 + at))  # type: ignore[misc]
    return found


def compiled(*lists: ListText, **more: object) -> Compiled:
    return compile_table(inputs(*lists, **more), SUFFIXES)


def table_of(*lists: ListText, **more: object) -> Table:
    built = compiled(*lists, **more)
    return Table(
        built.trie,
        built.ids,
        built.sets,
        built.sources,
        generation="in-memory",
        built_at=0,
        names=built.names,
        bounds=built.bounds,
    )
