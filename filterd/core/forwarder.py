"""Queries in, replies and upstream questions out: every rule of forwarding, and not one socket.

The shell calls `query` with a client's packet and gets a reply, None (silence, or the reply comes later), or an
`Exchange` to send upstream. It calls `response` with what came back, and `tick` when `deadline` has passed. Nothing
here raises on any bytes. Times are monotonic seconds; only `wall` is the clock of the timetable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from filterd.core import names, replies, wire
from filterd.core.cache import AnswerCache, Entry, Memo
from filterd.core.decide import decide, decide_target
from filterd.core.exchange import UDP, Asked, Exchange, cache_key, exchange_for, probe_of
from filterd.core.matrix import Row
from filterd.core.policy import Limits
from filterd.core.replies import Synthetic
from filterd.core.snapshot import Snapshot
from filterd.core.upstreams import NOBODY, Upstreams
from filterd.core.verdict import Action, Reason, Verdict
from filterd.core.wire import Answer, Query
from filterd.errors import WireError

ATTEMPT_S: Final = 0.6  # then the next upstream is asked too
ATTEMPTS: Final = 3  # upstream packets per question at most, not counting TCP after a truncated reply
BUDGET_S: Final = 2.0  # no attempt begins that could end later than this after the first
MAX_STRAYS: Final = 3  # packets with the right id and another question; then somebody is guessing, so go on over TCP
FAILURE_S: Final = 1.0  # a failed question is not asked again so soon (RFC 9520 section 3.2)
MAX_FAILURES: Final = 4096
STALE_TTL_S: Final = 30  # RFC 8767 section 4
MAX_WAITERS: Final = 512  # clients that share one upstream question
FOREVER: Final = 1e18
NO_TIER: Final = "none"
_REFUSED_TYPES = frozenset({wire.AXFR, wire.IXFR, 253, 254})  # RFC 5936, 1995, 883: nothing a forwarder serves
_META_TYPES = frozenset({wire.OPT, wire.TKEY, wire.TSIG, 0})
_UNUSUAL_TYPES = _REFUSED_TYPES | _META_TYPES | {wire.ANY}
_UNUSUAL_FLAGS = wire.QR | wire.OPCODE_MASK | wire.RD

Counted = tuple[str, str, str, str]  # transport, tier, action, reason
Send = tuple[Any, bytes]  # reply_to, reply


class Forwarder:
    """One worker's forwarder. The answer cache outlives every snapshot; the memo belongs to one."""

    def __init__(self, snapshot: Snapshot, upstreams: int, wall: Callable[[], float]) -> None:
        self.limits: Limits = snapshot.policy.limits
        self.upstreams = Upstreams(upstreams)
        self.cache = AnswerCache(self.limits.cache_bytes)
        self.counters: dict[Counted, list[int]] = {}
        self.rcodes: dict[tuple[str, int], int] = {}  # replies without a verdict: (transport, RCODE) -> count
        self.cache_hits = self.cache_misses = self.stale_answers = self.coalesced = self.memo_recalls = 0
        self._pending: dict[bytes, Exchange] = {}
        self._due: deque[tuple[float, Exchange]] = deque()
        self._failures: dict[bytes, float] = {}
        self._wall = wall
        self.use(snapshot)

    def use(self, snapshot: Snapshot) -> None:
        """Decide by another snapshot from now on."""
        self.snapshot = snapshot
        self.limits = snapshot.policy.limits
        self.cache.limit_bytes = self.limits.cache_bytes
        self.memo = Memo(self.limits.memo_bytes)
        self.synthetic = Synthetic(snapshot.policy)
        self._next: Snapshot | None = None

    def use_upstreams(self, count: int) -> None:
        """Another set of upstreams, all of unknown health; what waits for the old ones is asked again by time-out."""
        self.upstreams = Upstreams(count)
        for _, exchange in self._due:
            exchange.upstream = NOBODY
            exchange.tried = []
            exchange.done = exchange.done or not exchange.key
        self._failures.clear()

    @property
    def pending(self) -> int:
        """Questions that wait for an upstream."""
        return len(self._pending)

    # -- from clients ---------------------------------------------------------------------------------------------

    def query(
        self, packet: bytes, transport: str, row: Row | None, reply_to: object, now: float
    ) -> bytes | Exchange | None:
        """Answer a client's packet. `row` is None for a client inside the networks whom the policy refuses."""
        if len(packet) < wire.HEADER_BYTES:
            return None
        try:
            query = wire.read_query(packet)
        except WireError:
            return self._unreadable(packet, transport)
        if query.flags & _UNUSUAL_FLAGS != wire.RD or query.qtype in _UNUSUAL_TYPES or query.formerr or query.edns:
            return self._unusual(query, transport)
        if query.qclass != wire.IN:
            return self._error(replies.error(query, wire.REFUSED), transport, wire.REFUSED)
        if row is None:
            self.cell(transport, NO_TIER, Action.BLOCK, Reason.UNKNOWN_CLIENT)[0] += 1
            return replies.error(query, wire.REFUSED, replies.EDE_PROHIBITED, "filterd: this device is in no class")
        if self.memo.has_old and transport == UDP:
            known = self.memo.recall(row.index, transport, packet, now)
            if known is not None:
                known[2][0] += 1
                self.memo_recalls += 1
                return packet[:2] + known[1]
        key = query.key
        snapshot = self.snapshot
        verdict = decide(snapshot, row, key)
        asked = Asked(query, verdict, row, snapshot, packet, transport, reply_to)
        if verdict.step == 0:
            return self._finish(asked, verdict, self.synthetic.reply(query, key, verdict), FOREVER)
        if verdict.action is Action.BLOCK:
            return self._blocked(asked, verdict, None, FOREVER, now)
        return self._allowed(asked, now)

    def _unreadable(self, packet: bytes, transport: str) -> bytes | None:
        """Nothing for a response; NOTIMP for another opcode, whatever its body; FORMERR for the rest."""
        ident, flags, *_ = wire.read_header(packet)
        if flags & wire.QR:
            return None
        rcode = wire.NOTIMP if flags & wire.OPCODE_MASK else wire.FORMERR
        return self._error(wire.header_only(ident, flags, rcode), transport, rcode)

    def _unusual(self, query: Query, transport: str) -> bytes | None:
        """The reply to what is malformed, unsupported or not for a forwarder."""
        ident, flags = query.id, query.flags
        if flags & wire.QR:
            return None
        if flags & wire.OPCODE_MASK:
            return self._error(wire.header_only(ident, flags, wire.NOTIMP), transport, wire.NOTIMP)
        if query.formerr or query.qtype in _META_TYPES:
            return self._error(wire.header_only(ident, flags, wire.FORMERR), transport, wire.FORMERR)
        if query.edns:
            return self._error(replies.bad_version(query), transport, wire.BADVERS)
        if query.qtype == wire.ANY and query.qclass == wire.IN and flags & wire.RD:
            return self._error(replies.any_answer(query), transport, wire.NOERROR)
        return self._error(replies.error(query, wire.REFUSED), transport, wire.REFUSED)

    def _error(self, reply: bytes, transport: str, rcode: int) -> bytes:
        self.rcodes[transport, rcode] = self.rcodes.get((transport, rcode), 0) + 1
        return reply

    def _allowed(self, asked: Asked, now: float) -> bytes | Exchange | None:
        key = cache_key(asked.query)
        entry = self.cache.get(key)
        if entry is not None and entry.expires > now:
            self.cache_hits += 1
            return self._from_cache(asked, entry, now)
        self.cache_misses += 1
        asked.packet = b""  # not for the memo: most names that are asked once are not asked again soon
        exchange = self._pending.get(key)
        if exchange is not None:
            if len(exchange.waiters) < MAX_WAITERS:
                exchange.waiters.append(asked)
                self.coalesced += 1
            return None
        # With all upstreams down the probes go on by themselves; nobody has to wait for them.
        first = self.upstreams.first()
        if first is None or len(self._pending) >= self.limits.pending or self._failures.get(key, 0.0) > now:
            return self._give_up(asked, key, now)
        exchange = exchange_for(key, asked.query, first, now)
        exchange.waiters.append(asked)
        self._pending[key] = exchange
        self._wait(exchange, now)
        return exchange

    def _wait(self, exchange: Exchange, now: float) -> None:
        exchange.sent = now
        exchange.due = now + ATTEMPT_S
        self._due.append((exchange.due, exchange))

    def _from_cache(self, asked: Asked, entry: Entry, now: float) -> bytes:
        answer, verdict, until = entry.answer, asked.verdict, FOREVER
        if answer.targets:
            blocked = _blocked_target(asked.snapshot, asked.row, verdict, answer)
            if blocked is not None:
                return self._blocked(asked, blocked, answer, entry.expires, now)
        elapsed_s = int(now - entry.stored)
        cap_s = verdict.ttl_s
        if asked.snapshot.matrix.valid_until is not None:
            cap_s, until = self._cap(asked, verdict, answer, now)
        if len(answer.body) > asked.query.udp_bytes and asked.transport == UDP:  # thousands of TTLs, perhaps
            return self._finish(asked, verdict, replies.truncated(asked.query), 0.0)
        reply = replies.upstream(asked.query, answer, elapsed_s, cap_s)
        if not asked.packet:  # it waited for an upstream
            return self._finish(asked, verdict, reply, 0.0)
        # The memo may repeat a reply while no TTL in it is a second too high: until the least TTL has sunk to the cap,
        # or for the rest of this second where it counts down already. `ttl_s` knows of the answers and of a lone SOA.
        fresh_s = elapsed_s + 1
        if len(answer.ttls) - answer.counts[0] <= answer.negative:
            fresh_s = max(answer.ttl_s - cap_s, fresh_s)
        return self._finish(asked, verdict, reply, min(entry.stored + fresh_s, entry.expires, until))

    def _blocked(self, asked: Asked, verdict: Verdict, answer: Answer | None, until: float, now: float) -> bytes:
        """The reply that `verdict` on the name, or on a CNAME target in `answer`, calls for."""
        ttl_s, changes = self._cap(asked, verdict, answer, now)
        reply = self.synthetic.blocked(asked.query, verdict, ttl_s)
        return self._finish(asked, verdict, reply, min(until, changes))

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
            if then.action is Action.ALLOW and answer is not None and answer.targets:
                then = _blocked_target(self._next, row, then, answer) or then
            if then.action is not verdict.action:
                return True
        return False

    def _finish(self, asked: Asked, verdict: Verdict, reply: bytes, valid_until: float) -> bytes:
        """Count a reply, cut it to the client's UDP size, and remember it if the same packet may come again."""
        transport, query = asked.transport, asked.query
        cell = self.cell(transport, asked.row.tier, verdict.action, verdict.reason)
        cell[0] += 1
        if transport != UDP:
            return reply
        if len(reply) > query.udp_bytes:
            return replies.truncated(query)
        # What is random must not fill the memo.
        if query.plain and valid_until and asked.packet and asked.snapshot is self.snapshot:
            self.memo.put(asked.row.index, transport, asked.packet, valid_until, reply, cell)
        return reply

    def cell(self, transport: str, tier: str, action: str, reason: str) -> list[int]:
        """The counter of one kind of reply; `cell[0] += 1` counts."""
        key = (transport, tier, action, reason)
        cell = self.counters.get(key)
        if cell is None:
            cell = self.counters[key] = [0]
        return cell

    # -- from upstreams -------------------------------------------------------------------------------------------

    def response(
        self, exchange: Exchange, packet: bytes, now: float, upstream: int | None = None, tcp: bool = False
    ) -> list[Send] | Exchange | None:
        """What an upstream (None: the one asked last) sent for `exchange`, over UDP or `tcp`: replies for its clients;
        the exchange again if it must be sent anew (over TCP when its `tcp` is set); None if the packet is not the
        answer, so go on waiting (RFC 5452 section 4).
        """
        if exchange.done:
            return None
        end = wire.HEADER_BYTES + len(exchange.question)
        if len(packet) < end or packet[wire.HEADER_BYTES : end] != exchange.question:
            return self._stray(exchange, now)
        header = wire.read_header(packet)
        flags = header[1]
        if not flags & wire.QR or flags & wire.OPCODE_MASK or header[2] != 1:
            return self._stray(exchange, now)
        if upstream is None:
            upstream = exchange.upstream
        late = upstream != exchange.upstream  # another is being asked by now
        if self.upstreams.answered(upstream, now - (exchange.since if late else exchange.sent), now):
            self._failures.clear()
        if not exchange.key:  # a probe
            exchange.done = True
            return []
        if flags & wire.TC:
            if late:
                return None
            if tcp:
                return self._failed(exchange, now)
            return None if exchange.tcp else self._over_tcp(exchange, now)  # None: the same packet once more
        rcode = flags & wire.RCODE_MASK
        try:
            answer = wire.read_answer(packet, end, header) if rcode in (wire.NOERROR, wire.NXDOMAIN) else None
        except WireError:
            answer = None
        if answer is None:
            self.upstreams.spoilt(upstream)
            return None if late else self._failed(exchange, now)
        ttl_s = self._lifetime(answer)
        entry = self.cache.put(exchange.key, answer, now, ttl_s) if ttl_s > 0 else Entry(answer, now, now, 0)
        return [(asked.reply_to, self._from_cache(asked, entry, now)) for asked in self._close(exchange)]

    def _stray(self, exchange: Exchange, now: float) -> list[Send] | Exchange | None:
        exchange.strays += 1
        if exchange.strays != MAX_STRAYS or exchange.tcp or not exchange.key:
            return None
        return self._over_tcp(exchange, now)

    def _over_tcp(self, exchange: Exchange, now: float) -> list[Send] | Exchange:
        if exchange.upstream == NOBODY:
            return self._failed(exchange, now)
        exchange.tcp = True
        if self._in_budget(exchange, now):
            self._wait(exchange, now)
        return exchange

    def _lifetime(self, answer: Answer) -> int:
        limits = self.limits
        if answer.negative:
            return min(answer.ttl_s, limits.max_ttl_s, limits.max_negative_ttl_s)
        return max(min(answer.ttl_s, limits.max_ttl_s), limits.min_ttl_s)

    def _failed(self, exchange: Exchange, now: float) -> list[Send] | Exchange:
        """An upstream gave no usable answer: the next one, else stale, else SERVFAIL."""
        other = self.upstreams.other(exchange.tried)
        if other is not None and self._in_budget(exchange, now):
            return self._again(exchange, other, now)
        return self._finally(exchange, now)

    def _finally(self, exchange: Exchange, now: float) -> list[Send]:
        if len(self._failures) >= MAX_FAILURES:
            self._failures.clear()
        self._failures[exchange.key] = now + FAILURE_S
        return [(asked.reply_to, self._give_up(asked, exchange.key, now)) for asked in self._close(exchange)]

    def _in_budget(self, exchange: Exchange, now: float) -> bool:
        return len(exchange.tried) < ATTEMPTS and now + ATTEMPT_S <= exchange.since + BUDGET_S

    def _again(self, exchange: Exchange, upstream: int, now: float) -> Exchange:
        exchange.upstream = upstream
        exchange.tried.append(exchange.upstream)
        exchange.tcp = False
        self._wait(exchange, now)
        return exchange

    def _close(self, exchange: Exchange) -> list[Asked]:
        """End an exchange, also in what waits for a time-out, so that nothing of it is kept; gives its waiters."""
        exchange.done = True
        self._pending.pop(exchange.key, None)
        due = self._due
        while due and due[0][1].done:
            due.popleft()
        return exchange.waiters

    def _give_up(self, asked: Asked, key: bytes, now: float) -> bytes:
        """A stale answer under today's policy (RFC 8767), else SERVFAIL with the reason."""
        query, verdict = asked.query, asked.verdict
        entry = self.cache.get(key)
        if entry is not None and now < entry.expires + self.limits.stale_s:
            blocked = _blocked_target(asked.snapshot, asked.row, verdict, entry.answer)
            if blocked is not None:
                return self._blocked(asked, blocked, entry.answer, 0.0, now)
            self.stale_answers += 1
            cap_s, _ = self._cap(asked, verdict, entry.answer, now)
            if len(entry.answer.body) > query.udp_bytes and asked.transport == UDP:
                reply = replies.truncated(query)
            else:
                reply = replies.stale(query, entry.answer, min(STALE_TTL_S, cap_s))
        elif self.upstreams.all_down or not self.upstreams.all:
            reply = replies.error(query, wire.SERVFAIL, replies.EDE_NO_UPSTREAM, "filterd: no upstream answers")
        else:
            reply = replies.error(query, wire.SERVFAIL, replies.EDE_NETWORK, "filterd: the upstream failed")
        return self._finish(asked, verdict, reply, 0.0)

    # -- time -----------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """When `tick` wants to be called next."""
        probe = self.upstreams.next_probe()
        due = self._due[0][0] if self._due else None
        return probe if due is None or (probe is not None and probe < due) else due

    def tick(self, now: float) -> tuple[list[Send], list[Exchange]]:
        """Replies that can wait no longer, and exchanges to send: further attempts and probes."""
        sends: list[Send] = []
        exchanges: list[Exchange] = []
        while self._due and self._due[0][0] <= now:
            due, exchange = self._due.popleft()
            if exchange.done or exchange.due != due:  # answered, or asked again since
                continue
            outcome = self._timed_out(exchange, now)
            if isinstance(outcome, Exchange):
                exchanges.append(outcome)
            else:
                sends += outcome
        for index in self.upstreams.due_probes(now):
            probe = probe_of(index, now)
            self._wait(probe, now)
            exchanges.append(probe)
        return sends, exchanges

    def unreachable(self, exchange: Exchange, now: float, ours: bool = False) -> list[Send] | Exchange:
        """The shell could not send, or the upstream's port is closed (ICMP): as good as no answer. `ours`: for want of
        something of our own, such as a socket, which says nothing about the upstream.
        """
        if exchange.done:
            return []
        if not ours:
            self.upstreams.failed(exchange.upstream, now)
        if not exchange.key:
            exchange.done = True
            return []
        return self._failed(exchange, now)

    def _timed_out(self, exchange: Exchange, now: float) -> list[Send] | Exchange:
        self.upstreams.failed(exchange.upstream, now, exchange.sent)
        if not exchange.key:
            exchange.done = True
            return []
        if not self.upstreams.all_down and self._in_budget(exchange, now):
            # Perhaps only a packet was lost: even a lone upstream is asked once more.
            return self._again(exchange, self.upstreams.after_silence(exchange.tried), now)
        return self._finally(exchange, now)


def _blocked_target(snapshot: Snapshot, row: Row, question: Verdict, answer: Answer) -> Verdict | None:
    for target in answer.targets:
        blocked = decide_target(snapshot, row, names.key_of_wire(target), question)
        if blocked is not None:
            return blocked
    return None
