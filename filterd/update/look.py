"""A downloaded file in figures: what the judge needs to know of it, before anything is compiled.

Reads the file, or the wanted member of an archive, just as the compiler does: for a list that is new, for the compiler
as well.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from filterd.core.compiler import Read, read_list
from filterd.core.declared import declared
from filterd.core.rules import Report, Suffixes, count
from filterd.core.rules.lines import head_and_all
from filterd.core.source import Source
from filterd.core.updates import Figures, Why
from filterd.errors import ListError
from filterd.store.shelf import Copy, Shelf


def read(source: Source, path: Path, suffixes: Suffixes, shelf: Shelf) -> tuple[Figures, Read]:
    """The figures of a staged file, and its rules for the compiler, which need not read it again. Raises as `look`."""
    taken = shelf.take(Copy(source, path, 0, path.is_dir() or source.member is not None))
    head, chunks = head_and_all(taken.read())
    lenient = dataclasses.replace(source, min_entries=0)
    found = read_list(dataclasses.replace(taken, source=lenient, read=lambda: chunks), suffixes)
    if found.error is not None:
        raise found.error
    return _figures(found.report, head), found


def look(source: Source, path: Path, suffixes: Suffixes, shelf: Shelf | None = None) -> Figures:
    """The figures of a staged file. Raises ListError, its `why` a value of `Why`, for what is no such list at all.

    How many entries are enough is for the judge. A `shelf` keeps archives open for the next source in the same one.
    """
    if shelf is None:
        with Shelf() as own:
            return look(source, path, suffixes, own)
    taken = shelf.take(Copy(source, path, 0, path.is_dir() or source.member is not None))
    head, chunks = head_and_all(taken.read())
    report = count(chunks, dataclasses.replace(source, min_entries=0), suffixes, taken.include)
    return _figures(report, head)


def _figures(report: Report, head: bytes) -> Figures:
    if report.refused and not report.rules:
        raise ListError(report.nothing(), Why.FORMAT)
    return Figures(
        format=report.format,
        lines=report.lines,
        entries=report.entries,
        exceptions=report.exceptions,
        refused=report.refused_total,
        malformed=report.malformed,
        declared=declared(head, report.format),
    )
