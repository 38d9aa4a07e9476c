from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterd.core.access import Account, Action, may
from filterd.core.commands import LONGEST_S, Clear, Close, Extend, Open, Role, SetProfile
from filterd.core.decide import decide
from filterd.core.overrides import MAX_OF_PLACE, Override, Overrides, apply, length
from filterd.core.policy import Rules
from filterd.errors import Refused
from tests import schools
from tests.schools import NOW

EMPTY = Overrides()

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


# -- commands ---------------------------------------------------------------------------------------------------------

AT = int(NOW)
MIN = 60
SERVICES = {"youtube": ("youtube.com", "ytimg.com"), "olm": ("olm.vn",)}


def who(role=Role.TEACHER, places=("7-3",), by="lan", **more):
    return {"places": places, "by": by, "role": role, **more}


def do(*commands, now=AT, state=EMPTY):
    """The overrides after these commands, one a second."""
    for i, command in enumerate(commands):
        state = apply(state, command, now + i, SERVICES).state
    return state


def set_(profile="exam", until=AT + 45 * MIN, **more):
    return SetProfile(profile=profile, until=until, **who(**more))


def open_(*names, services=(), until=AT + 20 * MIN, **more):
    return Open(rules=Rules(services=services, names=names), until=until, **who(**more))


def close(*names, services=(), until=AT + 20 * MIN, **more):
    return Close(rules=Rules(services=services, names=names), until=until, **who(**more))


def said(state):
    """What holds, in short: place, profile, opened, closed, minutes left."""
    return [
        (
            o.place,
            o.profile,
            (*o.allow.services, *o.allow.names),
            (*o.block.services, *o.block.names),
            (o.until - AT) // MIN,
        )
        for o in state.items
    ]


def test_a_profile_is_set_for_every_place_with_who_and_why():
    applied = apply(EMPTY, set_(places=("3a", "7-3"), reason="Kiểm tra"), NOW + 0.9)
    assert applied.state.items == applied.added
    assert [o.place for o in applied.added] == ["3a", "7-3"]
    one = applied.added[0]
    assert (one.since, one.until, one.profile) == (AT, AT + 45 * MIN, "exam")
    assert (one.by, one.role, one.reason) == ("lan", "teacher", "Kiểm tra")


def test_a_profile_replaces_the_one_before_and_leaves_names_alone():
    state = do(open_("a.vn"), set_("exam"), set_("free", AT + 10 * MIN))
    assert said(state) == [("7-3", None, ("a.vn",), (), 20), ("7-3", "free", (), (), 10)]


def test_of_an_override_with_profile_and_names_the_names_stay():
    both = Override("7-3", AT + 600, AT, "exam", Rules(names=("a.vn",)), by="lan", role="teacher")
    assert said(do(set_("free"), state=Overrides((both,)))) == [
        ("7-3", None, ("a.vn",), (), 10),
        ("7-3", "free", (), (), 45),
    ]


@pytest.mark.parametrize(
    ("commands", "left"),
    [
        ((open_("a.vn"), close("a.vn")), [((), ("a.vn",))]),
        ((close("a.vn"), open_("a.vn")), [(("a.vn",), ())]),
        ((open_("b.a.vn"), close("a.vn")), [((), ("a.vn",))]),
        ((close("b.a.vn"), open_("a.vn")), [(("a.vn",), ())]),
        ((close("a.vn"), open_("b.a.vn")), [((), ("a.vn",)), (("b.a.vn",), ())]),
        ((open_("a.vn", "c.vn"), close("a.vn")), [(("c.vn",), ()), ((), ("a.vn",))]),
        ((open_("a.vn"), open_("a.vn")), [(("a.vn",), ())]),
        ((open_(services=("youtube",)), close("youtube.com")), [((), ("youtube.com",))]),
        ((open_("youtube.com"), close(services=("youtube",))), [((), ("youtube",))]),
        ((close(services=("youtube",)), open_(services=("youtube",))), [(("youtube",), ())]),
        ((close(services=("youtube",)), open_("youtube.com")), [((), ("youtube",)), (("youtube.com",), ())]),
    ],
    ids=[
        "closed again", "opened again", "closed with all above", "opened with all above", "opened below", "one of two",
        "twice", "a name of an open service", "a service of an open name", "a service", "a name of a closed service",
    ],
)  # fmt: skip
def test_what_is_said_last_of_a_name_holds(commands, left):
    assert [found[2:4] for found in said(do(*commands))] == left


