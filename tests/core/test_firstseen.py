from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import firstseen, names
from filterd.core.firstseen import ALWAYS, MAX_ABSENCE_DAYS, FirstSeen, Register, entries_of
from filterd.core.sites import Sites

DAY = 20_700
DAYS = 7
SECRET = bytes(range(16))
SITES = Sites(["com", "vn", "edu.vn", "github.io"], own=("truong.edu.vn",))


def key(name: str) -> bytes:
    return names.key_of_text(name)


def register(**how: int) -> Register:
    """One that has learned already."""
    return Register(SECRET, DAY - DAYS, DAY, **how)


def seen(of: Register | None = None, days: int = DAYS) -> FirstSeen:
    return FirstSeen(of or register(), SITES, days)


def test_a_domain_is_new_until_it_has_been_known_for_so_many_days():
    school = seen()
    told = []
    for later in range(DAYS + 2):
        school.roll(DAY + later)
        told.append(school.is_new(key("www.example.com")))
        school.note(key("www.example.com"))
    assert told == [True] * DAYS + [False, False]


def test_it_makes_no_difference_whether_a_name_is_noted_before_it_is_judged():
    school = seen()
    school.note(key("a.example.com"))
    assert school.is_new(key("a.example.com"))


def test_a_name_is_as_old_as_its_registrable_domain():
    school = seen()
    school.note(key("www.example.com"))
    school.note(key("an.github.io"))
    school.roll(DAY + DAYS)
    told = {
        name: school.is_new(key(name)) for name in ("example.com", "x.y.example.com", "an.github.io", "b.github.io")
    }
    assert told == {"example.com": False, "x.y.example.com": False, "an.github.io": False, "b.github.io": True}


@pytest.mark.parametrize(
    "name", ["com", "edu.vn", "localhost", "printer", "www.truong.edu.vn", "a.home.arpa", "x.test"]
)
def test_what_is_no_registrable_domain_is_never_new_nor_noted(name):
    school = seen()
    school.note(key(name))
    assert (school.is_new(key(name)), school.changes()) == (False, [])


def test_the_root_is_never_new():
    assert not seen().is_new(b"")


def test_nothing_is_new_while_the_register_learns_and_what_it_learned_stays_known():
    school = seen(Register(SECRET, DAY))
    told = []
    for later in range(DAYS + 1):
        school.roll(DAY + later)
        name = key(f"on-day-{later}.com")
        told.append(school.is_new(name))
        school.note(name)
    assert told == [False] * DAYS + [True]
    assert not any(school.is_new(key(f"on-day-{later}.com")) for later in range(DAYS))
    assert {day for _, day in school.changes()} == {ALWAYS, DAY + DAYS}


def test_a_domain_is_noted_once():
    school = seen()
    for name in ("a.example.com", "b.example.com", "a.example.com"):
        school.note(key(name))
    assert school.changes() == [(school.register.hash_of(key("example.com")), DAY)]
    assert school.changes() == []


def test_a_flood_is_noted_up_to_the_days_limit_and_evicts_nothing():
    school = seen(register(per_day=10))
    school.note(key("first.com"))
    for n in range(100):
        school.note(key(f"random-{n}.com"))
    assert (school.register.size, len(school.changes())) == (10, 10)
    school.roll(DAY + 1)
    school.note(key("random-99.com"))
    assert school.register.size == 11
    school.roll(DAY + DAYS)
    assert not school.is_new(key("first.com"))
    assert school.is_new(key("random-98.com"))


def test_a_flood_of_one_client_leaves_room_for_others(monkeypatch):
    monkeypatch.setattr(firstseen, "PER_CLIENT", 5)
    school = seen()
    pupil, neighbours = bytes((127, 0, 31, 7)), [bytes.fromhex("2001") + bytes(13) + bytes((n,)) for n in range(20)]
    for n in range(20):
        school.note(key(f"random-{n}.com"), pupil)
    assert school.register.size == 5
    school.note(key("lesson.com"), bytes((127, 0, 31, 8)))
    for n, each in enumerate(neighbours):  # addresses of one device, perhaps
        school.note(key(f"more-{n}.com"), each)
    assert school.register.size == 5 + 1 + 5
    school.roll(DAY + 1)
    school.note(key("random-19.com"), pupil)
    assert school.register.size == 12


