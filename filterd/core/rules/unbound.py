"""unbound settings: a `local-zone` that answers nothing blocks its name and everything below it.

`local-data` with an address that leads nowhere does the same; with a real address it is an answer, not a block. A
transparent zone takes its name out again.
"""

from __future__ import annotations

from filterd.core.rules.hosts import is_nowhere
from filterd.core.rules.model import EXCEPTION, SUBTREE, Format, Found, Kind, Reader, without_comment

_BLOCKS = frozenset(
    b"always_null always_nxdomain always_nodata always_refuse always_deny static refuse redirect deny "
    b"inform_deny inform_redirect".split()
)
_PASSES = frozenset(b"transparent typetransparent always_transparent inform nodefault".split())


def read(line: bytes) -> Found:
    setting, mark, value = without_comment(line).partition(b":")
    setting = setting.rstrip()
    if not mark or b"." in setting or b" " in setting or b"<" in setting:
        return Kind.MALFORMED
    words = value.replace(b'"', b" ").replace(b"'", b" ").split()
    if setting == b"local-zone":
        return _zone(words)
    if setting == b"local-data":
        return _data(words)
    return None if setting == b"server" and not words else Kind.DIRECTIVE


def _zone(words: list[bytes]) -> Found:
    if len(words) != 2:
        return Kind.MALFORMED
    name, kind = words[0], words[1].lower()
    if kind in _BLOCKS:
        return name
    return [(name, SUBTREE | EXCEPTION)] if kind in _PASSES else Kind.DIRECTIVE


def _data(words: list[bytes]) -> Found:
    kinds = [at for at, word in enumerate(words[1:4], 1) if word.upper() in (b"A", b"AAAA")]
    if not kinds or kinds[0] + 1 >= len(words):
        return Kind.MALFORMED if len(words) < 3 else Kind.REWRITE
    return words[0] if is_nowhere(words[kinds[0] + 1]) else Kind.REWRITE


def _reader() -> Reader:
    return read


FORMAT = Format("unbound", _reader)
