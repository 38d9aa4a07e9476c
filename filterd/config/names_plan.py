"""Which edits of names.yaml bring the school's names from what they are to what somebody asked for.

Pure: entries in, entries and edits out. `names_file` knows how an edit is written; `cli.site` commits the result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from filterd.config import names_file
from filterd.core.policy import SchoolName

Edit = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Plan:
    """`names`: the entries there will be; `edits`: to be applied to the text in order; `gone`: what was taken out."""

    names: tuple[SchoolName, ...]
    edits: tuple[Edit, ...] = ()
    gone: tuple[SchoolName, ...] = ()


def with_entry(names: tuple[SchoolName, ...], entry: SchoolName) -> Plan:
    """Put an entry in; one for the same tiers and classes that says the opposite has to go. No edits: it was there."""
    opposite = dataclasses.replace(entry, allow=not entry.allow)
    kept, edits, gone = _drop(names, [other for other in names if same(other, opposite)])
    index = next((i for i, other in enumerate(kept) if same(other, entry)), None)
    if index is None:
        edits.append(lambda data: names_file.add(data, entry))
        kept.insert(sum(e.allow for e in kept) if entry.allow else len(kept), entry)
    elif entry.reason and entry.reason != kept[index].reason:
        kept[index] = dataclasses.replace(kept[index], reason=entry.reason)
        edits.append(_replacement(kept, index))
    return Plan(tuple(kept), tuple(edits), tuple(gone))


def without(names: tuple[SchoolName, ...], wanted: SchoolName) -> Plan:
    """Take a name out, allow and block alike; with tiers or classes in `wanted`, only as far as it is for those."""
    whole = not wanted.tiers and not wanted.classes
    hit = [e for e in names if e.name == wanted.name and (whole or _speaks_of(e, wanted))]
    kept, edits, gone = _drop(names, [e for e in hit if whole or _scope(e) == _scope(wanted)])
    for index, entry in enumerate(kept):
        if entry in hit:
            tiers = tuple(t for t in entry.tiers if t not in wanted.tiers)
            classes = tuple(c for c in entry.classes if c not in wanted.classes)
            kept[index] = dataclasses.replace(entry, tiers=tiers, classes=classes)
            edits.append(_replacement(kept, index))
            gone.append(dataclasses.replace(entry, tiers=wanted.tiers, classes=wanted.classes))
    return Plan(tuple(kept), tuple(edits), tuple(gone))


def same(one: SchoolName, other: SchoolName) -> bool:
    """Whether two entries say the same of the same people, whatever their reasons."""
    return (one.name, one.allow, _scope(one)) == (other.name, other.allow, _scope(other))


def _drop(
    names: tuple[SchoolName, ...], out: list[SchoolName]
) -> tuple[list[SchoolName], list[Edit], list[SchoolName]]:
    kept = list(names)
    edits: list[Edit] = []
    gone: list[SchoolName] = []
    for index in reversed(range(len(kept))):  # from the end, so that places before stay what they were
        if kept[index] in out:
            edits.append(_removal(kept[index].allow, _position(kept, index)))
            gone.insert(0, kept.pop(index))
    return kept, edits, gone


def _removal(allow: bool, position: int) -> Edit:
    return lambda data: names_file.remove(data, allow, position)


def _replacement(names: list[SchoolName], index: int) -> Edit:
    entry, position = names[index], _position(names, index)
    return lambda data: names_file.replace(data, position, entry)


def _position(names: list[SchoolName], index: int) -> int:
    """An entry's place within its own list of the file."""
    return sum(e.allow == names[index].allow for e in names[:index])


def _scope(entry: SchoolName) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(entry.tiers), frozenset(entry.classes)


def _speaks_of(entry: SchoolName, wanted: SchoolName) -> bool:
    return set(wanted.tiers) <= set(entry.tiers) and set(wanted.classes) <= set(entry.classes)
