"""Why a name is decided as it is, with the evidence: the same snapshot and the same `decide` as the DNS workers'.

Of an address it tells what becomes of an answer that holds it: which lists have it, and whether it is private. Leases
and the register of new domains are read from the files that the server reads and writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from filterd.core import matrix, names
from filterd.core.classrooms import client_address
from filterd.core.decide import decide, decide_address, effects_of, rules_for
from filterd.core.matrix import BLOCK_TTL_S, Row, Safe
from filterd.core.snapshot import Snapshot
from filterd.core.table import Match
from filterd.core.verdict import Action, Reason, Verdict
from filterd.live import firstseen, own, snapshots
from filterd.live.leases import LeaseWatch
from filterd.live.published import Published

STEPS = {
    0: "special-use name",
    matrix.AUTHORITY: "authority's forced block",
    matrix.MUST_ALLOW: "must-allow",
    matrix.FLOOR: "floor category",
    matrix.SCHOOL_BLOCK: "school's name block",
    matrix.OVERRIDE: "class override",
    matrix.PROFILE: "profile's names and services",
    matrix.ALLOW_LIST_ONLY: "allow-list-only profile",
    matrix.SCHOOL_ALLOW: "school's name allow",
    matrix.CATEGORY: "category closed by profile or tier",
    matrix.DEFAULT: "default: allow",
}


Address = IPv4Address | IPv6Address
# To a name that no rule and no list speaks about: its answer is judged most strictly.
_OPEN = Verdict(Action.ALLOW, Reason.DEFAULT, matrix.DEFAULT, BLOCK_TTL_S, None, None)


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks for what: exactly one of `client` (an address) and `classroom` (an id). `name` may be an address."""

    name: str
    client: str | None = None
    classroom: str | None = None
    qtype: str = "A"


def explain_name(published: Published, question: Question, now: float) -> dict[str, Any]:
    """The decision at `now` (Unix seconds) as JSON values. Raises ValueError for an unknown class or a bad address,
    NameSyntaxError for a bad name.
    """
    snapshot, faults = _snapshot(published, now)
    address = _address(question.name)
    name = names.normal(question.name) if address is None else str(address)
    key = names.key_of_text(name) if address is None else b""
    qtype = question.qtype if address is None else "A" if address.version == 4 else "AAAA"
    place, inside = _place(snapshot, question)
    row = snapshot.row_of_place(place) if inside else None
    base = {
        "name": name,
        "type": qtype,
        "classroom": snapshot.policy.places[place].id if place is not None else None,
        "classroom_name": snapshot.policy.places[place].name if place is not None else None,
        "policy": snapshot.policy.digest[:12],
        "table": snapshot.table.generation,
        "faults": [fault.splitlines()[-1] for fault in (*published.faults.values(), *faults)],
    }
    if row is None:
        answer = "REFUSED" if inside else "silence: the address is outside school.networks"
        rule = "unknown_client: refuse" if inside else "networks"
        return base | {
            "tier": None, "profile": None, "action": "block", "reason": "unknown_client", "category": None,
            "sources": [], "lists": [], "rule": rule, "ttl": 0, "answer": answer, "observed": False, "steps": [],
        }  # fmt: skip
    made = None
    if address is None:
        verdict = decide(snapshot, row, key)
        if not verdict.step:
            verdict, key, made = _own(snapshot, row, key, verdict, name, qtype)
        mask = snapshot.table.mask(key) | (row.newly_seen if _is_new(snapshot, key) else 0)
        matches = snapshot.table.matches(key)
    else:
        verdict, mask = _decide_address(snapshot, row, address), snapshot.table.address_mask(address.packed)
        matches = snapshot.table.address_matches(address.packed)
    return base | {
        "tier": row.tier,
        "profile": row.profile or None,
        "action": str(verdict.action),
        "reason": str(verdict.reason),
        "category": verdict.category,
        "sources": _sources(snapshot, row, key, verdict, matches),
        "lists": [
            {"source": m.source, "category": m.category, "rule": m.rule, "covers": m.covers, "exception": m.exception}
            for m in matches
        ],
        "rule": verdict.rule,
        "ttl": verdict.ttl_s,
        "answer": made or _answer(snapshot, verdict, qtype, key, row.safe.get(key)),
        "observed": verdict.observed,
        "steps": _steps(snapshot, row, key, mask, verdict),
    }


def _snapshot(published: Published, now: float) -> tuple[Snapshot, list[str]]:
    """What the server's workers would have, and what is wrong with the files behind it."""
    policy = published.policy
    leases = LeaseWatch()
    leases.poll(policy.local.leases, now)
    seen, problem = firstseen.open_readonly(published.state_dir, policy, now)
    built = snapshots.build(policy, published.table, published.overrides, now, leases=leases.found, seen=seen)
    return built, [fault for fault in (leases.problem, problem) if fault]


def _own(
    snapshot: Snapshot, row: Row, key: bytes, verdict: Verdict, name: str, qtype: str
) -> tuple[Verdict, bytes, str | None]:
    """The verdict on a name that is answered here, the key it is about, and the answer. An alias that leads out of the
    school's names is what the verdict on its target is.
    """
    words, ttl_s = own.answer(snapshot, row, verdict, name, qtype)
    if isinstance(words, str):
        return verdict._replace(ttl_s=ttl_s), key, words
    target = names.key_of_wire(words)
    behind = decide(snapshot, row, target)
    if behind.action is Action.BLOCK:
        rule = f"alias of {names.text_of_wire(words)}, {behind.rule}"
        return behind._replace(rule=rule), target, None
    safe = row.safe[target] if behind.reason is Reason.SAFE_SEARCH else Safe(words, (), (), "")
    return verdict._replace(ttl_s=min(ttl_s, behind.ttl_s)), key, _safe_answer(safe, qtype)


