"""The table: which name and which address is in which categories, looked up in about a microsecond.

A marisa trie holds the keys (`names`: `com.example.` for a name and what is below it, `com.example.$` for that name
alone); a parallel array maps a key's id to an interned *set* of elements, each one source's rule: `source << 3 | code`
with the codes of `core.rules`. Set 0 is empty. Categories follow from the sources, so `explain` can name the lists.

Lists of addresses share the sets; `networks` finds the one of an address.

Exceptions take away within their own source only: always, or, where the source says `longest_wins` (RPZ), when no
longer name of that source blocks. Pure: `store.tables` maps the files and hands over the pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, summarize_address_range
from typing import Protocol

import marisa_trie

from filterd.core import names
from filterd.core.networks import HALF, NONE, Bounds
from filterd.core.private import embedded_v4
from filterd.core.rules.model import BELOW, COVERS_MASK, COVERS_NAMES, EXCEPTION

CODE_BITS = 3
COVERS_ADDRESSES = "addresses"
_SLOW = -1  # in place of a mask: the set holds an exception, so sources must be weighed one by one


class Trie(Protocol):
    """What is used of `marisa_trie.BinaryTrie`."""

    def prefixes(self, key: bytes) -> list[bytes]: ...
    def key_id(self, key: bytes) -> int: ...
    def get(self, key: bytes, default: int) -> int: ...
    def iteritems(self) -> Iterator[tuple[bytes, int]]: ...
    def restore_key(self, at: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class TableSource:
    """One source in a table. `entries` are its distinct blocking rules, `list_time` Unix seconds of the list's copy."""

    id: str
    category: str
    entries: int
    list_time: int
    longest_wins: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """One rule of one source that speaks about a name. `exception`: it takes the name out of that source."""

    source: str
    category: str
    covers: str
    rule: str
    exception: bool


