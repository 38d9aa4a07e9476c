"""One list, from chunks of bytes to rules, in one pass and bounded memory: the only entrance to the formats.

The bytes are a stranger's: whatever they are, the outcome is rules with a report, or ListError for the whole list.
`count` is for those who only want the report: the same one, in half the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from filterd.core.rules import lines, pages, plain, v2fly
from filterd.core.rules.formats import detect, format_of
from filterd.core.rules.keys import key_maker, quick_key_maker
from filterd.core.rules.model import (
    CODE_OF_COVERS,
    CODES,
    EXACT,
    EXCEPTION,
    Format,
    Include,
    Kind,
    Rule,
)
from filterd.core.rules.report import Report
from filterd.core.rules.suffixes import Suffixes
from filterd.core.source import Source


def parse(
    chunks: Iterable[bytes], source: Source, suffixes: Suffixes, include: Include | None = None
) -> tuple[Iterator[Rule], Report]:
    """The rules of a list, lazily, and the report that fills while they are taken.

    `chunks` are bytes of any sizes, read once. `include` opens another file of a v2fly tree by name, or gives None.
    Taking the rules raises ListError as soon as the list proves unusable; at the latest after the last rule.
    """
    report = Report(source.id)
    return _rules(chunks, source, suffixes, include, report), report


def count(chunks: Iterable[bytes], source: Source, suffixes: Suffixes, include: Include | None = None) -> Report:
    """The report that `parse` would give in the end. Raises ListError as that does."""
    report = Report(source.id)
    head, form, batches = _opened(chunks, source, include)
    report.format = form.name
    if form.around is not None and form.name != "v2fly":  # whose lines may come from many files
        batches = plain.others(batches, form, suffixes, report)
    for _ in _read(batches, form, source, suffixes, report):
        pass
    report.finish(source.min_entries, lambda: detect(head))
    return report


def located(
    chunks: Iterable[bytes], source: Source, suffixes: Suffixes, include: Include | None = None
) -> Iterator[tuple[Rule, str, bytes]]:
    """Every rule with where its line is, "12" or "data/tiktok:12" inside an archive, and the line. For people, who
    look for one: slower than `parse`. Raises ListError where the list cannot be read on.
    """
    at, line = "", b""

    def one_by_one(batches: Iterable[lines.Batch]) -> Iterator[lines.Batch]:
        nonlocal at, line
        for file, number, batch in batches:
            for offset, each in enumerate(batch):
                at, line = f"{file}:{number + offset + 1}" if file else str(number + offset + 1), each
                yield file, number + offset, [each]

    _, form, batches = _opened(chunks, source, include)
    for rule in _read(one_by_one(batches), form, source, suffixes, Report(source.id)):
        yield rule, at, line


def _rules(
    chunks: Iterable[bytes], source: Source, suffixes: Suffixes, include: Include | None, report: Report
) -> Iterator[Rule]:
    head, form, batches = _opened(chunks, source, include)
    report.format = form.name
    yield from _read(batches, form, source, suffixes, report)
    report.finish(source.min_entries, lambda: detect(head))


def _opened(
    chunks: Iterable[bytes], source: Source, include: Include | None
) -> tuple[bytes, Format, Iterator[lines.Batch]]:
    head, chunks = lines.head_and_all(chunks)
    pages.refuse(head)
    form = format_of(source.format, head)
    batches = lines.batches(chunks)
    if include is not None and form.name == "v2fly":
        batches = v2fly.expand(batches, include)
    return head, form, batches


def _read(
    batches: Iterator[lines.Batch], form: Format, source: Source, suffixes: Suffixes, report: Report
) -> Iterator[Rule]:
    read = form.reader()
    key_of = _as_is if form.addresses else key_maker(suffixes, source.tld_list)
    strip = bytes.rstrip if form.indent else bytes.strip
    comments = form.comments
    codes = _codes(None if form.addresses else source.covers)
    plain = codes[form.covers]
    plain_is_exact = plain == EXACT
    quick_key_of = quick_key_maker(suffixes)
    before, after = form.around or (b"", b"\n")  # no line ends in a line end: the quick way never fits
    start, stop = len(before), -len(after) or None
    for file, number, batch in batches:
        report.lines += len(batch)
        for raw_line in batch:
            number += 1
            if raw_line.startswith(before) and raw_line.endswith(after):
                quick = quick_key_of(raw_line[start:stop])
                if quick is not None:
                    report.entries += 1
                    yield (quick + b"$" if plain_is_exact else quick), plain
                    continue
            line = strip(raw_line)
            if not line or line[0] in comments:
                continue
            found = read(line)
            if isinstance(found, bytes):
                key = key_of(found)
                if isinstance(key, bytes):
                    report.entries += 1
                    yield (key + b"$" if plain_is_exact else key), plain
                else:
                    report.skip(key, file, number, line)
            elif isinstance(found, list):
                for name, meant in found:
                    key = key_of(name)
                    if isinstance(key, bytes):
                        yield report.rule(key, codes[meant])
                    else:
                        report.skip(key, file, number, line)
            elif found is not None:
                report.skip(found, file, number, line)


def _as_is(key: bytes) -> bytes | Kind:
    return key


def _codes(covers: str | None) -> list[int]:
    """What each code becomes: `covers` of the source overrides what the format means, for blocks only."""
    if covers is None:
        return list(range(CODES))
    return [code if code & EXCEPTION else CODE_OF_COVERS[covers] for code in range(CODES)]
