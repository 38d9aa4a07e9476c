"""Models to the compiled policy: bundles become services, dates become moments, contacts join must-allow.

Pure: checked models in, `core.policy.Policy` out. Only `load` calls it, once nothing is wrong.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from filterd.config import compile_dns, compile_local, compile_search, compile_timetable
from filterd.config.schema import Bilingual, Observed
from filterd.config.schema_local import Local
from filterd.config.schema_people import Classes, Contacts, PlaceModel
from filterd.config.schema_probes import Probes
from filterd.config.schema_rules import FloorFile, NameEntry, Names, Profiles, RuleSet, Services, Tiers
from filterd.config.schema_rules import Tier as TierModel
from filterd.config.schema_school import LimitsModel, School, UpdateModel
from filterd.config.schema_search import SafeSearch
from filterd.config.schema_sources import SourceModel
from filterd.config.schema_timetable import Timetable
from filterd.core.policy import (
    BlockAnswer,
    Category,
    Floor,
    Limits,
    NewlySeen,
    Place,
    Policy,
    Profile,
    Rules,
    SchoolName,
    Service,
    Text,
    Tier,
)
from filterd.core.source import Source
from filterd.core.updates import UpdateSettings

AUTO_WORKERS = 4
CLIENTS_OF_PREFIX = 10  # a whole prefix may ask as much as so many clients at their limits, where nothing else is said


@dataclass(frozen=True, slots=True)
class Models:
    """Every file of policies/, checked."""

    school: School
    tiers: Tiers
    profiles: Profiles
    classes: Classes
    floor: FloorFile
    services: Services
    names: Names
    contacts: Contacts
    safesearch: SafeSearch
    local: Local
    probes: Probes
    timetable: Timetable


def to_policy(models: Models, digest: str, cpus: int, config_dir: Path) -> Policy:
    """The policy. `digest` of the files it came from; `cpus` settles `workers: auto`, `config_dir` relative paths."""
    school = models.school
    zone = zoneinfo.ZoneInfo(school.time_zone)
    return Policy(
        school_name=_text(school.name),
        school_code=school.code,
        time_zone=school.time_zone,
        listen=_once(school.listen),
        metrics=school.metrics,
        workers=school.workers or max(1, min(AUTO_WORKERS, cpus)),
        networks=_once(school.networks),
        unknown_client_tier=school.unknown_client.tier if school.unknown_client else None,
        upstreams=compile_dns.upstreams(school.upstreams, config_dir),
        source_ports=school.source_ports,
        block_answer=BlockAnswer(**school.block_answer.model_dump()),
        limits=_limits(school.limits),
        categories=tuple(
            Category(i, _text(c.name), _text(c.text), c.answer) for i, c in models.tiers.categories.items()
        ),
        tiers=tuple(_tier(i, t, models.safesearch, zone) for i, t in models.tiers.tiers.items()),
        profiles=_profiles(models.profiles, models.services),
        services=tuple(
            Service(i, _text(s.name), _once(s.names), s.category) for i, s in models.services.services.items()
        )
        + compile_search.unsafe(models.safesearch, models.tiers),
        places=tuple(_place(p, "classroom", zone) for p in models.classes.classrooms)
        + tuple(_place(p, "room", zone) for p in models.classes.rooms),
        names=tuple(_name(e, True) for e in models.names.allow) + tuple(_name(e, False) for e in models.names.block),
        floor=Floor(
            categories=_once(models.floor.categories),
            must_allow=_once((*models.floor.must_allow, *(n for c in models.contacts.contacts for n in c.names))),
        ),
        routes=compile_dns.routes(school, config_dir),
        rebinding=compile_dns.rebinding(school),
        engines=compile_search.engines(models.safesearch),
        local=compile_local.local(models.local, config_dir),
        newly_seen=NewlySeen(school.newly_seen.category, school.newly_seen.days) if school.newly_seen else None,
        encrypted=compile_dns.encrypted(school, config_dir),
        timetable=compile_timetable.timetable(models.timetable, zone),
        case_randomisation=school.case_randomisation,
        digest=digest,
    )


def to_source(model: SourceModel) -> Source:
    """One list of sources.yaml as a value."""
    return Source(
        id=model.id,
        name=model.name,
        url=model.url,
        format=model.format,
        category=model.category,
        licence=model.licence,
        homepage=model.homepage or "",
        mirrors=tuple(model.mirrors),
        member=model.member,
        covers=model.covers,
        tld_list=model.tld_list,
        min_entries=model.min_entries,
        max_shrink=model.max_shrink,
        max_grow=model.max_grow,
        allow_http=model.allow_http,
        allow_private=model.allow_private,
        max_bytes=model.max_size,
        languages=tuple(model.languages),
        enabled=model.enabled,
    )


def to_updates(model: UpdateModel) -> UpdateSettings:
    """What school.yaml says about the nightly update."""
    return UpdateSettings(model.keep, model.bundle, model.top_sites, model.stale_days)


def _text(text: Bilingual) -> Text:
    return Text(vi=text.vi, en=text.en)


def _once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _until(owner: Observed, zone: zoneinfo.ZoneInfo) -> int | None:
    """The midnight that ends the last day of `observe`."""
    if owner.observe_until is None:
        return None
    after = owner.observe_until + datetime.timedelta(days=1)
    return int(datetime.datetime.combine(after, datetime.time(), zone).timestamp())


def _tier(ident: str, tier: TierModel, search: SafeSearch, zone: zoneinfo.ZoneInfo) -> Tier:
    return Tier(
        id=ident,
        name=_text(tier.name),
        block=_once(tier.block),
        pupils=tier.pupils,
        enforce=tier.enforce,
        observe_until=_until(tier, zone),
        safe_search=compile_search.choices(tier.safe_search, tier.pupils, search),
        strip_ech=tier.pupils if tier.ech is None else tier.ech == "strip",
        refuse_quic=tier.pupils if tier.quic is None else tier.quic == "refuse",
    )


def _limits(limits: LimitsModel) -> Limits:
    rate, burst = limits.prefix_queries_per_second, limits.prefix_burst
    if "prefix_queries_per_second" not in limits.model_fields_set:
        rate = CLIENTS_OF_PREFIX * limits.queries_per_second
    if "prefix_burst" not in limits.model_fields_set:
        burst = CLIENTS_OF_PREFIX * limits.burst
    return Limits(
        queries_per_second=limits.queries_per_second,
        burst=limits.burst,
        prefix_queries_per_second=rate,
        prefix_burst=burst,
        slip=limits.slip,
        memo_bytes=limits.memo,
        cache_bytes=limits.cache,
        min_ttl_s=limits.min_ttl,
        max_ttl_s=limits.max_ttl,
        max_negative_ttl_s=limits.max_negative_ttl,
        stale_s=limits.stale,
        pending=limits.pending,
        clients=limits.clients,
        tcp_connections=limits.tcp_connections,
        tcp_connections_per_client=limits.tcp_connections_per_client,
        tcp_idle_s=limits.tcp_idle,
    )


def _profiles(profiles: Profiles, services: Services) -> tuple[Profile, ...]:
    return tuple(
        Profile(i, _text(p.name), _rules(p.allow, services), _rules(p.block, services), p.allow_list_only)
        for i, p in profiles.profiles.items()
    )


def _rules(rules: RuleSet | None, services: Services) -> Rules:
    if rules is None:
        return Rules()
    bundled = [service for bundle in rules.bundles for service in services.bundles[bundle].services]
    return Rules(_once(rules.categories), _once((*rules.services, *bundled)), _once(rules.names))


def _place(place: PlaceModel, kind: str, zone: zoneinfo.ZoneInfo) -> Place:
    return Place(
        id=place.id,
        name=place.name,
        tier=place.tier,
        profile=place.profile,
        subnets=_once(place.subnets),
        interfaces=_once(place.interfaces),
        kind=kind,
        enforce=place.enforce,
        observe_until=_until(place, zone),
    )


def _name(entry: NameEntry, allow: bool) -> SchoolName:
    return SchoolName(entry.name, allow, _once(entry.tiers), _once(entry.classes), entry.reason or "")
