"""Names with a meaning of their own, which are answered here and never forwarded.

RFC 6761 (localhost, invalid, test), RFC 7686 (onion), RFC 6762 (local), RFC 9476 (alt), RFC 6303 and RFC 7793 (reverse
zones of private addresses), RFC 9462 section 6.4 (resolver.arpa), and the two names by which browsers and phones ask
whether a network filters: Firefox's canary and iCloud Private Relay.
"""

from __future__ import annotations

from enum import Enum

from filterd.core.names import head, text_of_key, wire_of_text

TTL_S = 3600


class Special(Enum):
    """How a special name is answered."""

    LOCALHOST = "localhost"  # loopback addresses
    NXDOMAIN = "nxdomain"  # does not exist anywhere
    NODATA = "nodata"
    BYPASS = "bypass"  # NXDOMAIN, so that a device keeps to this resolver


_ZONES: dict[bytes, Special] = {
    b"localhost.": Special.LOCALHOST,
    b"invalid.": Special.NXDOMAIN,
    b"test.": Special.NXDOMAIN,
    b"onion.": Special.NXDOMAIN,
    b"local.": Special.NXDOMAIN,
    b"alt.": Special.NXDOMAIN,
    b"arpa.home.": Special.NXDOMAIN,  # RFC 8375 section 4
    b"arpa.resolver.": Special.NODATA,
}
_NAMES: dict[bytes, Special] = {
    b"net.use-application-dns.": Special.BYPASS,
    b"com.icloud.mask.": Special.BYPASS,
    b"com.icloud.mask-h2.": Special.BYPASS,
}
_REVERSE = (
    ["10", "127", "0", "254.169", "168.192", "2.0.192", "100.51.198", "113.0.203", "255.255.255.255"]
    + [f"{n}.172" for n in range(16, 32)]
    + [f"{n}.100" for n in range(64, 128)]
)
for _zone in _REVERSE:
    _ZONES[b"arpa.in-addr." + ".".join(reversed(_zone.split("."))).encode() + b"."] = Special.NXDOMAIN
_NONE, _LOOPBACK = ".".join("0" * 32), "1." + ".".join("0" * 31)
for _zone in ("d.f", "8.e.f", "9.e.f", "a.e.f", "b.e.f", "8.b.d.0.1.0.0.2", _NONE, _LOOPBACK):
    _ZONES[b"arpa.ip6." + ".".join(reversed(_zone.split("."))).encode() + b"."] = Special.NXDOMAIN
_TOPS = frozenset(zone[: zone.find(b".") + 1] for zone in _ZONES)

HEADS = frozenset(map(head, (*_ZONES, *_NAMES)))  # no other head leads to a special name


def soa_question(zone: bytes) -> bytes:
    """QNAME, QTYPE and QCLASS that ask the server of a zone (a subtree key) for its SOA."""
    return wire_of_text(text_of_key(zone).rstrip(".")) + b"\0\6\0\1"


def special(key: bytes) -> Special | None:
    """How the name with this key is answered, or None for the ordinary ones."""
    if key in _NAMES:
        return _NAMES[key]
    if key[: key.find(b".") + 1] not in _TOPS:
        return None
    at = len(key)
    while at > 0:
        found = _ZONES.get(key[:at])
        if found is not None:
            return found
        at = key.rfind(b".", 0, at - 1) + 1
    return None
