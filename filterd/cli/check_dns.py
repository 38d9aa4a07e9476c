"""What `filterd check` says of the DNS side: routes, rebinding, safe search, encrypted listeners, local names."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path

from filterd.core.policy import Policy, Upstream


def summary(policy: Policy) -> Iterator[tuple[str, str]]:
    """(label, text) of what the school set up beyond plain upstreams; parts that are off have no line."""
    if policy.routes:
        zones = (f"{route.zone} to {', '.join(u.url for u in route.upstreams)}" for route in policy.routes)
        yield "routes", "; ".join(zones)
    yield "answers", _answers(policy)
    if policy.newly_seen is not None:
        closed = _ids(t.id for t in policy.tiers if policy.newly_seen.category in t.block)
        yield "new names", f"{policy.newly_seen.category} for {policy.newly_seen.days} days; closed for {closed}"
    local = policy.local
    if local.zones or local.records or local.leases:
        leases = f"; leases below {local.leases.domain} for {_ids(local.leases.tiers)}" if local.leases else ""
        yield "local", f"{len(local.records)} records; zones: {_ids(local.zones)}{leases}"
    if policy.encrypted is not None:
        found = policy.encrypted
        places = [f"DoT {a}" for a in found.dot] + [f"DoH https://{a}{found.path}" for a in found.doh]
        yield "encrypted", f"{found.name}: {', '.join(places)}; {'' if found.ddr else 'not '}told by DDR"


def search(policy: Policy) -> str:
    """How many engines are in safe mode for each tier."""
    if not policy.engines:
        return "no engines are known"
    counts = (f"{tier.id} {len(tier.safe_search)}" for tier in policy.tiers)
    return f"safe modes of {len(policy.engines)} engines; in force: {', '.join(counts)}"


def missing(policy: Policy) -> Iterator[str]:
    """Files that the policy names and that are not there."""
    named = [("school.yaml: encrypted", path) for path in _certificates(policy)]
    named += [(f"school.yaml: {upstream.url}", upstream.ca) for upstream in _every(policy) if upstream.ca is not None]
    for who, path in dict.fromkeys(named):
        if not _there(path):
            yield f"policies/{who}: there is no file {path}"
    for path in policy.local.leases.files if policy.local.leases is not None else ():
        if not _there(path):
            yield f"policies/local.yaml: leases: there is no file {path}; until there is, no device has a name from it"


def unfit(policy: Policy) -> Iterator[str]:
    """What is wrong with the certificate and with files of roots to trust, as far as the caller may read them."""
    from filterd.dns import certificate

    if policy.encrypted is not None and all(map(_readable, _certificates(policy))):
        problem = certificate.problem(policy.encrypted)
        if problem:
            yield f"policies/school.yaml: encrypted: {problem}"
    for path in dict.fromkeys(u.ca for u in _every(policy) if u.ca is not None and _readable(u.ca)):
        try:
            ssl.create_default_context(cafile=path)
        except (OSError, ValueError):
            yield f"policies/school.yaml: {path} holds no certificate to trust; a ca is a PEM file of certificates"


def _every(policy: Policy) -> tuple[Upstream, ...]:
    return (*policy.upstreams, *(upstream for route in policy.routes for upstream in route.upstreams))


def _answers(policy: Policy) -> str:
    guard = policy.rebinding
    private = "private addresses from outside are " + ("refused" if guard.protect else "let through")
    if guard.protect and guard.allow:
        private += f", but below {_ids(guard.allow)}"
    ech = _ids(tier.id for tier in policy.tiers if tier.strip_ech)
    quic = _ids(tier.id for tier in policy.tiers if tier.refuse_quic)
    return f"{private}; without ECH for {ech}; without QUIC for {quic}"


def _certificates(policy: Policy) -> tuple[str, ...]:
    return (policy.encrypted.certificate, policy.encrypted.key) if policy.encrypted is not None else ()


def _there(path: str) -> bool:
    try:
        return Path(path).is_file()
    except PermissionError:
        return True  # a key in a folder that only the service may enter


def _readable(path: str) -> bool:
    return os.access(path, os.R_OK) and Path(path).is_file()


def _ids(words: Iterable[str]) -> str:
    return ", ".join(words) or "nobody"
