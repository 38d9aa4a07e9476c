"""The buckets of prefixes: what all clients of one together may ask. Nothing here knows of queries."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from filterd.core.budget import Bucket
from filterd.core.classrooms import Address
from filterd.core.policy import Limits

IPV4_PREFIX_BYTES: Final = 3
IPV6_PREFIX_BYTES: Final = 7
SPARED: Final = 8  # prefixes in use that are passed over when one has to go, at most


class Prefixes:
    """The buckets of prefixes: IPv4 /24, IPv6 /56. As many as clients at most; the oldest goes first."""

    def __init__(self) -> None:
        self._by_name: OrderedDict[bytes, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_name)

    def bucket(self, address: Address, scope: bytes, limits: Limits, now: float) -> Bucket:
        """The bucket for an address; `scope` is the interface of a link-local one, as bytes."""
        packed = address.packed
        name = packed[:IPV4_PREFIX_BYTES] if len(packed) == 4 else packed[:IPV6_PREFIX_BYTES] + scope
        bucket = self._by_name.get(name)
        if bucket is None:
            if len(self._by_name) >= limits.clients:
                self._drop_one(limits, now)
            bucket = self._by_name[name] = Bucket(float(limits.prefix_burst), now)
        return bucket

    def _drop_one(self, limits: Limits, now: float) -> None:
        """Forget the oldest prefix, at best one whose bucket is full by now, so that nothing is forgotten with it."""
        for _ in range(SPARED):
            name, bucket = self._by_name.popitem(last=False)
            if bucket.fill(now, limits.prefix_queries_per_second, limits.prefix_burst) >= limits.prefix_burst:
                return
            self._by_name[name] = bucket
        self._by_name.popitem(last=False)
