"""What is open and closed for whom: `tiers.yaml`, `profiles.yaml`, `floor.yaml`, `services.yaml`, `names.yaml`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from filterd.config import units
from filterd.config.schema import Answer, Bilingual, Emptiable, Id, Line, Observed, RuleName, Strict
from filterd.config.schema_search import Choice


def _grades(value: str) -> str:
    low, _, high = value.partition("-")
    high = high or low
    if low.isascii() and high.isascii() and low.isdigit() and high.isdigit() and 1 <= int(low) <= int(high) <= 12:
        return value
    raise ValueError(f"{units.shown(value)} is not a range of grades; write first-last within 1 to 12, such as 6-9")


def _bare_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Category(Strict):
    """What a domain is about."""

    name: Bilingual
    """Its name on pages and in reports."""
    text: Bilingual
    """One sentence for the pupil who meets the block."""
    answer: Answer | None = None
    """What its blocked names answer. Default: the school's `block_answer.mode`."""


class Tier(Observed):
    """An age band, or staff, or guests."""

    name: Bilingual
    """Its name on pages and in reports."""
    grades: Annotated[str, AfterValidator(_grades)] | None = None
    """The grades it is meant for, for people. Default: none."""
    pupils: bool
    """Whether pupils are in it: answers live shorter, doubts close. Required."""
    block: list[Id]
    """Categories that are closed; the floor's are closed anyway."""
    safe_search: Choice | None = None
    """`on`, `off`, or a map of engines of safesearch.yaml. Default: on for pupils, off for others."""
    ech: Literal["strip", "keep"] | None = None
    """Whether Encrypted Client Hello is taken out of answers (RFC 9848). Default: strip for pupils, keep for others."""
    quic: Literal["refuse", "allow"] | None = None
    """Whether HTTP/3 is taken out of answers (RFC 9460). Default: refuse for pupils, allow for others."""


class Tiers(Strict):
    """The whole of tiers.yaml."""

    categories: dict[Id, Category] = Field(min_length=1, max_length=64)
    """Every category that lists, tiers and profiles may name."""
    tiers: dict[Id, Tier] = Field(min_length=1, max_length=64)
    """Every tier."""


class RuleSet(Strict):
    """What a profile opens or closes."""

    categories: list[Id] = Field(default_factory=list)
    """Categories. Default: none."""
    services: list[Id] = Field(default_factory=list)
    """Services of services.yaml. Default: none."""
    bundles: list[Id] = Field(default_factory=list)
    """Bundles of services.yaml: all their services. Default: none."""
    names: list[RuleName] = Field(default_factory=list)
    """Names. Default: none."""


class Profile(Strict):
    """What a class is doing, on top of its tier and within the floor."""

    name: Bilingual
    """Its name for teachers."""
    text: Bilingual | None = None
    """One sentence for teachers. Default: none."""
    allow: RuleSet | None = None
    """What it opens. Default: nothing."""
    block: RuleSet | None = None
    """What it closes. Default: nothing."""
    allow_list_only: bool = False
    """Everything it does not open is closed. Default: false."""


class Profiles(Strict):
    """The whole of profiles.yaml."""

    profiles: dict[Id, Profile] = Field(min_length=1, max_length=200)
    """Every profile; `learning` must be there."""


class Slot(Strict):
    """A place for a list that this project cannot ship; empty until the school is given it."""

    id: Id
    """Its id."""
    category: Id
    """The floor category the list will feed."""
    locked: bool
    """Nobody in the school can lift it."""
    text: Bilingual
    """Says plainly why it is empty."""


class FloorFile(Strict):
    """The whole of floor.yaml."""

    categories: list[Id]
    """Categories that nobody in the school can open."""
    must_allow: Annotated[list[RuleName], Emptiable] = Field(default_factory=list)
    """Names that no list and no profile may ever block. Default: none."""
    slots: Annotated[list[Slot], Emptiable] = Field(default_factory=list)
    """Locked empty slots. Default: none."""


class Service(Strict):
    """One thing teachers have a word for, and the names it needs."""

    name: Bilingual
    """What people call it."""
    category: Id | None = None
    """The category its names belong to, lists or no lists. Default: none."""
    names: list[RuleName] = Field(min_length=1, max_length=500)
    """The names it needs."""


class Bundle(Strict):
    """Services that are opened together."""

    name: Bilingual
    """What people call it."""
    services: list[Id] = Field(min_length=1)
    """Its services."""


class Services(Strict):
    """The whole of services.yaml."""

    services: dict[Id, Service]
    """Every service."""
    bundles: dict[Id, Bundle] = Field(default_factory=dict)
    """Every bundle. Default: none."""


class NameEntry(Strict):
    """One name the school opens or closes itself."""

    name: RuleName
    """`example.com` with everything below it, or `=example.com` alone."""
    tiers: Annotated[list[Id], Emptiable] = Field(default_factory=list)
    """The tiers it is for. Default: with no classes either, the whole school."""
    classes: Annotated[list[Id], Emptiable] = Field(default_factory=list)
    """The classrooms and rooms it is for. Default: none beyond the tiers."""
    reason: Line | None = None
    """Why, for whoever reads the file next year. Default: none."""


class Names(Strict):
    """The whole of names.yaml."""

    allow: Annotated[list[Annotated[NameEntry, BeforeValidator(_bare_name)]], Emptiable] = Field(default_factory=list)
    """Names that are open whatever the lists say, the floor excepted. Default: none."""
    block: Annotated[list[Annotated[NameEntry, BeforeValidator(_bare_name)]], Emptiable] = Field(default_factory=list)
    """Names that are closed in every profile. Default: none."""
