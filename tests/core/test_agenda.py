from dataclasses import replace

import pytest

from filterd.core.agenda import FREE, REMEMBERED, Agenda, Hold, with_breaks
from filterd.core.timetable import Booking, ClassWeek, Offset, Window
from tests.core.timetables import DAY, MON, SEVENTH, TIMETABLE, day, lessons, moment, special, week

MONDAY = day("2026-11-23")
BELLS = DAY.bells


def test_a_day_of_a_room_is_a_list_of_what_holds_from_when():
    changes = Agenda(TIMETABLE).changes("lab", MONDAY)
    assert changes == (
        (moment("2026-11-23 00:00"), FREE),
        (moment("2026-11-23 07:00"), Hold(BELLS[0], "7-3")),
        (moment("2026-11-23 07:45"), Hold(None, "7-3")),
        (moment("2026-11-23 07:50"), Hold(BELLS[1], "7-3")),
        (moment("2026-11-23 08:35"), FREE),
        (moment("2026-11-23 08:55"), Hold(BELLS[2], "3a", "video")),
        (moment("2026-11-23 09:40"), FREE),
    )


@pytest.mark.parametrize(
    ("bells", "breaks"),
    [
        pytest.param((0, 1), [(465, 470)], id="a double period"),
        pytest.param((0, 2), [], id="with another one between"),
        pytest.param((2, 3), [], id="over noon"),
        pytest.param((0, 1, 2), [(465, 470), (515, 535)], id="three in a row"),
    ],
)
def test_breaks_between_periods_in_a_row_belong_to_the_class(bells, breaks):
    made = Agenda(replace(TIMETABLE, weeks=(week(ClassWeek("7-3", "day", lessons(MON, bells, "lab"))),)))
    assert [(s.starts, s.ends) for s in made.spans(MONDAY) if s.bell is None] == breaks


def test_a_break_has_the_profile_and_teacher_of_both_periods_or_none():
    first, second = Agenda(TIMETABLE).spans(MONDAY)[:2]
    (same,) = [s for s in with_breaks([first, second], [DAY]) if s.bell is None]
    (other,) = [s for s in with_breaks([first, second._replace(teacher="x", profile="p")], [DAY]) if s.bell is None]
    assert (same.teacher, other.teacher, other.profile) == ("ha", None, None)


def test_periods_without_a_break_between_them_leave_none():
    plan = replace(DAY, bells=(BELLS[0], replace(BELLS[1], starts=465)))
    made = Agenda(replace(TIMETABLE, plans=(plan,), weeks=(week(ClassWeek("7-3", "day", lessons(MON, (0, 1)))),)))
    assert [s.bell for s in made.spans(MONDAY)] == list(plan.bells)


def test_every_place_that_the_timetable_speaks_of_is_known():
    booking = Booking(MONDAY, "day", 0, "library", "9b", instead_of="8a")
    window = Window(("dorm",), (0,), 0, 60, "p")
    made = Agenda(replace(TIMETABLE, bookings=(booking,), windows=(window,)))
    assert made.places == {"3a", "7-3", "lab", "library", "9b", "8a", "dorm"}


def test_a_quiet_day_is_told_without_making_it():
    made = Agenda(replace(TIMETABLE, days=(special("2026-11-30"),), windows=(Window(("dorm",), (0,), 0, 60, "p"),)))
    days = (MONDAY, MONDAY + 1, day("2026-11-30"))
    assert [made.is_quiet("lab", d) for d in days] == [False, True, True]
    assert not any(made.is_quiet("dorm", d) for d in days)


def test_what_was_made_for_a_day_is_remembered():
    made = Agenda(TIMETABLE)
    assert made.changes("lab", MONDAY) is made.changes("lab", MONDAY)


def test_a_lesson_that_the_clock_leaps_over_never_holds():
    plan = replace(DAY, bells=(replace(BELLS[0], starts=120, ends=180),))
    leaps = (Offset(0, 3600), Offset(1_774_746_000, 7200))  # Europe/Berlin, 2026-03-29 02:00 to 03:00
    own = week(ClassWeek("7-3", "day", lessons(6, (0,), "lab")), first="2026-03-01")
    made = Agenda(replace(TIMETABLE, offsets=leaps, plans=(plan,), weeks=(own,)))
    assert [held for _, held in made.changes("lab", day("2026-03-29"))] == [FREE]
    assert len(made.changes("lab", day("2026-03-22"))) == 3


def test_the_week_of_a_class():
    made = Agenda(TIMETABLE)
    assert made.class_week("7-3", MONDAY) is SEVENTH
    assert made.class_week("9b", MONDAY) is None
    assert made.class_week("7-3", day("2030-01-01")) is None


def test_what_is_remembered_has_an_end():
    made = Agenda(TIMETABLE)
    for on in range(MONDAY, MONDAY + 3 * REMEMBERED):
        made.changes("lab", on)
    assert len(made._changes) <= REMEMBERED
    assert made.changes("lab", MONDAY)[1][1] == Hold(BELLS[0], "7-3")
