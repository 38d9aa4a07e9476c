"""Overrides: what a class is allowed or denied for a while. Every override expires.

`apply` makes new ones of commands; `store` keeps them on disk and `matrix` puts them into rows. Times are Unix seconds.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, Self

from filterd.core.commands import LONGEST_S, RANK, Clear, Close, Command, Extend, Open, SetProfile
from filterd.core.covering import Services, any_covers, names_of, without
from filterd.core.names import normal
from filterd.core.policy import Rules
from filterd.errors import NameSyntaxError, Refused

NO_RULES = Rules()
MAX_OF_PLACE: Final = 20  # overrides of one place at a time
MAX_RULES: Final = 30  # names and services of one command; its audit line holds them all
MAX_REASON: Final = 200  # characters
_NO_SERVICES: Final[Services] = {}


@dataclass(frozen=True, slots=True)
class Override:
    """From `since` until `until` the place has this profile (None: its own) and these rules on top."""

    place: str
    until: int
    since: int = 0
    profile: str | None = None
    allow: Rules = NO_RULES
    block: Rules = NO_RULES
    by: str = ""
    role: str = ""
    reason: str = ""

    def holds(self, now: float) -> bool:
        return self.since <= now < self.until

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return self.profile is None and self.allow == NO_RULES and self.block == NO_RULES


@dataclass(frozen=True, slots=True)
class Overrides:
    """All overrides at one sequence number: that of the audit line of the last change, whose hash is `chain`."""

    items: tuple[Override, ...] = ()
    sequence: int = 0
    chain: str = ""

    def of(self, place: str, now: float) -> tuple[Override, ...]:
        return tuple(o for o in self.items if o.place == place and o.holds(now))

    def next_change(self, now: float) -> int | None:
        """When the set that holds changes next, in Unix seconds."""
        moments = [t for o in self.items for t in (o.since, o.until) if t > now]
        return min(moments, default=None)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`. By hand: the generic way takes ten times as long, for every toggle."""
        return {"items": [_plain(o) for o in self.items], "sequence": self.sequence, "chain": self.chain}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The inverse of `to_json`. Raises ValueError on anything else."""
        try:
            items = tuple(_override(item) for item in data["items"])
            return cls(items, int(data["sequence"]), str(data.get("chain", "")))
        except (TypeError, KeyError, AttributeError, OverflowError, NameSyntaxError) as error:
            raise ValueError(f"not a set of overrides: {error}") from None


@dataclass(frozen=True, slots=True)
class Applied:
    """What a command leads to: all overrides afterwards, and what became of the places it is about."""

    state: Overrides
    added: tuple[Override, ...] = ()
    ended: tuple[Override, ...] = ()  # held until now, and do no more as they were


def apply(state: Overrides, command: Command, now: float, services: Services = _NO_SERVICES) -> Applied:
    """The overrides after a command at `now` (Unix seconds); those that expired are forgotten.

    It is for all of its places or for none. `services` tells which names a service has. Raises Refused: "role",
    "reason", "past", "too-long", "rank", "nothing", "too-many".
    """
    at = int(now)
    if command.role not in LONGEST_S:
        raise Refused("role", f"the role {command.role} changes nothing")
    if len(command.reason) > MAX_REASON or not command.reason.isprintable():
        raise Refused("reason", f"a reason is one line of at most {MAX_REASON} characters")
    alive = tuple(o for o in state.items if o.until > now)
    places = frozenset(command.places)
    ended, added = _replaced(command, [o for o in alive if o.place in places], at, services)
    gone = frozenset(ended)
    kept = [o for o in alive if o not in gone]
    for place in dict.fromkeys(o.place for o in added):
        if sum(o.place == place for o in (*kept, *added)) > MAX_OF_PLACE:
            raise Refused("too-many", f"{place} has {MAX_OF_PLACE} overrides already", "clear some of them")
    after = dataclasses.replace(state, items=(*kept, *added))
    return Applied(after, tuple(added), tuple(ended))


def _replaced(
    command: Command, mine: list[Override], now: int, services: Services
) -> tuple[list[Override], list[Override]]:
    """Which overrides of the command's places end with it, and which come."""
    if isinstance(command, SetProfile):
        _must_be_possible(command, command.until, now)
        return _set_profile(command, mine, now)
    if isinstance(command, Open | Close):
        _must_be_possible(command, command.until, now)
        return _toggle(command, mine, now, services)
    if isinstance(command, Extend):
        return _extend(command, mine, now)
    assert isinstance(command, Clear)
    lifted = [o for o in mine if not _outranks(o, command)]
    if not lifted:
        _nothing(command, mine, now)
    return lifted, []


def _set_profile(command: SetProfile, mine: list[Override], now: int) -> tuple[list[Override], list[Override]]:
    before = [o for o in mine if o.profile is not None]
    _must_not_outrank(command, before, now)
    rests = [dataclasses.replace(o, profile=None) for o in before]
    new = [_new(command, place, command.until, now, profile=command.profile) for place in command.places]
    return before, [*(o for o in rests if not o.is_empty), *new]