def test_a_full_register_says_so_and_keeps_what_it_has():
    full = register(capacity=3)
    school = seen(full)
    for n in range(5):
        school.note(key(f"n{n}.com"))
    assert (full.full, full.size, len(school.changes())) == (True, 3, 3)
    school.roll(DAY + DAYS)
    assert [school.is_new(key(f"n{n}.com")) for n in range(5)] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("day", "trusted"),
    [
        (DAY, True),
        (DAY + 1, True),
        (DAY + MAX_ABSENCE_DAYS, True),
        (DAY + MAX_ABSENCE_DAYS + 1, False),
        (DAY + 3650, False),
        (DAY - 1, False),
        (0, False),
    ],
)
def test_a_clock_that_cannot_be_right_ages_nothing_and_notes_nothing(day, trusted):
    school = seen()
    school.note(key("old.com"))
    school.changes()
    school.roll(day)
    school.note(key("fresh.com"))
    assert school.register.trusted is trusted
    assert bool(school.changes()) is trusted
    if not trusted:
        assert school.is_new(key("old.com"))
        school.roll(DAY)
        assert school.register.trusted
        assert school.register.last == DAY


def test_a_new_day_is_told_once():
    assert [seen().roll(DAY + days) for days in (0, 1)] == [False, True]
    school = seen()
    assert [school.roll(DAY + days) for days in (1, 1, 0, 2)] == [True, False, False, True]


def test_two_workers_and_a_restart_agree():
    first, second = seen(), seen()
    first.note(key("example.com"))
    second.merge(first.changes())
    assert second.changes() == []
    again = register()
    again.add_bytes(second.register.to_bytes())
    later = seen(again)
    later.roll(DAY + DAYS)
    assert not later.is_new(key("example.com"))


def test_of_two_days_the_earlier_counts():
    one = register()
    assert one.add(5, DAY)
    assert not one.add(5, DAY - 3)
    assert not one.add(5, DAY + 3)
    assert (one.day_of(5), one.size) == (DAY - 3, 1)


def test_another_secret_gives_another_hash_and_the_same_secret_the_same():
    assert register().hash_of(b"com.a.") == Register(SECRET, 1).hash_of(b"com.a.")
    assert register().hash_of(b"com.a.") != Register(bytes(16), 1).hash_of(b"com.a.")


@given(st.lists(st.tuples(st.integers(0, (1 << 48) - 1), st.integers(0, 65535)), max_size=60))
def test_a_register_is_a_map_of_its_first_days(noted):
    one, expected = register(), {}
    for value, day in noted:
        one.add(value, day)
        expected[value] = min(day, expected.get(value, day))
    assert {value: one.day_of(value) for value in expected} == expected
    assert one.size == len(expected)
    assert one.to_bytes() == entries_of(sorted(expected.items()))
    for data in (entries_of(noted), one.to_bytes()):
        again = register()
        again.add_bytes(data)
        assert again.to_bytes() == one.to_bytes()
        assert (again.size, {value: again.day_of(value) for value in expected}) == (one.size, expected)


@pytest.mark.parametrize("entry", [(-1, 0), (1 << 48, 0), (0, -1), (0, 65536)])
def test_what_is_no_entry_is_refused(entry):
    with pytest.raises(ValueError, match="no entry"):
        register().add(*entry)


def test_half_an_entry_is_refused():
    with pytest.raises(ValueError):
        register().add_bytes(b"1234567")


def test_an_entry_takes_eight_bytes():
    one = register()
    dice = random.Random(1)
    for _ in range(20_000):
        one.add(dice.getrandbits(48), DAY)
    assert len(one.to_bytes()) == 8 * one.size


def test_a_register_takes_no_more_from_bytes_than_it_holds():
    one = register(capacity=2)
    one.add_bytes(entries_of([(1, DAY), (2, DAY), (3, DAY)]))
    assert one.size == 2


def test_more_names_than_are_remembered_to_be_known_stay_known():
    school = seen(Register(SECRET, DAY))
    keys = [key(f"n{n}.com") for n in range(9000)]
    for each in keys:
        school.note(each)
    school.roll(DAY + DAYS)
    assert not any(school.is_new(each) for each in keys)
