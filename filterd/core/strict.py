"""What of the overrides holds while the box does not know the time: what closes is kept, what opens is ignored.

A box without a battery clock starts in the past. Whether an override has ended it cannot say then, so it is as strict
as any moment that may be now would be.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from filterd.core.overrides import NO_RULES, Override, Overrides
from filterd.core.policy import Policy, Profile, Rules

SLACK_S: Final = 120  # a clock that is put right by so little was right
ALWAYS: Final = 1 << 40  # Unix seconds; until the clock is right, and then the override's own end holds


def while_time_is_unknown(overrides: Overrides, policy: Policy, at_least: float) -> Overrides:
    """The overrides that close, without begin and end. `at_least` (Unix seconds): it is not earlier than that, so what
    ended before has ended. The sequence number and the chain stay.
    """
    own = {place.id: place.profile for place in policy.places}
    profiles = {profile.id: profile for profile in policy.profiles}
    items = tuple(
        closing
        for override in overrides.items
        if override.until > at_least
        and (closing := _closing(override, profiles.get(own.get(override.place, "")), profiles)) is not None
    )
    return dataclasses.replace(overrides, items=items)


def saved_time(overrides: Overrides) -> float:
    """A moment (Unix seconds) that was there already when somebody last set something, whatever the clock says now."""
    return max((override.since for override in overrides.items), default=0) - SLACK_S


def _closing(override: Override, own: Profile | None, profiles: dict[str, Profile]) -> Override | None:
    wanted = profiles.get(override.profile or "")
    profile = wanted.id if wanted is not None and _only_closes(wanted, own) else None
    kept = dataclasses.replace(override, since=0, until=ALWAYS, profile=profile, allow=NO_RULES)
    return None if kept.is_empty else kept


def _only_closes(profile: Profile, own: Profile | None) -> bool:
    """Whether nothing is open in a profile that is closed in the place's own. An exam closes all but its own sites."""
    if profile.allow_list_only:
        return True
    if own is None or own.allow_list_only:
        return False
    return _within(profile.allow, own.allow) and _within(own.block, profile.block)


def _within(rules: Rules, other: Rules) -> bool:
    return (
        set(rules.categories) <= set(other.categories)
        and set(rules.services) <= set(other.services)
        and set(rules.names) <= set(other.names)
    )
