"""How often somebody may try a password: by account and by address, in bounded memory.

Each try takes one from a bucket of its account at its address, one of its address, one of its account and one of all; a
bucket fills again with time. Whoever came in from an address before does not need the last two: so nobody locks a
teacher out of her own telephone by guessing from elsewhere. One process has one `Attempts`; `now` is monotonic.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Final, NamedTuple

MAX_KEYS: Final = 4096
MAX_KNOWN: Final = 4096


class Rate(NamedTuple):
    """At most `most` at once, and as many again each `per_s` seconds."""

    most: int
    per_s: float


PAIR: Final = Rate(5, 60)
ADDRESS: Final = Rate(20, 60)  # a staff room behind one address logs in in the morning
ACCOUNT: Final = Rate(20, 600)
ALL: Final = Rate(120, 60)  # each is a line of the audit log, and a disk is not to be filled with them


class Attempts:
    """Buckets by account and place, either of them "" for all. A bucket that is full again is forgotten."""

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._buckets: dict[tuple[str, str], tuple[float, float, Rate]] = {}
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, account: str, address: str, now: float) -> float:
        """0.0: a try is taken, and may be made; else the seconds until one may, and nothing is taken."""
        place = _place(address)
        wanted = {(account or "-", place): PAIR, ("", place): ADDRESS}
        if (account, place) not in self._known:
            wanted |= {(account or "-", ""): ACCOUNT, ("", ""): ALL}
        longest = max(self._wait(key, rate, now) for key, rate in wanted.items())
        if longest > 0:
            return longest
        if not self._room(sum(key not in self._buckets for key in wanted), now):
            return PAIR.per_s
        for key, rate in wanted.items():
            self._buckets[key] = (self._level(key, rate, now) - 1, now, rate)
        return 0.0

    def came_in(self, account: str, address: str) -> None:
        """The password was right: tries from there begin anew."""
        key = (account, _place(address))
        self._buckets.pop(key, None)
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def _level(self, key: tuple[str, str], rate: Rate, now: float) -> float:
        level, at, _ = self._buckets.get(key, (float(rate.most), now, rate))
        return min(float(rate.most), level + max(0.0, now - at) * rate.most / rate.per_s)

    def _wait(self, key: tuple[str, str], rate: Rate, now: float) -> float:
        missing = 1 - self._level(key, rate, now)
        return max(0.0, missing * rate.per_s / rate.most)

    def _room(self, new: int, now: float) -> bool:
        """Forget buckets that are full again. None is forgotten before: filling the memory buys nobody a try."""
        if len(self._buckets) + new > self._max_keys:
            full = [key for key, (_, _, rate) in self._buckets.items() if self._level(key, rate, now) >= rate.most]
            for key in full:
                del self._buckets[key]
        return len(self._buckets) + new <= self._max_keys


def _place(address: str) -> str:
    """The address, or the network that one IPv6 client chooses its addresses from."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]  # a Unix socket has none
    if found.version == 6 and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    if found.version == 6:
        return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
    return str(found)
