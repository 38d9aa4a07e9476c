"""Policy + overrides at one moment, as one row per kind of client. `decide` reads rows and nothing else of the policy.

The names of a policy are put into one *index* (key to atoms) that lives as long as the policy. An atom is one entry
that can be opened or closed as a whole: a service, a line of names.yaml, the must-allow set. A row says what each atom
means for its clients. So a toggle or a bell rebuilds rows (small) and never the index (large). Classrooms whose rows
would be equal share one row, and with it the memo of their replies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

from filterd.core import names, schedule
from filterd.core.overrides import NO_RULES, Override, Overrides
from filterd.core.policy import Place, Policy, Profile, Rules, SchoolName, Tier
from filterd.core.verdict import Action, Reason, Verdict

PUPIL_TTL_S = 60
STAFF_TTL_S = 300
TOGGLED_TTL_S = 10
BLOCK_TTL_S = 10

# The precedence of `core.decide`, where these numbers are explained.
AUTHORITY, MUST_ALLOW, FLOOR, SCHOOL_BLOCK, OVERRIDE = 1, 2, 3, 4, 5
PROFILE, ALLOW_LIST_ONLY, SCHOOL_ALLOW, CATEGORY, DEFAULT = 6, 7, 8, 9, 10


class Effect(NamedTuple):
    """What an atom means in a row: at which step it speaks, for allow or block, and its name for people."""

    step: int
    allow: bool
    rule: str


class Safe(NamedTuple):
    """What a search engine's host answers in safe mode: a CNAME to `target` (wire name), or these packed addresses."""

    target: bytes
    ipv4: tuple[bytes, ...]
    ipv6: tuple[bytes, ...]
    rule: str


class Index:
    """Names to atoms: `keys` gives a rule's atoms, `ids` an atom by kind and id, `masks[i]` the category of atom i."""

    def __init__(self, policy: Policy, categories: tuple[str, ...]) -> None:
        bit = {category: 1 << i for i, category in enumerate(categories)}
        self.policy = policy
        self.categories = categories
        self.keys: dict[bytes, tuple[int, ...]] = {}
        self.heads: set[bytes] = set()  # `names.head` of every key
        self.masks: list[int] = []
        self.ids: dict[tuple[str, str], int] = {}
        for service in policy.services:
            mask = bit[service.category] if service.category else 0
            self._add("service", service.id, service.names, mask)
        self._add("floor", "must_allow", policy.floor.must_allow)
        self._add("floor", "authority", policy.floor.authority_block)
        for entry in policy.names:
            self._add("school", _school_id(entry), (entry.name,))
        for profile in policy.profiles:
            for name in (*profile.allow.names, *profile.block.names):
                self._add("name", name, (name,))
        self.safe = {tier.id: _safe(policy, tier) for tier in policy.tiers}
        for hosts in self.safe.values():
            self.heads.update(map(names.head, hosts))

    def _add(self, kind: str, ident: str, entries: Iterable[str], mask: int = 0) -> None:
        if (kind, ident) in self.ids:
            return
        atom = self.ids[kind, ident] = len(self.masks)
        self.masks.append(mask)
        for name in entries:
            key = rule_key(name)
            self.keys[key] = (*self.keys.get(key, ()), atom)
            self.heads.add(names.head(key))

    def bits(self, categories: Iterable[str]) -> int:
        """Categories as a mask in this index's order; ids that nobody lists are 0."""
        known = {category: i for i, category in enumerate(self.categories)}
        return sum(1 << known[c] for c in set(categories) if c in known)


def rule_key(name: str) -> bytes:
    """`example.com` covers it and all below; `=example.com` exactly it."""
    if name.startswith("="):
        return names.key_of_text(name[1:]) + names.EXACT
    return names.key_of_text(name)


