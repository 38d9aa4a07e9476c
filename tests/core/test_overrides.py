from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core.overrides import Override, Overrides
from filterd.core.policy import Rules

LESSON = Override("7-3", until=200, since=100, profile="exam", by="lan")


@pytest.mark.parametrize(
    ("now", "holds"),
    [(99.9, False), (100, True), (199.9, True), (200, False)],
    ids=["before", "from since on", "until just before until", "no longer at until"],
)
def test_an_override_holds_from_since_until_just_before_until(now, holds):
    assert LESSON.holds(now) is holds
    assert Overrides((LESSON,)).of("7-3", now) == ((LESSON,) if holds else ())


def test_an_override_is_for_its_own_place():
    assert Overrides((LESSON,)).of("3a", 150) == ()


@pytest.mark.parametrize(
    ("now", "next_change"),
    [(0, 100), (99.5, 100), (100, 150), (150, 200), (200, 300), (300, None)],
)
def test_the_next_change_is_the_next_begin_or_end(now, next_change):
    overrides = Overrides((LESSON, Override("3a", until=300, since=150)))
    assert overrides.next_change(now) == next_change


words = st.text("abc-1", min_size=1, max_size=5)
lists = st.lists(words, max_size=2).map(tuple)
rules = st.builds(Rules, lists, lists, st.lists(st.sampled_from(["a.vn", "=b.vn"]), max_size=2).map(tuple))
override = st.builds(
    Override, words, st.integers(0, 2**40), st.integers(0, 2**40), st.none() | words, rules, rules, words
)


@given(st.lists(override, max_size=4).map(tuple), st.integers(0, 2**60))
def test_overrides_survive_json(items, sequence):
    overrides = Overrides(items, sequence)
    assert Overrides.from_json(json.loads(json.dumps(overrides.to_json()))) == overrides


@given(st.lists(override, max_size=6).map(tuple), st.integers(0, 2**40))
def test_nothing_changes_before_the_next_change(items, now):
    overrides = Overrides(items)
    change = overrides.next_change(now)
    later = now + 2**41 if change is None else change - 1
    for place in {o.place for o in items}:
        assert overrides.of(place, now) == overrides.of(place, later)


def one(**changes: object) -> dict[str, object]:
    return {"items": [{"place": "7-3", "until": 5} | changes], "sequence": 1}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(None, id="nothing"),
        pytest.param([], id="a list"),
        pytest.param({"items": []}, id="no sequence"),
        pytest.param({"items": {}, "sequence": "x"}, id="sequence is no number"),
        pytest.param({"items": ["x"], "sequence": 1}, id="an override that is text"),
        pytest.param({"items": [{"place": "7-3"}], "sequence": 1}, id="without end"),
        pytest.param(one(until="soon"), id="an end that is no number"),
        pytest.param(one(until=float("inf")), id="an end that never comes"),
        pytest.param(one(until=float("nan")), id="an end that is not a number"),
        pytest.param(one(allow=[]), id="rules that are a list"),
        pytest.param(one(allow={"names": "a.vn"}), id="names that are one text"),
        pytest.param(one(allow={"names": [7]}), id="a name that is a number"),
        pytest.param(one(allow={"names": ["TRƯỜNG.vn"]}), id="a name not in normal form"),
        pytest.param(one(allow={"names": ["a b"]}), id="a name that is none"),
        pytest.param(one(block={"colours": ["red"]}), id="rules of an unknown kind"),
    ],
)
def test_anything_else_is_a_value_error(data):
    with pytest.raises(ValueError, match=r"overrides|invalid literal|cannot convert"):
        Overrides.from_json(data)
