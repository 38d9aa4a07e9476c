"""Commands: what somebody asks for classes for a while, as values. `core.overrides` applies them to what is in force.

`cli` and `web` make them, after `core.permits` found that the policy leaves room for it. Times are Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from filterd.core.policy import Rules


class Role(StrEnum):
    """Who somebody is in the school."""

    TEACHER = "teacher"
    TECHNICIAN = "technician"
    HEAD = "head"
    SAFEGUARDING = "safeguarding"
    DISTRICT = "district"  # reads, and changes nothing


HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S
# How long one override of a role may last in all, with every extension.
LONGEST_S: Final = {
    Role.TEACHER: 5 * HOUR_S,  # a half-day
    Role.TECHNICIAN: 7 * DAY_S,
    Role.HEAD: 30 * DAY_S,
    Role.SAFEGUARDING: 30 * DAY_S,
}
# What one role set, a lower one neither lifts nor shortens.
RANK: Final = {Role.TEACHER: 1, Role.TECHNICIAN: 2, Role.HEAD: 3, Role.SAFEGUARDING: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """For these places (ids), by an account in a role, for a reason."""

    places: tuple[str, ...]
    by: str
    role: Role
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetProfile(Command):
    """The places are in a profile until then."""

    profile: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Open(Command):
    """Services and names are open until then."""

    rules: Rules
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Close(Command):
    """Services and names are closed until then."""

    rules: Rules
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend(Command):
    """What holds for the places holds until then, and ends with it."""

    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear(Command):
    """The places are what they are without overrides."""