def _safe(policy: Policy, tier: Tier) -> dict[bytes, Safe]:
    """The hosts of every engine that is in safe mode for a tier, by key. Exactly these names."""
    found: dict[bytes, Safe] = {}
    chosen = {choice.engine: choice.mode for choice in tier.safe_search}
    for engine in policy.engines:
        for mode in engine.modes:
            if chosen.get(engine.id) != mode.id:
                continue
            target = names.wire_of_text(mode.target) if mode.target else b""
            ipv4, ipv6 = (tuple(ip_address(a).packed for a in each) for each in (mode.ipv4, mode.ipv6))
            safe = Safe(target, ipv4, ipv6, f"safe search {engine.id}: {mode.id}")
            found.update((names.key_of_text(host), safe) for host in engine.hosts)
    return found


def _school_id(entry: SchoolName) -> str:
    verb = "allow" if entry.allow else "block"
    scope = ",".join((*entry.tiers, *entry.classes))
    return f"names.yaml {verb} {entry.name}" + (f" ({scope})" if scope else "")


@dataclass(slots=True, eq=False)
class Row:
    """How clients of one kind are treated now. `extra` holds names that only an override knows, `safe` the hosts of
    search engines in safe mode; `newly_seen` is the bit of that category where it is closed, else 0; `lan`: these
    clients may hear of other devices.
    """

    index: int
    tier: str
    profile: str
    pupils: bool
    observe: bool
    allow_list_only: bool
    floor: int
    closed: int
    closed_by_tier: int
    toggled: int
    toggled_atoms: frozenset[int]
    effects: dict[int, tuple[Effect, ...]]
    extra: dict[bytes, tuple[Effect, ...]]
    allow_ttl_s: int
    plain: Verdict  # on a name that no rule and no list knows
    safe: dict[bytes, Safe]
    newly_seen: int
    strip_ech: bool
    strip_h3: bool
    lan: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    """`by_place[i]` is the row of `policy.places[i]`; `unknown` that of clients in no place (None: refuse).

    `valid_until` (Unix seconds, None: for ever) is when some row will change by itself.
    """

    rows: tuple[Row, ...]
    by_place: tuple[Row, ...]
    unknown: Row | None
    valid_until: int | None


def build(index: Index, overrides: Overrides, now: float) -> Matrix:
    """The rows that hold at `now` (Unix seconds). A room has the row of the class that the timetable puts there: its
    tier, profile, names and overrides, and the names and overrides of the room itself.
    """
    policy = index.policy
    made: dict[object, Row] = {}
    tiers = {tier.id: tier for tier in policy.tiers}
    profiles: dict[str | None, Profile] = {profile.id: profile for profile in policy.profiles}

    def row_of(tier: Tier, place: Place | None, planned: str | None = None, room: Place | None = None) -> Row:
        active = overrides.of(room.id, now) if room else ()
        active += overrides.of(place.id, now) if place else ()
        own = planned if planned in profiles else place.profile if place else ""
        profile_id = next((o.profile for o in reversed(active) if o.profile in profiles), own)
        scoped = tuple(i for i, n in enumerate(policy.names) if _applies(n, tier, place) or _is_for(n, room))
        observe = _observes(tier, now) or (place is not None and _observes(place, now))
        rules = tuple((o.allow, o.block, o.until) for o in active if o.allow != NO_RULES or o.block != NO_RULES)
        key = (tier.id, profile_id, scoped, observe, rules)
        if key not in made:
            made[key] = _row(index, len(made), tier, profiles.get(profile_id), scoped, observe, active)
        return made[key]

    places = {place.id: place for place in policy.places} if policy.timetable else {}

    def row_of_place(place: Place) -> Row:
        if not places:
            return row_of(tiers[place.tier], place)
        classroom, planned = schedule.treatment(policy.timetable, place.id, now)
        there = places.get(classroom) if classroom is not None else None
        if there is None:
            return row_of(tiers[place.tier], place, planned)
        return row_of(tiers[there.tier], there, planned, place)

    by_place = tuple(row_of_place(place) for place in policy.places)
    unknown = row_of(tiers[policy.unknown_client_tier], None) if policy.unknown_client_tier else None
    return Matrix(tuple(made.values()), by_place, unknown, _next_change(policy, overrides, now))


def _observes(owner: Tier | Place, now: float) -> bool:
    return owner.enforce == "observe" and owner.observe_until is not None and now < owner.observe_until


def _applies(entry: SchoolName, tier: Tier, place: Place | None) -> bool:
    if not entry.tiers and not entry.classes:
        return True
    return tier.id in entry.tiers or _is_for(entry, place)


