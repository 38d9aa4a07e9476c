"""The clients one worker has seen: row, memo table and token bucket of each address. Bounded; oldest out first."""

from __future__ import annotations

from filterd.core.cache import Replies
from filterd.core.classrooms import client_address
from filterd.core.exchange import UDP
from filterd.core.forwarder import Forwarder
from filterd.core.matrix import Row


class Client:
    """`tokens` is only refilled when it has run out, for the time since the last refill: no sum per packet."""

    __slots__ = ("memo", "place", "row", "seen", "since", "tcp", "tokens")

    def __init__(self, row: Row | None, place: int | None, memo: Replies, tokens: int, now: float, seen: int) -> None:
        self.row = row
        self.place = place
        self.memo = memo
        self.tokens = tokens
        self.since = now
        self.seen = seen  # the number of the snapshot that `row` and `memo` belong to
        self.tcp = 0  # open TCP connections


class Clients:
    """All clients of a worker. Addresses outside the school's networks are not kept."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._by_address: dict[str, Client] = {}
        self._number = 0
        self.get = self._by_address.get
        self.outside = 0
        self.limited = 0

    def __len__(self) -> int:
        return len(self._by_address)

    def renew(self) -> None:
        """A snapshot was swapped in: every client's row is looked up anew at its next packet, its tokens stay."""
        self._number += 1
        for client in self._by_address.values():
            client.memo = {}

    def find(self, address: str, now: float) -> Client | None:
        """The client at `address` with its row of now; None outside the school's networks."""
        client = self._by_address.get(address)
        if client is not None and client.seen == self._number:
            return client
        snapshot = self._forwarder.snapshot
        parsed = client_address(address)
        interface = address.partition("%")[2] or None
        if not snapshot.classrooms.may_ask(parsed):
            self._by_address.pop(address, None)
            self.outside += 1
            return None
        place = snapshot.classrooms.find(parsed, interface)
        row = snapshot.row_of_place(place)
        memo = self._forwarder.memo.young(row.index, UDP) if row is not None else {}
        if client is not None:
            client.row, client.place, client.memo, client.seen = row, place, memo, self._number
            return client
        limits = self._forwarder.limits
        if len(self._by_address) >= limits.clients:
            oldest = next(iter(self._by_address))
            del self._by_address[oldest]
        client = self._by_address[address] = Client(row, place, memo, limits.burst, now, self._number)
        return client

    def refill(self, client: Client, now: float) -> bool:
        """Give a client that ran out what it has earned since; False if that is not even one query."""
        limits = self._forwarder.limits
        earned = min(limits.burst, int((now - client.since) * limits.queries_per_second))
        if earned < 1:
            client.tokens = 0
            self.limited += 1
            return False
        client.tokens = earned - 1
        client.since = now
        return True
