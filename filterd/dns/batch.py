"""Up to 64 datagrams with one system call in and one out: recvmmsg(2) and sendmmsg(2) on buffers made once.

Against `recvfrom` and `sendto` for each packet this saves a good part of all CPU (docs/decisions/0001); Python's socket
module does not have the two calls. Layouts are those of <sys/socket.h> on 64-bit Linux. A reply is written over its
query, so it leaves from the same slot to the same address, and nothing is allocated but the bytes that are looked up.
"""

from __future__ import annotations

import ctypes
import errno
import socket
from typing import Any, Final, Literal

BATCH: Final = 64
SLOT_BYTES: Final = 2048  # no query is longer; replies over UDP have at most 1232 bytes
_NAME_BYTES: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}  # struct sockaddr_in, sockaddr_in6
# A struct cmsghdr with a struct in_pktinfo or in6_pktinfo: which of the box's addresses was asked, and is to answer.
_CONTROL_BYTES: Final = {socket.AF_INET: 32, socket.AF_INET6: 40}
_PACKET_INFO: Final = {socket.AF_INET: (socket.IPPROTO_IP, 8), socket.AF_INET6: (socket.IPPROTO_IPV6, 49)}


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


_DONT_WAIT: Final = int(socket.MSG_DONTWAIT)  # the enum's own arithmetic is Python
_HEADER_BYTES: Final = ctypes.sizeof(_Mmsghdr)
_libc = ctypes.CDLL(None, use_errno=True)
_receive = _libc.recvmmsg
_receive.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_send = _libc.sendmmsg
_send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)


class Envelopes:
    """One for each slot: the client's socket address and, where the socket is bound to all addresses of the box, a
    control message with the one that was asked, so that the reply leaves from it (RFC 2181 section 4).
    """

    def __init__(self, sock: socket.socket) -> None:
        family = sock.family
        self.name_bytes = _NAME_BYTES[family]
        self.control_bytes = 0
        if sock.getsockname()[0] in ("0.0.0.0", "::"):  # noqa: S104  compared, not bound
            sock.setsockopt(*_PACKET_INFO[family], 1)
            self.control_bytes = _CONTROL_BYTES[family]
        self.size = (self.name_bytes + 7) // 8 * 8 + self.control_bytes
        self.data = bytearray(BATCH * self.size)


class _Messages:
    """An array of struct mmsghdr, each over one slot of a buffer and one of the envelopes; None for connected sockets,
    whose only peer the kernel knows.
    """

    def __init__(self, data: bytearray, envelopes: Envelopes | None) -> None:
        self._vectors = (_Iovec * BATCH)()
        self._headers = (_Mmsghdr * BATCH)()
        self._kept = (data, envelopes)  # the kernel is given their addresses
        data_at = _address(data)
        for i in range(BATCH):
            self._vectors[i].base = data_at + i * SLOT_BYTES
            self._vectors[i].length = SLOT_BYTES
            self._headers[i].header.iov = ctypes.addressof(self._vectors[i])
            self._headers[i].header.iov_length = 1
        if envelopes is not None:
            self._address_by(envelopes)
        self.at = ctypes.addressof(self._headers)
        self._controlled = envelopes.control_bytes if envelopes is not None else 0
        self._to_reset = 0
        self.received_lengths = _column(self._headers, _Mmsghdr, "length", "I")
        self.lengths = _column(self._vectors, _Iovec, "length", "Q")

    def _address_by(self, envelopes: Envelopes) -> None:
        at = _address(envelopes.data)
        for i in range(BATCH):
            header = self._headers[i].header
            header.name = at + i * envelopes.size
            header.name_length = envelopes.name_bytes
            if envelopes.control_bytes:
                header.control = at + (i + 1) * envelopes.size - envelopes.control_bytes
                header.control_length = envelopes.control_bytes

    def receive(self, fd: int) -> int:
        """How many datagrams were waiting and are in the slots now; negative on an error that was waiting."""
        if self._controlled:
            for i in range(self._to_reset):  # the kernel wrote there how much it used
                self._headers[i].header.control_length = self._controlled
        count: int = _receive(fd, self.at, BATCH, _DONT_WAIT, None)
        self._to_reset = count
        return count

    def send(self, fd: int, first: int, end: int) -> int:
        """Send slots [first, end). Returns how many could not be sent; those are gone."""
        lost = 0
        while first < end:
            at = self.at + first * _HEADER_BYTES
            sent: int = _send(fd, at, end - first, _DONT_WAIT)
            if sent <= 0:  # the first of them cannot go: a full buffer, or no way to that client
                lost += 1
                sent = 1
            first += sent
        return lost


