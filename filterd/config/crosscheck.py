"""What must hold between the files: ids that exist, subnets that do not collide, a floor that nobody opens.

Works on trees, not on models, so that a mistake in one place never hides those in another. It skips what `schema`
already complained about. Values in, problems out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from filterd.config import (
    crosscheck_dns,
    crosscheck_local,
    crosscheck_probes,
    crosscheck_search,
    crosscheck_timetable,
    problems,
    units,
)
from filterd.config.across import Report, Trees, find, strings
from filterd.config.yamltree import Path
from filterd.errors import Problem

# What defines ids, and which of them share one space. "*" at the end: the keys of a map.
DEFINED: dict[str, tuple[tuple[str, str], ...]] = {
    "category": (("tiers.yaml", "categories.*"),),
    "tier": (("tiers.yaml", "tiers.*"),),
    "profile": (("profiles.yaml", "profiles.*"),),
    "service": (("services.yaml", "services.*"),),
    "bundle": (("services.yaml", "bundles.*"),),
    "class or room": (("classes.yaml", "classrooms.*.id"), ("classes.yaml", "rooms.*.id")),
    "contact": (("contacts.yaml", "contacts.*.id"),),
    "slot": (("floor.yaml", "slots.*.id"),),
    "source": (("sources.yaml", "sources.*.id"),),
    "group of probes": (("probes.yaml", "must_resolve.*.id"), ("probes.yaml", "quality.*.id")),
}

# What names ids: the file, where in it, and what must be there.
REFERENCES: tuple[tuple[str, str, str], ...] = (
    ("school.yaml", "unknown_client.tier", "tier"),
    ("tiers.yaml", "tiers.*.block.*", "category"),
    ("profiles.yaml", "profiles.*.allow.categories.*", "category"),
    ("profiles.yaml", "profiles.*.block.categories.*", "category"),
    ("profiles.yaml", "profiles.*.allow.services.*", "service"),
    ("profiles.yaml", "profiles.*.block.services.*", "service"),
    ("profiles.yaml", "profiles.*.allow.bundles.*", "bundle"),
    ("profiles.yaml", "profiles.*.block.bundles.*", "bundle"),
    ("classes.yaml", "classrooms.*.tier", "tier"),
    ("classes.yaml", "rooms.*.tier", "tier"),
    ("classes.yaml", "classrooms.*.profile", "profile"),
    ("classes.yaml", "rooms.*.profile", "profile"),
    ("floor.yaml", "categories.*", "category"),
    ("floor.yaml", "slots.*.category", "category"),
    ("services.yaml", "services.*.category", "category"),
    ("services.yaml", "bundles.*.services.*", "service"),
    ("names.yaml", "allow.*.tiers.*", "tier"),
    ("names.yaml", "block.*.tiers.*", "tier"),
    ("names.yaml", "allow.*.classes.*", "class or room"),
    ("names.yaml", "block.*.classes.*", "class or room"),
    ("sources.yaml", "sources.*.category", "category"),
    ("safesearch.yaml", "without_safe_mode.category", "category"),
    ("school.yaml", "newly_seen.category", "category"),
    ("local.yaml", "leases.tiers.*", "tier"),
    ("probes.yaml", "must_resolve.*.unless.*", "category"),
    ("probes.yaml", "must_block.*.category", "category"),
)


def check(trees: Trees, folders: Mapping[str, str]) -> list[Problem]:
    """Every mistake between the files that are there. `folders`: which folder messages put before a file's name."""
    found: list[Problem] = []

    def report(file: str, path: Path, what: str) -> None:
        found.append(problems.at(f"{folders[file]}/{file}", trees[file], path, what))

    for rule in (_references, _duplicates, _subnets, _interfaces, _observe, _floor, _profiles, _gateway, _http):
        rule(trees, report)
    for part in (crosscheck_dns, crosscheck_local, crosscheck_search, crosscheck_probes, crosscheck_timetable):
        part.check(trees, report)
    return found


def known_ids(trees: Trees, kind: str) -> list[str]:
    """Every id of a kind that the files define."""
    return [ident for _, _, ident in _defined(trees, kind)]


def _defined(trees: Trees, kind: str) -> Iterator[tuple[str, Path, str]]:
    for file, pattern in DEFINED[kind]:
        for path, value in find(trees, file, pattern):
            ident = path[-1] if pattern.endswith("*") else value
            if isinstance(ident, str):
                yield file, path, ident


def _references(trees: Trees, report: Report) -> None:
    for file, pattern, kind in REFERENCES:
        if any(definer not in trees for definer, _ in DEFINED[kind]):
            continue  # that file could not be read, and says so
        known = known_ids(trees, kind)
        for path, value in find(trees, file, pattern):
            if isinstance(value, str) and value not in known:
                report(file, path, f"{units.shown(value)} is not a {kind}; {problems.suggest(value, known)}")


def _duplicates(trees: Trees, report: Report) -> None:
    for kind, places in DEFINED.items():
        first: dict[str, tuple[str, Path]] = {}
        for file, path, ident in _defined(trees, kind):
            if ident in first and not places[0][1].endswith("*"):
                where = trees[first[ident][0]].line(first[ident][1])
                report(file, path, f"{units.shown(ident)} is the id of two; the first is in line {where}")
            first.setdefault(ident, (file, path))