def _toggle(
    command: Open | Close, mine: list[Override], now: int, services: Services
) -> tuple[list[Override], list[Override]]:
    """What is said later of a name replaces what was said before, also of the names below it."""
    count = len(command.rules.names) + len(command.rules.services)
    if not count or command.rules.categories:
        raise Refused("nothing", "names and services can be opened and closed, and none was given")
    if count > MAX_RULES:
        raise Refused("too-many", f"at most {MAX_RULES} names and services at a time")
    opens = isinstance(command, Open)
    spoken = names_of(command.rules, services)
    opposed = [
        o
        for o in mine
        if (opens and o.profile is not None)  # an exam that the head set has no holes but its own
        or any(any_covers(names_of(o.block if opens else o.allow, services), name) for name in spoken)
    ]
    _must_not_outrank(command, opposed, now)
    ended, added = [], []
    for override in mine:
        if _outranks(override, command):
            continue
        rest = dataclasses.replace(
            override,
            allow=without(override.allow, command.rules, services, whole=opens),
            block=without(override.block, command.rules, services, whole=True),
        )
        if rest != override:
            ended.append(override)
            added += [] if rest.is_empty else [rest]
    for place in command.places:
        allow, block = (command.rules, NO_RULES) if opens else (NO_RULES, command.rules)
        added.append(_new(command, place, command.until, now, allow=allow, block=block))
    return ended, added


def _extend(command: Extend, mine: list[Override], now: int) -> tuple[list[Override], list[Override]]:
    longer = [o for o in mine if not _outranks(o, command) and o.until < command.until]
    if not longer:
        later = [o for o in mine if not _outranks(o, command)]
        if later:
            raise Refused("past", "it lasts so long already", "set it again to make it shorter")
        _nothing(command, mine, now)
    for override in longer:
        _must_be_possible(command, command.until, override.since or now)
    return longer, [dataclasses.replace(o, until=command.until, by=command.by, role=str(command.role)) for o in longer]


def _new(
    command: Command,
    place: str,
    until: int,
    now: int,
    profile: str | None = None,
    allow: Rules = NO_RULES,
    block: Rules = NO_RULES,
) -> Override:
    return Override(place, until, now, profile, allow, block, command.by, str(command.role), command.reason)


def _must_be_possible(command: Command, until: int, since: int) -> None:
    longest = LONGEST_S[command.role]
    if until <= since:
        raise Refused("past", "that moment has passed")
    if until - since > longest:
        raise Refused("too-long", f"that is too long for a {command.role}", f"at most {length(longest)}")


def _outranks(override: Override, command: Command) -> bool:
    """Whether somebody of a higher role set it."""
    rank = next((rank for role, rank in RANK.items() if role == override.role), 0)
    return rank > RANK[command.role]


def _must_not_outrank(command: Command, overrides: list[Override], now: int) -> None:
    for override in overrides:
        if _outranks(override, command):
            left = length(override.until - now)
            who = f"{override.by} ({override.role})" if override.by else f"the {override.role}"
            raise Refused("rank", f"{override.place} was set by {who}", f"ask there, or wait {left}")


def _nothing(command: Command, mine: list[Override], now: int) -> None:
    _must_not_outrank(command, mine, now)
    raise Refused("nothing", f"nothing is set for {', '.join(command.places[:5])}")


def length(seconds: int) -> str:
    """A time span for people, rounded up to minutes: `45 min`, `5 h`, `1 h 30 min`, `7 d`."""
    minutes = -(-max(seconds, 0) // 60)
    if minutes >= 2 * 24 * 60 and minutes % (24 * 60) == 0:
        return f"{minutes // (24 * 60)} d"
    hours, rest = divmod(minutes, 60)
    return " ".join(
        part for part in (f"{hours} h" if hours else "", f"{rest} min" if rest or not hours else "") if part
    )


def _plain(override: Override) -> dict[str, Any]:
    found: dict[str, Any] = {"place": override.place, "since": override.since, "until": override.until}
    for field in ("profile", "by", "role", "reason"):
        if value := getattr(override, field):
            found[field] = value
    for side, rules in (("allow", override.allow), ("block", override.block)):
        if rules != NO_RULES:
            found[side] = {"categories": rules.categories, "services": rules.services, "names": rules.names}
    return found


def _override(item: dict[str, Any]) -> Override:
    rules = {side: _rules(item.get(side, {})) for side in ("allow", "block")}
    profile = item.get("profile")
    return Override(
        place=str(item["place"]),
        until=int(item["until"]),
        since=int(item.get("since", 0)),
        profile=None if profile is None else str(profile),
        by=str(item.get("by", "")),
        role=str(item.get("role", "")),
        reason=str(item.get("reason", "")),
        **rules,
    )


def _rules(value: dict[str, Any]) -> Rules:
    for ids in value.values():
        if not isinstance(ids, list | tuple) or not all(isinstance(i, str) for i in ids):
            raise TypeError(f"{ids!r} is not a list of texts")
    for name in value.get("names", ()):
        if normal(name.removeprefix("=")) != name.removeprefix("="):
            raise TypeError(f"{name!r} is not in normal form")
    return Rules(**{kind: tuple(ids) for kind, ids in value.items()})
