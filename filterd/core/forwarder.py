"""Queries in, replies and upstream questions out: every rule of forwarding, and not one socket.

The shell calls `query` with a client's packet and gets a reply, nothing (silence), or an `Exchange` to send upstream.
It calls `response` with what came back, and `tick` when `deadline` has passed. Nothing here raises on any bytes.
Times are monotonic seconds, except `wall`, which only finds out whether a row changes soon.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from filterd.core import names, replies, wire
from filterd.core.cache import AnswerCache, Entry, Memo
from filterd.core.decide import decide, decide_target
from filterd.core.matrix import Row
from filterd.core.policy import Limits
from filterd.core.replies import Synthetic
from filterd.core.snapshot import Snapshot
from filterd.core.special import Special, special
from filterd.core.upstreams import Upstreams
from filterd.core.verdict import Action, Reason, Verdict
from filterd.core.wire import Answer, Query
from filterd.errors import WireError

ATTEMPT_S: Final = 0.6  # then the next upstream is asked too
ATTEMPTS: Final = 3  # upstream packets per question at most; with ATTEMPT_S the client hears within 1.8 s
FAILURE_S: Final = 1.0  # a failed question is not asked again so soon (RFC 9520 section 3.2)
STALE_TTL_S: Final = 30  # RFC 8767 section 4
MAX_TARGETS: Final = 11
MAX_WAITERS: Final = 512  # clients that share one upstream question
FOREVER: Final = 1e18
UDP: Final = "udp"
TCP: Final = "tcp"
_REFUSED_TYPES = frozenset({wire.AXFR, wire.IXFR, 253, 254})  # RFC 5936, 1995, 883: nothing a forwarder serves
_META_TYPES = frozenset({wire.OPT, wire.TKEY, wire.TSIG, 0})
_PROBE = wire.pack_header(0, wire.RD, 1, 0, 0, 0) + b"\0\0\2\0\1"  # . NS IN
_UPSTREAM_OPT = wire.opt(False)
_UPSTREAM_OPT_DO = wire.opt(True)

type_Cell = list[int]
Counted = tuple[str, str, str, str]  # transport, tier, action, reason
NO_TIER: Final = "none"


class Client(NamedTuple):
    """Who asks, as far as deciding goes."""

    row: Row
    place: int | None


class Waiter(NamedTuple):
    """A client that waits for an exchange; `reply_to` is the shell's own and never looked into."""

    query: Query
    verdict: Verdict
    row: Row
    transport: str
    reply_to: object


class Exchange:
    """One question on its way upstream, shared by everybody who asks the same."""

    __slots__ = ("attempt", "done", "key", "packet", "question", "sent", "tcp", "token", "upstream", "waiters")

    def __init__(self, key: bytes, question: bytes, packet: bytes, upstream: int, now: float) -> None:
        self.key = key
        self.question = question
        self.packet = packet  # with a zero id; the shell puts a random one in
        self.upstream = upstream
        self.attempt = 0
        self.sent = now
        self.tcp = False
        self.done = False
        self.waiters: list[Waiter] = []
        self.token: object = None  # the shell's own


Send = tuple[object, bytes]  # (reply_to, reply)


