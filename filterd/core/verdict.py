"""What was decided about a name, and why. Actions and reasons are small enums: they are metric labels and page texts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    ALLOW = "allow"
    BLOCK = "block"
    REWRITE = "rewrite"


class Reason(StrEnum):
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """`step` is the number of the precedence rule of `core.decide` that answered; evidence goes to people, never to
    metrics. `observed` is set where `enforce: observe` let a block pass: action is then allow, `observed` the reason.
    """

    action: Action
    reason: Reason
    step: int
    category: str | None = None
    rule: str | None = None  # "services.yaml youtube", "names.yaml block[3]", ...
    observed: bool = False
