"""Hosts files: an address, then one or more names. Each name stands for itself alone.

Only addresses that lead nowhere make a block; a real address is an answer the list's author wants given, which a
filter must not turn into a block of that name.
"""

from __future__ import annotations

import ipaddress

from filterd.core.rules.model import EXACT, Format, Found, Kind, Names, Reader, without_comment

_NOWHERE = frozenset({b"0.0.0.0", b"127.0.0.1", b"::", b"::1", b"0", b"127.0.1.1", b"0:0:0:0:0:0:0:0"})
LOCAL = frozenset(
    b"localhost localhost.localdomain localhost4 localhost6 localhost6.localdomain6 local broadcasthost "
    b"ip6-localhost ip6-loopback ip6-localnet ip6-mcastprefix ip6-allnodes ip6-allrouters ip6-allhosts".split()
)


def read(line: bytes) -> Found:
    words = without_comment(line).split()
    if len(words) < 2:
        return Kind.MALFORMED
    nowhere = words[0] in _NOWHERE
    if not nowhere and not is_address(words[0]):
        return Kind.MALFORMED
    wanted = [word for word in words[1:] if word.lower() not in LOCAL]
    if not wanted:
        return Kind.LOCAL
    if not nowhere:
        return Kind.REWRITE
    found: Names = [(word, EXACT) for word in wanted]
    return found


def is_address(word: bytes) -> bool:
    """An IPv4 or IPv6 address, with a scope (`fe80::1%lo0`) or without."""
    try:
        ipaddress.ip_address(word.decode("ascii", "replace").partition("%")[0])
    except ValueError:
        return False
    return True


def is_nowhere(word: bytes) -> bool:
    """An address that no site lives at: unspecified or loopback."""
    return word in _NOWHERE


def _reader() -> Reader:
    return read


FORMAT = Format("hosts", _reader, covers=EXACT, around=(b"0.0.0.0 ", b""))