def _subnets(trees: Trees, report: Report) -> None:
    inside = [n for _, value in find(trees, "school.yaml", "networks.*") if (n := _network(value)) is not None]
    first: dict[str, str] = {}
    for path, value in _places(trees, "subnets.*"):
        subnet = _network(value)
        if subnet is None:
            continue
        owner = str(trees["classes.yaml"].get(path[0], path[1], "id"))
        if str(subnet) in first:
            report("classes.yaml", path, f"{subnet} is already a subnet of {first[str(subnet)]!r}; one place only")
        first.setdefault(str(subnet), owner)
        if inside and not any(_within(subnet, network) for network in inside):
            listed = ", ".join(map(str, inside[:6])) + (", ..." if len(inside) > 6 else "")
            report("classes.yaml", path, f"{subnet} is outside the school's networks ({listed})")


def _interfaces(trees: Trees, report: Report) -> None:
    first: dict[str, str] = {}
    for path, value in _places(trees, "interfaces.*"):
        owner = str(trees["classes.yaml"].get(path[0], path[1], "id"))
        if isinstance(value, str) and value in first:
            report("classes.yaml", path, f"{value!r} is already an interface of {first[value]!r}; one place only")
        if isinstance(value, str):
            first.setdefault(value, owner)


def _observe(trees: Trees, report: Report) -> None:
    owners = [("tiers.yaml", p, v) for p, v in find(trees, "tiers.yaml", "tiers.*")]
    owners += [("classes.yaml", p, v) for p, v in _places(trees)]
    for file, path, value in owners:
        if not isinstance(value, dict):
            continue
        if value.get("enforce") == "observe" and value.get("observe_until") is None:
            report(file, (*path, "enforce"), "observe must end: add observe_until with its last day")
        if value.get("observe_until") is not None and value.get("enforce", "block") == "block":
            report(file, (*path, "observe_until"), "means nothing without enforce: observe")


def _floor(trees: Trees, report: Report) -> None:
    """A profile cannot open what the floor closes; saying so would be a promise that is not kept."""
    floor = [value for _, value in find(trees, "floor.yaml", "categories.*") if isinstance(value, str)]
    never = "is in the floor (floor.yaml); no profile can open it"
    for path, value in find(trees, "profiles.yaml", "profiles.*.allow.categories.*"):
        if value in floor:
            report("profiles.yaml", path, f"{value!r} {never}")
    for path, service in _opened_services(trees):
        category = trees["services.yaml"].get("services", service, "category")
        if category in floor:
            report("profiles.yaml", path, f"category {category!r} of {service!r} {never}")
    for path, value in find(trees, "floor.yaml", "slots.*.category"):
        if isinstance(value, str) and value not in floor:
            report("floor.yaml", path, f"{value!r} is not in the floor's categories, so the slot locks nothing")


def _opened_services(trees: Trees) -> Iterator[tuple[Path, str]]:
    """Every service that a profile opens, by itself or in a bundle."""
    if "services.yaml" not in trees:
        return
    for path, value in find(trees, "profiles.yaml", "profiles.*.allow.services.*"):
        if isinstance(value, str):
            yield path, value
    for path, value in find(trees, "profiles.yaml", "profiles.*.allow.bundles.*"):
        if isinstance(value, str):
            for service in strings(trees["services.yaml"].get("bundles", value, "services")):
                yield path, service


def _profiles(trees: Trees, report: Report) -> None:
    if "profiles.yaml" in trees and "learning" not in known_ids(trees, "profile"):
        report("profiles.yaml", ("profiles",), "'learning' is missing; it is every class's profile by default")
    for path, value in find(trees, "profiles.yaml", "profiles.*"):
        if not isinstance(value, dict):
            continue
        allow = value.get("allow")
        opens = isinstance(allow, dict) and any(allow.values())
        if value.get("allow_list_only") is True and not opens and ("allow" in value or path[-1] == "exam"):
            report("profiles.yaml", path, "an allow-list that opens nothing; list what is open under allow")
        for kind, word in _both(allow, value.get("block")):
            report("profiles.yaml", path, f"{word!r} is under both allow.{kind} and block.{kind}; keep one")


def _both(allow: Any, block: Any) -> Iterator[tuple[str, str]]:
    if isinstance(allow, dict) and isinstance(block, dict):
        for kind in ("categories", "services", "bundles", "names"):
            shut = strings(block.get(kind))
            for word in strings(allow.get(kind)):
                if word in shut:
                    yield kind, word


def _gateway(trees: Trees, report: Report) -> None:
    if "school.yaml" not in trees or trees["school.yaml"].get("block_answer", "ipv4") is not None:
        return
    need = "gateway needs the box's address: set block_answer.ipv4 in school.yaml"
    if trees["school.yaml"].get("block_answer", "mode") == "gateway":
        report("school.yaml", ("block_answer", "mode"), need)
    for path, value in find(trees, "tiers.yaml", "categories.*.answer"):
        if value == "gateway":
            report("tiers.yaml", path, need)


def _http(trees: Trees, report: Report) -> None:
    for path, value in find(trees, "sources.yaml", "sources.*"):
        if not isinstance(value, dict) or value.get("allow_http") is True:
            continue
        urls = [((*path, "url"), value.get("url"))]
        urls += [((*path, "mirrors", i), url) for i, url in enumerate(strings(value.get("mirrors")))]
        for where, url in urls:
            if isinstance(url, str) and url.startswith("http:"):
                report("sources.yaml", where, "plain http: can be altered on its way; https:, or add allow_http: true")


def _places(trees: Trees, below: str = "") -> Iterator[tuple[Path, Any]]:
    for kind in ("classrooms", "rooms"):
        yield from find(trees, "classes.yaml", f"{kind}.*.{below}" if below else f"{kind}.*")


def _network(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _within(subnet: Any, network: Any) -> bool:
    return subnet.version == network.version and bool(subnet.subnet_of(network))