class Table:
    """All sources compiled. Immutable; shares its memory with every process that maps the same files."""

    __slots__ = (
        "_below",
        "_bits",
        "_bounds",
        "_here",
        "_ids",
        "_key_id",
        "_prefixes",
        "_sets",
        "_trie",
        "built_at",
        "categories",
        "generation",
        "has_addresses",
        "names",
        "sources",
    )

    def __init__(
        self,
        trie: Trie,
        ids: Sequence[int],
        sets: Sequence[Sequence[int]],
        sources: tuple[TableSource, ...],
        *,
        generation: str,
        built_at: int,
        names: int,
        bounds: Bounds = NONE,
    ) -> None:
        """`ids[trie id]` is an index into `sets`; `built_at` is Unix seconds; `names` counts keys in a set."""
        self.generation = generation
        self.built_at = built_at
        self.names = names
        self.sources = sources
        self.categories = tuple(sorted({source.category for source in sources}))
        self._bits = [1 << self.categories.index(source.category) for source in sources]
        self._trie = trie
        self._prefixes: Callable[[bytes], list[bytes]] = trie.prefixes
        self._key_id: Callable[[bytes], int] = trie.key_id
        self._ids = ids
        self._bounds = bounds
        self.has_addresses = bool(bounds.sets)
        self._sets = sets
        self._below = [self._mask_of(elements) for elements in sets]
        self._here = [self._mask_of(e for e in elements if e & COVERS_MASK != BELOW) for elements in sets]

    def _mask_of(self, elements: Iterable[int]) -> int:
        mask = 0
        for element in elements:
            if element & EXCEPTION:
                return _SLOW
            mask |= self._bits[element >> CODE_BITS]
        return mask

    def mask(self, key: bytes) -> int:
        """The categories (bit i: `categories[i]`) whose sources list the name with this subtree key."""
        found = self._prefixes(key + b"$")
        if not found:
            return 0
        mask = 0
        for prefix in found:
            at = self._ids[self._key_id(prefix)]
            more = self._here[at] if prefix == key else self._below[at]
            if more < 0:
                return self._weighed(key, found)
            mask |= more
        return mask

    def address_mask(self, packed: bytes) -> int:
        """The categories, as in `mask`, whose sources list this address of 4 or 16 bytes, or the IPv4 one inside it."""
        if not self.has_addresses:
            return 0
        mask = self._below[self._bounds.set_of(packed)]
        if len(packed) == 16:
            inside = embedded_v4(packed)
            if inside is not None:
                mask |= self.address_mask(inside)
        return mask

    def _weighed(self, key: bytes, found: list[bytes]) -> int:
        """`mask` where exceptions are at play."""
        mask = 0
        for at in self._listing(key, found):
            mask |= self._bits[at]
        return mask

    def listing(self, key: bytes) -> list[int]:
        """The sources, by their place in `sources`, that list the name with this subtree key, as `mask` counts them."""
        return self._listing(key, self._prefixes(key + b"$"))

    def _listing(self, key: bytes, found: list[bytes]) -> list[int]:
        """Prefixes come shortest first: the last of each kind is the longest."""
        blocked: dict[int, int] = {}
        passed: dict[int, int] = {}
        for prefix in found:
            for element in self._elements(prefix, key):
                (passed if element & EXCEPTION else blocked)[element >> CODE_BITS] = len(prefix)
        return [
            at
            for at, depth in blocked.items()
            if at not in passed or (self.sources[at].longest_wins and depth > passed[at])
        ]

    def _elements(self, prefix: bytes, key: bytes) -> list[int]:
        elements = self._sets[self._ids[self._key_id(prefix)]]
        return [e for e in elements if prefix != key or e & COVERS_MASK != BELOW]

    def matches(self, key: bytes) -> tuple[Match, ...]:
        """Every rule that speaks about the name, shortest first, exceptions included: for `explain`."""
        return tuple(
            Match(
                source=self.sources[element >> CODE_BITS].id,
                category=self.sources[element >> CODE_BITS].category,
                covers=COVERS_NAMES[element & COVERS_MASK],
                rule=names.text_of_key(prefix),
                exception=bool(element & EXCEPTION),
            )
            for prefix in self._prefixes(key + b"$")
            for element in self._elements(prefix, key)
        )

    def address_matches(self, packed: bytes) -> tuple[Match, ...]:
        """Every list that has the address, with the range around it that the same lists have: for `explain`."""
        inside = embedded_v4(packed)
        found = () if inside is None else self.address_matches(inside)
        first, last = (ip_address(bound.to_bytes(len(packed), "big")) for bound in self._bounds.range_of(packed))
        one, *more = summarize_address_range(first, last)
        rule = f"{first}-{last}" if more else str(one)
        elements = self._sets[self._bounds.set_of(packed)] if self.has_addresses else ()
        listing = [self.sources[element >> CODE_BITS] for element in elements]
        return found + tuple(Match(each.id, each.category, COVERS_ADDRESSES, rule, False) for each in listing)

    def elements(self, at: int) -> Sequence[int]:
        """The elements of a set, sorted: `source << 3 | code`. Set 0 is empty."""
        return self._sets[at] if at else ()

    def paths(self) -> Iterator[tuple[int, ...]]:
        """For every key its own set, then those of the other keys that speak about its name."""
        ids, key_id, prefixes = self._ids, self._key_id, self._prefixes
        for key, at in self._trie.iteritems():
            found = prefixes(key if key.endswith(b"$") else key + b"$")
            if len(found) == 1:
                yield (ids[at],)
            else:
                yield (ids[at], *[ids[key_id(other)] for other in found if other != key])

    def ranges(self, bits: int) -> Iterator[tuple[int, int]]:
        """The first address of every stretch of addresses (of 32 or 128 bits) with its set, which holds to the next."""
        bounds = self._bounds
        for at, address in enumerate(bounds.v4 if bits == 32 else bounds.high):
            if bits == 32:
                yield address, bounds.sets[at]
            else:
                yield address << HALF | bounds.low[at], bounds.sets[len(bounds.v4) + at]

    def compared(self, before: Table) -> Iterator[tuple[bytes, int, int]]:
        """Every key of either table with its set here and its set before; 0 is no set. Needs a byte for each key."""
        find, restore = before._trie.get, before._trie.restore_key
        ids, ids_before = self._ids, before._ids
        left = bytearray(b"\1") * len(ids_before)
        for key, at in self._trie.iteritems():
            old = find(key, -1)
            if old < 0:
                yield key, ids[at], 0
            else:
                left[old] = 0
                yield key, ids[at], ids_before[old]
        at = left.find(1)
        while at >= 0:
            yield restore(at), 0, ids_before[at]
            at = left.find(1, at + 1)


EMPTY = Table(marisa_trie.BinaryTrie(), (), (), (), generation="", built_at=0, names=0)
