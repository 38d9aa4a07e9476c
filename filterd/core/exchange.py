"""What travels through the forwarder: a client's accepted question, and one question on its way upstream."""

from __future__ import annotations

from typing import Any, Final

from filterd.core import wire
from filterd.core.case import mixed
from filterd.core.matrix import Row, Safe
from filterd.core.snapshot import Snapshot
from filterd.core.verdict import Verdict
from filterd.core.wire import Query

UDP: Final = "udp"
TCP: Final = "tcp"

_OPT = wire.opt(False)
_OPT_DO = wire.opt(True)


class Asked:
    """An accepted question. It is answered by the snapshot it was asked under, however long the upstream takes.

    `packet` is the client's; `reply_to` is the shell's own and never looked into. `safe`: what the name is rewritten
    to, so that its target travels upstream in place of the name. `client` is whoever asked, as the shell tells them
    apart; b"" is nobody in particular.
    """

    __slots__ = ("client", "packet", "query", "reply_to", "row", "safe", "snapshot", "transport", "verdict")

    def __init__(
        self,
        query: Query,
        verdict: Verdict,
        row: Row,
        snapshot: Snapshot,
        packet: bytes,
        transport: str,
        reply_to: object,
        safe: Safe | None = None,
        client: bytes = b"",
    ) -> None:
        self.query = query
        self.verdict = verdict
        self.row = row
        self.snapshot = snapshot
        self.packet = packet
        self.transport = transport
        self.reply_to = reply_to
        self.safe = safe
        self.client = client


class Exchange:
    """One question on its way upstream, shared by everybody who asks the same. An empty `key` marks a probe."""

    __slots__ = (
        "done", "due", "hedge_at", "hedged", "key", "mixed", "packet", "question", "route", "sent", "since", "strays",
        "tcp", "token", "tried", "upstream", "waiters",
    )  # fmt: skip

    def __init__(
        self, key: bytes, question: bytes, packet: bytes, upstream: int, now: float, route: tuple[int, ...] = ()
    ) -> None:
        self.key = key
        self.packet = packet  # with a zero id; the shell puts a random one in
        self.question = question  # QNAME, QTYPE and QCLASS as sent
        self.upstream = upstream
        self.since = self.sent = now  # the first packet, the last packet
        self.route = route  # the upstreams that may be asked
        self.due = 0.0  # when it counts as unanswered
        self.hedge_at = 0.0  # when a second upstream is asked beside the first
        self.hedged = False
        self.mixed = False  # the name is in random case, and an answer that changes it is a stray
        self.tried = [upstream]  # one for each packet sent
        self.strays = 0  # packets that had its id and were not its answer
        self.tcp = False
        self.done = False
        self.waiters: list[Asked] = []
        self.token: Any = None  # the shell's own


_HEADER = wire.pack_header(0, wire.RD | wire.AD, 1, 0, 0, 1)
_HEADER_CD = wire.pack_header(0, wire.RD | wire.AD | wire.CD, 1, 0, 0, 1)
_KEY_BITS = (b"\0", b"\1", b"\2", b"\3")


def cache_key(query: Query, safe: Safe | None = None) -> bytes:
    """What makes two questions the same for an upstream: name in lower case, type, class, DO and CD. What is made up
    here anyway is asked without the latter two.
    """
    if safe is not None:
        return safe.target + query.question[-4:] + _KEY_BITS[0]
    return query.name + query.question[-4:] + _KEY_BITS[query.do | (2 if query.flags & wire.CD else 0)]


def exchange_for(key: bytes, upstream: int, now: float, route: tuple[int, ...], noise: bytes | None = None) -> Exchange:
    """A new exchange for what a cache key asks; `noise` (as long as the name) puts the name into random case.

    The OPT is our own, so no client option travels on (RFC 6891 section 6.1.1).
    """
    bits = key[-1]
    question = key[:-1]
    if noise is not None:
        question = mixed(key[:-5], noise) + key[-5:-1]
    header = _HEADER_CD if bits & 2 else _HEADER
    exchange = Exchange(key, question, header + question + (_OPT_DO if bits & 1 else _OPT), upstream, now, route)
    exchange.mixed = noise is not None
    return exchange


def probe_of(upstream: int, now: float, question: bytes) -> Exchange:
    """A question to find out whether an upstream is well."""
    return Exchange(b"", question, _HEADER + question + _OPT, upstream, now, (upstream,))
