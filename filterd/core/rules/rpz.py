"""Response policy zones (draft-vixie-dnsop-dns-rpz): a DNS zone whose owners are the names to act on.

A bare owner is exactly that name; `*.x` is what is below x. `CNAME .`, `*.` and `rpz-drop.` block, `rpz-passthru.`
(or the owner's own name, its old form) is an exception, and the longest owner wins. Answers with real data, and
triggers by address or name server, are refused and counted.
"""

from __future__ import annotations

from filterd.core.rules.hosts import is_nowhere
from filterd.core.rules.model import BELOW, EXACT, EXCEPTION, Format, Found, Kind

_CLASSES = frozenset({b"in", b"ch", b"hs"})
_TYPES = frozenset(b"cname a aaaa txt ns soa mx srv ptr https svcb dname caa rrsig nsec nsec3 dnskey ds".split())
_TRIGGERS = (b".rpz-ip", b".rpz-client-ip", b".rpz-nsip", b".rpz-nsdname")
_BLOCKS = frozenset({b".", b"*.", b"rpz-drop."})


class RpzReader:
    """Reads records line by line; remembers the zone's name, `$ORIGIN`, the last owner and an open parenthesis."""

    def __init__(self) -> None:
        self._apex = b""
        self._origin = b""
        self._owner = b""
        self._open = False

    def __call__(self, line: bytes) -> Found:
        words = line.split()
        if len(words) != 3 or words[1] != b"CNAME" or line[:1].isspace() or self._open:
            return self._record(line)
        self._owner = words[0].lower()
        return self._cname(words[2].lower())

    def _record(self, line: bytes) -> Found:
        line = line.partition(b";")[0]
        if self._open:
            self._open = b")" not in line
            return None
        words = line.split()
        if not words:
            return None
        if words[0].startswith(b"$"):
            return self._directive(words)
        if not line[:1].isspace():
            self._owner = words.pop(0).lower()
        while words and (words[0].isdigit() or words[0].lower() in _CLASSES):
            words.pop(0)
        if len(words) < 2 or words[0].lower() not in _TYPES or not self._owner:
            return Kind.MALFORMED
        return self._data(words[0].lower(), words[1:])

    def _directive(self, words: list[bytes]) -> Found:
        if words[0].upper() == b"$ORIGIN" and len(words) > 1:
            self._origin = words[1].lower().rstrip(b".")
            self._apex = self._apex or self._origin
            return None
        return None if words[0].upper() == b"$TTL" else Kind.DIRECTIVE

    def _data(self, kind: bytes, data: list[bytes]) -> Found:
        if kind == b"soa":
            self._open = b"(" in b" ".join(data) and b")" not in b" ".join(data)
            if self._owner != b"@":
                self._apex = self._apex or self._owner.rstrip(b".")
            return None
        if kind == b"cname":
            return self._cname(data[0].lower())
        if self._name() == b"":
            return None  # NS, TXT and so on of the zone itself
        if kind in (b"a", b"aaaa"):
            return self._names(0) if is_nowhere(data[0]) else Kind.REWRITE
        return Kind.REWRITE

    def _cname(self, target: bytes) -> Found:
        if target in _BLOCKS:
            return self._names(0)
        if target == b"rpz-passthru." or target.rstrip(b".") == self._name():
            return self._names(EXCEPTION)
        return Kind.REWRITE

    def _name(self) -> bytes:
        """The owner without the zone's own name; "" is the zone itself."""
        owner = self._owner
        if owner == b"@":
            owner = self._origin + b"."
        elif not owner.endswith(b".") and self._origin:
            owner += b"." + self._origin + b"."
        name = owner.rstrip(b".")
        if self._apex:
            return b"" if name == self._apex else name.removesuffix(b"." + self._apex)
        return name

    def _names(self, exception: int) -> Found:
        name = self._name()
        if name.endswith(_TRIGGERS):
            return Kind.TRIGGER
        if name.startswith(b"*."):
            return [(name[2:], BELOW | exception)]
        return [(name, EXACT | exception)] if name else None


FORMAT = Format("rpz", RpzReader, covers=EXACT, comments=b";", indent=True, longest_wins=True)
