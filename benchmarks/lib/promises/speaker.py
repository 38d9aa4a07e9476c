"""An upstream as a process of its own: `python speaker.py PORT TTL_SECONDS [hostile]`; it can be killed and stopped.

Answers every question over UDP and TCP with one fixed address. With `hostile`, the first label of a name says what is
done to whoever asks: see KINDS. What it lies is always POISON.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator

GOOD = bytes((93, 184, 215, 14))
GOOD6 = bytes.fromhex("260028030001000000000000000000aa")
POISON = bytes((203, 0, 113, 66))
BYSTANDERS = 50
DRIP_S = 0.2
_HERE = b"\xc0\x0c"
_OPT = b"\0\0\x29\x04\xd0" + bytes(6)
_MOST = 65535
Send = Callable[[bytes], object]


def bystander(number: int) -> str:
    """A name that nobody hostile has any say in."""
    return f"bystander{number}.good.example"


def record(owner: bytes, kind: int, ttl_s: int, data: bytes) -> bytes:
    return owner + struct.pack(">HHIH", kind, 1, ttl_s, len(data)) + data


def wire(name: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0"


def reply(
    query: bytes, answers: bytes, count: int, authority: bytes = b"", more: bytes = b"", more_n: int = 0
) -> bytes:
    """A reply with these records; `authority` is one record or none. It ends in an OPT if the query does."""
    end = query.index(b"\0", 12) + 5
    opt = _OPT if query[10:12] != b"\0\0" else b""
    counts = struct.pack(">HHHH", 1, count, bool(authority), more_n + bool(opt))
    return query[:2] + b"\x81\x80" + counts + query[12:end] + answers + authority + more + opt


def honest(query: bytes, ttl_s: int) -> bytes:
    """A or AAAA, otherwise NODATA with an SOA."""
    end = query.index(b"\0", 12) + 5
    kind = query[end - 3]
    if kind == 1:
        return reply(query, record(_HERE, 1, ttl_s, GOOD), 1)
    if kind == 28:
        return reply(query, record(_HERE, 28, ttl_s, GOOD6), 1)
    soa = _HERE * 2 + struct.pack(">IIIII", 1, 3600, 600, 86400, ttl_s)
    return reply(query, b"", 0, record(_HERE, 6, ttl_s, soa))


def lie(query: bytes) -> bytes:
    return reply(query, record(_HERE, 1, 86400, POISON), 1)


def cut(query: bytes) -> bytes:
    packet = reply(query, b"", 0)
    return packet[:2] + bytes((packet[2] | 2,)) + packet[3:]


# -- what the hostile one says; each takes the question and whether it came by UDP ------------------------------------


def wrong_id(query: bytes, _: bool) -> Iterator[bytes]:
    for shift in range(1, 21):
        yield struct.pack(">H", (int.from_bytes(query[:2], "big") + shift * 977) & 0xFFFF) + lie(query)[2:]
    yield honest(query, 60)


def wrong_name(query: bytes, _: bool) -> Iterator[bytes]:
    packet = lie(query)
    for bits in (1, 2):
        yield packet[:13] + bytes((packet[13] ^ bits,)) + packet[14:]
    yield honest(query, 60)


def huge(query: bytes, udp: bool) -> Iterator[bytes]:
    """As many addresses as fit in a message, not to be kept."""
    count = (_MOST - 400) // 16
    records = b"".join(record(_HERE, 1, 0, bytes((198, 18, i >> 8, i & 255))) for i in range(count))
    yield cut(query) if udp else reply(query, records, count)


def many(query: bytes, udp: bool) -> Iterator[bytes]:
    """Ten thousand records are told of; there are as many of the smallest kind as fit."""
    packet = reply(query, record(b"\0", 65400, 60, b"") * 5900, 10_000)
    yield cut(query) if udp else packet[:_MOST]


def loops(query: bytes, _: bool) -> Iterator[bytes]:
    """Owners that point at themselves, forwards, at each other and through a chain of two thousand pointers."""
    end = query.index(b"\0", 12) + 5
    number = sum(query[12:end]) % 4
    at = struct.pack(">H", 0xC000 | end)
    ahead = struct.pack(">H", 0xC000 | end + 12)
    if number == 0:
        yield reply(query, record(at, 1, 60, POISON), 1)
    elif number == 1:
        yield reply(query, record(ahead, 5, 60, at), 1)
    elif number == 2:
        chain = b"".join(struct.pack(">H", 0xC000 | end + 10 + 2 * i) for i in range(-1, 500))
        yield reply(query, record(_HERE, 5, 60, chain) + record(at, 1, 60, POISON), 2)
    else:
        yield reply(query, record(_HERE, 5, 60, _HERE) + record(_HERE, 1, 60, POISON), 2)


def poison(query: bytes, _: bool) -> Iterator[bytes]:
    """The right answer, and addresses of others beside it."""
    more = b"".join(record(wire(bystander(i)), 1, 86400, POISON) for i in range(20))
    server = record(wire("good.example"), 2, 86400, wire(bystander(0)))
    yield reply(query, record(_HERE, 1, 60, GOOD), 1, server, more, 20)


def alias(query: bytes, _: bool) -> Iterator[bytes]:
    """An alias to somebody else, with that one's address."""
    target = wire(bystander(sum(query[12:20]) % BYSTANDERS))
    yield reply(query, record(_HERE, 5, 86400, target) + record(target, 1, 86400, POISON), 2)


