"""Who and where: `classes.yaml` (classrooms and rooms) and `contacts.yaml` (who helps)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from filterd.config.schema import (
    Bilingual,
    Day,
    Emptiable,
    Id,
    Interface,
    Line,
    Network,
    Observed,
    Phone,
    RuleName,
    Strict,
    WebUrl,
)


class PlaceModel(Observed):
    """A classroom, or a room that is no one's classroom."""

    id: Id
    """Its id in commands and metrics, such as 7-3."""
    name: Line
    """Its name as people say it, such as 7/3."""
    tier: Id
    """Its tier."""
    subnets: Annotated[list[Network], Emptiable] = Field(default_factory=list)
    """Where its devices are; of nested subnets the longest prefix wins. Default: none."""
    interfaces: Annotated[list[Interface], Emptiable] = Field(default_factory=list)
    """Interfaces by which its link-local clients (fe80::) reach the box. Default: none."""
    profile: Id = "learning"
    """The profile it is in when nobody says otherwise. Default: learning."""


class Classes(Strict):
    """The whole of classes.yaml."""

    classrooms: Annotated[list[PlaceModel], Emptiable] = Field(default_factory=list)
    """Every class. Default: none."""
    rooms: Annotated[list[PlaceModel], Emptiable] = Field(default_factory=list)
    """Every room that is no one's classroom. Default: none."""


class Contact(Strict):
    """Somebody a child, a parent or a teacher can turn to."""

    id: Id
    """Its id."""
    name: Bilingual
    """What it is called."""
    phone: Phone | None = None
    """The number to dial, in quotes. Default: none."""
    url: WebUrl | None = None
    """Its page. Default: none."""
    names: Annotated[list[RuleName], Emptiable] = Field(default_factory=list)
    """Names that must always be reachable for it, in exams too. Default: none."""
    owner: Bilingual
    """Who runs it."""
    scope: Literal["national", "local", "school"]
    """How far it reaches."""
    verified_on: Day | None
    """The day somebody last checked that it answers; null: nobody has yet. Required."""
    note: Bilingual | None = None
    """What else people should know. Default: none."""


class Contacts(Strict):
    """The whole of contacts.yaml."""

    contacts: list[Contact] = Field(max_length=200)
    """Every contact."""