def _is_for(entry: SchoolName, place: Place | None) -> bool:
    return place is not None and place.id in entry.classes


def _next_change(policy: Policy, overrides: Overrides, now: float) -> int | None:
    owners: tuple[Tier | Place, ...] = (*policy.tiers, *policy.places)
    moments = [o.observe_until for o in owners if o.observe_until is not None and o.observe_until > now]
    moments += (m for m in (overrides.next_change(now), _next_lesson(policy, now)) if m is not None)
    return min(moments, default=None)


def _next_lesson(policy: Policy, now: float) -> int | None:
    return schedule.next_change(policy.timetable, now) if policy.timetable else None


def _row(
    index: Index,
    number: int,
    tier: Tier,
    profile: Profile | None,
    scoped: tuple[int, ...],
    observe: bool,
    active: tuple[Override, ...],
) -> Row:
    policy = index.policy
    effects: dict[int, list[Effect]] = {}
    extra: dict[bytes, list[Effect]] = {}

    def say(atom: tuple[str, str], effect: Effect) -> None:
        effects.setdefault(index.ids[atom], []).append(effect)

    say(("floor", "authority"), Effect(AUTHORITY, False, "floor.d"))
    say(("floor", "must_allow"), Effect(MUST_ALLOW, True, "must-allow"))
    for i in scoped:
        entry = policy.names[i]
        ident = _school_id(entry)
        say(("school", ident), Effect(SCHOOL_ALLOW if entry.allow else SCHOOL_BLOCK, entry.allow, ident))
    closed = set(tier.block)
    toggles: set[str] = set()
    toggled_atoms: set[int] = set()
    for other in policy.profiles:
        for rules in (other.allow, other.block):
            toggles.update(rules.categories)
            toggled_atoms.update(index.ids["service", s] for s in rules.services)
            toggled_atoms.update(index.ids["name", n] for n in rules.names)
    if profile is not None:
        closed = (closed | set(profile.block.categories)) - set(profile.allow.categories)
        for allow, rules in ((True, profile.allow), (False, profile.block)):
            for kind, ident in _atoms(rules):
                say((kind, ident), Effect(PROFILE, allow, f"profile {profile.id}: {ident}"))
    for override in active:
        closed = (closed | set(override.block.categories)) - set(override.allow.categories)
        for allow, rules in ((True, override.allow), (False, override.block)):
            effect_rule = f"override until {override.until}"
            for service in rules.services:
                if ("service", service) in index.ids:
                    say(("service", service), Effect(OVERRIDE, allow, f"{effect_rule}: {service}"))
            for name in rules.names:
                extra.setdefault(rule_key(name), []).append(Effect(OVERRIDE, allow, f"{effect_rule}: {name}"))
    ttl_s = PUPIL_TTL_S if tier.pupils else STAFF_TTL_S
    new = policy.newly_seen
    leases = policy.local.leases
    return Row(
        index=number,
        tier=tier.id,
        profile=profile.id if profile else "",
        pupils=tier.pupils,
        observe=observe,
        allow_list_only=profile.allow_list_only if profile else False,
        floor=index.bits(policy.floor.categories),
        closed=index.bits(closed),
        closed_by_tier=index.bits(tier.block),
        toggled=index.bits(toggles),
        toggled_atoms=frozenset(toggled_atoms),
        effects={atom: tuple(sorted(found)) for atom, found in effects.items()},
        extra={key: tuple(sorted(found)) for key, found in extra.items()},
        allow_ttl_s=ttl_s,
        plain=Verdict(Action.ALLOW, Reason.DEFAULT, DEFAULT, ttl_s),
        safe=index.safe[tier.id],
        newly_seen=index.bits((new.category,)) & index.bits(closed) if new is not None else 0,
        strip_ech=tier.strip_ech,
        strip_h3=tier.refuse_quic,
        lan=leases is not None and tier.id in leases.tiers,
    )


def _atoms(rules: Rules) -> Iterator[tuple[str, str]]:
    for service in rules.services:
        yield "service", service
    for name in rules.names:
        yield "name", name
