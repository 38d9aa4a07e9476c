"""When this school first asked for a domain: a compact register, and the answer to "is this one new here?".

`dns.worker` hands in the day and takes away what was noted; `live.firstseen` keeps the register of the whole school.
A domain is 6 bytes of a keyed hash and 2 bytes of a day, whole days since 1970. Nobody can be made to forget: nothing
is evicted, and a flood of names is noted up to daily limits only, one for all and one for each client. What came up in
the learning period, the first days of the register's life, counts as known for ever, or all of it would be new on the
day after.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from filterd.core.sites import NO_SITE, Sites

CAPACITY: Final = 1_000_000
PER_DAY: Final = 20_000  # domains noted in one day at most
PER_CLIENT: Final = 2_000  # of these for one client: nobody alone can take the place of all others
SECRET_BYTES: Final = 16
MAX_ABSENCE_DAYS: Final = 400  # a clock further ahead is wrong: no school is closed for so long
ALWAYS: Final = 0  # the day of what was seen while learning
_BUCKET_BITS: Final = 10  # so that to insert moves a few KiB at most, and no query waits for a whole table to grow
_BUCKET_SHIFT: Final = 64 - _BUCKET_BITS
_DAY_MASK: Final = 0xFFFF
_MAX_KNOWN: Final = 8192  # names remembered to be known, some 1 MB
_HASH_SHIFT: Final = 16
_CLIENT_BYTES: Final = 8  # a device has any number of addresses in its IPv6 /64

Noted = tuple[int, int]  # (hash, day)


class Register:
    """Sorted buckets of 8-byte entries, hash before day.

    `started` is the day its life began, `last` the last day it knows of; `trusted`: the clock is not before that.
    """

    __slots__ = (
        "_buckets", "_by_client", "_hash", "_today", "capacity", "last", "per_day", "secret", "size", "started",
        "trusted",
    )  # fmt: skip

    def __init__(
        self, secret: bytes, started: int, last: int = 0, capacity: int = CAPACITY, per_day: int = PER_DAY
    ) -> None:
        self.secret = secret
        self.started = started
        self.last = max(started, last)
        self.trusted = True
        self.capacity = capacity
        self.per_day = per_day
        self.size = 0
        self._today = 0
        self._by_client: dict[bytes, int] = {}  # domains noted today; as many entries as `per_day` at most
        self._hash = hashlib.blake2s(digest_size=6, key=secret)
        self._buckets = [array("Q") for _ in range(1 << _BUCKET_BITS)]

    @property
    def full(self) -> bool:
        """Nothing more is noted."""
        return self.size >= self.capacity

    def learning(self, days: int) -> bool:
        """Whether the register is too young to call anything new."""
        return self.last < self.started + days

    def roll(self, day: int) -> bool:
        """It is this day now; True if a new day began. A clock that is behind, or very far ahead, is not believed:
        nothing ages and nothing is noted.
        """
        self.trusted = self.last <= day <= self.last + MAX_ABSENCE_DAYS
        if not self.trusted or day == self.last:
            return False
        self.last = day
        self._today = 0
        self._by_client.clear()
        return True

    def hash_of(self, site: bytes) -> int:
        """48 bits, the same in every process that has the secret."""
        keyed = self._hash.copy()
        keyed.update(site)
        return int.from_bytes(keyed.digest(), "big")

    def day_of(self, value: int) -> int | None:
        """The day on which a hash was first seen, or None."""
        wanted = value << _HASH_SHIFT
        bucket = self._buckets[wanted >> _BUCKET_SHIFT]
        at = bisect_left(bucket, wanted)
        if at < len(bucket) and bucket[at] >> _HASH_SHIFT == value:
            return bucket[at] & _DAY_MASK
        return None

    def note(self, value: int, days: int, client: bytes = b"") -> int | None:
        """Note a hash as first seen today; the day that now stands for it, or None if nothing was noted."""
        if not self.trusted or self._today >= self.per_day:
            return None
        client = client[:_CLIENT_BYTES]
        by_client = self._by_client.get(client, 0)
        if client and by_client >= PER_CLIENT:
            return None
        day = ALWAYS if self.learning(days) else self.last
        if not self.add(value, day):
            return None
        self._today += 1
        self._by_client[client] = by_client + 1
        return day

    def add(self, value: int, day: int) -> bool:
        """Take an entry as it is; False if the hash is known or the register full. Of two days the earlier stays."""
        if not (0 <= value < 1 << 48 and 0 <= day <= _DAY_MASK):
            raise ValueError(f"({value}, {day}) is no entry")
        entry = value << _HASH_SHIFT | day
        bucket = self._buckets[entry >> _BUCKET_SHIFT]
        at = bisect_left(bucket, value << _HASH_SHIFT)
        if at < len(bucket) and bucket[at] >> _HASH_SHIFT == value:
            bucket[at] = min(bucket[at], entry)
            return False
        if self.size >= self.capacity:
            return False
        bucket.insert(at, entry)
        self.size += 1
        return True

    def to_bytes(self) -> bytes:
        """All entries in order, 8 bytes each in the byte order of this machine."""
        return b"".join([bucket.tobytes() for bucket in self._buckets])

    def add_bytes(self, data: bytes | memoryview) -> None:
        """Take entries as `to_bytes` or `entries_of` made them. Raises ValueError if they are not whole."""
        entries = array("Q")
        entries.frombytes(data)
        if not self.size and len(entries) <= self.capacity and all(a | _DAY_MASK < b for a, b in pairwise(entries)):
            self._take_sorted(entries)
            return
        for entry in entries:
            self.add(entry >> _HASH_SHIFT, entry & _DAY_MASK)

    def _take_sorted(self, entries: array[int]) -> None:
        """A whole register, bucket by bucket: a million entries one by one take a second."""
        at = 0
        for number in range(1 << _BUCKET_BITS):
            end = bisect_left(entries, (number + 1) << _BUCKET_SHIFT, at)
            self._buckets[number] = entries[at:end]
            at = end
        self.size = len(entries)


def entries_of(noted: Iterable[Noted]) -> bytes:
    """Entries, 8 bytes each."""
    return array("Q", [value << _HASH_SHIFT | day for value, day in noted]).tobytes()


class FirstSeen:
    """A worker's view: questions by key, answered from the register. Only asked about names that are forwarded.

    A domain that is known and not new will never be new again, so the names met most need one look-up.
    """

    __slots__ = ("_changes", "_key", "_known", "_value", "days", "register", "sites")

    def __init__(self, register: Register, sites: Sites, days: int) -> None:
        self.register = register
        self.sites = sites
        self.days = days
        self._changes: list[Noted] = []
        self._known: set[bytes] = set()
        self._key = b""
        self._value = -1

    def is_new(self, key: bytes) -> bool:
        """Whether the registrable domain of a name was first asked for less than `days` ago, or never."""
        if key in self._known:
            return False
        register = self.register
        value = self._hashed(key)
        if value < 0 or register.learning(self.days):
            return False
        day = register.day_of(value)
        if day is None or register.last - day < self.days:
            return True
        self._settle(key)
        return False

    def note(self, key: bytes, client: bytes = b"") -> None:
        """A client asked for this name; b"" is nobody in particular."""
        if key in self._known:
            return
        register = self.register
        value = self._hashed(key)
        day = register.day_of(value) if value >= 0 else ALWAYS
        if day is None:
            day = register.note(value, self.days, client)
            if day is None:
                return
            self._changes.append((value, day))
        if day == ALWAYS or register.last - day >= self.days:
            self._settle(key)

    def roll(self, day: int) -> bool:
        """It is this day now (whole days since 1970); True if a new day began, so that what was new may not be now."""
        return self.register.roll(day)

    def changes(self) -> list[Noted]:
        """What was noted since the last call."""
        changes, self._changes = self._changes, []
        return changes

    def merge(self, noted: Iterable[Noted]) -> None:
        """Take up what others noted."""
        for value, day in noted:
            self.register.add(value, day)

    def _hashed(self, key: bytes) -> int:
        """The hash of the name's domain, -1 where it has none. A question asks twice about one key: hashed once."""
        if key is not self._key:
            site = self.sites.site(key)
            self._value = self.register.hash_of(site) if site != NO_SITE else -1
            self._key = key
        return self._value

    def _settle(self, key: bytes) -> None:
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known.add(key)
