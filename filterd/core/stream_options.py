"""EDNS options of connections: keepalive (RFC 7828) and padding (RFC 7830, 8467), put into replies that are made.

The forwarder makes the same reply for every transport; these two belong to the connection a question came by. The shell
asks `wanted` of the question and hands the answer to `finished` with the reply.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from filterd.core import wire

KEEPALIVE_OPTION: Final = 11
PADDING_OPTION: Final = 12
BLOCK_BYTES: Final = 468  # RFC 8467 section 4.1

KEEPALIVE: Final = 1  # bits of `wanted`
PADDING: Final = 2

_TWO = Struct("!HH")
_OPT_START = wire.opt(False)[:5]  # root, type, our UDP size
_NO_OPTIONS = b"\0\0"
_NO_RECORDS = b"\0\0"


def wanted(packet: bytes) -> int:
    """Which of the two a client's question, of at least 12 bytes, carries: KEEPALIVE | PADDING. Any bytes will do."""
    # Nothing behind the question, or an OPT without options: most questions, and all of most stub resolvers.
    if packet[10:12] == _NO_RECORDS or (packet.endswith(_NO_OPTIONS) and packet[-11:-8] == b"\0\0\x29"):
        return 0
    size = len(packet)
    at = wire.HEADER_BYTES
    while at < size and packet[at]:
        at += 1 + packet[at]
    at += 5
    if packet[at : at + 3] != b"\0\0\x29":  # an OPT that is not the first record is nobody's habit
        return 0
    found = 0
    at += 11
    for _ in range(wire.MAX_OPTIONS):
        if at + 4 > size:
            break
        code, length = _TWO.unpack_from(packet, at)
        if code == PADDING_OPTION:
            found |= PADDING
        elif code == KEEPALIVE_OPTION and not length:
            found |= KEEPALIVE
        at += 4 + length
    return found


def finished(reply: bytes, options: int, idle_s: int) -> bytes:
    """One of our replies with the options that its question wanted; without an OPT at its end it stays as it is.

    `idle_s` is how long the client may keep the connection without a question; 0 asks it to close.
    """
    at = reply.rfind(_OPT_START)
    length = len(reply) - at - 11
    if at < wire.HEADER_BYTES or length < 0 or int.from_bytes(reply[at + 9 : at + 11], "big") != length:
        return reply
    added = b""
    if options & KEEPALIVE:
        added = _TWO.pack(KEEPALIVE_OPTION, 2) + min(idle_s * 10, 0xFFFF).to_bytes(2, "big")
    if options & PADDING:
        room = wire.MAX_BYTES - len(reply) - len(added) - 4
        if room >= 0:
            padding = min(-(len(reply) + len(added) + 4) % BLOCK_BYTES, room)
            added += _TWO.pack(PADDING_OPTION, padding) + bytes(padding)
    if len(reply) + len(added) > wire.MAX_BYTES:
        return reply
    return reply[: at + 9] + (length + len(added)).to_bytes(2, "big") + reply[at + 11 :] + added
