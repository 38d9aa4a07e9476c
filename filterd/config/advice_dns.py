"""Advice on the DNS side: pupils without safe search, clocks that encrypted upstreams need, names that leak.

Values in, sentences out, for `advice`. It never refuses anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from filterd.config import units
from filterd.core import servers
from filterd.core.policy import Policy

SEARCH, LOCAL = "safesearch.yaml", "local.yaml"


def warnings(policy: Policy, policy_files: list[str]) -> Iterator[str]:
    """Everything worth a second look. `policy_files`: the names of the files in policies/."""
    yield from _search(policy, SEARCH in policy_files)
    yield from _upstreams(policy)
    yield from _answers(policy)
    yield from _local(policy)


def _search(policy: Policy, there: bool) -> Iterator[str]:
    if not policy.engines:
        if there:
            yield f"policies/{SEARCH}: lists no engine, so nobody has safe search"
        else:
            yield (
                f"policies/{SEARCH}: is missing, so nobody has safe search; copy it from what `filterd init` writes, "
                "and the category unsafe-search from the tiers.yaml there"
            )
        return
    for tier in policy.tiers:
        if tier.pupils and not tier.safe_search:
            yield f"policies/tiers.yaml: tier {tier.id!r} is for pupils and has no safe search"


def _upstreams(policy: Policy) -> Iterator[str]:
    every = [*policy.upstreams, *(upstream for route in policy.routes for upstream in route.upstreams)]
    for upstream in dict.fromkeys(every):
        server = servers.parse(upstream)
        places = [f"[{a}]:{server.port}" if ":" in a else f"{a}:{server.port}" for a in server.addresses]
        if set(places) & set(policy.listen):
            yield f"policies/school.yaml: upstream {upstream.url} is this box itself, see listen; leave it out"
    transports = {servers.parse(upstream).transport for upstream in policy.upstreams}
    if transports <= set(servers.ENCRYPTED):
        yield (
            "policies/school.yaml: every upstream is encrypted, so a box whose clock is wrong can trust no certificate "
            "and finds no time server by name; give it a clock with a battery, or time servers by address"
        )
    elif transports & set(servers.ENCRYPTED):
        yield "policies/school.yaml: upstreams mix encrypted and plain; while the former fail, questions travel plain"


def _answers(policy: Policy) -> Iterator[str]:
    if not policy.rebinding.protect:
        yield "policies/school.yaml: rebinding.protect is off: web pages from outside can reach the school's machines"
    for zone in dict.fromkeys((*policy.rebinding.allow, *(route.zone for route in policy.routes))):
        if "." in zone and not zone.endswith(".arpa") and units.is_public_suffix(zone):
            yield (
                f"policies/school.yaml: {zone!r} is a public suffix: what is meant for the school's own zone holds for "
                "every site below it, private addresses too"
            )
    new = policy.newly_seen
    if new is not None and not any(new.category in tier.block for tier in policy.tiers):
        yield f"policies/school.yaml: newly_seen has no effect: no tier closes {new.category!r}"


def _local(policy: Policy) -> Iterator[str]:
    local = policy.local
    leases = local.leases
    names = [*local.zones, *([leases.domain] if leases is not None else [])]
    for zone in names:
        if zone == "local" or zone.endswith(".local"):
            yield f"policies/{LOCAL}: {zone!r} is for multicast DNS (RFC 6762), many devices never ask for it here"
        gone = [name for name in policy.floor.must_allow if _within(name.removeprefix("="), zone)]
        if gone:
            yield f"policies/{LOCAL}: {zone!r} is answered here, so must-allow does not hold for {', '.join(gone[:3])}"
    if leases is not None:
        pupils = [tier.id for tier in policy.tiers if tier.pupils and tier.id in leases.tiers]
        if pupils:
            yield (
                f"policies/{LOCAL}: leases are told to {', '.join(pupils)}; a device is often named after a child, "
                "and pupils can then learn who is there"
            )
    hosts = {host for engine in policy.engines for host in engine.hosts}
    mine = {record.name for record in local.records}
    own = sorted(host for host in hosts if host in mine or any(_within(host, zone) for zone in names))
    if own:
        yield f"policies/{LOCAL}: answers {', '.join(own[:3])} by itself, so safe search does not hold there"


def _within(name: str, zone: str) -> bool:
    return name == zone or name.endswith("." + zone)
