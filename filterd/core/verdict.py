"""What was decided about a name, and why. Actions and reasons are small enums: metric labels, and page texts."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Action(StrEnum):
    __hash__ = str.__hash__  # cached and in C; Enum's own is Python and runs for every counted reply

    ALLOW = "allow"
    BLOCK = "block"
    REWRITE = "rewrite"


class Reason(StrEnum):
    __hash__ = str.__hash__

    AUTHORITY = "authority"
    MUST_ALLOW = "must_allow"
    FLOOR = "floor"
    SCHOOL_BLOCK = "school_block"
    OVERRIDE = "override"
    PROFILE = "profile"
    ALLOW_LIST_ONLY = "allow_list_only"
    SCHOOL_ALLOW = "school_allow"
    CATEGORY = "category"
    SAFE_SEARCH = "safe_search"
    BYPASS = "bypass"
    SPECIAL_USE = "special_use"
    REBINDING = "rebinding"
    UNKNOWN_CLIENT = "unknown_client"
    DEFAULT = "default"


class Verdict(NamedTuple):
    """`step` is the number of the rule of `core.decide` that answered; `ttl_s` what an answer may live at most.

    `rule` and `category` are evidence for people and never metric labels. With `observed` the action is allow although
    `step` and `reason` are those of a block: `enforce: observe` let it pass.
    """

    action: Action
    reason: Reason
    step: int
    ttl_s: int
    category: str | None = None
    rule: str | None = None
    observed: bool = False
