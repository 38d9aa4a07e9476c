"""Queries in, replies and upstream questions out: every rule of forwarding, and not one socket.

The shell calls `query` with a client's packet and gets a reply, None (silence, or the reply comes later), or an
`Exchange` to send upstream; what is in `extra` then is to be sent too. It calls `response` with what came back, and
`tick` when `deadline` has passed (`asker`). How an answer becomes a reply is `replier`'s. Nothing here raises on any
bytes. Times are monotonic seconds; only `wall` is the clock of the timetable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from filterd.core import loops, replies, wire
from filterd.core.asker import Asker
from filterd.core.cookies import Cookies
from filterd.core.decide import decide
from filterd.core.exchange import UDP, Asked, Exchange, cache_key
from filterd.core.matrix import CATEGORY, Row, Safe
from filterd.core.names import key_of_wire
from filterd.core.replier import FOREVER, UNUSUAL_FLAGS, UNUSUAL_TYPES
from filterd.core.servers import Plan
from filterd.core.snapshot import Snapshot
from filterd.core.verdict import Action, Reason
from filterd.errors import WireError

MAX_WAITERS: Final = 512  # clients that share one upstream question
# Questions of one client that wait at a time. Else it could have them all answered in one pulse (CVE-2024-33655).
MAX_WAITING: Final = 1000
PREFETCH: Final = 10  # an answer that is asked for in the last tenth of its life is fetched anew...
PREFETCH_LIFE_S: Final = 10.0  # ...if that life is worth it
NO_TIER: Final = "none"
_ALLOW: Final = Action.ALLOW  # looked up once: in Python 3.11 the way through the enum costs as much as a call


class Forwarder(Asker):
    """One worker's forwarder: the clients' side. The memo belongs to one snapshot."""

    def __init__(
        self, snapshot: Snapshot, plan: Plan, wall: Callable[[], float], noise: Callable[[int], bytes]
    ) -> None:
        super().__init__(snapshot, plan, wall, noise)
        self.cookies: Cookies | None = None
        self.cache_hits = self.cache_misses = self.coalesced = self.memo_recalls = 0

    def use_secrets(self, secrets: tuple[bytes, ...]) -> None:
        """What server cookies and loop probes are made with; the first is the current one."""
        if secrets != self._secrets:
            self._secrets = secrets
            self.cookies = Cookies(secrets) if secrets else None

    def query(
        self, packet: bytes, transport: str, row: Row | None, reply_to: object, now: float, client: bytes = b""
    ) -> bytes | Exchange | None:
        """Answer a client's packet. `row` is None for a client inside the networks whom the policy refuses; `client` is
        its address, for cookies.
        """
        if len(packet) < wire.HEADER_BYTES:
            return None
        if self.memo.has_old and transport == UDP and row is not None:
            known = self.memo.recall(row.index, transport, packet, now)
            if known is not None:
                known[2][0] += 1
                self.memo_recalls += 1
                return packet[:2] + known[1]
        try:
            query = wire.read_query(packet)
        except WireError:
            if self.cookies is not None:
                bare = self.cookies.bare(packet, client, self._wall())
                if bare is not None:
                    return self.error(bare, transport, wire.NOERROR)
            return self.unreadable(packet, transport)
        if query.cookie is not None and self.cookies is not None:
            query.echo = self.cookies.answer(query.cookie, client, self._wall())
        if query.flags & UNUSUAL_FLAGS != wire.RD or query.qtype in UNUSUAL_TYPES or query.formerr or query.edns:
            return self.unusual(query, transport)
        if query.qclass != wire.IN:
            return self.error(replies.error(query, wire.REFUSED), transport, wire.REFUSED)
        if row is None:
            self.counters[transport, NO_TIER, Action.BLOCK, Reason.UNKNOWN_CLIENT][0] += 1
            why = "filterd: this device is in no class"
            return replies.error(query, wire.REFUSED, replies.EDE_PROHIBITED, why, transport == UDP)
        key = query.key
        snapshot = self.snapshot
        verdict = decide(snapshot, row, key)
        asked = Asked(query, verdict, row, snapshot, packet, transport, reply_to, None, client)
        if snapshot.seen is not None and verdict.step >= CATEGORY:
            snapshot.seen.note(key, client)
        if verdict.action is _ALLOW and verdict.step:
            return self._allowed(asked, now)
        if verdict.step == 0:
            return self._own(asked, now)
        if verdict.action is Action.BLOCK:
            return self.blocked(asked, verdict, None, FOREVER, now)
        return self._rewrite(asked, row.safe[key], now)

    def _own(self, asked: Asked, now: float) -> bytes | Exchange | None:
        """What is known here: special names, the box, its encrypted listeners, the school's own records."""
        query, snapshot, verdict = asked.query, asked.snapshot, asked.verdict
        if snapshot.ddr is not None:
            described = snapshot.ddr.reply(query, query.key)
            if described is not None:
                return self.made(asked, described)
        if verdict.action is Action.REWRITE and query.key != snapshot.box_key and snapshot.local is not None:
            found = snapshot.local.reply(query, query.key, asked.row.lan)
            if isinstance(found, bytes):
                return self.made(asked, found)
            target, ttl_s = found
            behind = decide(snapshot, asked.row, key_of_wire(target))
            if behind.action is Action.BLOCK:
                return self.blocked(asked, behind, None, FOREVER, now)
            asked.verdict = verdict._replace(ttl_s=min(ttl_s, behind.ttl_s))
            safe = asked.row.safe[key_of_wire(target)] if behind.reason is Reason.SAFE_SEARCH else None
            return self._rewrite(asked, safe or Safe(target, (), (), ""), now)
        return self.made(asked, self.synthetic.reply(query, query.key, verdict))

    def _rewrite(self, asked: Asked, safe: Safe, now: float) -> bytes | Exchange | None:
        """Another name is asked for in place of this one."""
        if not safe.target or asked.query.qtype not in (wire.A, wire.AAAA):
            return self.safe_search(asked, safe)
        asked.safe = safe
        return self._allowed(asked, now)

    def _allowed(self, asked: Asked, now: float) -> bytes | Exchange | None:
        key = cache_key(asked.query, asked.safe)
        entry = self.cache.get(key)
        if entry is not None and entry.expires > now:
            self.cache_hits += 1
            life_s = entry.expires - entry.stored
            if (entry.expires - now) * PREFETCH < life_s and life_s >= PREFETCH_LIFE_S:
                self._prefetch(key, now)
            return self.answered(asked, entry, now)
        self.cache_misses += 1
        name = asked.query.key
        if name.startswith(loops.KEY):
            mine = loops.address(self._secrets, name)
            if mine is not None:
                return self.made(asked, replies.records(asked.query, 0, (mine,)))
        asked.packet = b""  # not for the memo: most names that are asked once are not asked again soon
        exchange = self._pending.get(key)
        if exchange is not None:
            if len(exchange.waiters) < MAX_WAITERS and self._may_wait(asked.client):
                exchange.waiters.append(asked)
                self.coalesced += 1
                return None
            return self._turned_away(asked, key, now, exchange.route)
        # With all upstreams down the probes go on by themselves; nobody has to wait for them.
        route = self._route(key) if self._routed else self._default
        first = self.upstreams.first(route)
        if first is None or len(self._pending) >= self.limits.pending:
            return self._give_up(asked, key, now, route)
        if self._failures.by_key and self._failures.holds(key, now):
            return self._give_up(asked, key, now, route)
        if not self._may_wait(asked.client):
            return self._turned_away(asked, key, now, route)
        exchange = self._ask(key, first, now, route)
        exchange.waiters.append(asked)
        return exchange

    def _may_wait(self, client: bytes) -> bool:
        """Note one more question of a client that waits for an upstream, if there are not too many yet."""
        waiting = self._waiting.get(client, 0)
        if waiting >= MAX_WAITING and client:
            self.crowded += 1
            return False
        self._waiting[client] = waiting + 1
        return True

    def _turned_away(self, asked: Asked, key: bytes, now: float, route: tuple[int, ...]) -> bytes | None:
        """A question that cannot wait: silence, but over a stream, which keeps a place for it, it is told."""
        return None if asked.transport == UDP else self._give_up(asked, key, now, route)
