"""What is valid and still probably not meant: entries without effect, a demo's subnets, contacts nobody verified.

Values in, sentences out, for `filterd check` and `filterd site`. It never refuses anything.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterator

from filterd.config import advice_dns
from filterd.config.load import POLICY_MODELS, Configuration
from filterd.core.policy import Policy, SchoolName

CONTACT_DAYS = 366


def covers(rule: str, other: str) -> bool:
    """Whether every name that `other` speaks of is one that `rule` speaks of; both as policies hold names."""
    if rule.startswith("="):
        return rule == other
    name = other.removeprefix("=")
    return name == rule or name.endswith("." + rule)


def scope_of(entry: SchoolName) -> str:
    """For whom an entry is, for people."""
    parts = [f"tier {ident}" for ident in entry.tiers] + [f"class {ident}" for ident in entry.classes]
    return ", ".join(parts) or "the whole school"


def reach_of(entry: SchoolName) -> str:
    """What an entry covers, for people."""
    return f"{entry.name[1:]} alone" if entry.name.startswith("=") else f"{entry.name} and everything below it"


def about_name(policy: Policy, entry: SchoolName) -> Iterator[str]:
    """Why an entry of names.yaml does nothing, or less than it seems to."""
    local = policy.local
    for zone in (*local.zones, *([local.leases.domain] if local.leases is not None else [])):
        if covers(zone, entry.name):
            yield f"has no effect: local.yaml answers {zone} and everything below it"
            return
    mine = sorted({record.name for record in local.records if covers(entry.name, record.name)})
    if mine:
        yield f"leaves {_some(mine)} as local.yaml has it"
    for name in policy.floor.must_allow:
        if covers(name, entry.name):
            yield f"has no effect: {name} is must-allow (floor.yaml, contacts.yaml) and always open"
            return
    for other in policy.names:
        if other is not entry and not other.allow and covers(other.name, entry.name) and _wider(other, entry):
            where = f"block {other.name} for {scope_of(other)}"
            if entry.allow:
                yield f"has no effect: {where} comes first"
            elif other != entry:
                yield f"adds nothing: {where} covers it"
    if not entry.allow:
        kept = [name for name in policy.floor.must_allow if covers(entry.name, name)]
        if kept:
            yield "leaves open what is must-allow: " + ", ".join(kept[:3]) + (", ..." if len(kept) > 3 else "")
    safe = _in_safe_mode(policy, entry) if entry.allow else []
    if safe:
        yield f"opens {_some(safe)} in safe mode only, as tiers.yaml says; `filterd safesearch` lists it"


def _in_safe_mode(policy: Policy, entry: SchoolName) -> list[str]:
    """The hosts of search engines among the names of an entry that somebody it is for gets in safe mode."""
    places = {place.tier for place in policy.places if place.id in entry.classes}
    tiers = [t for t in policy.tiers if t.id in (*entry.tiers, *places) or not (entry.tiers or entry.classes)]
    engines = {choice.engine for tier in tiers for choice in tier.safe_search}
    return [h for engine in policy.engines if engine.id in engines for h in engine.hosts if covers(entry.name, h)]


def warnings(found: Configuration, policy_files: list[str], today: datetime.date) -> list[str]:
    """Everything worth a second look. `policy_files`: the names of the files in policies/."""
    policy = found.policy
    dns = advice_dns.warnings(policy, policy_files)
    parts = (_files(policy_files), _network(policy), dns, _tiers(found, today), _names(policy), _contacts(found, today))
    return [warning for part in parts for warning in part]


def _wider(outer: SchoolName, inner: SchoolName) -> bool:
    if not outer.tiers and not outer.classes:
        return True
    inside = set(inner.tiers) <= set(outer.tiers) and set(inner.classes) <= set(outer.classes)
    return inside and bool(inner.tiers or inner.classes)


def _files(names: list[str]) -> Iterator[str]:
    for name in names:
        if name not in POLICY_MODELS:
            yield f"policies/{name}: is not read; the files are {', '.join(sorted(POLICY_MODELS))}"


def _network(policy: Policy) -> Iterator[str]:
    demo = [p.id for p in policy.places if any(ipaddress.ip_network(s).is_loopback for s in p.subnets)]
    if demo:
        yield f"policies/classes.yaml: loopback subnets, as in the demo: {_some(demo)}; put the school's own"
    if all(a.startswith(("127.", "[::1]")) for a in policy.listen):
        yield "policies/school.yaml: listens on this machine only; add the box's address to listen"
    for place in policy.places:
        if not place.subnets and not place.interfaces:
            yield f"policies/classes.yaml: {place.id!r} has no subnets, so no device is ever in it"


def _tiers(found: Configuration, today: datetime.date) -> Iterator[str]:
    for tier in found.policy.tiers:
        if tier.pupils and not set(tier.block) - set(found.policy.floor.categories):
            yield f"policies/tiers.yaml: tier {tier.id!r} is for pupils and closes nothing beyond the floor"
    for owner, model in [
        *((f"tiers.yaml: tier {i!r}", t) for i, t in found.models.tiers.tiers.items()),
        *((f"classes.yaml: {p.id!r}", p) for p in (*found.models.classes.classrooms, *found.models.classes.rooms)),
    ]:
        if model.observe_until is not None:
            does = "blocks again: observe ended" if model.observe_until < today else "only observes, until"
            yield f"policies/{owner} {does} {model.observe_until}"


def _names(policy: Policy) -> Iterator[str]:
    for entry in policy.names:
        verb = "allow" if entry.allow else "block"
        for why in about_name(policy, entry):
            yield f"policies/names.yaml: {verb} {entry.name} for {scope_of(entry)} {why}"
    for i, entry in enumerate(policy.names):
        if entry in policy.names[:i]:
            yield f"policies/names.yaml: {entry.name} for {scope_of(entry)} stands there twice"


def _contacts(found: Configuration, today: datetime.date) -> Iterator[str]:
    contacts = found.models.contacts.contacts
    if not contacts:
        yield "policies/contacts.yaml: nobody to turn to; at least the national child helpline belongs here"
    never = [c.id for c in contacts if c.verified_on is None]
    if never:
        yield f"policies/contacts.yaml: never verified: {_some(never)}; call, then write verified_on"
    old = [c.id for c in contacts if c.verified_on and (today - c.verified_on).days > CONTACT_DAYS]
    if old:
        yield f"policies/contacts.yaml: verified more than a year ago: {_some(old)}; call again"


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:4]) + (f" and {len(ids) - 4} more" if len(ids) > 4 else "")
