"""The upstream of every server: answers any question at once, with fixed addresses. A script of its own, on a CPU of
its own; it holds no names and forgets every question.

One question in four gets a CNAME chain as content networks have them. HTTPS and the rest get NODATA with an SOA, so
that all servers may cache it.
"""

from __future__ import annotations

import socket
import struct
import sys

TTL = 3600
IPV4 = bytes((93, 184, 215, 14))
IPV6 = bytes.fromhex("260028030001000000000000000000aa")
_POINTER = b"\xc0\x0c"


def _record(owner: bytes, kind: int, data: bytes) -> bytes:
    return owner + struct.pack(">HHIH", kind, 1, TTL, len(data)) + data


def _chain(kind: int, address: bytes, question_end: int) -> bytes:
    target = b"\x04edge\x03cdn\x07example\x03net\x00"
    target_at = struct.pack(">H", 0xC000 | question_end + 12)
    return _record(_POINTER, 5, target) + _record(target_at, kind, address)


_SOA = _record(_POINTER, 6, b"\xc0\x0c\xc0\x0c" + struct.pack(">IIIII", 1, 3600, 600, 86400, 3600))
_OPT = b"\0\0\x29\x04\xd0" + bytes(6)
_COUNTS_ONE = b"\x81\x80\0\1\0\1\0\0"
_COUNTS_TWO = b"\x81\x80\0\1\0\2\0\0"
_COUNTS_SOA = b"\x81\x80\0\1\0\0\0\1"
_ADDRESSES = {b"\0\1": (1, IPV4), b"\0\x1c": (28, IPV6)}


def answer(query: bytes) -> bytes:
    """The reply to a query with one question and perhaps an OPT record; only well-formed ones come here."""
    end = query.index(b"\0", 12) + 5
    found = _ADDRESSES.get(query[end - 4 : end - 2])
    extra = query[10:12]
    if found is None:
        counts, records = _COUNTS_SOA, _SOA
    elif query[13] & 3 == 0:
        counts, records = _COUNTS_TWO, _chain(*found, end)
    else:
        counts, records = _COUNTS_ONE, _record(_POINTER, *found)
    reply = query[:2] + counts + extra + query[12:end] + records
    return reply + _OPT if extra != b"\0\0" else reply


def main(port: int) -> None:
    """Answer on 127.0.0.1:port until killed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", port))
        receive, send = sock.recvfrom, sock.sendto
        while True:
            query, peer = receive(4096)
            send(answer(query), peer)


if __name__ == "__main__":
    main(int(sys.argv[1]))
