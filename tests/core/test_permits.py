"""What the policy leaves no room for is refused, with the rule that forbids it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from filterd.core.commands import Clear, Close, Command, Open, Role, SetProfile
from filterd.core.permits import permit
from filterd.core.policy import Floor, Rules, SchoolName, Service
from filterd.errors import Refused
from tests.schools import NOW, POLICY, text

UNTIL = int(NOW) + 600
WHO = {"by": "lan", "role": Role.HEAD}
BENT = replace(
    POLICY,
    services=(*POLICY.services, Service("evil", text("Evil"), ("evil.example",), "malware")),
    floor=Floor(("malware",), ("moet.gov.vn", "=time.example"), ("forced.example",)),
    names=(*POLICY.names, SchoolName("film.example", False, tiers=("thcs",)), SchoolName("=x.vn", False, (), ("3a",))),
)


def opened(*names: str, place: str = "7-3", services: tuple[str, ...] = ()) -> Open:
    return Open(places=(place,), rules=Rules(services=services, names=names), until=UNTIL, **WHO)


def closed(*names: str, services: tuple[str, ...] = ()) -> Close:
    return Close(places=("7-3",), rules=Rules(services=services, names=names), until=UNTIL, **WHO)


@pytest.mark.parametrize(
    "command",
    [
        SetProfile(places=("3a", "7-3"), profile="exam", until=UNTIL, **WHO),
        Clear(places=("3a",), **WHO),
        opened("a.vn", services=("youtube",)),
        opened("film.example", place="3a"),
        opened("x.vn", place="3a"),
        closed("a.vn", "vn", "gov.vn", services=("olm",)),
        closed("sub.time.example"),
    ],
    ids=[
        "a profile", "clear", "names and services", "closed for another tier", "more than what is closed",
        "close", "below what is open exactly",
    ],
)  # fmt: skip
def test_what_has_an_effect_is_permitted(command: Command) -> None:
    permit(BENT, command)


@pytest.mark.parametrize(
    ("command", "rule", "says"),
    [
        (Clear(places=(), **WHO), "unknown", "no class was named"),
        (Clear(places=("7-4",), **WHO), "unknown", "did you mean '7-3'"),
        (SetProfile(places=("3a",), profile="exm", until=UNTIL, **WHO), "unknown", "did you mean 'exam'"),
        (opened(services=("yutube",)), "unknown", "did you mean 'youtube'"),
        (closed(services=("tik",)), "unknown", "there is evil, olm, youtube"),
        (opened(services=("evil",)), "floor", "evil is in malware"),
        (opened("www.forced.example"), "authority", "closed by the authority"),
        (opened("a.film.example"), "school-block", "filterd site remove"),
        (opened("=x.vn", place="3a"), "school-block", "the school itself closes =x.vn for 3A"),
        (opened("tro-choi.example"), "school-block", "the school itself"),
        (closed("moet.gov.vn"), "must-allow", "stays open"),
        (closed("thi.moet.gov.vn"), "must-allow", "stays open"),
        (closed("=time.example"), "must-allow", "stays open"),
    ],
)
def test_what_would_have_none_is_refused(command: Command, rule: str, says: str) -> None:
    with pytest.raises(Refused) as caught:
        permit(BENT, command)
    assert caught.value.rule == rule
    assert says in str(caught.value)
