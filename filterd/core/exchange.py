"""What travels through the forwarder: a client's accepted question, and one question on its way upstream."""

from __future__ import annotations

from typing import Final

from filterd.core import wire
from filterd.core.matrix import Row
from filterd.core.snapshot import Snapshot
from filterd.core.verdict import Verdict
from filterd.core.wire import Query

UDP: Final = "udp"
TCP: Final = "tcp"

_PROBE = wire.pack_header(0, wire.RD, 1, 0, 0, 0) + b"\0\0\2\0\1"  # . NS IN
_OPT = wire.opt(False)
_OPT_DO = wire.opt(True)


class Asked:
    """An accepted question. It is answered by the snapshot it was asked under, however long the upstream takes.

    `packet` is the client's; `reply_to` is the shell's own and never looked into.
    """

    __slots__ = ("packet", "query", "reply_to", "row", "snapshot", "transport", "verdict")

    def __init__(
        self,
        query: Query,
        verdict: Verdict,
        row: Row,
        snapshot: Snapshot,
        packet: bytes,
        transport: str,
        reply_to: object,
    ) -> None:
        self.query = query
        self.verdict = verdict
        self.row = row
        self.snapshot = snapshot
        self.packet = packet
        self.transport = transport
        self.reply_to = reply_to


class Exchange:
    """One question on its way upstream, shared by everybody who asks the same. An empty `key` marks a probe."""

    __slots__ = (
        "done", "due", "key", "packet", "question", "sent", "since", "strays", "tcp", "token", "tried", "upstream",
        "waiters",
    )  # fmt: skip

    def __init__(self, key: bytes, question: bytes, packet: bytes, upstream: int, now: float) -> None:
        self.key = key
        self.packet = packet  # with a zero id; the shell puts a random one in
        self.question = question  # QNAME, QTYPE and QCLASS as sent
        self.upstream = upstream
        self.since = self.sent = now  # the first packet, the last packet
        self.due = 0.0  # when it counts as unanswered
        self.tried = [upstream]  # one for each packet sent
        self.strays = 0  # packets that had its id and were not its answer
        self.tcp = False
        self.done = False
        self.waiters: list[Asked] = []
        self.token: object = None  # the shell's own


_KEY_BITS = (b"\0", b"\1", b"\2", b"\3")


def cache_key(query: Query) -> bytes:
    """What makes two questions the same for an upstream: name in lower case, type, class, DO and CD."""
    return query.name + query.question[-4:] + _KEY_BITS[query.do | (2 if query.flags & wire.CD else 0)]


def exchange_for(key: bytes, query: Query, upstream: int, now: float) -> Exchange:
    """A new exchange for a client's question; the OPT is our own, so no client option travels on (RFC 6891 6.1.1)."""
    header = wire.pack_header(0, wire.RD | wire.AD | (query.flags & wire.CD), 1, 0, 0, 1)
    question = query.name + query.question[-4:]
    return Exchange(key, question, header + question + (_OPT_DO if query.do else _OPT), upstream, now)


def probe_of(upstream: int, now: float) -> Exchange:
    """A question that every resolver can answer."""
    return Exchange(b"", _PROBE[wire.HEADER_BYTES :], _PROBE, upstream, now)
