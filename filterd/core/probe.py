"""Does a table do what a school is owed? Every tier is asked for names that must resolve and names that must not.

`decide` decides, as it will for the pupils. Only lists are at fault: what the policy closes or opens by itself is
meant, and so is what a category closes on purpose. A tier is tried with the profile `learning`, without overrides, and
as if its `observe` were over. Pure; `update` holds the lists that a hit can be put down to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from filterd.core import matrix, names
from filterd.core.decide import decide, rules_for
from filterd.core.matrix import Row
from filterd.core.overrides import Overrides
from filterd.core.policy import Place, Policy
from filterd.core.probes import Group, Probes, each_once
from filterd.core.snapshot import Snapshot
from filterd.core.table import Table
from filterd.core.verdict import Action

PROFILE = "learning"
WWW = "www."  # people and browsers put it in front of any name
BELOW = "*."  # `*.example.com` stands for any name below example.com; no list can name that label itself


@dataclass(frozen=True, slots=True)
class Hit:
    """One name that comes out wrong. `kind` "resolve": lists close it; "block": nothing does. `name` may begin with
    `*.`: any name below. `categories` are those that close it, or that ought to; `sources` the lists that do, or that
    the category has; `group` is the id of a group of names that must resolve, or the category.
    """

    kind: str
    name: str
    tiers: tuple[str, ...]
    categories: tuple[str, ...]
    sources: tuple[str, ...]
    group: str


def probe(policy: Policy, table: Table, probes: Probes, now: float) -> tuple[Hit, ...]:
    """Everything that is wrong, in the order of the probes. `now`: Unix seconds."""
    snapshot, rows = standing(policy, table, now)
    return (*_closed(snapshot, rows, probes), *_opened(snapshot, rows, probes))


def suspects(hit: Hit, after: Table, before: Table | None) -> tuple[str, ...]:
    """The sources whose change a hit of the table `after` is put down to: those that list the name and did not, or
    that did and do not. Without a table before all that list it are suspects.
    """
    then = set() if before is None else _listing(before, hit.name)
    return tuple(sorted(set(hit.sources) - then if hit.kind == "resolve" else then - _listing(after, hit.name)))


def standing(policy: Policy, table: Table, now: float) -> tuple[Snapshot, tuple[Row, ...]]:
    """A snapshot with one row for each tier, in the policy's order: how it is treated when nothing special is on."""
    tiers = tuple(dataclasses.replace(tier, enforce="block", observe_until=None) for tier in policy.tiers)
    places = tuple(Place(f"={tier.id}", tier.id, tier.id, PROFILE, ()) for tier in tiers)  # no id of a class
    alone = dataclasses.replace(policy, tiers=tiers, places=places, unknown_client_tier=None)
    snapshot = Snapshot(alone, table, Overrides(), now)
    return snapshot, snapshot.matrix.by_place


def at_fault(snapshot: Snapshot, row: Row, key: bytes, unless: int = 0) -> int:
    """The categories (bits as in `snapshot.categories`) by which lists close a name for a row, although the policy does
    not put it there itself and none of them is in `unless`.
    """
    verdict = decide(snapshot, row, key)
    if verdict.action is not Action.BLOCK or verdict.step not in (matrix.FLOOR, matrix.CATEGORY):
        return 0
    closing = row.floor if verdict.step == matrix.FLOOR else row.closed
    for _, atom in rules_for(snapshot, row, key) or ():
        if atom >= 0:
            unless |= snapshot.index.masks[atom]
    return snapshot.table.mask(key) & closing & ~unless


def _closed(snapshot: Snapshot, rows: tuple[Row, ...], probes: Probes) -> Iterator[Hit]:
    for name, group in each_once(probes.must_resolve):
        for asked in (name, BELOW + name, WWW + name):
            hit = _hit(snapshot, rows, asked, group)
            if hit is not None:
                yield hit
                break


def _hit(snapshot: Snapshot, rows: tuple[Row, ...], name: str, group: Group) -> Hit | None:
    key = names.key_of_text(name)
    unless = snapshot.index.bits(group.unless)
    found = [(row.tier, bits) for row in rows if (bits := at_fault(snapshot, row, key, unless))]
    if not found:
        return None
    mask = 0
    for _, bits in found:
        mask |= bits
    categories = categories_of(snapshot, mask)
    sources = sources_of(snapshot.table, key, categories)
    return Hit("resolve", name, tuple(tier for tier, _ in found), categories, sources, group.id)


def _opened(snapshot: Snapshot, rows: tuple[Row, ...], probes: Probes) -> Iterator[Hit]:
    for sentinels in probes.must_block:
        category = sentinels.category
        bit = snapshot.index.bits((category,))
        closing = [row for row in rows if (row.closed | row.floor) & bit]
        sources = tuple(source.id for source in snapshot.table.sources if source.category == category)
        for name in sentinels.names:
            tiers = tuple(row.tier for row in closing if _is_open(snapshot, row, names.key_of_text(name)))
            if tiers:
                yield Hit("block", name, tiers, (category,), sources, category)


def _is_open(snapshot: Snapshot, row: Row, key: bytes) -> bool:
    """Whether a name is open because nothing speaks about it; what the policy opens is meant so."""
    verdict = decide(snapshot, row, key)
    return verdict.action is not Action.BLOCK and verdict.step == matrix.DEFAULT


def categories_of(snapshot: Snapshot, mask: int) -> tuple[str, ...]:
    """The categories of a mask, in the policy's order."""
    return tuple(c.id for c in snapshot.policy.categories if snapshot.index.bits((c.id,)) & mask)


def sources_of(table: Table, key: bytes, categories: tuple[str, ...]) -> tuple[str, ...]:
    """Ids of the sources that put a name into one of the categories, in the table's order."""
    found = (table.sources[at] for at in sorted(table.listing(key)))
    return tuple(source.id for source in found if source.category in categories)


def _listing(table: Table, name: str) -> set[str]:
    return {table.sources[at].id for at in table.listing(names.key_of_text(name))}
