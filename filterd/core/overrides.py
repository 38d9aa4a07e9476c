"""Overrides: what a class is allowed or denied for a while. Every override expires.

Values only; `store` keeps them on disk and `matrix` applies them. Times are Unix seconds.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from filterd.core.names import normal
from filterd.core.policy import Rules
from filterd.errors import NameSyntaxError

NO_RULES = Rules()


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

    def holds(self, now: float) -> bool:
        return self.since <= now < self.until


@dataclass(frozen=True, slots=True)
class Overrides:
    """All overrides at one sequence number."""

    items: tuple[Override, ...] = ()
    sequence: int = 0

    def of(self, place: str, now: float) -> tuple[Override, ...]:
        return tuple(o for o in self.items if o.place == place and o.holds(now))

    def next_change(self, now: float) -> int | None:
        """When the set that holds changes next, in Unix seconds."""
        moments = [t for o in self.items for t in (o.since, o.until) if t > now]
        return min(moments, default=None)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The inverse of `to_json`. Raises ValueError on anything else."""
        try:
            return cls(tuple(_override(item) for item in data["items"]), int(data["sequence"]))
        except (TypeError, KeyError, AttributeError, OverflowError, NameSyntaxError) as error:
            raise ValueError(f"not a set of overrides: {error}") from None


def _override(item: dict[str, Any]) -> Override:
    rules = {side: _rules(item.get(side, {})) for side in ("allow", "block")}
    profile = item.get("profile")
    return Override(
        place=str(item["place"]),
        until=int(item["until"]),
        since=int(item.get("since", 0)),
        profile=None if profile is None else str(profile),
        by=str(item.get("by", "")),
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
