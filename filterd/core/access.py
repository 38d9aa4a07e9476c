"""Who may do what, where: accounts by role, by class, by profile and by lesson.

`core.accounts` makes an `Account` of what is stored; `cli` and `web` ask `may` before they hand a command on. What a
role may ask for how long is in `core.commands`; what nobody in the school may open is in the policy's floor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from filterd.core.commands import Role
from filterd.errors import Refused

Teaching = Callable[[str], Collection[str]]
"""The ids of the places that an account teaches in at this moment, by the timetable."""


class Action(StrEnum):
    """What an account can ask for."""

    SEE = "see"  # what holds for a class, and why a name is closed there
    RECENT = "recent"  # what was just blocked for a class
    CHANGE = "change"  # a class's profile, services and names, for a while
    PAUSE = "pause"  # the whole filter, the floor excepted
    METRICS = "metrics"
    AUDIT = "audit"
    ACCOUNTS = "accounts"  # add, revoke, reset, tokens, substitutes


@dataclass(frozen=True, slots=True)
class Grant:
    """A substitute (dạy thay): from `since` until `until` (Unix seconds) the class is the account's too."""

    classroom: str
    since: int
    until: int
    by: str = ""

    def holds(self, now: float) -> bool:
        return self.since <= now < self.until


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who is known and whose account is in force; no secrets. `profiles` None: every profile."""

    id: str
    name: str
    role: Role
    classes: tuple[str, ...] = ()
    profiles: tuple[str, ...] | None = None
    grants: tuple[Grant, ...] = ()
    must_change: bool = False  # came in with the one-time password, and may only choose another


_OF_A_CLASS: Final = frozenset({Action.SEE, Action.RECENT, Action.CHANGE})
_ALLOWED: Final = {
    Role.TEACHER: _OF_A_CLASS,
    Role.TECHNICIAN: frozenset(Action),
    Role.HEAD: frozenset(Action),
    Role.SAFEGUARDING: _OF_A_CLASS | {Action.METRICS, Action.AUDIT},
    Role.DISTRICT: frozenset({Action.METRICS}),
}


def scope(account: Account, now: float, teaching: Teaching) -> frozenset[str]:
    """The places that are a teacher's at this moment: own classes, classes to stand in for, the lesson being taught."""
    granted = (grant.classroom for grant in account.grants if grant.holds(now))
    return frozenset((*account.classes, *granted, *teaching(account.id)))


def may(
    account: Account,
    action: Action,
    place: str | None,
    now: float,
    teaching: Teaching,
    profile: str | None = None,
) -> None:
    """Return if an account may do something at a place (its id; None: it is about no place, or all of them).

    `profile`: the one it is to be set to. Raises Refused: "password", "role", "scope", "profile".
    """
    if account.must_change:
        raise Refused("password", "this is a one-time password", "choose your own password first")
    if action not in _ALLOWED[account.role]:
        raise Refused("role", f"the role {account.role} may not do this", _who(action))
    if account.role is Role.TEACHER:
        mine = scope(account, now, teaching)
        if place not in mine:
            yours = f"yours now: {', '.join(sorted(mine))}" if mine else "you have no class now"
            what = "the whole school is" if place is None else f"{place} is"
            raise Refused("scope", f"{what} not your class", f"ask the office; {yours}")
    if profile is not None and account.profiles is not None and profile not in account.profiles:
        known = ", ".join(account.profiles)
        raise Refused("profile", f"you may not set the profile {profile}", f"you may set {known}" if known else "")


def _who(action: Action) -> str:
    return "ask: " + ", ".join(role for role, actions in _ALLOWED.items() if action in actions)
