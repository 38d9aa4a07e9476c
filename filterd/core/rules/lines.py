"""From chunks of a file to its lines, in batches, with bounded memory; and the first look at what kind of file it is.

Refuses what cannot be a text list at all: binary and compressed data, and files without line ends. Line ends are
LF, CR LF or CR; a UTF-8 byte order mark is dropped.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from filterd.core.updates import Why
from filterd.errors import ListError

MAX_LINE_BYTES = 65_536  # hosts files exist with hundreds of names a line; nothing honest is longer than this
HEAD_BYTES = 65_536
_BOM = b"\xef\xbb\xbf"
_MAGIC = {
    b"\x1f\x8b": "gzip data",
    b"\xfd7zXZ": "xz data",
    b"BZh": "bzip2 data",
    b"PK\x03\x04": "a zip archive (unpack it first)",
    b"\x28\xb5\x2f\xfd": "zstd data",
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"\xff\xfe": "UTF-16 text (save it as UTF-8)",
    b"\xfe\xff": "UTF-16 text (save it as UTF-8)",
}

Batch = tuple[str, int, list[bytes]]
"""Name of the file inside its archive ("" for the list itself), number of lines before these, the lines."""


def head_and_all(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first `HEAD_BYTES` or so, without a byte order mark, and all chunks again. Raises ListError for binary."""
    source = iter(chunks)
    parts: list[bytes] = []
    size = 0
    for chunk in source:
        parts.append(chunk)
        size += len(chunk)
        if size >= HEAD_BYTES:
            break
    head = b"".join(parts).removeprefix(_BOM)
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise ListError(f"is {what}, not a text list", Why.BINARY)
    return head[:HEAD_BYTES], itertools.chain([head], source)


def batches(chunks: Iterable[bytes], file: str = "") -> Iterator[Batch]:
    """The lines of the chunks, without line ends. Raises ListError for NUL bytes and endless lines."""
    number = 0
    rest = b""
    for chunk in chunks:
        if b"\0" in chunk:
            raise ListError(f"is binary: a NUL byte after line {number}", Why.BINARY)
        cut = chunk.rfind(b"\n") + 1
        if cut:
            lines = (rest + chunk[:cut]).splitlines()
            yield file, number, lines
            number += len(lines)
            rest = chunk[cut:]
        else:
            rest += chunk
        if len(rest) > MAX_LINE_BYTES:
            text = f"has a line of more than {MAX_LINE_BYTES} bytes after line {number}: no text list"
            raise ListError(text, Why.BINARY)
    if rest:
        yield file, number, rest.splitlines()
