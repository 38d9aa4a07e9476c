"""The clients one worker has seen: row, memo table and token bucket of each address. Bounded; oldest out first.

A query costs a token of its client. A client takes its tokens in lumps, and every lump comes out of its own bucket and
out of the bucket of its prefix (IPv4 /24, IPv6 /56): so many made-up addresses together get no more than a prefix may
have, and yet no packet pays for more than one subtraction. Whoever is proven to be there, by TCP or by a server cookie
of ours (RFC 7873), takes nothing from the prefix, and has a reserve that packets in its name cannot empty.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address
from time import time
from typing import Any, Final

from filterd.core import wire
from filterd.core.budget import Bucket
from filterd.core.cache import Replies
from filterd.core.classrooms import Address, plain_address
from filterd.core.exchange import UDP
from filterd.core.forwarder import Forwarder
from filterd.core.matrix import Row
from filterd.core.policy import Limits
from filterd.dns.buckets import Prefixes
from filterd.errors import WireError

FIRST_LUMP: Final = 4  # tokens a client takes at once at first; then twice as many each time, up to LUMP
LUMP: Final = 64
_COOKIE: Final = b"\0\x0a\0\x18"  # an option with a server cookie of our size: what has none is not read to find one


class Client:
    """`tokens` are in hand; `Clients.refill` gives more when they have run out, so there is no sum per packet."""

    __slots__ = ("bucket", "lump", "memo", "place", "prefix", "reserve", "row", "seen", "tcp", "tokens")

    def __init__(
        self, row: Row | None, place: int | None, memo: Replies, bucket: Bucket, prefix: Bucket, seen: int
    ) -> None:
        self.row = row
        self.place = place
        self.memo = memo
        self.tokens = 0
        self.lump = FIRST_LUMP
        self.bucket = bucket
        self.prefix = prefix  # shared with its neighbours
        self.reserve: Bucket | None = None  # for when it is proven to be there
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

    def __init__(self, forwarder: Forwarder, wall: Callable[[], float] = time) -> None:
        self._forwarder = forwarder
        self._wall = wall
        self._by_key: dict[bytes, Client] = {}
        self._prefixes = Prefixes()
        self._own: set[bytes] = set()
        self.number = 0
        self.get = self._by_key.get
        self.outside = 0
        self.limited = self.prefix_limited = 0

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
        if key in self._own:  # alone, so that no flood from beside it makes the box look dead
            prefix = Bucket(float(limits.prefix_burst), now)
        else:
            prefix = self._prefixes.bucket(address, key[16:], limits, now)
        client = self._by_key[key] = Client(row, place, memo, Bucket(float(limits.burst), now), prefix, self.number)
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

    def refill(self, client: Client, now: float, proven: bool = False) -> bool:
        """Give a client that ran out its next tokens, less what it owes for large replies; False if there is not even
        one for this query: then it is `over`. `proven`: the client is there, as over TCP.
        """
        limits = self._forwarder.limits
        bucket = client.bucket
        saved = bucket.fill(now, limits.queries_per_second, limits.burst)
        client.tokens += 1
        if client.tokens < 0:
            paid = min(int(saved), -client.tokens)
            client.tokens += paid
            bucket.saved = saved = saved - paid
        if client.tokens == 0:
            lump = min(int(saved), client.lump)
            if lump and not proven:
                prefix = client.prefix
                left = prefix.fill(now, limits.prefix_queries_per_second, limits.prefix_burst)
                lump = min(lump, int(left))
                prefix.saved = left - lump
            if lump:
                bucket.saved = saved - lump
                client.tokens = lump - 1
                if client.lump < LUMP:
                    client.lump *= 2
                return True
            return proven and self._draw(client, now, limits)
        return False

    def _draw(self, client: Client, now: float, limits: Limits) -> bool:
        """Take one token out of the reserve."""
        reserve = client.reserve
        if reserve is None:
            reserve = client.reserve = Bucket(float(limits.burst), now)
        if reserve.fill(now, limits.queries_per_second, limits.burst) < 1.0:
            return False
        reserve.saved -= 1.0
        return True

    def prove(self, client: Client, key: bytes, packet: bytes, now: float) -> bool:
        """Whether a packet that was refused just now shows a server cookie of ours, and there is a token for it."""
        cookies = self._forwarder.cookies
        if cookies is None or _COOKIE not in packet:
            return False
        try:
            cookie = wire.read_query(packet).cookie
        except WireError:
            return False
        if cookie is None or not cookies.valid(cookie, key, self._wall()):
            return False
        client.tokens -= 1
        return self.refill(client, now, proven=True)

    def over(self, client: Client) -> bool:
        """Count a query that is refused; True if this one hears TC=1, so that a real client goes on over TCP."""
        if client.tokens < 0 or client.bucket.saved < 1.0:
            self.limited += 1
        else:
            self.prefix_limited += 1
        slip = self._forwarder.limits.slip
        return slip > 0 and (self.limited + self.prefix_limited) % slip == 0
