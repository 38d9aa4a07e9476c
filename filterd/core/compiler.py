"""All lists into one trie and one array, each list read once, in bounded memory.

A list is packed away, some seven bytes a name; its keys go from there into marisa's builder, and once more to be looked
up and have the list added to their sets. No Python collection of names exists at any time: the peak is
marisa's own builder, some 85 bytes a name. Pure: a list is read through a function that gives its bytes.

Lists of addresses have no keys there: their networks are kept and flattened (`networks`).

A list that must not be used is left out and reported.
"""

from __future__ import annotations

import dataclasses
import itertools
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import marisa_trie

from filterd.core.networks import NONE, Bounds, Builder
from filterd.core.rules import Report, Rule, Suffixes, parse
from filterd.core.rules.formats import FORMATS
from filterd.core.rules.model import CODES, EXCEPTION, Include
from filterd.core.source import Source
from filterd.core.table import CODE_BITS, TableSource, Trie
from filterd.core.updates import Why
from filterd.errors import ListError

NUM_TRIES = 2  # of 1 to 4: 8.3, 6.1, 5.7, 5.6 bytes a name and 0.7, 0.9, 1.0, 1.4 us a miss
MAX_NETWORKS = 500_000  # in one list; the largest that are honest have a tenth
PACK = 4096  # rules packed together
Step = dict[int, int]
Pack = tuple[bytes, int | bytes]
"""Keys, a line each, compressed; and their codes: one for all, or one byte each."""


@dataclass(slots=True)
class Read:
    """What was read of a list: the packed rules, or the networks of a list of addresses; or why it is unfit for use."""

    report: Report
    packs: list[Pack] = field(default_factory=list)
    networks: set[bytes] | None = None
    error: ListError | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """One list to compile. `read` gives its bytes from the start; `list_time` is Unix seconds.

    `known`: what an earlier table read of the same bytes, which then are not read again.
    """

    source: Source
    read: Callable[[], Iterable[bytes]]
    list_time: int
    include: Include | None = None
    known: Read | None = None


@dataclass(slots=True)
class Compiled:
    """A table before it has a generation. `ids[trie id]` and `bounds.sets` are indexes into `sets`; set 0 is empty."""

    trie: marisa_trie.BinaryTrie
    ids: array[int]
    sets: list[tuple[int, ...]]
    sources: tuple[TableSource, ...]
    names: int
    bounds: Bounds = NONE
    reports: dict[str, Report] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # source id to reason
    reads: dict[str, Read] = field(default_factory=dict)  # by source id, of those not refused


def compile_table(inputs: Sequence[Input], suffixes: Suffixes) -> Compiled:
    """The table of all lists that are fit for use."""
    found: dict[str, Read] = {}
    refused: dict[str, str] = {}
    trie = marisa_trie.BinaryTrie(
        _keys(inputs, suffixes, found, refused), num_tries=NUM_TRIES, cache_size=marisa_trie.HUGE_CACHE
    )
    sets = _Sets(len(trie))
    ranges = Builder()
    sources = []
    for at, each in enumerate(each for each in inputs if each.source.id not in refused):
        read = found[each.source.id]
        if read.networks is None:
            entries = _assign(read.packs, at, trie, sets)
        else:
            entries = len(read.networks)
            ranges.add(at, read.networks)
        longest_wins = FORMATS[read.report.format].longest_wins
        sources.append(TableSource(each.source.id, each.source.category, entries, each.list_time, longest_wins))
    bounds = ranges.bounds(lambda ids: sets.id_of(tuple(at << CODE_BITS for at in ids)))
    reports = {name: read.report for name, read in found.items()}
    reads = {source.id: found[source.id] for source in sources}
    return Compiled(trie, sets.ids, sets.sets, tuple(sources), sets.used, bounds, reports, refused, reads)


