"""Up to 64 datagrams with one system call in and one out: recvmmsg(2) and sendmmsg(2) on buffers made once.

Against `recvfrom` and `sendto` for each packet this saved a quarter of all CPU (docs/decisions); Python's socket module
does not have the two calls. Layouts are those of <sys/socket.h> on 64-bit Linux. A reply is written over its query, so
it leaves from the same slot to the same address, and nothing is allocated but the bytes that are looked up.
"""

from __future__ import annotations

import ctypes
import socket
import sys
from typing import Any, Final, Literal

BATCH: Final = 64
SLOT_BYTES: Final = 2048  # no query is longer; replies over UDP have at most 1232 bytes


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Mmsghdr(ctypes.Structure):
    _fields_ = (("header", _Msghdr), ("length", ctypes.c_uint))


_libc = ctypes.CDLL(None, use_errno=True)
_receive = _libc.recvmmsg
_receive.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_send = _libc.sendmmsg
_send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)


class Batch:
    """The buffers of one UDP socket.

    After `receive()` returned n, slot i < n is `slots[i]`: (i, offset of the packet in `data`, and where its client's
    address begins and ends in `names`); its packet has `lengths[i]` bytes. To answer, write the reply over the packet,
    put its length into `reply_lengths[i]`, and `send` runs of answered slots.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._fd = sock.fileno()
        ipv6 = sock.family == socket.AF_INET6
        name_bytes = 28 if ipv6 else 16  # struct sockaddr_in6, sockaddr_in
        first, last = (8, 28) if ipv6 else (4, 8)  # address and scope, or address
        self.data = bytearray(BATCH * SLOT_BYTES)
        self.view = memoryview(self.data)
        raw_names = bytearray(BATCH * name_bytes)
        self.names = memoryview(raw_names)
        self._name_bytes = name_bytes
        data_at, names_at = _address(self.data), _address(raw_names)
        inward, outward = (_Iovec * BATCH)(), (_Iovec * BATCH)()
        self._inward, self._outward = (_Mmsghdr * BATCH)(), (_Mmsghdr * BATCH)()
        for i in range(BATCH):
            inward[i].base = outward[i].base = data_at + i * SLOT_BYTES
            inward[i].length = SLOT_BYTES
            for header, vectors in ((self._inward[i].header, inward), (self._outward[i].header, outward)):
                header.name = names_at + i * name_bytes
                header.name_length = name_bytes
                header.iov = ctypes.addressof(vectors[i])
                header.iov_length = 1
        self._kept = (inward, outward, raw_names)  # the kernel is given their addresses
        self.lengths = _column(self._inward, _Mmsghdr, "length", "I")
        self.reply_lengths = _column(outward, _Iovec, "length", "Q")
        self.slots = [
            (i, i * SLOT_BYTES, i * name_bytes + first, i * name_bytes + last) for i in range(BATCH)
        ]
        self._inward_at = ctypes.addressof(self._inward)
        self._outward_at = ctypes.addressof(self._outward)

    def receive(self) -> int:
        """How many datagrams were waiting and are in the slots now; 0 if none."""
        count: int = _receive(self._fd, self._inward_at, BATCH, socket.MSG_DONTWAIT, None)
        return max(count, 0)

    def send(self, first: int, end: int) -> int:
        """Send the replies in slots [first, end). Returns how many could not be sent; those are gone."""
        lost = 0
        while first < end:
            at = self._outward_at + first * ctypes.sizeof(_Mmsghdr)
            sent: int = _send(self._fd, at, end - first, socket.MSG_DONTWAIT)
            if sent <= 0:  # the first of them cannot go: a full buffer, or no way to that client
                lost += 1
                sent = 1
            first += sent
        return lost

    def peer(self, slot: int) -> bytes:
        """The client's socket address, for `sendto_address` once the slot is somebody else's."""
        return bytes(self.names[slot * self._name_bytes : (slot + 1) * self._name_bytes])


def sendto_address(peer: bytes) -> tuple[Any, ...]:
    """A socket address (struct sockaddr_in or sockaddr_in6) as `socket.sendto` takes it."""
    port = int.from_bytes(peer[2:4], "big")
    if len(peer) == 16:
        return socket.inet_ntop(socket.AF_INET, peer[4:8]), port
    return socket.inet_ntop(socket.AF_INET6, peer[8:24]), port, 0, int.from_bytes(peer[24:28], sys.byteorder)


def _address(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def _column(array: Any, kind: type[ctypes.Structure], field: str, code: Literal["I", "Q"]) -> memoryview:
    """One integer field of an array of structures, as a sequence."""
    width = ctypes.sizeof(ctypes.c_uint if code == "I" else ctypes.c_size_t)
    whole: memoryview = memoryview(array).cast("B").cast(code)
    return whole[getattr(kind, field).offset // width :: ctypes.sizeof(kind) // width]
