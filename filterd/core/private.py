"""Addresses that no name outside the school may lead to: private, local and unspecified ones (DNS rebinding).

An outside name with such an address lets a page in a browser reach devices of the school, past every firewall. The
ranges are those of RFC 1918, 1122, 3927, 6598, 4193 and 4291, and the IPv6 forms that carry an IPv4 address: mapped,
compatible, NAT64 (RFC 6052) and 6to4 (RFC 3056). Addresses are packed: 4 or 16 bytes, network order.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Final

RANGES_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    )
)  # fmt: skip
_COMPATIBLE = bytes(12)  # ::/96: unspecified, loopback, and a form that RFC 4291 section 2.5.5.1 has withdrawn
_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96: nothing that belongs into a DNS answer
_NAT64 = b"\x00\x64\xff\x9b" + bytes(8)
_6TO4 = b"\x20\x02"
RANGES_V6: Final = (
    IPv6Network("::/96"),
    IPv6Network("::ffff:0:0/96"),
    IPv6Network("fc00::/7"),
    IPv6Network("fe80::/9"),  # link-local and, in its other half, the site-local addresses of old
    *(IPv6Network((_NAT64 + net.network_address.packed, 96 + net.prefixlen)) for net in RANGES_V4),
    *(IPv6Network((_6TO4 + net.network_address.packed + bytes(10), 16 + net.prefixlen)) for net in RANGES_V4),
)

# By the first byte: 0 public, 1 private, 2 the next bytes tell. `wire` looks here first, once for each address.
FIRST_V4: Final = bytes(
    1 if first in (0, 10, 127) else 2 if first in (100, 169, 172, 192) else 0 for first in range(256)
)
FIRST_V6: Final = bytes(1 if first in (0xFC, 0xFD) else 2 if first in (0, 0x20, 0xFE) else 0 for first in range(256))
MOSTLY: Final = b"\x20\x01"  # 2001::/16 is public, and what most addresses of first byte 0x20 are in


def is_private(packed: bytes) -> bool:
    """Whether an address of 4 or 16 bytes is in a private range; an IPv6 address also for the IPv4 one inside it."""
    if len(packed) == 4:
        kind = FIRST_V4[packed[0]]
        return kind == 1 or (kind == 2 and _is_private_v4(packed[0], packed[1]))
    kind = FIRST_V6[packed[0]]
    if kind != 2:
        return kind == 1
    if packed[0] == 0xFE:
        return packed[1] >= 0x80
    if packed[0] == 0x20:
        return packed[1] == 2 and is_private(packed[2:6])
    head = packed[:12]
    return head in (_COMPATIBLE, _MAPPED) or (head == _NAT64 and is_private(packed[12:]))


def _is_private_v4(first: int, second: int) -> bool:
    if first == 192:
        return second == 168
    if first == 172:
        return 16 <= second < 32
    if first == 100:
        return 64 <= second < 128
    return first == 169 and second == 254


def embedded_v4(packed: bytes) -> bytes | None:
    """The IPv4 address that an IPv6 address leads to (mapped, NAT64, 6to4), or None."""
    if len(packed) != 16:
        return None
    head = packed[:12]
    if head in (_MAPPED, _NAT64):
        return packed[12:]
    return packed[2:6] if packed.startswith(_6TO4) else None