def without(compiled: Compiled, gone: Collection[str]) -> Compiled:
    """The same table as if these sources (ids) had not been read. Their keys stay in the trie, where nobody else has
    them with the empty set: a few bytes each, for a table that need not be compiled again.
    """
    kept = [at for at, source in enumerate(compiled.sources) if source.id not in gone]
    places = {at << CODE_BITS: new << CODE_BITS for new, at in enumerate(kept)}
    mask = CODES - 1
    sets = [tuple(places[e & ~mask] | e & mask for e in each if e & ~mask in places) for each in compiled.sets]
    names = sum(count for at, count in Counter(compiled.ids).items() if sets[at])
    return dataclasses.replace(
        compiled,
        sets=sets,
        sources=tuple(compiled.sources[at] for at in kept),
        names=names,
        reports={name: report for name, report in compiled.reports.items() if name not in gone},
        reads={name: read for name, read in compiled.reads.items() if name not in gone},
    )


def _keys(
    inputs: Iterable[Input], suffixes: Suffixes, found: dict[str, Read], refused: dict[str, str]
) -> Iterator[bytes]:
    """Every name's key of every list, for the builder; fills `found` and `refused` on the way."""
    for each in inputs:
        found[each.source.id] = read = each.known or read_list(each, suffixes)
        if read.error is not None:
            refused[each.source.id] = str(read.error)
        else:
            yield from _keys_of(read.packs)


def read_list(each: Input, suffixes: Suffixes) -> Read:
    """Read a list whole. What makes it unfit for use is in `error`; then there are no rules."""
    read = Read(Report(each.source.id))
    try:
        rules, read.report = parse(each.read(), each.source, suffixes, each.include)
        form = FORMATS.get(each.source.format)
        if form is not None and form.addresses:
            read.networks = _networks(rules)
        else:
            _pack(rules, read.packs)
    except ListError as error:
        read.error = error
        read.packs.clear()
    return read


def _pack(rules: Iterator[Rule], packs: list[Pack]) -> None:
    """Pack the rules away. No key has a line end: it was cut out of a line."""
    while batch := list(itertools.islice(rules, PACK)):
        keys, codes = zip(*batch, strict=True)
        first = codes[0]
        packs.append((zlib.compress(b"\n".join(keys), 1), first if codes.count(first) == len(codes) else bytes(codes)))


def _keys_of(packs: Iterable[Pack]) -> Iterator[bytes]:
    for packed, _ in packs:
        yield from _unpacked(packed)


def _unpacked(packed: bytes) -> list[bytes]:
    return zlib.decompress(packed).split(b"\n")


def _networks(rules: Iterable[Rule]) -> set[bytes]:
    found: set[bytes] = set()
    for key, _ in rules:
        found.add(key)
        if len(found) > MAX_NETWORKS:
            raise ListError(f"has more than {MAX_NETWORKS} networks", Why.TOO_LARGE)
    return found


class _Sets:
    """The set of every key, as ids of interned tuples. `steps` remember which set another element leads to."""

    def __init__(self, keys: int) -> None:
        self.ids = array("I", bytes(4 * keys))
        self.sets: list[tuple[int, ...]] = [()]
        self.used = 0
        self._known: dict[tuple[int, ...], int] = {(): 0}

    def with_element(self, old: int, element: int) -> int:
        """The id of the set `old` with one more element."""
        return self.id_of(tuple(sorted({*self.sets[old], element})))

    def id_of(self, wanted: tuple[int, ...]) -> int:
        """The id of the set with these elements, which are sorted."""
        at = self._known.setdefault(wanted, len(self.sets))
        if at == len(self.sets):
            self.sets.append(wanted)
        return at


def _assign(packs: Iterable[Pack], at: int, trie: Trie, sets: _Sets) -> int:
    """Add source number `at` to the set of each of its keys; gives the number of its distinct blocking rules."""
    steps: list[Step] = [{} for _ in range(CODES)]
    entries = used = 0
    ids = sets.ids
    for packed, codes in packs:
        found = map(trie.key_id, _unpacked(packed))
        for where, code in zip(found, itertools.repeat(codes) if isinstance(codes, int) else codes, strict=False):
            old = ids[where]
            new = steps[code].get(old)
            if new is None:
                new = steps[code][old] = sets.with_element(old, at << CODE_BITS | code)
            if new != old:
                ids[where] = new
                used += not old
                entries += code < EXCEPTION
    sets.used += used
    return entries
