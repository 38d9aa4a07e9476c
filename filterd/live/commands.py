"""Carries commands out: what the box's commands and the API have in common. The one way overrides are changed.

Asks the policy, the lists and what is in force; changes it by `store.overrides.update`. Every running server takes it
within a second. Who may command for which class is asked before, by `core.access`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from filterd.core.commands import Command, Extend, Open, SetProfile
from filterd.core.covering import names_of
from filterd.core.decide import decide
from filterd.core.matrix import PUPIL_TTL_S, STAFF_TTL_S, TOGGLED_TTL_S
from filterd.core.names import key_of_text
from filterd.core.overrides import Applied, Overrides, apply
from filterd.core.permits import permit, services_of
from filterd.core.snapshot import Snapshot
from filterd.core.verdict import Reason
from filterd.errors import Refused
from filterd.live import snapshots
from filterd.live.published import Published
from filterd.store import overrides as store


def carry_out(published: Published, command: Command, now: float, knows_time: bool, origin: str) -> Applied:
    """Do it, or raise Refused with the rule that forbids it and what would be possible.

    `now` is Unix seconds; `knows_time`: whether that can be true; `origin`: from where it came, for the audit log.
    Raises OSError and ValueError as `store.overrides.update` does; nothing was changed then.
    """
    if not knows_time:
        raise Refused("clock", "this box does not know the time, and everything set ends at some time", "set its clock")
    policy = published.policy
    permit(policy, command)
    services = services_of(policy)
    _must_not_be_floor(published, command, now)
    done: list[Applied] = []

    def change(state: Overrides) -> Overrides:
        done.append(apply(state, command, now, services))
        return done[-1].state

    store.update(published.state_dir, change, entry_of(command, origin), now)
    return done[-1]


def entry_of(command: Command, origin: str) -> Mapping[str, Any]:
    """What the audit log keeps of a command: who, what, for whom, until when, why, from where."""
    return {"what": _word(command), "from": origin, **dataclasses.asdict(command)}


def old_answers_s(published: Published, command: Command) -> int:
    """For how many seconds a device may go on with an answer from before (the TTLs of `core.matrix`)."""
    if isinstance(command, Extend):
        return 0
    policy = published.policy
    tiers = {tier.id: tier.pupils for tier in policy.tiers}
    places = set(command.places)
    if any(p.id in places and not tiers[p.tier] for p in policy.places):
        return STAFF_TTL_S
    if isinstance(command, Open):
        return TOGGLED_TTL_S  # what was blocked was so for ten seconds
    if isinstance(command, SetProfile):
        lists_only = {profile.id for profile in policy.profiles if profile.allow_list_only}
        own = {p.profile for p in policy.places if p.id in places}
        return PUPIL_TTL_S if command.profile in lists_only and not own <= lists_only else TOGGLED_TTL_S
    return PUPIL_TTL_S


def _word(command: Command) -> str:
    return {"SetProfile": "set"}.get(type(command).__name__, type(command).__name__.lower())


def _must_not_be_floor(published: Published, command: Command, now: float) -> None:
    """What a list of the floor holds stays closed, so nobody is told that it is open."""
    if not isinstance(command, Open):
        return
    policy = published.policy
    snapshot: Snapshot = snapshots.build(policy, published.table, Overrides(), now)
    row = snapshot.row_of_place([place.id for place in policy.places].index(command.places[0]))  # the floor is one
    assert row is not None
    for name in names_of(command.rules, services_of(policy)):
        verdict = decide(snapshot, row, key_of_text(name.removeprefix("=")))
        if verdict.reason in (Reason.FLOOR, Reason.AUTHORITY):
            raise Refused("floor", f"{name} is in {verdict.category}, which nobody in the school opens")
