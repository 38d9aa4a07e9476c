"""Address lists compiled: which set of sources lists an address, found by bisection in flat arrays.

Overlapping networks of all lists become boundaries: sorted first addresses, each with the set that holds from there to
the next boundary; set 0 is nobody's. IPv6 boundaries are two halves of 64 bits. The arrays may be views of a mapped
file (`store.tables`), so a million ranges are no Python objects. A set is interned with those of names (`table`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

HALF: Final = 64
_LOW: Final = (1 << HALF) - 1
_SOURCE_BITS: Final = 16
_SOURCE: Final = (1 << _SOURCE_BITS) - 1

Range = tuple[int, int]  # first and last address
Interned = Callable[[tuple[int, ...]], int]


class Bounds(NamedTuple):
    """`v4[i]` begins what `sets[i]` holds; `high[i]`, `low[i]` begin what `sets[len(v4) + i]` holds."""

    v4: Sequence[int]
    high: Sequence[int]
    low: Sequence[int]
    sets: Sequence[int]

    def set_of(self, packed: bytes) -> int:
        """The set of an address of 4 or 16 bytes; 0 where no list has it."""
        address = int.from_bytes(packed, "big")
        if len(packed) == 4:
            at = bisect_right(self.v4, address)
            return self.sets[at - 1] if at else 0
        at = self._v6(address)
        return self.sets[len(self.v4) + at - 1] if at else 0

    def _v6(self, address: int) -> int:
        """The number of IPv6 boundaries up to the address."""
        high = address >> HALF
        begin = bisect_left(self.high, high)
        end = bisect_right(self.high, high, begin)
        return bisect_right(self.low, address & _LOW, begin, end)

    def range_of(self, packed: bytes) -> Range:
        """First and last address of the stretch between two boundaries that an address is in."""
        address = int.from_bytes(packed, "big")
        at = bisect_right(self.v4, address) if len(packed) == 4 else self._v6(address)
        bits = 8 * len(packed)
        count = len(self.v4) if bits == 32 else len(self.high)
        first = self._bound(bits, at - 1) if at else 0
        return first, (self._bound(bits, at) if at < count else 1 << bits) - 1

    def _bound(self, bits: int, at: int) -> int:
        return self.v4[at] if bits == 32 else self.high[at] << HALF | self.low[at]


NONE: Final = Bounds((), (), (), ())


def range_of_key(key: bytes) -> tuple[int, int, int]:
    """(32 or 128 bits, first, last) of a network as `core.rules.cidr` writes it: packed address, prefix length."""
    bits = 8 * (len(key) - 1)
    first = int.from_bytes(key[:-1], "big")
    return bits, first, first | (1 << bits - key[-1]) - 1


class Builder:
    """Collects networks of numbered sources and flattens them. Holds some 100 bytes a network.

    An event is one integer: address, source, and 1 where the source's network begins there, 0 where it has ended.
    """

    def __init__(self) -> None:
        self._v4: list[int] = []
        self._v6: list[int] = []

    def add(self, source: int, keys: Iterable[bytes]) -> None:
        """Networks of one source, each as `range_of_key` reads it. A source comes once."""
        for key in keys:
            bits, first, last = range_of_key(key)
            events = self._v4 if bits == 32 else self._v6
            events.append((first << _SOURCE_BITS | source) << 1 | 1)
            events.append((last + 1 << _SOURCE_BITS | source) << 1)

    def bounds(self, interned: Interned) -> Bounds:
        """All of them as boundaries; `interned` gives the id of the set with these sources, which are sorted."""
        v4, sets_v4 = _flatten(self._v4, 1 << 32, interned)
        v6, sets_v6 = _flatten(self._v6, 1 << 128, interned)
        high, low = array("Q", (at >> HALF for at in v6)), array("Q", (at & _LOW for at in v6))
        return Bounds(array("I", v4), high, low, array("I", sets_v4 + sets_v6))


def _flatten(events: list[int], end: int, interned: Interned) -> tuple[list[int], list[int]]:
    """First addresses and sets of the stretches that the events cut the addresses below `end` into."""
    events.sort()
    bounds: list[int] = []
    sets: list[int] = []
    active: dict[int, int] = {}  # source to the number of its networks here
    for at, event in enumerate(events):
        source = event >> 1 & _SOURCE
        active[source] = active.get(source, 0) + (1 if event & 1 else -1)
        if not active[source]:
            del active[source]
        address = event >> _SOURCE_BITS + 1
        if address == end or (at + 1 < len(events) and events[at + 1] >> _SOURCE_BITS + 1 == address):
            continue
        found = interned(tuple(sorted(active)))
        if not sets or found != sets[-1]:
            bounds.append(address)
            sets.append(found)
    return bounds, sets
