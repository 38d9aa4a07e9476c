"""Adblock and AdGuard rules, as far as they mean something to DNS: `||x^`, `@@||x^`, and names standing alone.

What only a browser can apply (pages, elements, request types) is refused and counted, never guessed at: cutting a
rule for one page down to its host would block the host.
"""

from __future__ import annotations

from filterd.core.rules.hosts import LOCAL
from filterd.core.rules.model import BELOW, EXACT, EXCEPTION, SUBTREE, Format, Found, Kind, Reader

_COSMETIC = (b"##", b"#@#", b"#?#", b"#$#", b"#%#", b"#@?#", b"#@$#", b"#@%#", b"$$", b"$@$")
_HARMLESS = frozenset({b"important", b"all", b""})  # the rest narrows a rule to requests that DNS cannot see


def read(line: bytes) -> Found:
    if line.startswith(b"@@"):
        return _rule(line[2:], EXCEPTION)
    if line.startswith(b"#") or any(mark in line for mark in _COSMETIC):
        return Kind.COSMETIC if any(mark in line for mark in _COSMETIC) else None
    return _rule(line, 0)


def _rule(rule: bytes, exception: int) -> Found:
    if rule.startswith(b"/") and not rule.startswith(b"//") and rule.rfind(b"/") > 0:
        return Kind.REGEX
    pattern, _, modifiers = rule.partition(b"$")
    if not all(part.strip().lower() in _HARMLESS for part in modifiers.split(b",")):
        return Kind.MODIFIER
    if not pattern.startswith(b"||"):
        return _bare(pattern, exception)
    name = pattern[2:].removesuffix(b"|").removesuffix(b"^")
    covers = SUBTREE
    if name.startswith(b"*."):
        name, covers = name[2:], BELOW
    if b"*" in name or b"^" in name or name.endswith((b".", b"-")):
        return Kind.PATTERN
    return [(name, covers | exception)]


def _bare(pattern: bytes, exception: int) -> Found:
    """A name alone is exactly that name; anything with anchors or half a URL in it is a pattern over URLs."""
    if pattern in LOCAL:
        return Kind.LOCAL
    if b" " in pattern or b"<" in pattern or b"=" in pattern:
        return Kind.MALFORMED
    if pattern.startswith((b"|", b".", b"/", b":", b"*", b"-", b"&", b"?")) or b"*" in pattern or b"^" in pattern:
        return Kind.PATTERN
    return [(pattern, EXACT | exception)]


def _reader() -> Reader:
    return read


FORMAT = Format("adblock", _reader, comments=b"![", around=(b"||", b"^"))