class Batch:
    """The buffers of one listening UDP socket.

    After `receive()` returned n, slot i < n is `slots[i]`: (i, offset of the packet in `view`, and where its client's
    address begins and ends in `names`); its packet has `lengths[i]` bytes. To answer, write the reply over the packet,
    put its length into `reply_lengths[i]`, and `send` runs of answered slots.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._fd = sock.fileno()
        envelopes = Envelopes(sock)
        self._envelope_bytes = size = envelopes.size
        first, last = (8, 28) if envelopes.name_bytes == 28 else (4, 8)  # address and scope, or address
        data = bytearray(BATCH * SLOT_BYTES)
        self.view, self.names = memoryview(data), memoryview(envelopes.data)  # what is written into is half the price
        self._inward = _Messages(data, envelopes)
        self._outward = _Messages(data, envelopes)
        self._inward_at, self._outward_at = self._inward.at, self._outward.at
        self._controlled = envelopes.control_bytes > 0
        self.lengths = self._inward.received_lengths
        self.reply_lengths = self._outward.lengths
        self.slots = [(i, i * SLOT_BYTES, i * size + first, i * size + last) for i in range(BATCH)]

    def receive(self) -> int:
        """How many datagrams were waiting and are in the slots now; 0 if none."""
        if self._controlled:
            return max(self._inward.receive(self._fd), 0)
        count: int = _receive(self._fd, self._inward_at, BATCH, _DONT_WAIT, None)
        return count if count > 0 else 0

    def send(self, first: int, end: int) -> int:
        """Send the replies in slots [first, end). Returns how many could not be sent; those are gone."""
        sent: int = _send(self._fd, self._outward_at + first * _HEADER_BYTES, end - first, _DONT_WAIT)
        if sent == end - first:
            return 0
        return self._outward.send(self._fd, first + max(sent, 0), end)

    def peer(self, slot: int) -> bytes:
        """The client's envelope, for an `Outbox` once the slot is somebody else's."""
        return bytes(self.names[slot * self._envelope_bytes : (slot + 1) * self._envelope_bytes])


class Outbox:
    """Late replies of one listening UDP socket: `put` them, then `flush` them with one call."""

    def __init__(self, sock: socket.socket) -> None:
        self._fd = sock.fileno()
        self._envelopes = Envelopes(sock)
        data = bytearray(BATCH * SLOT_BYTES)
        self._view, self._names = memoryview(data), memoryview(self._envelopes.data)
        self._outward = _Messages(data, self._envelopes)
        self._lengths = self._outward.lengths
        self.waiting = 0

    def put(self, peer: bytes, packet: bytes) -> int:
        """Add a reply of at most 2,048 bytes; returns how many were lost if that made it flush."""
        lost = self.flush() if self.waiting == BATCH else 0
        slot = self.waiting
        at, name_at, size = slot * SLOT_BYTES, slot * len(peer), len(packet)
        self._view[at : at + size] = packet
        self._names[name_at : name_at + len(peer)] = peer
        self._lengths[slot] = size
        self.waiting = slot + 1
        return lost

    def flush(self) -> int:
        """Send what waits. Returns how many could not be sent."""
        waiting, self.waiting = self.waiting, 0
        return self._outward.send(self._fd, 0, waiting)


class Bundle:
    """Datagrams for one connected socket: `put` them, then `send` them with one call."""

    def __init__(self) -> None:
        data = bytearray(BATCH * SLOT_BYTES)
        self._view = memoryview(data)
        self._outward = _Messages(data, None)
        self._lengths = self._outward.lengths
        self.waiting = 0

    def put(self, ident: bytes, packet: bytes) -> None:
        """Add a packet, with these two bytes as its id. There is room while `waiting` is below BATCH."""
        slot = self.waiting
        at, size = slot * SLOT_BYTES, len(packet)
        self._view[at : at + size] = packet
        self._view[at : at + 2] = ident
        self._lengths[slot] = size
        self.waiting = slot + 1

    def send(self, sock: socket.socket) -> int:
        """Send what waits. Returns 0, or the errno for which some of it could not be sent."""
        waiting, self.waiting = self.waiting, 0
        lost = self._outward.send(sock.fileno(), 0, waiting)
        return ctypes.get_errno() if lost else 0


class Inbox:
    """Datagrams from connected sockets, one socket at a time; who sent them, the kernel has checked."""

    def __init__(self) -> None:
        data = bytearray(BATCH * SLOT_BYTES)
        self._view = memoryview(data)
        self._inward = _Messages(data, None)

    def receive(self, sock: socket.socket) -> list[bytes] | None:
        """What was waiting, at most 64; None if the socket had an error waiting, such as a refused port."""
        count = self._inward.receive(sock.fileno())
        if count < 0:
            return [] if ctypes.get_errno() in (errno.EAGAIN, errno.EINTR) else None
        lengths, view = self._inward.received_lengths, self._view
        return [bytes(view[i * SLOT_BYTES : i * SLOT_BYTES + lengths[i]]) for i in range(count)]


def receive_one(sock: socket.socket) -> list[bytes] | None:
    """As `Inbox.receive`, but one at most: cheaper where no more than one is due."""
    try:
        return [sock.recv(SLOT_BYTES, _DONT_WAIT)]
    except (BlockingIOError, InterruptedError):
        return []
    except OSError:
        return None


def _address(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def _column(array: Any, kind: type[ctypes.Structure], field: str, code: Literal["I", "Q"]) -> memoryview:
    """One integer field of an array of structures, as a sequence."""
    width = ctypes.sizeof(ctypes.c_uint if code == "I" else ctypes.c_size_t)
    whole: memoryview = memoryview(array).cast("B").cast(code)
    return whole[getattr(kind, field).offset // width :: ctypes.sizeof(kind) // width]
