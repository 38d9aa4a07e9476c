"""The lines that are a plain name and nothing else, told apart a batch at a time: what `count` need not read singly.

Each line told apart here is one rule of the kind its format means, as `parse` would read it; every other line passes,
with its number, and is read as ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from filterd.core import names
from filterd.core.rules.lines import Batch
from filterd.core.rules.model import Format
from filterd.core.rules.report import Report
from filterd.core.rules.suffixes import Suffixes

# The last label begins with no digit: no address. Nothing is tried twice: the quantifiers are possessive.
_NAME = rb"[a-z0-9_-]{1,63}+\.(?:[a-z0-9_-]{1,63}+\.)*+[a-z_][a-z0-9_-]{0,62}+"
_MAX_NAME = names.MAX_NAME_BYTES - 2


def others(batches: Iterator[Batch], form: Format, suffixes: Suffixes, report: Report) -> Iterator[Batch]:
    """Count the plain lines of a format that has such lines (`around`) into the report, and give the others."""
    assert form.around is not None
    before, after = form.around
    plain = re.compile(re.escape(before) + _NAME + re.escape(after)).fullmatch
    longest = len(before) + _MAX_NAME + len(after)
    start, stop = len(before), -len(after) or None
    for file, number, batch in batches:
        named = [line[start:stop] for line in batch] if start or stop else batch
        doubtful = suffixes.among(named)
        if doubtful:
            pairs = zip(batch, named, strict=True)
            found = [line for line, name in pairs if len(line) > longest or name in doubtful or not plain(line)]
        else:
            found = [line for line in batch if len(line) > longest or not plain(line)]
        done = 0
        for line in found:
            at = batch.index(line, done)
            _add(report, at - done)
            yield file, number + at, [line]
            done = at + 1
        _add(report, len(batch) - done)


def _add(report: Report, plain: int) -> None:
    """Lines are counted where they stand: whether a list is given up early depends on what came before."""
    report.entries += plain
    report.lines += plain
