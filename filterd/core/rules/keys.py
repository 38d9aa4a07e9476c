"""From a name as a list writes it to the key of the table, or the reason why it has none.

Every format ends here, so that upper case, trailing dots, Unicode, addresses, URLs and public suffixes are treated
alike everywhere. Most names are plain lower-case ASCII without any of that: `quick_key_maker` knows those, and only
those, in a handful of calls on bytes.
"""

from __future__ import annotations

import ipaddress

from filterd.core import names
from filterd.core.rules.model import KeyOf, Kind, QuickKeyOf
from filterd.core.rules.suffixes import Suffixes
from filterd.errors import NameSyntaxError

_PLAIN = b"abcdefghijklmnopqrstuvwxyz0123456789_-."
_MAX_TEXT = names.MAX_NAME_BYTES - 2


def quick_key_maker(suffixes: Suffixes) -> QuickKeyOf:
    """A function from a name to its subtree key, or None for every name that takes a closer look."""
    listed, wild_labels = suffixes.listed, suffixes.wild_labels

    def quick_key_of(name: bytes) -> bytes | None:
        if len(name) > names.MAX_LABEL_BYTES or name.translate(None, _PLAIN):
            return None
        labels = name.split(b".")
        labels.reverse()
        key = b".".join(labels) + b"."
        # A first byte below ":" is a dot or a digit: a trailing dot or an address.
        if len(labels) < 2 or key[0] < 58 or b".." in key or key in listed or labels[-2] in wild_labels:
            return None
        return key

    return quick_key_of


def key_maker(suffixes: Suffixes, tld_list: bool) -> KeyOf:
    """A function from a name (bytes, any case, no blanks around it) to its subtree key or the reason to refuse it.

    `tld_list`: public suffixes and bare TLDs are meant, so take them.
    """

    listed, wild_labels = suffixes.listed, suffixes.wild_labels

    def key_of(raw: bytes) -> bytes | Kind:
        name = raw.lower()
        if name.translate(None, _PLAIN):
            plain = _plain(name)
            if isinstance(plain, Kind):
                return plain
            name = plain
        labels = name.split(b".")
        if b"" in labels:
            if labels[-1] == b"":
                labels.pop()
            if not labels or b"" in labels:
                return Kind.MALFORMED
        if len(name) > names.MAX_LABEL_BYTES and (len(name) > _MAX_TEXT + 1 or not _fits(labels)):
            return Kind.TOO_LONG
        if labels[-1].isdigit():
            return Kind.IP if _is_address(name) else Kind.MALFORMED
        labels.reverse()
        key = b".".join(labels) + b"."
        if tld_list:
            return key
        if len(labels) == 1:
            return Kind.BARE_TLD
        if key in listed or (labels[-2] in wild_labels and suffixes.in_wildcard(key)):
            return Kind.PUBLIC_SUFFIX
        return key

    return key_of


def _fits(labels: list[bytes]) -> bool:
    return max(map(len, labels)) <= names.MAX_LABEL_BYTES and sum(map(len, labels)) + len(labels) - 1 <= _MAX_TEXT


def _plain(name: bytes) -> bytes | Kind:
    """The plain host name inside a URL, Unicode name or address; `name` is in lower case."""
    host = _host(name)
    if isinstance(host, Kind):
        return host
    if b":" in host:
        if _is_address(host):
            return Kind.IP
        return Kind.PORT if host.rpartition(b":")[2].isdigit() else Kind.MALFORMED
    if b"*" in host:
        return Kind.PATTERN
    if not host.isascii():
        try:
            host = names.normal(host.decode()).encode("ascii")
        except (NameSyntaxError, UnicodeDecodeError):
            return Kind.MALFORMED
    return Kind.MALFORMED if not host or host.translate(None, _PLAIN) else host


def _host(name: bytes) -> bytes | Kind:
    """The host of a URL without a path; a URL with one stands for a page, and never for its host."""
    scheme, mark, rest = name.partition(b"://")
    if mark:
        if not scheme.isalpha():
            return Kind.PATTERN if b"*" in scheme else Kind.MALFORMED
        name = rest
    host, _, path = name.partition(b"/")
    if path and path != b"*":
        return Kind.IP if path.isdigit() and _is_address(host) else Kind.PATH
    return Kind.PATH if b"?" in host else host


def _is_address(text: bytes) -> bool:
    try:
        ipaddress.ip_address(text.decode("ascii", "replace").strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True
