"""THE decision. No other file may decide. First match wins; within a step the longest name wins, and allow wins ties.
A rule for exactly a name is longer than one for that name and all below it.

 0. special_use   names with a meaning of their own (core.special, the box's own name); bypass canaries; the school's
                  own records (policies/local.yaml, leases), unless 1 or 3 blocks the name
 1. authority     a name the authority forces closed                               block
 2. must_allow    a name nothing may block (authority, child protection, contacts) allow
 3. floor         a category nobody in the school can open                         block
 4. school_block  the school's own name block (for the whole school, a tier, a class)
 5. override      what a teacher opened or closed for this class, until it expires
 6. profile       names and services the class's profile opens or closes
 7. allow_list_only  the profile is an allow-list and nothing above opened the name: block
 8. school_allow  the school's own name allow
 9. category      a category closed by the profile or override, else by the tier  block
10. default       allow

Safe search rewrites any allow of exactly one of an engine's hosts; its targets are resolved, never judged.

The targets of an allowed answer (CNAME, DNAME, SVCB, HTTPS) and its addresses are judged by step 1 always, by 3 and 4
unless the question matched 2, by 9 only if the question fell to 9 or 10, by 7 never: or every exam site behind a CDN
would break. What steps 2, 5, 6 and 8 allow protects a target as it protects a question. A private address in an answer
from outside is rebinding, below every name but the school's own. `enforce: observe` counts steps 4 to 9 but lets them
pass.
"""

from __future__ import annotations

from filterd.core import matrix, wire
from filterd.core.matrix import BLOCK_TTL_S, TOGGLED_TTL_S, Effect, Row
from filterd.core.names import EXACT, closest, key_of_wire
from filterd.core.private import is_private
from filterd.core.snapshot import Snapshot
from filterd.core.special import TTL_S, Special, special
from filterd.core.verdict import Action, Reason, Verdict
from filterd.core.wire import Answer

_REASON = {
    matrix.AUTHORITY: Reason.AUTHORITY,
    matrix.MUST_ALLOW: Reason.MUST_ALLOW,
    matrix.FLOOR: Reason.FLOOR,
    matrix.SCHOOL_BLOCK: Reason.SCHOOL_BLOCK,
    matrix.OVERRIDE: Reason.OVERRIDE,
    matrix.PROFILE: Reason.PROFILE,
    matrix.ALLOW_LIST_ONLY: Reason.ALLOW_LIST_ONLY,
    matrix.SCHOOL_ALLOW: Reason.SCHOOL_ALLOW,
    matrix.CATEGORY: Reason.CATEGORY,
    matrix.DEFAULT: Reason.DEFAULT,
}
_BOX = Verdict(Action.REWRITE, Reason.SPECIAL_USE, 0, BLOCK_TTL_S, None, "the box's own name")
_SPECIAL = Verdict(Action.ALLOW, Reason.SPECIAL_USE, 0, TTL_S, None, "special-use name")
_BYPASS = Verdict(Action.BLOCK, Reason.BYPASS, 0, BLOCK_TTL_S, None, "a canary that asks whether this network filters")
_LOCAL = Verdict(Action.REWRITE, Reason.SPECIAL_USE, 0, BLOCK_TTL_S, None, "the box's or the school's own records")
_REBINDING = Verdict(Action.BLOCK, Reason.REBINDING, 0, BLOCK_TTL_S, None, "a private address from outside")
_TOO_MANY = Verdict(Action.BLOCK, Reason.REBINDING, 0, BLOCK_TTL_S, None, "more addresses than can be judged")
UNREADABLE = Verdict(Action.BLOCK, Reason.REBINDING, 0, BLOCK_TTL_S, None, "an SVCB record that cannot be read")
MAX_ADDRESSES = 500  # judged in one answer; no honest one has more
_QUESTION_STEPS = (1 << 11) - 1  # step n is bit n
_FORCED_STEPS = 1 << matrix.AUTHORITY | 1 << matrix.FLOOR
_TARGET_ALLOWS = 1 << matrix.MUST_ALLOW | 1 << matrix.OVERRIDE | 1 << matrix.PROFILE | 1 << matrix.SCHOOL_ALLOW


