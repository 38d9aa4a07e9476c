"""`policies/probes.yaml`: what must be open and what must be closed before a new table of lists is put in force."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from filterd.config.schema import Bilingual, Domain, Emptiable, Id, Strict

Names = Annotated[list[Domain], Field(min_length=1, max_length=2000)]


class QualityGroup(Strict):
    """Sites that a school wants to have open, as a measure of how much the lists close by mistake."""

    id: Id
    """Its id in reports."""
    name: Bilingual
    """What people call it."""
    names: Names
    """Names as devices ask for them, such as www.example.vn."""


class MustResolve(QualityGroup):
    """Names that no list may close; a list that newly does is held."""

    unless: Annotated[list[Id], Emptiable] = Field(default_factory=list)
    """Categories that may hold them on purpose. Default: none."""


class MustBlock(Strict):
    """Names that every good list of a category has; a list without them is no list of it any more."""

    category: Id
    """The category; tiers that close it are looked at."""
    names: Names
    """Its names."""


class Probes(Strict):
    """The whole of probes.yaml."""

    must_resolve: Annotated[list[MustResolve], Emptiable] = Field(default_factory=list, max_length=200)
    """Names that must resolve, in groups. Default: only those the other files speak of."""
    must_block: Annotated[list[MustBlock], Emptiable] = Field(default_factory=list, max_length=200)
    """Names that must be blocked, by category. Default: none."""
    quality: Annotated[list[QualityGroup], Emptiable] = Field(default_factory=list, max_length=200)
    """More names for `filterd lists quality`, in groups; those of must_resolve count there too. Default: none."""
