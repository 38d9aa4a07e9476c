"""Questions on their way upstream: which upstream, when another one, what counts as an answer, when to give up.

`upstreams` knows how each of them is, `failures` what need not be asked. Values in, values out: the
shell sends the exchanges it is given and comes back with packets and time-outs. Times are monotonic seconds;
`noise(n)` gives n random bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from filterd.core import loops, replies, upstream_probe, wire
from filterd.core.budget import Budget
from filterd.core.cache import AnswerCache, Entry
from filterd.core.exchange import UDP, Asked, Exchange, exchange_for, probe_of
from filterd.core.failures import Failures
from filterd.core.names import closest, key_of_wire
from filterd.core.noise import Noise
from filterd.core.replier import Replier
from filterd.core.servers import Plan, rerouted
from filterd.core.snapshot import Snapshot
from filterd.core.upstreams import NOBODY, Upstreams
from filterd.core.wire import Answer
from filterd.errors import WireError

ATTEMPT_S: Final = 0.6  # then the next upstream is asked too
ATTEMPTS: Final = 3  # upstream packets per question at most, not counting TCP after a truncated reply
BUDGET_S: Final = 2.0  # no attempt begins that could end later than this after the first
MAX_STRAYS: Final = 3  # packets with the right id and another question; then somebody is guessing, so go on over TCP
MANY_CLIENTS: Final = 4096  # then those for whom nothing waits are left out
# Reading an answer of 64 KiB takes milliseconds. Beyond this many bytes a second in such answers, they count as failed.
HEAVY_BYTES: Final = 8192
HEAVY_PER_S: Final = 2 << 20
_USABLE: Final = (wire.NOERROR, wire.NXDOMAIN)
_KIND: Final = wire.QR | wire.OPCODE_MASK

Send = tuple[Any, bytes]  # reply_to, reply


class Asker(Replier):
    """The exchanges of one worker. The answer cache outlives every snapshot."""

    def __init__(
        self, snapshot: Snapshot, plan: Plan, wall: Callable[[], float], noise: Callable[[int], bytes]
    ) -> None:
        self.cache = AnswerCache(snapshot.policy.limits.cache_bytes)
        super().__init__(snapshot, wall)
        self.extra: list[Exchange] = []
        self.hedged = self.prefetched = self.strays = self.loops = self.crowded = 0
        self._secrets: tuple[bytes, ...] = ()
        self._pending: dict[bytes, Exchange] = {}
        self._waiting: dict[bytes, int] = {}  # questions in them, by client
        self._due: deque[tuple[float, Exchange]] = deque()
        self._hedges: list[deque[tuple[float, Exchange]]] = []  # by the upstream asked first: each has its own delay
        self._failures = Failures()
        self._noise = Noise(noise)
        self.heavy = Budget(HEAVY_PER_S)  # bytes of large answers
        self._plan_upstreams(plan)

    def use(self, snapshot: Snapshot) -> None:
        super().use(snapshot)
        self.cache.limit_bytes = self.limits.cache_bytes

    def use_upstreams(self, plan: Plan) -> None:
        """Another set of upstreams, all of unknown health; what waits for the old ones is asked again by time-out."""
        for _, exchange in self._due:
            exchange.upstream = NOBODY
            exchange.tried = []
            exchange.hedged = False
            exchange.done = exchange.done or not exchange.key
        self._failures.clear()
        zones = rerouted(self.plan, plan)
        if zones:
            self.cache.drop(zones)
        self._plan_upstreams(plan)
        for _, exchange in self._due:
            if exchange.key:
                exchange.route = self._route(exchange.key)

    def _plan_upstreams(self, plan: Plan) -> None:
        self.plan = plan
        # One zone's dead server must not take the places of all other questions.
        share = 1 if len(plan.routes) == 1 else 2
        self.upstreams = Upstreams(len(plan.servers), max(self.limits.pending // share, 1))
        self._default = plan.routes[b""]
        self._routed = len(plan.routes) > 1
        self._hedges = [deque() for _ in plan.servers]

    @property
    def pending(self) -> int:
        """Questions that wait for an upstream."""
        return len(self._pending)

    def _route(self, key: bytes) -> tuple[int, ...]:
        """The upstreams for the name in a cache key."""
        zone = closest(key_of_wire(key), self.plan.routes)
        return self.plan.routes[zone or b""]

    def _ask(self, key: bytes, first: int, now: float, route: tuple[int, ...]) -> Exchange:
        upstream = self.upstreams.all[first]
        noise = self._noise.take(len(key) - 5) if upstream.keeps_case and self.plan.mixed[first] else None
        exchange = exchange_for(key, first, now, route, noise)
        self._pending[key] = exchange
        upstream.in_flight += 1
        exchange.due = due = now + ATTEMPT_S
        self._due.append((due, exchange))
        if len(route) > 1:
            self.upstreams.earn_hedge()
            exchange.hedge_at = hedge_at = now + upstream.slow_s
            self._hedges[first].append((hedge_at, exchange))
        return exchange

    def _prefetch(self, key: bytes, now: float) -> None:
        """Ask for a popular name before its answer runs out, so that nobody has to wait."""
        route = self._route(key) if self._routed else self._default
        first = self.upstreams.first(route)
        if first is None or key in self._pending or len(self._pending) * 2 > self.limits.pending:
            return
        if not self._failures.holds(key, now):
            self.prefetched += 1
            self.extra.append(self._ask(key, first, now, route))

    def _wait(self, exchange: Exchange, now: float) -> None:
        exchange.sent = now
        exchange.due = now + ATTEMPT_S
        self._due.append((exchange.due, exchange))

    # -- from upstreams -------------------------------------------------------------------------------------------

    def response(
        self, exchange: Exchange, packet: bytes, now: float, upstream: int | None = None, tcp: bool = False
    ) -> list[Send] | Exchange | None:
        """What an upstream (None: the one asked last) sent for `exchange`, over UDP or `tcp`: replies for its clients;
        the exchange again if it must be sent anew (over TCP when its `tcp` is set); None if the packet is not the
        answer, so go on waiting (RFC 5452 section 4).
        """
        if exchange.done or (exchange.tcp and not tcp and exchange.strays >= MAX_STRAYS):
            return None  # over, or somebody guesses and the answer is awaited over TCP
        if upstream is None:
            upstream = exchange.upstream
        end = wire.HEADER_BYTES + len(exchange.question)
        if not packet.startswith(exchange.question, wire.HEADER_BYTES):
            mismatch = self._other_case(exchange, packet[wire.HEADER_BYTES : end], upstream, tcp)
            if mismatch is None:
                return self.stray(exchange, now)
            if mismatch:
                return self._over_tcp(exchange, now)
        elif exchange.mixed and not tcp:
            self.upstreams.kept_case(upstream, True)
        header = wire.read_header(packet)
        flags = header[1]
        if flags & _KIND != wire.QR or header[2] != 1:
            return self.stray(exchange, now)
        rcode = flags & wire.RCODE_MASK
        if not exchange.key:
            return self._probed(exchange, packet, upstream, rcode, now)
        late = upstream != exchange.upstream  # another is being asked by now
        if flags & wire.TC:
            self._heard(exchange, upstream, now)
            if late:
                return None
            if tcp:
                return self._failed(exchange, now)
            return None if exchange.tcp else self._over_tcp(exchange, now)  # None: the same packet once more
        if len(packet) > HEAVY_BYTES and not self.heavy.affords(len(packet), now):
            return None if late else self._finally(exchange, now)
        try:
            answer = wire.read_answer(packet, end, header) if rcode in _USABLE else None
        except WireError:
            answer = None
        if answer is None:
            self.upstreams.spoilt(upstream, now)
            if late:  # all depends on the one that was asked since
                exchange.hedged = False
                return None
            return self._failed(exchange, now)
        self._heard(exchange, upstream, now)
        if exchange.hedged and upstream != exchange.tried[0]:
            self.upstreams.overtaken(exchange.tried[0], exchange.since, now)
        if self._failures.by_key:
            self._failures.forget(exchange.key)
        ttl_s = self._lifetime(answer) if upstream != NOBODY else 0  # its zone may have another server by now
        entry = self.cache.put(exchange.key, answer, now, ttl_s) if ttl_s > 0 else Entry(answer, now, now, 0)
        sends: list[Send] = []
        for asked in exchange.waiters:  # mostly one: a comprehension is a call
            sends.append((asked.reply_to, self.answered(asked, entry, now)))
        self._close(exchange)
        return sends

    def _heard(self, exchange: Exchange, upstream: int, now: float) -> None:
        asked = exchange.sent if upstream == exchange.upstream else exchange.since
        if self.upstreams.answered(upstream, now - asked, now):
            self._failures.clear()

    def _other_case(self, exchange: Exchange, question: bytes, upstream: int, tcp: bool) -> bool | None:
        """A question that is not the one asked, byte for byte: None if it is another; else whether to doubt it."""
        if not exchange.mixed or question[:-4].lower() != exchange.question[:-4].lower():
            return None
        if question[-4:] != exchange.question[-4:]:  # type and class have no case
            return None
        if not exchange.key:
            return False
        keeps = upstream != NOBODY and self.upstreams.all[upstream].keeps_case
        self.upstreams.kept_case(upstream, False)
        return keeps and not tcp and not exchange.tcp

    def _probed(self, exchange: Exchange, packet: bytes, index: int, rcode: int, now: float) -> list[Send]:
        """The answer to a probe: is it well, does it lead back to us, does it keep the case of names?"""
        exchange.done = True
        self.upstreams.settled(exchange.tried)
        if index == NOBODY:
            return []
        looping = bool(self._secrets) and loops.came_back(self._secrets, exchange.question, packet)
        self.loops += self.upstreams.looped(index, looping, now)
        if len(exchange.question) > 5:  # the root has no case
            self.upstreams.all[index].keeps_case = packet[wire.HEADER_BYTES :].startswith(exchange.question)
        if rcode in _USABLE or index not in self._default:
            if self.upstreams.answered(index, now - exchange.sent, now):
                self._failures.clear()
        else:
            self.upstreams.spoilt(index, now, probe=True)
        return []

    def stray(self, exchange: Exchange, now: float, guessed: bool = False) -> list[Send] | Exchange | None:
        """A packet that came to an exchange and is not its answer. After a few of them somebody is guessing; `guessed`:
        that is known already, from many packets to a socket that several exchanges share.
        """
        self.strays += 1
        exchange.strays = max(exchange.strays + 1, MAX_STRAYS * guessed)
        if exchange.strays != MAX_STRAYS or exchange.tcp or exchange.done or not exchange.key:
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
        limits, ttl_s = self.limits, answer.ttl_s
        if answer.negative:
            return min(ttl_s, limits.max_ttl_s, limits.max_negative_ttl_s)
        if ttl_s > limits.max_ttl_s:
            ttl_s = limits.max_ttl_s
        return ttl_s if ttl_s > limits.min_ttl_s else limits.min_ttl_s

    def _failed(self, exchange: Exchange, now: float) -> list[Send] | Exchange:
        """An upstream gave no usable answer: the next one, else stale, else SERVFAIL."""
        other = self.upstreams.other(exchange.route, exchange.tried)
        if other is not None and self._in_budget(exchange, now):
            return self._again(exchange, other, now)
        if exchange.hedged:  # the first one may still answer, and is now the one that counts
            exchange.hedged = False
            exchange.upstream = exchange.tried[0]
            return []
        return self._finally(exchange, now)

    def _finally(self, exchange: Exchange, now: float) -> list[Send]:
        # Of what was asked ahead of time too: or every hit on a popular name would ask for it once more.
        self._failures.note(exchange.key, now)
        waiters = self._close(exchange)
        return [(asked.reply_to, self._give_up(asked, exchange.key, now, exchange.route)) for asked in waiters]

    def _in_budget(self, exchange: Exchange, now: float) -> bool:
        return len(exchange.tried) < ATTEMPTS and now + ATTEMPT_S <= exchange.since + BUDGET_S

    def _again(self, exchange: Exchange, upstream: int, now: float) -> Exchange:
        exchange.upstream = upstream
        exchange.tried.append(upstream)
        self.upstreams.all[upstream].in_flight += 1
        exchange.tcp = False
        self._wait(exchange, now)
        return exchange

    def _close(self, exchange: Exchange) -> list[Asked]:
        """End an exchange, also in what waits for a time-out, so that nothing of it is kept; gives its waiters."""
        exchange.done = True
        self._pending.pop(exchange.key, None)
        self.upstreams.settled(exchange.tried)
        waiting = self._waiting
        for asked in exchange.waiters:
            waiting[asked.client] -= 1
        if len(waiting) > MANY_CLIENTS:
            self._waiting = {client: count for client, count in waiting.items() if count}
        due = self._due
        while due and due[0][1].done:
            due.popleft()
        if exchange.hedge_at and exchange.tried:
            hedges = self._hedges[exchange.tried[0]]
            while hedges and hedges[0][1].done:
                hedges.popleft()
        return exchange.waiters

    def _give_up(self, asked: Asked, key: bytes, now: float, route: tuple[int, ...]) -> bytes:
        """A stale answer under today's policy (RFC 8767), else SERVFAIL with the reason."""
        entry = self.cache.get(key)
        if entry is not None and now < entry.expires + self.limits.stale_s:
            return self.stale(asked, entry, now)
        code, why = replies.EDE_NETWORK, "filterd: the upstream failed"
        if self.upstreams.all_down(route):
            code, why = replies.EDE_NO_UPSTREAM, "filterd: no upstream answers"
            if route and all(self.upstreams.all[i].looping for i in route):
                why = "filterd: the upstream leads back to this box"
        reply = replies.error(asked.query, wire.SERVFAIL, code, why, asked.transport == UDP)
        return self.finish(asked, asked.verdict, reply, 0.0)

    # -- time -----------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """When `tick` wants to be called next."""
        moments = [each[0][0] for each in (self._due, *self._hedges) if each]
        probe = self.upstreams.next_probe()
        if probe is not None:
            moments.append(probe)
        return min(moments, default=None)

    def tick(self, now: float) -> tuple[list[Send], list[Exchange]]:
        """Replies that can wait no longer, and exchanges to send: further attempts, hedges and probes."""
        sends: list[Send] = []
        exchanges: list[Exchange] = []
        for hedges in self._hedges:
            while hedges and hedges[0][0] <= now:
                _, exchange = hedges.popleft()
                if self._hedge(exchange, now):
                    exchanges.append(exchange)
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
            exchanges.append(self._probe(index, now))
        return sends, exchanges

    def _hedge(self, exchange: Exchange, now: float) -> bool:
        """Ask a second upstream where the first is slow; whichever answers first is heard."""
        if exchange.done or exchange.tcp or len(exchange.tried) != 1 or not self._in_budget(exchange, now):
            return False
        other = self.upstreams.hedge(exchange.route, exchange.tried)
        if other is None:
            return False
        self.hedged += 1
        self._again(exchange, other, now)
        exchange.hedged = True
        return True

    def _probe(self, index: int, now: float) -> Exchange:
        upstream = self.upstreams.all[index]
        upstream.probes += 1
        question = upstream_probe.question(self.plan, index, upstream, self._secrets, self._noise)
        probe = probe_of(index, now, loops.in_mixed_case(question, self._noise.take(len(question))))
        probe.mixed = True
        upstream.in_flight += 1
        self._wait(probe, now)
        return probe

    def unreachable(self, exchange: Exchange, now: float, ours: bool = False) -> list[Send] | Exchange:
        """The shell could not send, or the upstream's port is closed (ICMP): as good as no answer. `ours`: for want of
        something of our own, such as a socket, which says nothing about the upstream.
        """
        if exchange.done:
            return []
        if not ours:
            self.upstreams.failed(exchange.upstream, now)
        if not exchange.key:
            return self._probe_lost(exchange)
        return self._failed(exchange, now)

    def _timed_out(self, exchange: Exchange, now: float) -> list[Send] | Exchange:
        self.upstreams.failed(exchange.upstream, now, exchange.sent)
        if exchange.hedged:
            self.upstreams.failed(exchange.tried[0], now, exchange.since)
            exchange.hedged = False
        if not exchange.key:
            return self._probe_lost(exchange)
        if self._in_budget(exchange, now):
            # Perhaps only a packet was lost: even a lone upstream is asked once more.
            again = self.upstreams.after_silence(exchange.route, exchange.tried)
            if again is not None:
                return self._again(exchange, again, now)
        return self._finally(exchange, now)

    def _probe_lost(self, exchange: Exchange) -> list[Send]:
        exchange.done = True
        self.upstreams.settled(exchange.tried)
        return []
