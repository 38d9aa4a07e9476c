"""Plain domains, one a line; the same with a `*.` or `.` before them. A name stands for itself and all below it.

UT1's `domains` files are read here too. Inline comments follow a blank and `#`.
"""

from __future__ import annotations

from filterd.core.rules.hosts import LOCAL
from filterd.core.rules.model import Format, Found, Kind, Reader, without_comment


def read(line: bytes) -> Found:
    if b" " in line or b"\t" in line:
        line = without_comment(line)
        if b" " in line or b"\t" in line:
            return Kind.MALFORMED
    if line[0] in b"*.":
        return line.removeprefix(b"*.").removeprefix(b".")
    return Kind.LOCAL if line in LOCAL else line


def _reader() -> Reader:
    return read


FORMAT = Format("domains", _reader, comments=b"#!;", around=(b"", b""))
WILDCARD = Format("wildcard", _reader, comments=b"#!;", around=(b"*.", b""))
