"""Names in random case (draft-vixie-dnsext-dns0x20): what an off-path attacker must guess beside id and port."""

from __future__ import annotations

from typing import Final

_BIT: Final = bytes(0x20 if 0x61 <= c <= 0x7A else 0 for c in range(256))  # of letters; lengths are below 64


def mixed(name: bytes, noise: bytes) -> bytes:
    """A wire name in lower case with each letter's case as the bits of `noise` (as long as the name) say."""
    size = len(name)
    flips = int.from_bytes(name.translate(_BIT), "big") & int.from_bytes(noise, "big")
    return (int.from_bytes(name, "big") ^ flips).to_bytes(size, "big")
