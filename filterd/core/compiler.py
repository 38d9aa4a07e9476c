"""All lists into one trie and one array, in two passes and bounded memory.

The first pass feeds every key into marisa's builder; the second looks each key up and adds its source to the key's
set. No Python collection of names exists at any time: the peak is marisa's own builder, some 85 bytes a name. Pure: a
list is read through a function that opens it anew, the same bytes both times.

Lists of addresses have no keys there: their networks are read once, in the first pass, and flattened (`networks`).

A list that must not be used is left out and reported; keys it had already put into the trie keep the empty set.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import marisa_trie

from filterd.core.networks import NONE, Bounds, Builder
from filterd.core.rules import Report, Rule, Suffixes, parse
from filterd.core.rules.formats import FORMATS
from filterd.core.rules.model import CODES, EXCEPTION, Include
from filterd.core.source import Source
from filterd.core.table import CODE_BITS, TableSource, Trie
from filterd.errors import ListError

NUM_TRIES = 2  # of 1 to 4: 8.3, 6.1, 5.7, 5.6 bytes a name and 0.7, 0.9, 1.0, 1.4 us a miss
MAX_NETWORKS = 500_000  # in one list; the largest that are honest have a tenth
Step = dict[int, int]


@dataclass(frozen=True, slots=True)
class Input:
    """One list to compile. `read` gives its bytes from the start, each time the same; `list_time` is Unix seconds."""

    source: Source
    read: Callable[[], Iterable[bytes]]
    list_time: int
    include: Include | None = None


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


def compile_table(inputs: Sequence[Input], suffixes: Suffixes) -> Compiled:
    """The table of all lists that are fit for use. Raises ListError when a list changes between the two passes."""
    reports: dict[str, Report] = {}
    refused: dict[str, str] = {}
    networks: dict[str, set[bytes]] = {}
    trie = marisa_trie.BinaryTrie(
        _keys(inputs, suffixes, reports, refused, networks), num_tries=NUM_TRIES, cache_size=marisa_trie.HUGE_CACHE
    )
    used = [each for each in inputs if each.source.id not in refused]
    sets = _Sets(len(trie))
    ranges = Builder()
    sources = []
    for at, each in enumerate(used):
        report = reports[each.source.id]
        found = networks.pop(each.source.id, None)
        if found is None:
            entries = _assign(each, at, suffixes, trie, sets, report)
        else:
            entries = len(found)
            ranges.add(at, found)
        longest_wins = FORMATS[report.format].longest_wins
        sources.append(TableSource(each.source.id, each.source.category, entries, each.list_time, longest_wins))
    bounds = ranges.bounds(lambda ids: sets.id_of(tuple(at << CODE_BITS for at in ids)))
    return Compiled(trie, sets.ids, sets.sets, tuple(sources), sets.used, bounds, reports, refused)


def _keys(
    inputs: Iterable[Input],
    suffixes: Suffixes,
    reports: dict[str, Report],
    refused: dict[str, str],
    networks: dict[str, set[bytes]],
) -> Iterator[bytes]:
    """Every name's key of every list, for the builder; fills `reports`, `refused` and `networks` on the way."""
    for each in inputs:
        try:
            rules, reports[each.source.id] = parse(each.read(), each.source, suffixes, each.include)
            form = FORMATS.get(each.source.format)
            if form is not None and form.addresses:
                networks[each.source.id] = _networks(rules)
                continue
            for key, _ in rules:
                yield key
        except ListError as error:
            refused[each.source.id] = str(error)


def _networks(rules: Iterable[Rule]) -> set[bytes]:
    found: set[bytes] = set()
    for key, _ in rules:
        found.add(key)
        if len(found) > MAX_NETWORKS:
            raise ListError(f"has more than {MAX_NETWORKS} networks")
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


def _assign(each: Input, at: int, suffixes: Suffixes, trie: Trie, sets: _Sets, first: Report) -> int:
    """Add source number `at` to the set of each of its keys; gives the number of its distinct blocking rules."""
    steps: list[Step] = [{} for _ in range(CODES)]
    key_id, ids = trie.key_id, sets.ids
    entries = used = 0
    rules, report = parse(each.read(), each.source, suffixes, each.include)
    try:
        for key, code in rules:
            where = key_id(key)
            old = ids[where]
            new = steps[code].get(old)
            if new is None:
                new = steps[code][old] = sets.with_element(old, at << CODE_BITS | code)
            if new != old:
                ids[where] = new
                used += not old
                entries += code < EXCEPTION
    except (KeyError, ListError):
        raise _changed(each) from None
    if (report.entries, report.exceptions) != (first.entries, first.exceptions):
        raise _changed(each)
    sets.used += used
    return entries


def _changed(each: Input) -> ListError:
    return ListError(f"{each.source.id}: the list changed while it was compiled; nothing was published, build again")
