"""THE decision. No other file may decide. First match wins; within a step the longest name wins, and allow wins ties.

 0. special_use   names with a meaning of their own (core.special, the box's own name); bypass canaries
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

The targets of an allowed answer (CNAME) are judged by step 1 always, by 3 and 4 unless the question matched 2, by 9 only
if the question fell to 9 or 10, by 7 never: or every exam site behind a CDN would break. What steps 2, 5, 6 and 8 allow
protects a target as it protects a question. `enforce: observe` counts steps 4 to 9 but lets them pass.
"""

from __future__ import annotations

from filterd.core import matrix
from filterd.core.matrix import BLOCK_TTL_S, TOGGLED_TTL_S, Effect, Row
from filterd.core.names import EXACT
from filterd.core.snapshot import Snapshot
from filterd.core.special import TTL_S, Special, special
from filterd.core.verdict import Action, Reason, Verdict

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
_QUESTION_STEPS = frozenset(range(1, 11))
_TARGET_ALLOWS = frozenset({matrix.MUST_ALLOW, matrix.OVERRIDE, matrix.PROFILE, matrix.SCHOOL_ALLOW})


def decide(snapshot: Snapshot, row: Row, key: bytes) -> Verdict:
    """The verdict on a question. `key` is `names.key_of_wire` of the name asked."""
    if key == snapshot.box_key:
        return _BOX
    kind = special(key)
    if kind is not None:
        return _BYPASS if kind is Special.BYPASS else _SPECIAL
    return _judge(snapshot, row, key, _QUESTION_STEPS)


def decide_target(snapshot: Snapshot, row: Row, key: bytes, question: Verdict) -> Verdict | None:
    """The verdict that blocks a CNAME target of an answer to `question`, or None if the target may stay."""
    steps = {matrix.AUTHORITY}
    if question.step != matrix.MUST_ALLOW:
        steps |= {matrix.FLOOR, matrix.SCHOOL_BLOCK}
    if question.step >= matrix.CATEGORY:
        steps.add(matrix.CATEGORY)
    verdict = _judge(snapshot, row, key, frozenset(steps))
    return verdict if verdict.action is Action.BLOCK else None


def effects_of(snapshot: Snapshot, row: Row, key: bytes) -> tuple[list[tuple[bytes, Effect]], int, bool]:
    """Every rule of the policy that speaks about `key` in this row, longest name first; the categories of the services
    it belongs to, as a mask; and whether some profile toggles one of them.
    """
    keys = snapshot.index.keys
    masks = snapshot.index.masks
    found: list[tuple[bytes, Effect]] = []
    mask = 0
    toggled = False
    candidate = key + EXACT
    at = len(key)
    while True:
        atoms = keys.get(candidate)
        if atoms is not None:
            for atom in atoms:
                mask |= masks[atom]
                if atom in row.toggled_atoms:
                    toggled = True
                for effect in row.effects.get(atom, ()):
                    found.append((candidate, effect))
        if row.extra:
            for effect in row.extra.get(candidate, ()):
                found.append((candidate, effect))
        if at <= 0:
            return found, mask, toggled
        candidate = key[:at]
        at = key.rfind(b".", 0, at - 1) + 1


def _judge(snapshot: Snapshot, row: Row, key: bytes, steps: frozenset[int]) -> Verdict:
    found, mask, toggled = effects_of(snapshot, row, key)
    best: Effect | None = None
    best_key = b""
    for candidate, effect in found:
        if effect.step not in steps and not (effect.allow and effect.step in _TARGET_ALLOWS):
            continue
        if (
            best is None
            or effect.step < best.step
            or (effect.step == best.step and effect.allow > best.allow and len(candidate) == len(best_key))
        ):
            best, best_key = effect, candidate
    step = best.step if best is not None else matrix.DEFAULT
    if best is not None and step <= matrix.MUST_ALLOW:
        return _named(row, best, toggled)
    mask |= snapshot.table.mask(key)
    if mask & row.floor and matrix.FLOOR in steps:
        return _by_category(snapshot, row, mask & row.floor, matrix.FLOOR)
    if best is not None and step <= matrix.PROFILE:
        return _named(row, best, toggled)
    if row.allow_list_only and matrix.ALLOW_LIST_ONLY in steps:
        rule = f"profile {row.profile}: allow-list only"
        return _block(row, matrix.ALLOW_LIST_ONLY, None, rule)
    if best is not None:
        return _named(row, best, toggled)
    if mask & row.closed and matrix.CATEGORY in steps:
        return _by_category(snapshot, row, mask & row.closed, matrix.CATEGORY)
    ttl_s = TOGGLED_TTL_S if row.pupils and (toggled or mask & row.toggled) else row.allow_ttl_s
    if mask:
        return Verdict(Action.ALLOW, Reason.DEFAULT, matrix.DEFAULT, ttl_s, snapshot.category_of(mask))
    return snapshot.plain_allow(ttl_s)


def _named(row: Row, effect: Effect, toggled: bool) -> Verdict:
    if not effect.allow:
        return _block(row, effect.step, None, effect.rule)
    short = row.pupils and (toggled or effect.step in (matrix.OVERRIDE, matrix.PROFILE))
    ttl_s = TOGGLED_TTL_S if short else row.allow_ttl_s
    return Verdict(Action.ALLOW, _REASON[effect.step], effect.step, ttl_s, None, effect.rule)


def _by_category(snapshot: Snapshot, row: Row, mask: int, step: int) -> Verdict:
    category = snapshot.category_of(mask)
    owner = "floor" if step == matrix.FLOOR else f"tier {row.tier}"
    return _block(row, step, category, f"{owner}: {category}")


def _block(row: Row, step: int, category: str | None, rule: str) -> Verdict:
    if row.observe and step > matrix.FLOOR:
        return Verdict(Action.ALLOW, _REASON[step], step, TOGGLED_TTL_S, category, rule, observed=True)
    return Verdict(Action.BLOCK, _REASON[step], step, BLOCK_TTL_S, category, rule)
