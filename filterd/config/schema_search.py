"""Safe search: `policies/safesearch.yaml`, and what a tier of tiers.yaml says of it."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from filterd.config import units
from filterd.config.schema import Bilingual, Domain, Emptiable, Id, IPv4, IPv6, RuleName, Strict, WebUrl

ON, OFF, DEFAULT = "on", "off", "default"


def _choice(value: Any) -> Any:
    value = _word(value)
    if value in (ON, OFF):
        return {DEFAULT: value}
    if isinstance(value, dict):
        return {engine: _word(mode) for engine, mode in value.items()}
    raise ValueError(f"{units.shown(value)} is not a choice; write on, off, or {{default: on, youtube: moderate}}")


def _word(value: Any) -> Any:
    """Editors and tools that speak YAML 1.1 write `on` as true."""
    return {True: ON, False: OFF}[value] if isinstance(value, bool) else value


def _not_reserved(ids: dict[str, Any]) -> dict[str, Any]:
    for word in (OFF, DEFAULT):
        if word in ids:
            raise ValueError(f"{word!r} has a meaning of its own in tiers.yaml; choose another id")
    return ids


Choice = Annotated[dict[Id, Id], BeforeValidator(_choice)]
"""`on`, `off`, or by engine: on, off or one of its modes; `default` is for those that are not named."""


class SafeMode(Strict):
    """What an engine's hosts answer in one mode."""

    cname: Domain | None = None
    """The name whose addresses they have instead. Default: none, the addresses below."""
    ipv4: Annotated[list[IPv4], Emptiable] = Field(default_factory=list, max_length=16)
    """Their IPv4 addresses instead. Default: none."""
    ipv6: Annotated[list[IPv6], Emptiable] = Field(default_factory=list, max_length=16)
    """Their IPv6 addresses instead. Default: none."""

    @model_validator(mode="after")
    def _one_answer(self) -> Self:
        if (self.cname is None) == (not self.ipv4 and not self.ipv6):
            raise ValueError("a mode answers with cname, or else with ipv4 and ipv6; write the one or the other")
        return self


class Engine(Strict):
    """A search engine whose safe mode can be had by DNS."""

    name: Bilingual
    """What people call it."""
    hosts: list[Domain] = Field(min_length=1, max_length=1000)
    """Exactly these names; nothing below them."""
    modes: Annotated[dict[Id, SafeMode], AfterValidator(_not_reserved)] = Field(min_length=1, max_length=8)
    """Its modes, the strictest first: that one is meant by `on`."""
    sources: Annotated[list[WebUrl], Emptiable] = Field(default_factory=list, max_length=16)
    """Where it is described. Default: none said."""


class WithoutSafeMode(Strict):
    """Search engines that have no safe mode, as a group that a tier can close."""

    category: Id
    """The category their names belong to."""
    names: list[RuleName] = Field(min_length=1, max_length=2000)
    """Their names."""
    sources: Annotated[list[WebUrl], Emptiable] = Field(default_factory=list, max_length=16)
    """Where it is said that they have none. Default: none said."""


class SafeSearch(Strict):
    """The whole of safesearch.yaml."""

    engines: Annotated[dict[Id, Engine], AfterValidator(_not_reserved)] = Field(default_factory=dict, max_length=64)
    """Every engine. Default: none."""
    without_safe_mode: WithoutSafeMode | None = None
    """Engines that a tier can only close. Default: none."""