def decide(snapshot: Snapshot, row: Row, key: bytes) -> Verdict:
    """The verdict on a question. `key` is `names.key_of_wire` of the name asked."""
    first = key.find(b".") + 1
    heads = snapshot.heads
    if key[: key.find(b".", first) + 1] not in heads and key[:first] not in heads and not row.extra:
        return _precedence(snapshot, row, _categories(snapshot, row, key), None, False, _QUESTION_STEPS)
    if key == snapshot.box_key:
        return _BOX
    if snapshot.ddr is not None and snapshot.ddr.covers(key):
        return _LOCAL
    if snapshot.local is not None and snapshot.local.covers(key):
        forced = _judge(snapshot, row, key, snapshot.table.mask(key), _FORCED_STEPS)
        return forced if forced.action is Action.BLOCK else _LOCAL
    kind = special(key)
    if kind is not None and (kind is Special.BYPASS or closest(key, snapshot.routes) is None):
        return _BYPASS if kind is Special.BYPASS else _SPECIAL
    verdict = _judge(snapshot, row, key, _categories(snapshot, row, key), _QUESTION_STEPS)
    if key in row.safe and verdict.action is Action.ALLOW:
        return _safe(row, key)
    return verdict


def decide_target(snapshot: Snapshot, row: Row, key: bytes, question: Verdict) -> Verdict | None:
    """The verdict that blocks a target of an answer to `question`, or None if the target may stay."""
    verdict = _judge(snapshot, row, key, snapshot.table.mask(key), _steps_behind(question))
    return verdict if verdict.action is Action.BLOCK else None


def decide_address(snapshot: Snapshot, row: Row, key: bytes, packed: bytes, question: Verdict) -> Verdict | None:
    """The verdict that blocks an address (4 or 16 bytes) in an answer about the name `key`, or None if it may stay."""
    if is_private(packed) or snapshot.is_own(packed):
        rebinding = _rebinding(snapshot, key)
        if rebinding is not None:
            return rebinding
    mask = snapshot.table.address_mask(packed) if snapshot.table.has_addresses else 0
    if not mask:
        return None
    verdict = _precedence(snapshot, row, mask, None, False, _steps_behind(question))
    return verdict if verdict.action is Action.BLOCK else None


def decide_answer(snapshot: Snapshot, row: Row, key: bytes, answer: Answer, question: Verdict) -> Verdict | None:
    """The first verdict that blocks something in an answer about the name `key`: a target, an address; else None."""
    inside = bool(answer.marks & wire.PRIVATE)
    for target in answer.targets:
        target_key = key_of_wire(target)
        blocked = decide_target(snapshot, row, target_key, question)
        if blocked is not None:
            return blocked
        inside = inside or snapshot.is_inside(target_key)
    if inside:
        rebinding = _rebinding(snapshot, key)
        if rebinding is not None:
            return rebinding
    if snapshot.judges_addresses:
        found = wire.addresses(answer)
        if len(found) > MAX_ADDRESSES:
            return _TOO_MANY
        for packed in found:
            blocked = decide_address(snapshot, row, key, packed, question)
            if blocked is not None:
                return blocked
    return None


def _rebinding(snapshot: Snapshot, key: bytes) -> Verdict | None:
    """The verdict on an answer that leads inside, or None where the name may have one."""
    if not snapshot.policy.rebinding.protect or closest(key, snapshot.trusted) is not None:
        return None
    return _REBINDING


def _steps_behind(question: Verdict) -> int:
    """By which steps what stands in the answer to a question is judged."""
    steps = 1 << matrix.AUTHORITY
    if question.step != matrix.MUST_ALLOW:
        steps |= 1 << matrix.FLOOR | 1 << matrix.SCHOOL_BLOCK
    if question.step >= matrix.CATEGORY:
        steps |= 1 << matrix.CATEGORY
    return steps


def _safe(row: Row, key: bytes) -> Verdict:
    ttl_s = TOGGLED_TTL_S if row.pupils else row.allow_ttl_s
    return Verdict(Action.REWRITE, Reason.SAFE_SEARCH, matrix.DEFAULT, ttl_s, None, row.safe[key].rule)


def _categories(snapshot: Snapshot, row: Row, key: bytes) -> int:
    """The categories of a name that is asked for: the lists', and whether it is new here."""
    mask = snapshot.table.mask(key)
    if row.newly_seen and snapshot.seen is not None and snapshot.seen.is_new(key):
        mask |= row.newly_seen
    return mask


