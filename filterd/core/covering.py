"""Which rules speak of the same names: a rule for a name covers all below it, one with `=` only the name itself.

`core.overrides` and `core.permits` ask. `Services` are ids of services to their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from filterd.core.policy import Rules

Services = Mapping[str, tuple[str, ...]]


def covers(rule: str, other: str) -> bool:
    """Whether all that `other` speaks of, `rule` speaks of too. Both in the form of `core.policy`."""
    if rule.startswith("="):
        return rule == other
    name = other.removeprefix("=")
    return name == rule or name.endswith("." + rule)


def any_covers(rules: Iterable[str], other: str) -> bool:
    """Whether one of the rules covers `other`."""
    return any(covers(rule, other) for rule in rules)


def names_of(rules: Rules, services: Services) -> tuple[str, ...]:
    """The names that rules speak of, those of their services included."""
    return (*rules.names, *(name for service in rules.services for name in services.get(service, ())))


def without(rules: Rules, other: Rules, services: Services, whole: bool) -> Rules:
    """What of `rules` is left when `other` speaks instead.

    With `whole` a service goes only if every name of it is covered, else if any is.
    """
    spoken = names_of(other, services)
    enough = all if whole else any
    kept = tuple(
        service
        for service in rules.services
        if service not in other.services
        and not ((found := services.get(service, ())) and enough(any_covers(spoken, name) for name in found))
    )
    return Rules(rules.categories, kept, tuple(name for name in rules.names if not any_covers(spoken, name)))
