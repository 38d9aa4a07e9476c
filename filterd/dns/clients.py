"""The clients one worker has seen: row, memo table and token bucket of each address. Bounded; oldest out first."""

from __future__ import annotations

import socket
import sys
from ipaddress import ip_address
from typing import Any

from filterd.core.cache import Replies
from filterd.core.classrooms import Address, plain_address
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


def client_key(peer: tuple[Any, ...]) -> bytes:
    """A TCP peer name as the key that UDP has for the same client: 4 bytes of IPv4, or 16 of IPv6 and 4 of scope."""
    host = peer[0].partition("%")[0]
    if ":" not in host:
        return socket.inet_pton(socket.AF_INET, host)
    return socket.inet_pton(socket.AF_INET6, host) + int(peer[3]).to_bytes(4, sys.byteorder)


def read_key(key: bytes) -> tuple[Address, str | None]:
    """Address, and the interface where the address says nothing without it."""
    if len(key) == 4:
        return ip_address(key), None
    address = plain_address(ip_address(key[:16]))
    scope = int.from_bytes(key[16:], sys.byteorder)
    if not scope:
        return address, None
    try:
        return address, socket.if_indextoname(scope)
    except OSError:  # the interface has gone since
        return address, None


class Clients:
    """All clients of a worker. Addresses outside the school's networks are not kept."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._by_key: dict[bytes, Client] = {}
        self._own: set[bytes] = set()
        self.number = 0
        self.get = self._by_key.get
        self.outside = 0
        self.limited = 0

    def __len__(self) -> int:
        return len(self._by_key)

    def add_own(self, sock: socket.socket) -> None:
        """The box itself, by the address of a listener, is answered wherever it is: the watchdog asks from there."""
        host, *rest = sock.getsockname()
        if ip_address(host.partition("%")[0]).is_unspecified:
            host = "::1" if sock.family == socket.AF_INET6 else "127.0.0.1"
        self._own.add(client_key((host, *rest)))

    def renew(self) -> None:
        """A snapshot was swapped in: every client's row is looked up anew at its next packet, its tokens stay."""
        self.number += 1
        for client in self._by_key.values():
            client.memo = {}

    def find(self, key: bytes, now: float) -> Client | None:
        """The client with its row of now; None outside the school's networks. `key`: see `client_key`."""
        client = self._by_key.get(key)
        if client is not None and client.seen == self.number:
            return client
        snapshot = self._forwarder.snapshot
        address, interface = read_key(key)
        place = row = None
        if snapshot.classrooms.may_ask(address):
            place = snapshot.classrooms.find(address, interface)
            row = snapshot.row_of_place(place)
        elif key not in self._own:  # it is refused, but it hears
            self._by_key.pop(key, None)
            self.outside += 1
            return None
        memo = self._forwarder.memo.young(row.index, UDP) if row is not None else {}
        if client is not None:
            client.row, client.place, client.memo, client.seen = row, place, memo, self.number
            return client
        limits = self._forwarder.limits
        if len(self._by_key) >= limits.clients:
            self._drop_oldest()
        client = self._by_key[key] = Client(row, place, memo, limits.burst, now, self.number)
        return client

    def _drop_oldest(self) -> None:
        """Forget a client, but none with open TCP connections: else a flood from made-up addresses would reset how many
        each has.
        """
        for _ in range(len(self._by_key)):
            key = next(iter(self._by_key))
            client = self._by_key.pop(key)
            if not client.tcp:
                return
            self._by_key[key] = client

    def refill(self, client: Client, now: float) -> bool:
        """Give a client that ran out what it has earned since; False if that is not even one query."""
        limits = self._forwarder.limits
        earned = min(limits.burst, int((now - client.since) * limits.queries_per_second))
        earned += client.tokens + 1  # below -1 it owes for large replies
        if earned < 1:
            client.tokens += 1
            self.limited += 1
            return False
        client.tokens = earned - 1
        client.since = now
        return True