def rules_for(snapshot: Snapshot, row: Row, key: bytes) -> list[tuple[bytes, int]] | None:
    """Every (key, atom) of the policy that speaks about a name, longest first; None, at once, for most names.

    Atom -1 stands for names that only an override of this row knows.
    """
    keys, extra = snapshot.index.keys, row.extra
    found: list[tuple[bytes, int]] | None = None
    candidate = key + EXACT
    at = len(key)
    while at >= 0:
        if candidate in keys:
            found = found or []
            found += [(candidate, atom) for atom in keys[candidate]]
        if extra and candidate in extra:
            found = found or []
            found.append((candidate, -1))
        if at == 0:
            break
        candidate = key[:at]
        at = key.rfind(b".", 0, at - 1) + 1
    return found


def effects_of(row: Row, candidate: bytes, atom: int) -> tuple[Effect, ...]:
    """What one rule found by `rules_for` means in this row."""
    return row.effects.get(atom, ()) if atom >= 0 else row.extra[candidate]


def _judge(snapshot: Snapshot, row: Row, key: bytes, mask: int, steps: int) -> Verdict:
    found = rules_for(snapshot, row, key)
    best: Effect | None = None
    toggled = False
    if found is not None:
        best = _best(row, found, steps)
        for _, atom in found:
            if atom >= 0:
                mask |= snapshot.index.masks[atom]
                toggled = toggled or atom in row.toggled_atoms
    return _precedence(snapshot, row, mask, best, toggled, steps)


def _precedence(snapshot: Snapshot, row: Row, mask: int, best: Effect | None, toggled: bool, steps: int) -> Verdict:
    """Steps 1 to 10, from the best of the policy's rules and the categories of the name."""
    if best is None and not mask and not toggled and not row.allow_list_only:
        return row.plain
    if best is not None and best.step <= matrix.MUST_ALLOW:
        return _named(row, best, toggled)
    if mask & row.floor and steps >> matrix.FLOOR & 1:
        return _by_category(snapshot, row, mask & row.floor, matrix.FLOOR)
    if best is not None and best.step <= matrix.PROFILE:
        return _named(row, best, toggled)
    if row.allow_list_only and steps >> matrix.ALLOW_LIST_ONLY & 1:
        return _block(row, matrix.ALLOW_LIST_ONLY, None, f"profile {row.profile}: allow-list only")
    if best is not None:
        return _named(row, best, toggled)
    if mask & row.closed and steps >> matrix.CATEGORY & 1:
        return _by_category(snapshot, row, mask & row.closed, matrix.CATEGORY)
    ttl_s = TOGGLED_TTL_S if row.pupils and (toggled or mask & row.toggled) else row.allow_ttl_s
    category = snapshot.category_of(mask) if mask else None
    return Verdict(Action.ALLOW, Reason.DEFAULT, matrix.DEFAULT, ttl_s, category)


def _best(row: Row, found: list[tuple[bytes, int]], steps: int) -> Effect | None:
    """The rule that counts: lowest step, then longest name, then allow. For a target, blocks only of `steps`."""
    best: Effect | None = None
    best_key = b""
    for candidate, atom in found:
        for effect in effects_of(row, candidate, atom):
            if not 1 << effect.step & (steps | _TARGET_ALLOWS if effect.allow else steps):
                continue
            if (
                best is None
                or effect.step < best.step
                or (effect.step == best.step and effect.allow and candidate == best_key)
            ):
                best, best_key = effect, candidate
    return best


def _named(row: Row, effect: Effect, toggled: bool) -> Verdict:
    if not effect.allow:
        return _block(row, effect.step, None, effect.rule)
    short = row.pupils and (toggled or effect.step in (matrix.OVERRIDE, matrix.PROFILE))
    ttl_s = TOGGLED_TTL_S if short else row.allow_ttl_s
    return Verdict(Action.ALLOW, _REASON[effect.step], effect.step, ttl_s, None, effect.rule)


def _by_category(snapshot: Snapshot, row: Row, mask: int, step: int) -> Verdict:
    if step == matrix.FLOOR:
        owner, shown = "floor", mask
    elif mask & row.closed_by_tier:
        owner, shown = f"tier {row.tier}", mask & row.closed_by_tier
    else:
        owner, shown = f"profile {row.profile} or an override", mask
    category = snapshot.category_of(shown)
    return _block(row, step, category, f"{owner}: {category}")


def _block(row: Row, step: int, category: str | None, rule: str) -> Verdict:
    if row.observe and step > matrix.FLOOR:
        return Verdict(Action.ALLOW, _REASON[step], step, TOGGLED_TTL_S, category, rule, observed=True)
    return Verdict(Action.BLOCK, _REASON[step], step, BLOCK_TTL_S, category, rule)
