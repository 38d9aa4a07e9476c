"""Probes that find out whether an upstream leads back to this box, directly or through others.

A probe asks for a name under `filterd-loop.internal` that only this box can have made: a random part and its MAC. When
such a question arrives from a client, it is one of ours that came back, and the answer holds another MAC of it, which
nobody on the way can make up either. Every other resolver answers that the name does not exist. The random part is in
random case, so the echo in the answer shows whether the upstream keeps it (draft-vixie-dnsext-dns0x20).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from filterd.core import wire
from filterd.core.case import mixed

KEY: Final = b"internal.filterd-loop."
_ZONE: Final = b"\x0cfilterd-loop\x08internal\0"
_NONCE: Final = 16  # hex digits
_MAC_BYTES: Final = 8


def _mac(secret: bytes, nonce: bytes, purpose: bytes) -> bytes:
    return hashlib.blake2s(nonce, key=secret, digest_size=_MAC_BYTES, person=purpose).digest()


def question(secret: bytes, noise: bytes) -> bytes:
    """QNAME, QTYPE and QCLASS of a new probe; `noise` are 8 random bytes."""
    nonce = noise.hex().encode()
    label = nonce + _mac(secret, nonce, b"there").hex().encode()
    return bytes((len(label),)) + label + _ZONE + b"\0\1\0\1"


def in_mixed_case(asked: bytes, noise: bytes) -> bytes:
    """The question with its name in random case, as the bits of `noise` (as long) say."""
    return mixed(asked[:-4], noise[:-4]) + asked[-4:]


def address(secrets: tuple[bytes, ...], key: bytes) -> bytes | None:
    """The 4 bytes that tell the sender its probe came back, for a question with this key; None if it is not ours."""
    label = key[len(KEY) : -1]
    nonce, mac = label[:_NONCE], label[_NONCE:]
    for secret in secrets:
        if hmac.compare_digest(_mac(secret, nonce, b"there").hex().encode(), mac):
            return _mac(secret, nonce, b"back")[:4]
    return None


def came_back(secrets: tuple[bytes, ...], asked: bytes, packet: bytes) -> bool:
    """Whether the reply `packet` to the probe question `asked` was made by this box: it is a loop."""
    nonce = asked[1 : 1 + _NONCE].lower()
    return any(packet.find(_mac(secret, nonce, b"back")[:4], wire.HEADER_BYTES + len(asked)) > 0 for secret in secrets)
