"""Who may do what, where."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core.access import Account, Action, Grant, may, scope
from filterd.core.commands import Role
from filterd.errors import Refused

NOW = 1_795_500_000
CLASSES = ("6-1", "7-1", "7-2", "8-1")


def nobody_teaches(_: str) -> tuple[str, ...]:
    return ()


def lessons(account: str) -> tuple[str, ...]:
    return {"an": ("8-1",)}.get(account, ())


def teacher(**changes: object) -> Account:
    return dataclasses.replace(Account("an", "An", Role.TEACHER, ("7-1",)), **changes)  # type: ignore[arg-type]


def refusal(account: Account, action: Action, place: str | None, **more: object) -> Refused | None:
    try:
        may(account, action, place, NOW, lessons, **more)  # type: ignore[arg-type]
    except Refused as refused:
        return refused
    return None


def test_a_teacher_has_her_classes_and_the_lesson_she_gives_now() -> None:
    assert scope(teacher(), NOW, lessons) == {"7-1", "8-1"}
    assert scope(teacher(), NOW, nobody_teaches) == {"7-1"}
    assert refusal(teacher(), Action.CHANGE, "7-1") is None
    assert refusal(teacher(), Action.CHANGE, "8-1") is None


@pytest.mark.parametrize("action", [Action.SEE, Action.RECENT, Action.CHANGE])
@pytest.mark.parametrize("place", ["7-2", "6-1", None, "", "7-1 ", "nowhere"])
def test_no_other_class_is_hers(action: Action, place: str | None) -> None:
    refused = refusal(teacher(), action, place)
    assert refused is not None
    assert refused.rule == "scope"
    assert refused.possible == "ask the office; yours now: 7-1, 8-1"


def test_what_a_teacher_hears_about_a_class_that_is_not_hers() -> None:
    refused = refusal(teacher(), Action.CHANGE, "7-2")
    assert str(refused) == "7-2 is not your class; ask the office; yours now: 7-1, 8-1"


@pytest.mark.parametrize(
    ("at", "hers"), [(NOW - 1, False), (NOW, True), (NOW + 99, True), (NOW + 100, False)],
    ids=["before", "from the first second", "to the last", "and no longer"],
)  # fmt: skip
def test_a_substitute_has_the_class_for_the_time_granted_and_no_longer(at: int, hers: bool) -> None:
    stands_in = teacher(grants=(Grant("6-1", NOW, NOW + 100),))
    assert ("6-1" in scope(stands_in, at, nobody_teaches)) is hers


ALLOWED = {
    Role.TEACHER: {Action.SEE, Action.RECENT, Action.CHANGE},
    Role.TECHNICIAN: set(Action),
    Role.HEAD: set(Action),
    Role.SAFEGUARDING: {Action.SEE, Action.RECENT, Action.CHANGE, Action.METRICS, Action.AUDIT},
    Role.DISTRICT: {Action.METRICS},
}


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_what_this_table_says_and_nothing_else(role: Role, action: Action) -> None:
    refused = refusal(teacher(role=role), action, "7-1")
    assert (refused is None) is (action in ALLOWED[role])
    if refused is not None:
        assert refused.rule == "role"


def test_the_district_reads_figures_and_nothing_about_a_class() -> None:
    reader = Account("so", "Sở", Role.DISTRICT, ("7-1",), grants=(Grant("7-1", 0, NOW * 2),))
    for action in Action:
        for place in (None, "7-1"):
            assert (refusal(reader, action, place) is None) is (action is Action.METRICS)


def test_only_the_profiles_of_an_account_may_be_set() -> None:
    limited = teacher(profiles=("learning", "exam"))
    assert refusal(limited, Action.CHANGE, "7-1", profile="exam") is None
    refused = refusal(limited, Action.CHANGE, "7-1", profile="free")
    assert refused is not None
    assert (refused.rule, refused.possible) == ("profile", "you may set learning, exam")
    none = refusal(teacher(profiles=()), Action.CHANGE, "7-1", profile="exam")
    assert none is not None
    assert refusal(teacher(), Action.CHANGE, "7-1", profile="free") is None


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("action", list(Action))
def test_with_a_one_time_password_nothing_may_be_done_but_to_change_it(role: Role, action: Action) -> None:
    refused = refusal(teacher(role=role, must_change=True), action, "7-1")
    assert refused is not None
    assert refused.rule == "password"


GRANTS = st.builds(Grant, st.sampled_from(CLASSES), st.integers(NOW - 9, NOW + 9), st.integers(NOW - 9, NOW + 9))


@given(
    own=st.sets(st.sampled_from(CLASSES)),
    grants=st.lists(GRANTS, max_size=3),
    taught=st.sets(st.sampled_from(CLASSES)),
    place=st.sampled_from(CLASSES),
    action=st.sampled_from(list(Action)),
)
def test_a_teacher_never_reaches_a_class_outside_the_scope(
    own: set[str], grants: list[Grant], taught: set[str], place: str, action: Action
) -> None:
    account = teacher(classes=tuple(own), grants=tuple(grants))
    theirs = own | taught | {g.classroom for g in grants if g.since <= NOW < g.until}
    try:
        may(account, action, place, NOW, lambda _: taught)
    except Refused:
        return
    assert place in theirs
    assert action in ALLOWED[Role.TEACHER]
