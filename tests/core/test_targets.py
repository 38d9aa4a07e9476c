"""Whom a command is for: classes, grades and the school, as people write them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from filterd.core.policy import Place
from filterd.core.targets import places_of
from filterd.errors import Refused
from tests.schools import POLICY


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("3a", ("3a",)),
        ("3A", ("3a",)),
        (" 7/3 ", ("7-3",)),
        ("7-3", ("7-3",)),
        ("Staff room", ("staff-room",)),
        ("khoi-9", ("9b",)),
        ("khối 9", ("9b",)),
        ("grade 3", ("3a",)),
        ("school", ("3a", "7-3", "9b")),
        ("toan-truong", ("3a", "7-3", "9b")),
    ],
)
def test_people_write_classes_grades_and_the_school(text: str, places: tuple[str, ...]) -> None:
    assert places_of(POLICY, text) == places


def test_a_grade_is_no_other_grade_that_begins_alike() -> None:
    places = (
        Place("1a", "1A", "thcs", "learning", ()),
        Place("11b", "11B", "thcs", "learning", ()),
        Place("11-2", "11/2", "thcs", "learning", ()),
        Place("lab-11", "Lab 11", "thcs", "learning", (), (), "room"),
    )
    policy = replace(POLICY, places=places)
    assert places_of(policy, "khoi-1") == ("1a",)
    assert places_of(policy, "khoi-11") == ("11b", "11-2")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("7-4", "did you mean '7-3'"),
        ("zzz", "there is 3a, 7-3, 9b, khoi-3, khoi-7, khoi-9, school, staff-room"),
        ("khoi-12", "there is no class in khoi-12"),
        ("", "is no class"),
        ("'; rm -rf /", "is no class"),
        ("x" * 500, "is no class"),
    ],
)
def test_nobody_else_is_known_and_the_nearest_is_suggested(text: str, says: str) -> None:
    with pytest.raises(Refused) as caught:
        places_of(POLICY, text)
    assert caught.value.rule == "unknown"
    assert says in str(caught.value)
    assert len(str(caught.value)) < 300
