"""Domain names: wire form, text form and the reversed *key* that tables and policies are searched by.

A key is the labels of a name from the root down, each followed by a dot: `www.example.com` is `com.example.www.`.
Every key that begins a name's key is an ancestor of that name, so one prefix search finds all rules for it. A key
for exactly one name ends in `$`: `com.example.www.$`. Bytes outside `[a-z0-9_-]` inside a label are escaped as
`\\xx`, so no label can contain a separator or look like a marker: the wire label `a.b` never equals `a` + `b`.
"""

from __future__ import annotations

from collections.abc import Container

import idna

from filterd.errors import NameSyntaxError

EXACT = b"$"
_PLAIN = b"abcdefghijklmnopqrstuvwxyz0123456789_-"
_PLAIN_AND_DOT = _PLAIN + b"."
_PLAIN_SET = frozenset(_PLAIN)
MAX_LABEL_BYTES = 63
MAX_NAME_BYTES = 255  # on the wire, RFC 1035 section 3.1


def key_of_wire(wire: bytes) -> bytes:
    """Key of an uncompressed wire name (RFC 1035 section 3.1) that `wire` checked; any case. The root is `b""`."""
    wire = wire.lower()
    labels = []
    at = 1
    length = wire[0]
    while length:
        end = at + length
        labels.append(wire[at:end])
        length = wire[end]
        at = end + 1
    return key_of_labels(labels)


def key_of_labels(labels: list[bytes]) -> bytes:
    """Key of the labels of a name, first label first, in lower case. The list is used up."""
    labels.reverse()
    labels.append(b"")
    key = b".".join(labels)
    if key.count(b".") >= len(labels) or key.translate(None, _PLAIN_AND_DOT):
        return b"".join(_escape(label) + b"." for label in labels[:-1])
    return key


def _escape(label: bytes) -> bytes:
    return b"".join(bytes((c,)) if c in _PLAIN_SET else b"\\%02x" % c for c in label)


def head(key: bytes) -> bytes:
    """The first two labels of a key, or all of it if it has fewer: `com.example.www.` gives `com.example.`."""
    first = key.find(b".") + 1
    return key[: key.find(b".", first) + 1] or key[:first]


def ancestors(key: bytes) -> list[bytes]:
    """Subtree keys that cover `key`, longest first: `com.example.www.` gives itself, `com.example.`, `com.`."""
    found = []
    at = len(key)
    while at > 0:
        found.append(key[:at])
        at = key.rfind(b".", 0, at - 1) + 1
    return found


def closest(key: bytes, zones: Container[bytes]) -> bytes | None:
    """The longest of `zones` (subtree keys) that a name is in, or None."""
    at = len(key)
    while at > 0:
        if key[:at] in zones:
            return key[:at]
        at = key.rfind(b".", 0, at - 1) + 1
    return None


def normal(text: str) -> str:
    """Text of a host name in its one normal form: lower case, A-labels (IDNA 2008, UTS 46), no trailing dot.

    Raises NameSyntaxError saying what is wrong. Underscores are accepted (they are common in service names).
    """
    name = text.strip().rstrip(".").lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii").rstrip(".")
        except (idna.IDNAError, UnicodeError) as error:
            raise NameSyntaxError(f"{text!r} is not a domain name: {error}") from None
    if not name:
        raise NameSyntaxError(f"{text!r} is not a domain name: it is empty")
    if len(name) > MAX_NAME_BYTES - 2:
        raise NameSyntaxError(f"{text[:40]!r}... is longer than {MAX_NAME_BYTES - 2} characters")
    for label in name.split("."):
        if not 0 < len(label) <= MAX_LABEL_BYTES:
            raise NameSyntaxError(f"{text[:80]!r} has a label of {len(label)} characters; 1 to 63 are allowed")
    if name.encode("ascii").translate(None, _PLAIN_AND_DOT):
        raise NameSyntaxError(f"{text[:80]!r} is not a domain name: letters, digits, '-', '_' and '.' only")
    return name


def key_of_text(name: str) -> bytes:
    """Key of a name in `normal` form."""
    return ".".join(reversed(name.split("."))).encode("ascii") + b"."


def wire_of_text(name: str) -> bytes:
    """Wire form of a name in `normal` form; "" is the root."""
    if not name:
        return b"\0"
    return b"".join(bytes((len(label),)) + label.encode("ascii") for label in name.split(".")) + b"\0"


def text_of_key(key: bytes) -> str:
    """`com.example.www.` (with or without `$`) as `www.example.com`; the root is "."."""
    labels = key.rstrip(EXACT).split(b".")[:-1]
    return ".".join(label.decode("ascii") for label in reversed(labels)) or "."


def text_of_wire(wire: bytes) -> str:
    """A checked wire name for people and logs: RFC 4343 escapes (`\\DDD`, `\\.`), never a raw control byte."""
    parts = []
    at = 0
    while wire[at]:
        length = wire[at]
        label = wire[at + 1 : at + 1 + length]
        parts.append("".join(_printable(c) for c in label))
        at += 1 + length
    return ".".join(parts) or "."


def _printable(c: int) -> str:
    if c in b".\\":
        return "\\" + chr(c)
    if 0x21 <= c <= 0x7E:
        return chr(c)
    return f"\\{c:03d}"