def _is_new(snapshot: Snapshot, key: bytes) -> bool:
    return snapshot.seen is not None and snapshot.seen.is_new(key)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text.strip())
    except ValueError:
        return None


def _decide_address(snapshot: Snapshot, row: Row, address: Address) -> Verdict:
    """The verdict on an answer that holds the address, to a name nothing is known of."""
    return decide_address(snapshot, row, b"", address.packed, _OPEN) or _OPEN


def _sources(snapshot: Snapshot, row: Row, key: bytes, verdict: Verdict, matches: tuple[Match, ...]) -> list[str]:
    """What puts the name in the verdict's category: ids of lists, and services of services.yaml."""
    found = {m.source for m in matches if m.category == verdict.category and not m.exception}
    bit = snapshot.index.bits((verdict.category,)) if verdict.category else 0
    service_of = {atom: ident for (kind, ident), atom in snapshot.index.ids.items() if kind == "service"}
    for _, atom in rules_for(snapshot, row, key) or ():
        if atom >= 0 and snapshot.index.masks[atom] & bit:
            found.add(f"services.yaml: {service_of[atom]}")
    if bit & row.newly_seen and key and _is_new(snapshot, key):
        found.add("newly_seen: this school has not known it for long")
    return sorted(found)


def _place(snapshot: Snapshot, question: Question) -> tuple[int | None, bool]:
    """Index of the place, and whether the client is inside the school's networks."""
    if question.client is not None:
        try:
            address = client_address(question.client)
        except ValueError:
            raise ValueError(f"{question.client!r} is not an IP address") from None
        interface = question.client.partition("%")[2] or None
        return snapshot.classrooms.find(address, interface), snapshot.classrooms.may_ask(address)
    known = [place.id for place in snapshot.policy.places]
    wanted = (question.classroom or "").lower()
    by_name = {place.name.lower(): place.id for place in snapshot.policy.places}
    wanted = wanted if wanted in known else by_name.get(wanted, wanted)
    if wanted not in known:
        raise ValueError(f"{question.classroom!r} is no class or room; there is {', '.join(known)}")
    return known.index(wanted), True


def _answer(snapshot: Snapshot, verdict: Verdict, qtype: str, key: bytes, safe: Safe | None) -> str:
    if verdict.reason is Reason.SAFE_SEARCH and safe is not None:
        return _safe_answer(safe, qtype)
    if verdict.action is Action.ALLOW:
        return _upstreams(snapshot, key)
    if verdict.reason is Reason.REBINDING:
        return "no data"
    block = snapshot.policy.block_answer
    by_category = {category.id: category.answer for category in snapshot.policy.categories}
    mode = by_category.get(verdict.category or "") or block.mode
    if mode == "nxdomain":
        return "NXDOMAIN"
    addresses = {"A": "0.0.0.0", "AAAA": "::"}  # noqa: S104  an answer, not a listener
    if mode == "gateway":
        addresses = {"A": block.ipv4 or "0.0.0.0", "AAAA": block.ipv6 or "no data"}  # noqa: S104
    return addresses.get(qtype, "no data")


def _upstreams(snapshot: Snapshot, key: bytes) -> str:
    """Who is asked for an allowed name."""
    zone = names.closest(key, snapshot.routes)
    for route in snapshot.policy.routes if zone is not None else ():
        if names.key_of_text(route.zone) == zone:
            return f"that of {', '.join(upstream.url for upstream in route.upstreams)}, for {route.zone}"
    return "the upstream's"


def _safe_answer(safe: Safe, qtype: str) -> str:
    if safe.target and qtype in ("A", "AAAA", "CNAME"):
        return f"CNAME {names.text_of_wire(safe.target)}"
    found = {"A": safe.ipv4, "AAAA": safe.ipv6}.get(qtype, ())
    return ", ".join(str(ip_address(packed)) for packed in found) or "no data"


def _steps(snapshot: Snapshot, row: Row, key: bytes, mask: int, verdict: Verdict) -> list[dict[str, Any]]:
    """One line for every step of the precedence: what it had to say, and which one decided."""
    said: dict[int, list[str]] = {}
    for candidate, atom in rules_for(snapshot, row, key) or ():
        if atom >= 0:
            mask |= snapshot.index.masks[atom]
        for effect in effects_of(row, candidate, atom):
            said.setdefault(effect.step, []).append(f"{'allow' if effect.allow else 'block'} by {effect.rule}")
    for step, closed in ((matrix.FLOOR, row.floor), (matrix.CATEGORY, row.closed)):
        hit = [c for i, c in enumerate(snapshot.categories) if mask & closed & 1 << i]
        if hit:
            said[step] = [f"block: {', '.join(hit)}"]
    if row.allow_list_only and key:  # it says nothing of addresses
        said[matrix.ALLOW_LIST_ONLY] = [f"block: profile {row.profile} opens nothing else"]
    return [
        {"step": step, "text": f"{title}: {'; '.join(said.get(step, ['-']))}", "decided": step == verdict.step}
        for step, title in STEPS.items()
    ]