def test_of_an_open_service_a_name_that_is_closed_then_is_closed():
    state = do(open_(services=("youtube",), places=("3a",)), close("youtube.com", places=("3a",)))
    row = schools.row(schools.snapshot(overrides=state.items, now=NOW + 5), "3a")
    assert decide(schools.snapshot(overrides=state.items, now=NOW + 5), row, b"com.youtube.").action == "block"


def test_clear_ends_everything_of_the_places_and_nothing_else():
    state = do(set_(places=("3a", "7-3")), open_("a.vn"), Clear(**who()))
    assert said(state) == [("3a", "exam", (), (), 45)]


def test_extend_moves_the_end_of_all_that_ends_before():
    state = do(set_(until=AT + 45 * MIN), open_("a.vn"), Extend(until=AT + 30 * MIN, **who()))
    assert said(state) == [("7-3", "exam", (), (), 45), ("7-3", None, ("a.vn",), (), 30)]


def test_what_expired_is_forgotten_and_cannot_be_extended():
    state = do(set_(until=AT + MIN))
    with pytest.raises(Refused, match="nothing is set for 7-3"):
        apply(state, Extend(until=AT + 9 * MIN, **who()), AT + MIN)
    assert said(do(open_("a.vn", places=("3a",)), state=state, now=AT + MIN)) == [("3a", None, ("a.vn",), (), 20)]


@pytest.mark.parametrize(
    ("command", "rule", "says"),
    [
        (set_(until=AT), "past", "has passed"),
        (open_("a.vn", until=AT - 5), "past", "has passed"),
        (set_(until=AT + LONGEST_S[Role.TEACHER] + 1), "too-long", "at most 5 h"),
        (set_(until=AT + 8 * 86400, role=Role.TECHNICIAN), "too-long", "at most 7 d"),
        (close("a.vn", until=1 << 60), "too-long", "at most 5 h"),
        (set_(role=Role.DISTRICT), "role", "changes nothing"),
        (set_(reason="x" * 201), "reason", "at most 200"),
        (set_(reason="a\nb"), "reason", "one line"),
        (Clear(**who()), "nothing", "nothing is set for 7-3"),
        (Extend(until=AT + 60, **who()), "nothing", "nothing is set for 7-3"),
        (open_(*(f"a{i}.vn" for i in range(31))), "too-many", "at most 30"),
        (open_(), "nothing", "none was given"),
        (Open(rules=Rules(("games",), (), ("a.vn",)), until=AT + 60, **who()), "nothing", "names and services"),
    ],
)
def test_what_cannot_be_is_refused_with_the_rule(command, rule, says):
    with pytest.raises(Refused) as caught:
        do(command)
    assert caught.value.rule == rule
    assert says in str(caught.value)


def test_extensions_do_not_get_round_the_longest_time():
    state = do(set_(until=AT + LONGEST_S[Role.TEACHER]))
    with pytest.raises(Refused) as caught:
        apply(state, Extend(until=AT + LONGEST_S[Role.TEACHER] + 60, **who()), AT + 3600)
    assert caught.value.rule == "too-long"
    later = apply(state, Extend(until=AT + 86400, **who(Role.HEAD, by="hieu truong")), AT + 3600).state
    assert (later.items[0].role, later.items[0].by) == ("head", "hieu truong")


def test_so_many_overrides_of_one_place_are_enough():
    state = do(*(open_(f"a{i}.vn") for i in range(20)))
    with pytest.raises(Refused, match="has 20 overrides already") as caught:
        do(open_("b.vn"), state=state)
    assert caught.value.rule == "too-many"
    assert len(do(open_("a3.vn"), state=state).items) == 20  # the same name again replaces


HEADS = who(Role.HEAD, by="hieu truong")


