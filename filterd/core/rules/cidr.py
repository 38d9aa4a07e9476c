"""Address lists: one IPv4 or IPv6 network or address a line, a comment behind `#` or `;`.

Names do not come from here: a rule's key is the packed network address and, as one byte more, the prefix length. What
is so wide that it can only be a mistake, and private addresses, are refused: such a line would block half the internet
or the school itself.
"""

from __future__ import annotations

import ipaddress

from filterd.core.private import FIRST_V6, RANGES_V4, RANGES_V6, is_private
from filterd.core.rules.model import Format, Found, Kind, Reader

MIN_PREFIX = {4: 8, 6: 16}


def read(line: bytes) -> Found:
    words = line.replace(b";", b"#").partition(b"#")[0].split()
    if not words:
        return None
    address, mark, prefix = words[0].partition(b"/")
    if len(words) > 1 or b"%" in address or (mark and not prefix.isdigit()):
        return Kind.MALFORMED
    try:
        network = ipaddress.ip_network(words[0].decode("ascii"))
    except ValueError:
        return Kind.MALFORMED
    if network.prefixlen < MIN_PREFIX[network.version]:
        return Kind.TOO_WIDE
    if _is_private(network):
        return Kind.PRIVATE
    return network.network_address.packed + bytes((network.prefixlen,))


def _is_private(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    packed = network.network_address.packed
    if isinstance(network, ipaddress.IPv4Network):
        if network.prefixlen >= 16:  # no private range is smaller
            return is_private(packed)
        return any(network.overlaps(private) for private in RANGES_V4)
    return FIRST_V6[packed[0]] > 0 and any(network.overlaps(private) for private in RANGES_V6)


def _reader() -> Reader:
    return read


FORMAT = Format("cidr", _reader, comments=b"#;", addresses=True)