class Forwarder:
    """One worker's forwarder. `snapshot` may be replaced at any time by `use`."""

    def __init__(self, snapshot: Snapshot, upstreams: int, wall: Callable[[], float]) -> None:
        limits: Limits = snapshot.policy.limits
        self.limits = limits
        self.upstreams = Upstreams(upstreams)
        self.cache = AnswerCache(limits.cache_bytes)
        self.memo = Memo(limits.memo_bytes)
        self.counters: dict[Counted, list[int]] = {}
        self.cache_hits = 0
        self.cache_misses = 0
        self.stale_answers = 0
        self._pending: dict[bytes, Exchange] = {}
        self._due: deque[tuple[float, Exchange]] = deque()
        self._failures: dict[bytes, float] = {}
        self._wall = wall
        self.use(snapshot)

    def use(self, snapshot: Snapshot) -> None:
        """Decide by another snapshot from now on. The memo belongs to the old one and is emptied."""
        self.snapshot = snapshot
        self.memo = Memo(snapshot.policy.limits.memo_bytes)
        self.synthetic = Synthetic(snapshot.policy)
        self._next: Snapshot | None = None

    def cell(self, transport: str, tier: str, action: str, reason: str) -> list[int]:
        """The counter of one kind of reply; `cell[0] += 1` counts."""
        return self.counters.setdefault((transport, tier, action, reason), [0])

    # -- from clients ---------------------------------------------------------------------------------------------

    def query(
        self, packet: bytes, transport: str, row: Row | None, reply_to: object, now: float
    ) -> bytes | Exchange | None:
        """Answer a client's packet: a reply, None for silence, or an exchange that the shell must send now.

        `row` is None for a client inside the networks whom the policy refuses.
        """
        try:
            header = wire.read_header(packet)
        except WireError:
            return None
        ident, flags = header[0], header[1]
        if flags & wire.QR:
            return None
        tier = row.tier if row is not None else NO_TIER
        if flags & wire.OPCODE_MASK:
            return self._error(wire.header_only(ident, flags, wire.NOTIMP), transport, tier)
        try:
            query = wire.read_query(packet, header)
        except WireError:
            return self._error(wire.header_only(ident, flags, wire.FORMERR), transport, tier)
        refusal = self._refusal(query, row)
        if refusal is not None:
            return self._error(refusal, transport, tier)
        assert row is not None
        if query.qtype == wire.ANY:
            return self._error(replies.any_answer(query), transport, tier)
        name = query.question[:-4].lower()
        key = names.key_of_wire(name)
        verdict = decide(self.snapshot, row, key)
        if verdict.step == 0 or verdict.action is Action.BLOCK:
            return self._finish(packet, query, verdict, row, transport, self._synthesise(query, key, verdict), FOREVER)
        return self._allowed(packet, query, name, verdict, row, transport, reply_to, now)

    def _error(self, reply: bytes, transport: str, tier: str) -> bytes:
        self.cell(transport, tier, "error", "protocol")[0] += 1
        return reply

    def _refusal(self, query: Query, row: Row | None) -> bytes | None:
        if query.formerr or query.qtype in _META_TYPES:
            return wire.header_only(query.id, query.flags, wire.FORMERR)
        if query.edns:
            return replies.bad_version(query)
        if query.qclass != wire.IN or query.qtype in _REFUSED_TYPES or not query.flags & wire.RD or row is None:
            return replies.error(query, wire.REFUSED)
        return None

    def _synthesise(self, query: Query, key: bytes, verdict: Verdict) -> bytes:
        if verdict.action is Action.REWRITE:
            return self.synthetic.box(query, verdict.ttl_s)
        if verdict.step == 0:
            return self.synthetic.special(query, special(key) or Special.NXDOMAIN, verdict)
        return self.synthetic.blocked(query, verdict)

    def _allowed(
        self,
        packet: bytes,
        query: Query,
        name: bytes,
        verdict: Verdict,
        row: Row,
        transport: str,
        reply_to: object,
        now: float,
    ) -> bytes | Exchange | None:
        bits = query.do | (2 if query.flags & wire.CD else 0)
        key = b"%b%b%c" % (name, query.question[-4:], bits)
        entry = self.cache.get(key)
        if entry is not None and entry.expires > now:
            self.cache_hits += 1
            return self._from_cache(packet, query, entry, verdict, row, transport, now)
        self.cache_misses += 1
        waiter = Waiter(query, verdict, row, transport, reply_to)
        failed_until = self._failures.get(key)
        if failed_until is not None and failed_until > now:
            return self._give_up(waiter, key, now)
        exchange = self._pending.get(key)
        if exchange is not None:
            if len(exchange.waiters) < MAX_WAITERS:
                exchange.waiters.append(waiter)
            return None
        if not self.upstreams.all or len(self._pending) >= self.limits.pending:
            return self._give_up(waiter, key, now)
        if self.upstreams.all_down:  # the probes go on by themselves
            return self._give_up(waiter, key, now)
        header = wire.pack_header(0, wire.RD | wire.AD | (query.flags & wire.CD), 1, 0, 0, 1)
        question = name + query.question[-4:]
        opt = _UPSTREAM_OPT_DO if query.do else _UPSTREAM_OPT
        exchange = Exchange(key, question, header + question + opt, self.upstreams.choose(0), now)
        exchange.waiters.append(waiter)
        self._pending[key] = exchange
        self._due.append((now + ATTEMPT_S, exchange))
        return exchange

    def _from_cache(
        self, packet: bytes, query: Query, entry: Entry, verdict: Verdict, row: Row, transport: str, now: float
    ) -> bytes:
        answer = entry.answer
        if answer.targets:
            blocked = self._blocked_target(answer, row, verdict)
            if blocked is not None:
                reply = self.synthetic.blocked(query, blocked)
                return self._finish(packet, query, blocked, row, transport, reply, entry.expires)
        elapsed_s = int(now - entry.stored)
        cap_s = self._cap(row, query, verdict)
        reply = replies.upstream(query, answer, elapsed_s, cap_s)
        # The memo may repeat this reply until a TTL in it would be a second too high: at once where a TTL already
        # counts down, or once the cached TTL has sunk to the cap.
        left = entry.expires - now
        valid_until = entry.stored + elapsed_s + 1 if left < cap_s + 1 else entry.expires - cap_s
        if cap_s < verdict.ttl_s:
            valid_until = now + 1
        return self._finish(packet, query, verdict, row, transport, reply, min(valid_until, entry.expires))

    def _blocked_target(self, answer: Answer, row: Row, verdict: Verdict) -> Verdict | None:
        for target in answer.targets[:MAX_TARGETS]:
            blocked = decide_target(self.snapshot, row, names.key_of_wire(target), verdict)
            if blocked is not None:
                return blocked
        return None

    def _cap(self, row: Row, query: Query, verdict: Verdict) -> int:
        """The TTL an allowed answer may have: the verdict's, cut where the row changes soon and this name with it."""
        until = self.snapshot.matrix.valid_until
        if until is None:
            return verdict.ttl_s
        left = until - self._wall()
        if left >= verdict.ttl_s:
            return verdict.ttl_s
        if self._next is None:
            self._next = self.snapshot.at(until)
        for before, after in self._successors(row):
            if before is row:
                later = decide(self._next, after, names.key_of_wire(query.question[:-4]))
                if later.action is not verdict.action:
                    return max(1, int(left))
        return verdict.ttl_s

    def _successors(self, row: Row) -> Iterable[tuple[Row, Row]]:
        assert self._next is not None
        now, later = self.snapshot.matrix, self._next.matrix
        pairs = set(zip(now.by_place, later.by_place, strict=True))
        if now.unknown is not None and later.unknown is not None:
            pairs.add((now.unknown, later.unknown))
        return pairs

    def _finish(
        self,
        packet: bytes,
        query: Query,
        verdict: Verdict,
        row: Row,
        transport: str,
        reply: bytes,
        valid_until: float,
    ) -> bytes:
        """Count a reply, cut it to the client's UDP size and remember it if the same packet may come again."""
        cell = self.cell(transport, row.tier, verdict.action, verdict.reason)
        cell[0] += 1
        if transport == UDP:
            if len(reply) > query.udp_bytes:
                return replies.truncated(query)
            # One question, no EDNS options, nothing behind, no mixed case: what is random cannot fill the memo.
            name = query.question[:-4]
            extra = 0 if query.edns is None else 11
            if packet and len(packet) == wire.HEADER_BYTES + len(query.question) + extra and name == name.lower():
                self.memo.put(self.memo.table(row.index, transport), packet, valid_until, reply, cell)
        return reply

    # -- from upstreams -------------------------------------------------------------------------------------------

    def response(self, exchange: Exchange, packet: bytes, now: float) -> list[Send] | Exchange | None:
        """What an upstream sent for `exchange`: replies for its clients; the exchange again if it must be sent anew
        (over TCP when its `tcp` is set); None if the packet is not the answer, so go on waiting (RFC 5452 section 4).
        """
        end = wire.HEADER_BYTES + len(exchange.question)
        if exchange.done or len(packet) < end or packet[wire.HEADER_BYTES : end].lower() != exchange.question.lower():
            return None
        _, flags, questions, _, _, _ = wire.read_header(packet)
        if not flags & wire.QR or flags & wire.OPCODE_MASK or questions != 1:
            return None
        index = exchange.upstream
        recovered = self.upstreams.answered(index, now - exchange.sent)
        if recovered:
            self._failures.clear()
        if not exchange.key:  # a probe
            exchange.done = True
            return []
        if flags & wire.TC:
            if exchange.tcp:
                return self._failed(exchange, now)
            exchange.tcp = True
            return exchange
        rcode = flags & wire.RCODE_MASK
        if rcode not in (wire.NOERROR, wire.NXDOMAIN):
            self.upstreams.all[index].errors += 1
            return self._failed(exchange, now)
        try:
            answer = wire.read_answer(packet, end)
        except WireError:
            self.upstreams.all[index].errors += 1
            return self._failed(exchange, now)
        self._close(exchange)
        limits = self.limits
        ttl_s = min(answer.ttl_s, limits.max_ttl_s)
        if rcode == wire.NXDOMAIN or not answer.counts[0]:
            ttl_s = min(ttl_s, limits.max_negative_ttl_s)
        elif ttl_s < limits.min_ttl_s:
            ttl_s = limits.min_ttl_s
        if ttl_s > 0:
            self.cache.put(exchange.key, answer, now, ttl_s)
        entry = Entry(answer, now, now + ttl_s, 0)
        return [
            (w.reply_to, self._from_cache(b"", w.query, entry, self._again(w), self._row_now(w), w.transport, now))
            for w in exchange.waiters
        ]

    def _row_now(self, waiter: Waiter) -> Row:
        """The row a client that has been waiting has under the snapshot of now."""
        rows = self.snapshot.matrix.rows
        return waiter.row if waiter.row in rows else rows[min(waiter.row.index, len(rows) - 1)]

    def _again(self, waiter: Waiter) -> Verdict:
        return waiter.verdict

    def _failed(self, exchange: Exchange, now: float) -> list[Send] | Exchange:
        """An upstream gave no usable answer: the next one, else stale, else SERVFAIL."""
        exchange.attempt += 1
        if exchange.attempt < min(ATTEMPTS, max(2, len(self.upstreams.all))):
            exchange.upstream = self.upstreams.choose(exchange.attempt)
            exchange.tcp = False
            exchange.sent = now
            self._due.append((now + ATTEMPT_S, exchange))
            return exchange
        self._close(exchange)
        if len(self._failures) > 4096:
            self._failures.clear()
        self._failures[exchange.key] = now + FAILURE_S
        return [(w.reply_to, self._give_up(w, exchange.key, now)) for w in exchange.waiters]

    def _close(self, exchange: Exchange) -> None:
        exchange.done = True
        if exchange.key:
            self._pending.pop(exchange.key, None)

    def _give_up(self, waiter: Waiter, key: bytes, now: float) -> bytes:
        """A stale answer under the policy of now (RFC 8767), else SERVFAIL with the reason."""
        query = waiter.query
        entry = self.cache.get(key)
        if entry is not None and now < entry.expires + self.limits.stale_s:
            blocked = self._blocked_target(entry.answer, waiter.row, waiter.verdict)
            if blocked is not None:
                return self._finish(b"", query, blocked, waiter.row, waiter.transport,
                                    self.synthetic.blocked(query, blocked), now)
            self.stale_answers += 1
            options = wire.ede(replies.EDE_STALE) if query.edns is not None else b""
            cap_s = min(STALE_TTL_S, waiter.verdict.ttl_s)
            reply = replies.upstream(query, entry.answer, -STALE_TTL_S, cap_s, options)
        elif self.upstreams.all_down or not self.upstreams.all:
            reply = replies.error(query, wire.SERVFAIL, replies.EDE_NO_UPSTREAM, "filterd: no upstream answers")
        else:
            reply = replies.error(query, wire.SERVFAIL, replies.EDE_NETWORK, "filterd: upstream failed")
        return self._finish(b"", query, waiter.verdict, waiter.row, waiter.transport, reply, now)

    # -- time -----------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """When `tick` wants to be called next."""
        due = self._due[0][0] if self._due else None
        probe = self.upstreams.next_probe()
        if due is None or (probe is not None and probe < due):
            return probe
        return due

    def tick(self, now: float) -> tuple[list[Send], list[Exchange]]:
        """Replies that can wait no longer, and exchanges to send: further attempts and probes."""
        sends: list[Send] = []
        exchanges: list[Exchange] = []
        while self._due and self._due[0][0] <= now:
            exchange = self._due.popleft()[1]
            if exchange.done or exchange.sent + ATTEMPT_S > now + 0.001:
                continue
            self.upstreams.failed(exchange.upstream, now)
            if not exchange.key:
                exchange.done = True
                continue
            outcome = self._retry(exchange, now)
            if isinstance(outcome, Exchange):
                exchanges.append(outcome)
            else:
                sends += outcome
        for index in self.upstreams.due_probes(now):
            probe = Exchange(b"", _PROBE[wire.HEADER_BYTES :], _PROBE, index, now)
            self._due.append((now + ATTEMPT_S, probe))
            exchanges.append(probe)
        return sends, exchanges

    def _retry(self, exchange: Exchange, now: float) -> list[Send] | Exchange:
        """A time-out: ask again unless the time is up, or no upstream is left and a stale answer is at hand."""
        exchange.attempt += 1
        if exchange.attempt < ATTEMPTS and not self.upstreams.all_down:
            exchange.upstream = self.upstreams.choose(exchange.attempt)
            exchange.tcp = False
            exchange.sent = now
            self._due.append((now + ATTEMPT_S, exchange))
            return exchange
        exchange.attempt = ATTEMPTS
        return self._failed(exchange, now)

    def unreachable(self, exchange: Exchange, now: float) -> list[Send] | Exchange:
        """The shell could not send, or the upstream's port is closed (ICMP): the same as an answer that never comes."""
        self.upstreams.failed(exchange.upstream, now)
        if not exchange.key:
            exchange.done = True
            return []
        return self._failed(exchange, now)

    @property
    def pending(self) -> int:
        return len(self._pending)
