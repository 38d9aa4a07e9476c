"""What a query over the limit hears: TC=1, so that a real client goes on over TCP, and a made-up one is of no use.

Reads and writes packets as a part of `wire` does: in a flood this has to cost little, so it looks at the question only.
"""

from __future__ import annotations

from filterd.core import wire
from filterd.core.wirenames import skip_name
from filterd.errors import WireError

_NOT_ASKED = wire.QR | wire.OPCODE_MASK
_FLAGS = wire.QR | wire.RA | wire.TC
_OPT, _OPT_DO = wire.opt(False), wire.opt(True)
_OPT_BEGINS = b"\0\0\x29"


def cut(packet: bytes) -> bytes | None:
    """The reply, never longer than the query; None for what is no question."""
    try:
        ident, flags, questions, answers, authorities, additionals = wire.read_header(packet)
        end = skip_name(packet, wire.HEADER_BYTES) + 4
    except WireError:
        return None
    if flags & _NOT_ASKED or questions != 1 or answers or authorities or end > len(packet):
        return None
    flags = _FLAGS | flags & (wire.RD | wire.CD)
    question = packet[wire.HEADER_BYTES : end]
    if additionals and len(packet) >= end + len(_OPT) and packet.startswith(_OPT_BEGINS, end):
        opt = _OPT_DO if packet[end + 7] & 0x80 else _OPT
        return wire.pack_header(ident, flags, 1, 0, 0, 1) + question + opt
    return wire.pack_header(ident, flags, 1, 0, 0, 0) + question
