"""Which rules speak of the same names."""

from __future__ import annotations

import pytest

from filterd.core.covering import covers, names_of, without
from filterd.core.policy import Rules

SERVICES = {"youtube": ("youtube.com", "ytimg.com"), "olm": ("olm.vn",)}


@pytest.mark.parametrize(
    ("rule", "other", "does"),
    [
        ("a.vn", "a.vn", True),
        ("a.vn", "b.a.vn", True),
        ("a.vn", "=a.vn", True),
        ("a.vn", "=b.a.vn", True),
        ("=a.vn", "=a.vn", True),
        ("=a.vn", "a.vn", False),
        ("=a.vn", "b.a.vn", False),
        ("b.a.vn", "a.vn", False),
        ("a.vn", "ba.vn", False),
        ("a.vn", "a.vn.example", False),
    ],
)
def test_a_rule_covers_its_name_and_all_below_unless_it_is_exact(rule: str, other: str, does: bool) -> None:
    assert covers(rule, other) is does


def test_the_names_of_rules_are_their_own_and_those_of_their_services() -> None:
    rules = Rules(services=("youtube", "nobody-knows"), names=("a.vn",))
    assert names_of(rules, SERVICES) == ("a.vn", "youtube.com", "ytimg.com")


@pytest.mark.parametrize(
    ("other", "whole", "left"),
    [
        (Rules(names=("a.vn",)), True, Rules(("games",), ("youtube",))),
        (Rules(names=("youtube.com",)), True, Rules(("games",), ("youtube",), ("b.a.vn",))),
        (Rules(names=("youtube.com",)), False, Rules(("games",), (), ("b.a.vn",))),
        (Rules(names=("m.youtube.com",)), False, Rules(("games",), ("youtube",), ("b.a.vn",))),
        (Rules(names=("youtube.com", "ytimg.com")), True, Rules(("games",), (), ("b.a.vn",))),
        (Rules(services=("youtube",)), True, Rules(("games",), (), ("b.a.vn",))),
        (Rules(services=("olm",)), False, Rules(("games",), ("youtube",), ("b.a.vn",))),
    ],
    ids=[
        "a name above", "one name of a service", "one is enough", "below one", "all names of it", "itself", "another",
    ],
)  # fmt: skip
def test_what_is_spoken_of_again_is_left_out(other: Rules, whole: bool, left: Rules) -> None:
    assert without(Rules(("games",), ("youtube",), ("b.a.vn",)), other, SERVICES, whole) == left
