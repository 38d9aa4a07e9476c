"""Whom a command is for: a class, a grade or the whole school, as people write it, as ids of places."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

from filterd.core.policy import Place, Policy
from filterd.errors import Refused

WHOLE_SCHOOL: Final = ("school", "toan-truong")
_GRADE: Final = re.compile(r"(?:khoi|khối|grade)[ -]?([0-9]{1,2})")
_SHOWN: Final = 12


def places_of(policy: Policy, text: str) -> tuple[str, ...]:
    """The places that `7A`, `7/3`, `khoi-9` or `school` means, in the policy's order.

    A grade is every classroom whose id or name begins with its number, the whole school every classroom and room of
    pupils. Raises Refused "unknown" with what was probably meant.
    """
    wanted = text.strip().lower()
    for place in policy.places:
        if wanted in (place.id, place.name.lower()):
            return (place.id,)
    pupils = {tier.id for tier in policy.tiers if tier.pupils}
    grade = _GRADE.fullmatch(wanted)
    if grade is not None:
        found = tuple(p.id for p in policy.places if p.kind == "classroom" and _grade(p) == int(grade[1]))
    elif wanted in WHOLE_SCHOOL:
        found = tuple(p.id for p in policy.places if p.tier in pupils)
    else:
        known = [*(p.id for p in policy.places), *sorted({f"khoi-{n}" for p in policy.places if (n := _grade(p))})]
        raise unknown("class, grade or room", text, [*known, WHOLE_SCHOOL[0]])
    if not found:
        raise Refused("unknown", f"there is no class in {text}")
    return found


def unknown(kind: str, word: str, known: Iterable[str]) -> Refused:
    """The refusal of a word that is none of these, with the nearest one or what there is."""
    words = sorted(set(known))
    near = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    hint = f"did you mean {near[0]!r}?" if near else "there is " + (", ".join(words[:_SHOWN]) or "none") + more
    return Refused("unknown", f"{word[:60]!r} is no {kind}", hint)


def _grade(place: Place) -> int | None:
    """The grade of `7-3`, `7/3`, `11B`."""
    for text in (place.id, place.name):
        if found := re.match(r"([0-9]{1,2})(?![0-9])", text):
            return int(found[1])
    return None
