"""From an answer to a client's reply: verdicts on what stands in it, TTLs, the client's UDP size, memo and counters.

One per worker; everything that a snapshot decides about a reply is here, everything about asking upstream is in
`forwarder`. Times are monotonic seconds; only `wall` is the clock of the timetable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from filterd.core import replies, svcb, wire
from filterd.core.cache import Entry, Memo
from filterd.core.decide import UNREADABLE, decide, decide_address, decide_answer
from filterd.core.exchange import UDP, Asked
from filterd.core.matrix import Safe
from filterd.core.policy import Limits
from filterd.core.replies import Synthetic
from filterd.core.snapshot import Snapshot
from filterd.core.verdict import Action, Verdict
from filterd.core.wire import Answer, Query
from filterd.errors import WireError

STALE_TTL_S: Final = 30  # RFC 8767 section 4
LARGE_BYTES: Final = 2048  # what is larger is judged over streams only, where it costs a client several questions
FOREVER: Final = 1e18

Counted = tuple[str, str, str, str]  # transport, tier, action, reason


class Replier:
    """Makes replies under one snapshot at a time. The memo belongs to the snapshot."""

    def __init__(self, snapshot: Snapshot, wall: Callable[[], float]) -> None:
        # A cell for each kind of reply; `cell[0] += 1` counts.
        self.counters: defaultdict[Counted, list[int]] = defaultdict(lambda: [0])
        self.rcodes: dict[tuple[str, int], int] = {}  # replies without a verdict: (transport, RCODE) -> count
        self.stale_answers = self.edited = 0
        self._wall = wall
        self.use(snapshot)

    def use(self, snapshot: Snapshot) -> None:
        """Decide by another snapshot from now on."""
        self.snapshot = snapshot
        self.limits: Limits = snapshot.policy.limits
        self.memo = Memo(self.limits.memo_bytes)
        self.synthetic = Synthetic(snapshot.policy)
        self._next: Snapshot | None = None

    def error(self, reply: bytes, transport: str, rcode: int) -> bytes:
        """Count a reply without a verdict."""
        self.rcodes[transport, rcode] = self.rcodes.get((transport, rcode), 0) + 1
        return reply

    # -- what is answered here ------------------------------------------------------------------------------------

    def made(self, asked: Asked, reply: bytes) -> bytes:
        """A reply that no upstream has a part in and that holds for as long as the snapshot."""
        return self.finish(asked, asked.verdict, reply, FOREVER)

    def safe_search(self, asked: Asked, safe: Safe) -> bytes:
        """The safe host itself, where nothing must be looked up: fixed addresses, the CNAME alone, or no data: an HTTPS
        record of the real host would lead past it.
        """
        query, ttl_s = asked.query, asked.verdict.ttl_s
        if query.qtype == wire.CNAME and safe.target:
            reply = replies.rewritten(query, safe.target, ttl_s, ())
        else:
            found = safe.ipv4 if query.qtype == wire.A else safe.ipv6 if query.qtype == wire.AAAA else ()
            reply = replies.records(query, ttl_s, found)
        return self.made(asked, reply)

    def blocked(self, asked: Asked, verdict: Verdict, answer: Answer | None, until: float, now: float) -> bytes:
        """The reply that `verdict` on the name, or on something in `answer`, calls for."""
        ttl_s, changes = self._cap(asked, verdict, answer, now)
        reply = self.synthetic.blocked(asked.query, verdict, ttl_s)
        return self.finish(asked, verdict, reply, min(until, changes))

    # -- what upstreams answered ----------------------------------------------------------------------------------

    def answered(self, asked: Asked, entry: Entry, now: float) -> bytes:
        """The reply that a fresh answer makes for one client."""
        answer, verdict, snapshot, until = entry.answer, asked.verdict, asked.snapshot, FOREVER
        if asked.safe is not None:
            return self._rewritten(asked, asked.safe, entry, now)
        if len(answer.body) > LARGE_BYTES and asked.transport == UDP:
            return self.finish(asked, verdict, replies.truncated(asked.query), 0.0)
        if answer.targets or answer.marks or snapshot.judges_addresses:
            told = self._told(asked, answer)
            if isinstance(told, Verdict):
                return self.blocked(asked, told, answer, entry.expires, now)
            answer = told
        elapsed_s = int(now - entry.stored)
        cap_s = verdict.ttl_s
        if snapshot.matrix.valid_until is not None:
            cap_s, until = self._cap(asked, verdict, answer, now)
        if answer.negative and answer.ttl_s:  # its SOA's TTL may be longer, but what is told counts down (RFC 2308 5)
            cap_s = min(cap_s, max(answer.ttl_s - elapsed_s, 0))
        if len(answer.body) > asked.query.udp_bytes and asked.transport == UDP:  # thousands of TTLs, perhaps
            return self.finish(asked, verdict, replies.truncated(asked.query), 0.0)
        reply = replies.upstream(asked.query, answer, elapsed_s, cap_s)
        if not asked.packet:  # it waited for an upstream
            return self.finish(asked, verdict, reply, 0.0)
        return self.finish(asked, verdict, reply, min(_fresh_until(entry, answer, elapsed_s, cap_s), until))

    def stale(self, asked: Asked, entry: Entry, now: float) -> bytes:
        """An expired answer under today's policy (RFC 8767)."""
        query, verdict, answer = asked.query, asked.verdict, entry.answer
        if asked.safe is not None:
            self.stale_answers += 1
            return self._rewritten(asked, asked.safe, entry, now)
        if len(answer.body) > LARGE_BYTES and asked.transport == UDP:
            return self.finish(asked, verdict, replies.truncated(query), 0.0)
        told = self._told(asked, answer)
        if isinstance(told, Verdict):
            return self.blocked(asked, told, answer, 0.0, now)
        self.stale_answers += 1
        cap_s, _ = self._cap(asked, verdict, answer, now)
        if len(told.body) > query.udp_bytes and asked.transport == UDP:
            reply = replies.truncated(query)
        else:
            reply = replies.stale(query, told, min(STALE_TTL_S, cap_s))
        return self.finish(asked, verdict, reply, 0.0)

    def _rewritten(self, asked: Asked, safe: Safe, entry: Entry, now: float) -> bytes:
        """The CNAME to the safe host and the addresses that the upstream gave for that one. They are not judged."""
        elapsed_s = int(now - entry.stored)
        cap_s, until = self._cap(asked, asked.verdict, None, now)
        size = 4 if asked.query.qtype == wire.A else 16
        found = [packed for packed in wire.addresses(entry.answer) if len(packed) == size]
        ttl_s = max(min(cap_s, entry.answer.ttl_s - elapsed_s), 1)
        reply = replies.rewritten(asked.query, safe.target, ttl_s, found)
        if not asked.packet:
            return self.finish(asked, asked.verdict, reply, 0.0)
        fresh_until = min(_fresh_until(entry, entry.answer, elapsed_s, cap_s), until)
        return self.finish(asked, asked.verdict, reply, fresh_until)

    def _told(self, asked: Asked, answer: Answer) -> Answer | Verdict:
        """What may be told of an answer: itself, one without the parameters that lead past the filter, or the verdict
        that blocks it.
        """
        if answer.marks & wire.SVCB_MARK:
            try:
                edited = _edited(asked, answer)
            except WireError:
                return UNREADABLE
            self.edited += edited is not answer
            answer = edited
        return decide_answer(asked.snapshot, asked.row, asked.query.key, answer, asked.verdict) or answer

    # -- time -----------------------------------------------------------------------------------------------------

    def _cap(self, asked: Asked, verdict: Verdict, answer: Answer | None, now: float) -> tuple[int, float]:
        """The TTL a reply may have, and until when that holds: the verdict's TTL, cut where the row changes soon and
        what becomes of this question with it.
        """
        until = asked.snapshot.matrix.valid_until
        if until is None or asked.snapshot is not self.snapshot:
            return verdict.ttl_s, FOREVER
        left_s = until - self._wall()
        if left_s >= verdict.ttl_s:
            return verdict.ttl_s, now + left_s - verdict.ttl_s
        if self._changes(asked, verdict, answer, until):
            return max(1, int(left_s)), now + 1.0
        return verdict.ttl_s, FOREVER

    def _changes(self, asked: Asked, verdict: Verdict, answer: Answer | None, until: int) -> bool:
        """Whether the question will be answered otherwise once the snapshot has run out."""
        if self._next is None:
            self._next = self.snapshot.at(until)
        key = asked.query.key
        for row in asked.snapshot.successors(asked.row, self._next):
            then = decide(self._next, row, key)
            if then.action is Action.ALLOW and answer is not None:
                then = decide_answer(self._next, row, key, answer, then) or then
            if then.action is not verdict.action:
                return True
        return False

    def finish(self, asked: Asked, verdict: Verdict, reply: bytes, valid_until: float) -> bytes:
        """Count a reply, cut it to the client's UDP size, and remember it if the same packet may come again."""
        transport, query = asked.transport, asked.query
        cell = self.counters[transport, asked.row.tier, verdict.action, verdict.reason]
        cell[0] += 1
        if transport != UDP:
            # An upstream's 64 KiB and our options may be more than a message can be.
            return reply if len(reply) <= wire.MAX_BYTES else replies.error(query, wire.SERVFAIL)
        if len(reply) > query.udp_bytes:
            return replies.truncated(query)
        # What is random must not fill the memo.
        if query.plain and valid_until and asked.packet and asked.snapshot is self.snapshot:
            self.memo.put(asked.row.index, transport, asked.packet, valid_until, reply, cell)
        return reply

    def unreadable(self, packet: bytes, transport: str) -> bytes | None:
        """Nothing for a response; NOTIMP for another opcode, whatever its body; FORMERR for the rest."""
        ident, flags, *_ = wire.read_header(packet)
        if flags & wire.QR:
            return None
        rcode = wire.NOTIMP if flags & wire.OPCODE_MASK else wire.FORMERR
        return self.error(wire.header_only(ident, flags, rcode), transport, rcode)

    def unusual(self, query: Query, transport: str) -> bytes | None:
        """The reply to what is malformed, unsupported or not for a forwarder."""
        ident, flags = query.id, query.flags
        if flags & wire.QR:
            return None
        if flags & wire.OPCODE_MASK:
            return self.error(wire.header_only(ident, flags, wire.NOTIMP), transport, wire.NOTIMP)
        if query.formerr or query.qtype in META_TYPES:
            return self.error(wire.header_only(ident, flags, wire.FORMERR), transport, wire.FORMERR)
        if query.edns:
            return self.error(replies.bad_version(query), transport, wire.BADVERS)
        if query.qtype == wire.ANY and query.qclass == wire.IN and flags & wire.RD:
            return self.error(replies.any_answer(query), transport, wire.NOERROR)
        return self.error(replies.error(query, wire.REFUSED), transport, wire.REFUSED)


