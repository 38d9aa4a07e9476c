"""What must hold of routes and listeners between school.yaml and local.yaml. Trees in, problems out."""

from __future__ import annotations

from filterd.config import crosscheck_local, units
from filterd.config.across import Report, Trees, below, find, parsed
from filterd.config.yamltree import Path

SCHOOL, LOCAL = "school.yaml", "local.yaml"


def check(trees: Trees, report: Report) -> None:
    """Every mistake, at the place where it stands."""
    for rule in (_routes, _encrypted):
        rule(trees, report)


def _routes(trees: Trees, report: Report) -> None:
    own = {zone: path for path, zone in crosscheck_local.zones(trees)}
    first: dict[str, Path] = {}
    for path, _ in find(trees, SCHOOL, "conditional.*"):
        zone = parsed(units.zone, path[-1])
        if zone is None:
            continue
        if zone in first:
            line = trees[SCHOOL].line(first[zone])
            report(SCHOOL, path, f"{zone!r} has a route already, in line {line}; list all its upstreams there")
        first.setdefault(zone, path)
        closest = below(zone, own)
        if closest is not None:
            line = trees[LOCAL].line(own[closest])
            what = f"is in {closest!r}, which local.yaml:{line} answers by itself; nobody would ever be asked"
            report(SCHOOL, path, f"{zone!r} {what}")


def _encrypted(trees: Trees, report: Report) -> None:
    where: Path = ("encrypted",)
    if SCHOOL not in trees or not isinstance(trees[SCHOOL].get(*where), dict):
        return
    if not trees[SCHOOL].get(*where, "dot") and not trees[SCHOOL].get(*where, "doh"):
        report(SCHOOL, where, 'opens nothing; list addresses under dot or doh, such as dot: ["192.168.1.2:853"]')
    first: dict[str, Path] = {}
    for pattern in ("listen.*", "metrics", "encrypted.dot.*", "encrypted.doh.*"):
        for path, value in find(trees, SCHOOL, pattern):
            endpoint = parsed(units.endpoint, value)
            taken = next((e for e in first if endpoint is not None and _collide(e, endpoint)), None)
            if taken is not None and path[0] == "encrypted":
                report(SCHOOL, path, f"{endpoint} is taken by {_key(first[taken])} ({taken}); use another port")
            if endpoint is not None:
                first.setdefault(endpoint, path)


def _key(path: Path) -> str:
    return ".".join(step for step in path if isinstance(step, str))


def _collide(one: str, other: str) -> bool:
    """Whether two endpoints cannot both be opened: the same port of the same address, or of any address."""
    (host, _, port), (host_2, _, port_2) = one.rpartition(":"), other.rpartition(":")
    same_family = host.startswith("[") == host_2.startswith("[")
    anywhere = {"0.0.0.0", "[::]"}  # noqa: S104  compared, not opened
    return port == port_2 and (host == host_2 or (same_family and bool(anywhere & {host, host_2})))