@pytest.mark.parametrize(
    ("set_by_head", "command"),
    [
        (SetProfile(profile="exam", until=AT + 3600, **HEADS), set_("free")),
        (SetProfile(profile="exam", until=AT + 3600, **HEADS), open_("a.vn")),
        (SetProfile(profile="exam", until=AT + 3600, **HEADS), Clear(**who())),
        (SetProfile(profile="exam", until=AT + 3600, **HEADS), Extend(until=AT + 7200, **who())),
        (Close(rules=Rules(names=("a.vn",)), until=AT + 3600, **HEADS), open_("a.vn")),
        (Close(rules=Rules(names=("a.vn",)), until=AT + 3600, **HEADS), open_("www.a.vn")),
        (Close(rules=Rules(services=("youtube",)), until=AT + 3600, **HEADS), open_("m.youtube.com")),
        (Open(rules=Rules(names=("a.vn",)), until=AT + 3600, **HEADS), close("a.vn")),
    ],
    ids=[
        "another profile", "a hole in an exam", "clear", "extend", "a closed name", "below it", "by its service",
        "an opened name",
    ],
)  # fmt: skip
def test_a_teacher_lifts_nothing_that_the_head_set(set_by_head, command):
    with pytest.raises(Refused) as caught:
        do(set_by_head, command)
    assert caught.value.rule == "rank"
    assert "hieu truong (head)" in str(caught.value)
    assert "60 min" in str(caught.value) or "1 h" in str(caught.value)


def test_clear_leaves_what_the_head_set_and_ends_the_rest():
    state = do(SetProfile(profile="exam", until=AT + 3600, **HEADS), close("a.vn"), Clear(**who()))
    assert said(state) == [("7-3", "exam", (), (), 60)]


def test_a_command_for_several_places_is_for_all_or_none():
    before = do(SetProfile(profile="exam", until=AT + 3600, **HEADS))
    with pytest.raises(Refused):
        apply(before, set_("free", places=("3a", "7-3")), AT)
    assert said(before) == [("7-3", "exam", (), (), 60)]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 min"),
        (1, "1 min"),
        (2700, "45 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (604800, "7 d"),
        (86400, "24 h"),
    ],
)
def test_time_spans_read_well(seconds, words):
    assert length(seconds) == words


# -- any sequence of commands -----------------------------------------------------------------------------------------

SCOPES = {"lan": ("3a",), "minh": ("7-3", "9b")}
PLACES = [place.id for place in schools.POLICY.places]
TEACHERS = {name: Account(name, name, Role.TEACHER, classes) for name, classes in SCOPES.items()}
moments = st.integers(-MIN, LONGEST_S[Role.TEACHER] + 10 * MIN)
spoken = st.builds(
    lambda services, names: Rules(services=tuple(services), names=tuple(names)),
    st.lists(st.sampled_from(list(SERVICES)), max_size=2),
    st.lists(st.sampled_from(["bad.example", "=bad.example", "www.bad.example", "games.example", "a.vn"]), max_size=3),
)
kinds = st.sampled_from([SetProfile, Open, Close, Extend, Clear])
targets = st.lists(st.sampled_from(PLACES), min_size=1, max_size=2, unique=True).map(tuple)
steps = st.tuples(
    st.sampled_from(list(SCOPES)), targets, kinds, moments, st.sampled_from([p.id for p in schools.POLICY.profiles]),
    spoken, st.integers(0, 2 * 3600),
)  # fmt: skip


def command_of(teacher, places, kind, until, profile, rules):
    fields = {"until": until, "profile": profile, "rules": rules}
    given = {name: value for name, value in fields.items() if name in kind.__dataclass_fields__}
    return kind(**who(places=places, by=teacher), **given)


@given(st.lists(steps, max_size=12))
@settings(max_examples=150, deadline=None)
def test_whatever_teachers_do_the_floor_stays_and_everything_is_theirs_and_ends(sequence):
    state, now = EMPTY, AT
    for teacher, places, kind, lasting, profile, rules, later in sequence:
        now += later
        before = state
        try:
            for place in places:
                may(TEACHERS[teacher], Action.CHANGE, place, now, lambda _: ())
            applied = apply(state, command_of(teacher, places, kind, now + lasting, profile, rules), now, SERVICES)
        except Refused:
            continue
        state = applied.state
        for place in PLACES:
            if place not in SCOPES[teacher] or place not in places:
                assert state.of(place, now) == before.of(place, now)
        for override in state.items:
            assert override.since <= now < override.until <= override.since + LONGEST_S[Role.TEACHER]
            assert not override.is_empty
            assert not Overrides((override,)).of(override.place, override.until)
            assert Overrides((override,)).of(override.place, override.until - 1)
        assert not state.of("staff-room", now)
        assert len(state.items) <= 3 * MAX_OF_PLACE
    found = schools.snapshot(overrides=state.items, now=now)
    for place in ("3a", "7-3", "9b"):
        for key in (b"example.bad.", b"example.bad.www."):
            assert decide(found, schools.row(found, place), key).action == "block"
    assert not any(state.of(o.place, now + LONGEST_S[Role.TEACHER]) for o in state.items)