def drip(query: bytes, udp: bool) -> Iterator[bytes]:
    """Comes over TCP only, a byte at a time."""
    yield cut(query) if udp else honest(query, 60)


KINDS = {
    "wrongid": wrong_id, "wrongport": lambda query, _: iter((honest(query, 60),)), "wrongname": wrong_name,
    "huge": huge, "many": many, "loops": loops, "poison": poison, "alias": alias, "drip": drip,
}  # fmt: skip


def kind_of(query: bytes) -> str:
    """The letters that the first label begins with."""
    label = query[13 : 13 + query[12]].lower().decode("ascii", "replace")
    return label.partition("-")[0]


class Speaker:
    def __init__(self, port: int, ttl_s: int, hostile: bool) -> None:
        self.ttl_s = ttl_s
        self.hostile = hostile
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.udp.bind(("127.0.0.1", port))
        self.elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.create_server(("127.0.0.1", port), backlog=256)

    def run(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()
        receive, send, ttl_s = self.udp.recvfrom, self.udp.sendto, self.ttl_s
        while True:
            query, peer = receive(4096)
            kind = kind_of(query) if self.hostile else ""
            if kind not in KINDS:
                send(honest(query, ttl_s), peer)
                continue
            if kind == "wrongport":
                for _ in range(5):
                    self.elsewhere.sendto(lie(query), peer)
            for packet in KINDS[kind](query, True):
                send(packet, peer)

    def _accept(self) -> None:
        while True:
            connection, _ = self.tcp.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while len(head := connection.recv(2, socket.MSG_WAITALL)) == 2:
                    query = connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
                    self._answer(query, connection)
            except OSError:  # the other side had enough
                return

    def _answer(self, query: bytes, connection: socket.socket) -> None:
        kind = kind_of(query) if self.hostile else ""
        packets = KINDS[kind](query, False) if kind in KINDS else (honest(query, self.ttl_s),)
        for packet in packets:
            framed = struct.pack(">H", len(packet)) + packet
            if kind != "drip":
                connection.sendall(framed)
                continue
            for at in range(len(framed)):
                connection.sendall(framed[at : at + 1])
                time.sleep(DRIP_S)


if __name__ == "__main__":
    Speaker(int(sys.argv[1]), int(sys.argv[2]), "hostile" in sys.argv[3:]).run()
