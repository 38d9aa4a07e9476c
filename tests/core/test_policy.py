from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterd.config import load
from filterd.core.policy import Policy, Rules, SchoolName
from tests import schools

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def shipped() -> Policy:
    return load.load(ROOT)


def through_json(policy: Policy) -> Policy:
    return Policy.from_json(json.loads(json.dumps(policy.to_json())))


def test_the_shipped_policy_survives_json(shipped):
    assert through_json(shipped) == shipped


def test_a_policy_survives_as_plain_values_too():
    assert Policy.from_json(schools.POLICY.to_json()) == schools.POLICY


words = st.text("abcđ 1.-=", max_size=12)
tuples = st.lists(words, max_size=3).map(tuple)
rules = st.builds(Rules, tuples, tuples, tuples)
numbers = st.integers(-(2**40), 2**40)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_values_in_the_shipped_policy_survive_json(shipped, data):
    profile = st.builds(
        lambda base, allow, block, only: replace(base, allow=allow, block=block, allow_list_only=only),
        st.sampled_from(shipped.profiles), rules, rules, st.booleans(),
    )  # fmt: skip
    place = st.builds(
        lambda base, nets, until: replace(base, subnets=nets, enforce="observe", observe_until=until),
        st.sampled_from(shipped.places), tuples, st.none() | numbers,
    )  # fmt: skip
    entry = st.builds(SchoolName, words, st.booleans(), tuples, tuples, words)
    changed = replace(
        shipped,
        school_code=data.draw(words),
        metrics=data.draw(st.none() | words),
        unknown_client_tier=data.draw(st.none() | words),
        profiles=tuple(data.draw(st.lists(profile, max_size=3))),
        places=tuple(data.draw(st.lists(place, max_size=3))),
        names=tuple(data.draw(st.lists(entry, max_size=3))),
        limits=replace(shipped.limits, burst=data.draw(numbers)),
    )
    assert through_json(changed) == changed


def bent(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(schools.POLICY.to_json()))
    return data | changes


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(None, id="nothing"),
        pytest.param([], id="a list"),
        pytest.param({}, id="no format"),
        pytest.param(bent(format=0), id="another format"),
        pytest.param(bent(tiers=None), id="null for a list"),
        pytest.param(bent(networks="10.0.0.0/8"), id="text for a list"),
        pytest.param(bent(networks={"10.0.0.0/8": 1}), id="an object for a list"),
        pytest.param(bent(networks=[1]), id="a number for a text"),
        pytest.param(bent(workers="2"), id="text for a number"),
        pytest.param(bent(places=[{"id": "3a"}]), id="fields missing"),
        pytest.param(bent(floor=[]), id="a list for an object"),
        pytest.param(bent(colour="red"), id="a field too many"),
        pytest.param({"format": 1}, id="all fields missing"),
    ],
)
def test_anything_else_is_a_value_error(data):
    with pytest.raises(ValueError, match="not a compiled policy"):
        Policy.from_json(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(schools.POLICY.to_json())), json_values)
def test_one_field_replaced_by_any_json_gives_a_policy_or_a_value_error(field, value):
    data = bent(**{field: value})
    try:
        policy = Policy.from_json(data)
    except ValueError:
        return
    assert through_json(policy) == policy


def test_every_value_of_a_policy_is_immutable():
    def check(value: object) -> None:
        if isinstance(value, tuple):
            for item in value:
                check(item)
        elif is_dataclass(value):
            for field in fields(value):
                check(getattr(value, field.name))
        else:
            assert value is None or isinstance(value, str | int | bool)

    check(schools.POLICY)
    hash(schools.POLICY)
