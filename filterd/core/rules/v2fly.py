"""v2fly domain lists: `domain:x` or a bare x with all below it, `full:x` exactly, `include:` of other files.

Attributes (`@ads`) only matter to `include:`, where they select: `include:apple @ads @-cn` takes the lines of apple
with `ads` and without `cn`. Keywords and regular expressions are refused and counted. An affiliation (`&other`) adds
a line to another list; that would take reading every file for each, so it is not followed.
"""

from __future__ import annotations

from collections.abc import Iterator

from filterd.core.rules import lines
from filterd.core.rules.model import EXACT, Format, Found, Include, Kind, Reader
from filterd.core.updates import Why
from filterd.errors import ListError

MAX_DEPTH = 16
MAX_FILES = 5000
MAX_LINES = 2_000_000  # of all included files together; all files there are have a fortieth
Filters = tuple[frozenset[bytes], frozenset[bytes]]  # attributes a line must have; those it must not have


def read(line: bytes) -> Found:
    words = line.partition(b"#")[0].split()
    if not words or any(word[0] not in b"@&" for word in words[1:]):
        return Kind.MALFORMED
    kind, mark, name = words[0].partition(b":")
    if not mark:
        return kind
    if kind == b"full":
        return [(name, EXACT)]
    known = {b"keyword": Kind.KEYWORD, b"regexp": Kind.REGEX, b"include": Kind.INCLUDE}
    return name if kind == b"domain" else known.get(kind, Kind.MALFORMED)


def expand(batches: Iterator[lines.Batch], include: Include) -> Iterator[lines.Batch]:
    """The same lines with every `include:` of a file that exists replaced by that file's lines, each file once.

    Lines keep their own file and number. Raises ListError when files include each other without end.
    """
    return _expand(batches, include, (), (), _Seen())


class _Seen:
    """What was included so far: each file once for each selection of its lines."""

    def __init__(self) -> None:
        self.files: set[tuple[str, tuple[Filters, ...]]] = set()
        self.lines = 0

    def count(self, lines: int) -> None:
        """Raises ListError: a short list can include one long file again and again, by ever new selections."""
        self.lines += lines
        if self.lines > MAX_LINES:
            raise ListError(f"includes files of more than {MAX_LINES:,} lines", Why.TOO_LARGE)


def _expand(
    batches: Iterator[lines.Batch],
    include: Include,
    path: tuple[str, ...],
    filters: tuple[Filters, ...],
    seen: _Seen,
) -> Iterator[lines.Batch]:
    for file, before, batch in batches:
        if path:
            seen.count(len(batch))
        for number, line in enumerate(batch, before):
            words = line.partition(b"#")[0].split()
            if not words or not words[0].startswith(b"include:"):
                if not filters or _selected(words[1:], filters):
                    yield file, number, [line]
                continue
            name = words[0][8:].decode("ascii", "replace").lower()
            inner = _added(filters, words[1:])
            if name in path or (name, inner) in seen.files:
                continue
            chunks = include(name)
            if chunks is None:
                yield file, number, [line]  # the reader refuses and counts it
                continue
            if len(path) >= MAX_DEPTH or len(seen.files) >= MAX_FILES:
                raise ListError(f"includes too many files: {'/'.join(path[:4])}", Why.FORMAT)
            seen.files.add((name, inner))
            yield from _expand(lines.batches(chunks, name), include, (*path, name), inner, seen)


def _added(filters: tuple[Filters, ...], words: list[bytes]) -> tuple[Filters, ...]:
    marks = [word[1:].lower() for word in words if word.startswith(b"@")]
    if not marks:
        return filters
    wanted = frozenset(mark for mark in marks if not mark.startswith(b"-"))
    unwanted = frozenset(mark[1:] for mark in marks if mark.startswith(b"-"))
    return (*filters, (wanted, unwanted))


def _selected(words: list[bytes], filters: tuple[Filters, ...]) -> bool:
    has = frozenset(word[1:].lower() for word in words if word.startswith(b"@"))
    return all(wanted <= has and not unwanted & has for wanted, unwanted in filters)


def _reader() -> Reader:
    return read


FORMAT = Format("v2fly", _reader, around=(b"", b""))
