"""Which commands the policy leaves room for. What would have no effect is refused and not recorded: nobody should
believe that a class is open or closed when it is not.

Who may command for which class is not asked here, nor what the lists say of a name: `live.commands` does.
"""

from __future__ import annotations

from collections.abc import Iterable

from filterd.core.commands import Close, Command, Open, SetProfile
from filterd.core.covering import Services, any_covers, names_of
from filterd.core.policy import Place, Policy, SchoolName
from filterd.core.targets import unknown
from filterd.errors import Refused


def services_of(policy: Policy) -> Services:
    """Every service's names, by its id."""
    return {service.id: service.names for service in policy.services}


def permit(policy: Policy, command: Command) -> None:
    """Raises Refused: "unknown", "floor", "authority", "school-block", "must-allow"."""
    known = {place.id: place for place in policy.places}
    if not command.places:
        raise Refused("unknown", "no class was named")
    for place in command.places:
        if place not in known:
            raise unknown("class or room", place, known)
    if isinstance(command, SetProfile) and command.profile not in (profiles := [p.id for p in policy.profiles]):
        raise unknown("profile", command.profile, profiles)
    if isinstance(command, Open | Close):
        services = services_of(policy)
        for service in command.rules.services:
            if service not in services:
                raise unknown("service", service, services)
    if isinstance(command, Open):
        _may_open(policy, command, [known[place] for place in command.places])
    if isinstance(command, Close):
        _may_close(policy, command)


def _may_open(policy: Policy, command: Open, places: Iterable[Place]) -> None:
    category_of = {service.id: service.category for service in policy.services}
    for service in command.rules.services:
        if category_of[service] in policy.floor.categories:
            raise Refused("floor", f"{service} is in {category_of[service]}, which nobody in the school opens")
    spoken = names_of(command.rules, services_of(policy))
    for name in spoken:
        if any_covers(policy.floor.authority_block, name):
            raise Refused("authority", f"{name} is closed by the authority, for every school")
    for place in places:
        blocked = [entry.name for entry in policy.names if not entry.allow and _is_for(entry, place)]
        for name in spoken:
            if any_covers(blocked, name):
                possible = "the office can change names.yaml: filterd site remove"
                raise Refused("school-block", f"the school itself closes {name} for {place.name}", possible)


def _may_close(policy: Policy, command: Close) -> None:
    for name in names_of(command.rules, services_of(policy)):
        if any_covers(policy.floor.must_allow, name):
            raise Refused("must-allow", f"{name} stays open whatever anybody says")


def _is_for(entry: SchoolName, place: Place) -> bool:
    return not (entry.tiers or entry.classes) or place.tier in entry.tiers or place.id in entry.classes