REFUSED_TYPES: Final = frozenset({wire.AXFR, wire.IXFR, 253, 254})  # RFC 5936, 1995, 883: nothing a forwarder serves
META_TYPES: Final = frozenset({wire.OPT, wire.TKEY, wire.TSIG, 0})
UNUSUAL_TYPES: Final = REFUSED_TYPES | META_TYPES | {wire.ANY}
UNUSUAL_FLAGS: Final = wire.QR | wire.OPCODE_MASK | wire.RD


def _edited(asked: Asked, answer: Answer) -> Answer:
    """An answer without what a class may not have of its service records."""
    row, query = asked.row, asked.query

    def refused(packed: bytes) -> bool:
        return decide_address(asked.snapshot, row, query.key, packed, asked.verdict) is not None

    return svcb.edited(answer, query.question, row.strip_ech, row.strip_h3, refused)


def _fresh_until(entry: Entry, answer: Answer, elapsed_s: int, cap_s: int) -> float:
    """How long the memo may repeat a reply while no TTL in it is a second too high: until the least TTL has sunk to
    the cap, or for the rest of this second where it counts down already. `ttl_s` knows of the answers and of a lone
    SOA.
    """
    fresh_s = elapsed_s + 1
    if len(answer.ttls) - answer.counts[0] <= answer.negative:
        fresh_s = max(answer.ttl_s - cap_s, fresh_s)
    return min(entry.stored + fresh_s, entry.expires)
