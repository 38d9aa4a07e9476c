"""What must hold of safe search between safesearch.yaml, tiers.yaml and services.yaml. Trees in, problems out."""

from __future__ import annotations

from collections.abc import Iterator

from filterd.config import problems, units
from filterd.config.across import Report, Trees, find, parsed
from filterd.config.compile_search import UNSAFE
from filterd.config.schema_search import DEFAULT, OFF, ON
from filterd.config.yamltree import Path

FILE = "safesearch.yaml"


def check(trees: Trees, report: Report) -> None:
    """Every mistake, at the place where it stands."""
    if FILE not in trees:
        return
    _choices(trees, report)
    _hosts(trees, report)
    _targets(trees, report)
    _without_safe_mode(trees, report)


def _choices(trees: Trees, report: Report) -> None:
    """Engines and modes that tiers name."""
    engines = trees[FILE].get("engines")
    known = engines if isinstance(engines, dict) else {}
    for path, value in find(trees, "tiers.yaml", "tiers.*.safe_search.*"):
        engine = str(path[-1])
        if engine != DEFAULT and engine not in known:
            what = f"{units.shown(engine)} is not a search engine of safesearch.yaml"
            report("tiers.yaml", path, f"{what}; {problems.suggest(engine, known)}")
            continue
        modes = trees[FILE].get("engines", engine, "modes") if engine != DEFAULT else None
        allowed = [ON, OFF, *(modes if isinstance(modes, dict) else {})]
        if isinstance(value, str) and value not in allowed:
            what = f"{units.shown(value)} is not a mode of {engine}" if modes else f"{units.shown(value)} is no default"
            report("tiers.yaml", path, f"{what}; {problems.suggest(value, allowed)}")


def _host_places(trees: Trees) -> Iterator[tuple[Path, str]]:
    for path, value in find(trees, FILE, "engines.*.hosts.*"):
        host = parsed(units.domain, value)
        if host is not None:
            yield path, host


def _hosts(trees: Trees, report: Report) -> None:
    first: dict[str, Path] = {}
    for path, host in _host_places(trees):
        if host in first:
            line = trees[FILE].line(first[host])
            report(FILE, path, f"{host!r} is already a host of {first[host][1]!r}, in line {line}; one place only")
        first.setdefault(host, path)


def _targets(trees: Trees, report: Report) -> None:
    hosts = {host: path[1] for path, host in _host_places(trees)}
    for path, value in find(trees, FILE, "engines.*.modes.*.cname"):
        target = parsed(units.domain, value)
        if target in hosts:
            report(
                FILE, path, f"{target!r} is itself a host of {hosts[target]!r}; a target must not be rewritten again"
            )


def _without_safe_mode(trees: Trees, report: Report) -> None:
    if trees[FILE].get("without_safe_mode") is not None:
        for path, _ in find(trees, "services.yaml", f"services.{UNSAFE}"):
            report(
                "services.yaml", path, f"{UNSAFE!r} is the service of without_safe_mode (safesearch.yaml); rename it"
            )
    hosts = dict(_host_places_by_name(trees))
    for path, value in find(trees, FILE, "without_safe_mode.names.*"):
        rule = parsed(units.rule_name, value)
        hit = next((host for host in hosts if rule is not None and _covers(rule, host)), None)
        if hit is not None:
            report(FILE, path, f"{rule!r} would close {hit}, a host of {hosts[hit]!r}, which has a safe mode")


def _host_places_by_name(trees: Trees) -> Iterator[tuple[str, str]]:
    for path, host in _host_places(trees):
        yield host, str(path[1])


def _covers(rule: str, host: str) -> bool:
    return rule[1:] == host if rule.startswith("=") else host == rule or host.endswith("." + rule)
