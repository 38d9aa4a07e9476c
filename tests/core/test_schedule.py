from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterd.core import schedule
from filterd.core.schedule import Slot, at, end_of_day, end_of_period, named, next_change, teaching
from filterd.core.timetable import Booking, ClassWeek, Lesson, Timetable, Window
from tests.core.timetables import (
    FRI,
    MON,
    SAT,
    SUN,
    THIRD,
    TIMETABLE,
    day,
    lessons,
    moment,
    shown,
    special,
    week,
)

PLACES = ("3a", "7-3", "lab", "dorm", "nowhere")
NIGHT = Window(("dorm",), tuple(range(7)), 22 * 60, 29 * 60 + 30, "offline")


def slot(text: str, place: str = "lab", timetable: Timetable = TIMETABLE) -> tuple[object, ...]:
    found = at(timetable, place, moment(text))
    return found.period, found.classroom, found.profile, shown(found.until)


# -- a day -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "held"),
    [
        pytest.param("00:00", (None, None, None, "07:00"), id="at night"),
        pytest.param("06:59", (None, None, None, "07:00"), id="before the first bell"),
        pytest.param("07:00", ("morning 1", "7-3", None, "07:45"), id="at the bell"),
        pytest.param("07:47", (None, "7-3", None, "07:50"), id="in the break of a double period"),
        pytest.param("07:50", ("morning 2", "7-3", None, "08:35"), id="its second period"),
        pytest.param("08:35", (None, None, None, "08:55"), id="in the break before another class"),
        pytest.param("08:55", ("morning 3", "3a", "video", "09:40"), id="the next class and its profile"),
    ],
)
def test_a_room_holds_the_class_that_the_timetable_puts_there(when, held):
    assert slot(f"2026-11-23 {when}") == (*held[:3], f"2026-11-23 {held[3]}")


def test_after_the_last_lesson_nothing_changes_until_next_week():
    assert slot("2026-11-23 09:40") == (None, None, None, "2026-11-30 07:00")


def test_a_class_has_its_lessons_and_their_profile_in_its_own_place():
    assert slot("2026-11-23 13:48", "3a") == (None, None, "exam", "2026-11-23 13:50")
    assert slot("2026-11-23 08:56", "7-3") == ("morning 3", None, None, "2026-11-23 09:40")


def test_a_place_that_the_timetable_does_not_know_has_nothing_for_ever():
    assert at(TIMETABLE, "nowhere", moment("2026-11-23 07:10")) == Slot()
    assert at(Timetable(), "lab", 0) == Slot()


def test_next_change_is_the_first_of_all_places_and_counts_no_bell_that_changes_nobody():
    assert shown(next_change(TIMETABLE, moment("2026-11-23 07:10"))) == "2026-11-23 08:35"
    assert shown(next_change(TIMETABLE, moment("2026-11-23 13:10"))) == "2026-11-23 14:35"
    assert next_change(Timetable(), 0) is None


def test_after_the_last_week_nothing_changes_any_more():
    assert next_change(TIMETABLE, moment("2027-05-31 00:00")) is None


# -- days that are not like others -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "date", "held"),
    [
        pytest.param((special("2026-11-20", "2026-11-25"),), "2026-11-23", None, id="closed"),
        pytest.param((special("2026-11-23"),), "2026-11-23", None, id="closed for a day"),
        pytest.param((), "2026-11-28", None, id="an ordinary Saturday"),
        pytest.param((special("2026-11-28", weekday=MON),), "2026-11-28", "7-3", id="a Saturday that runs a Monday"),
        pytest.param(
            (special("2026-11-28"), special("2026-11-28", weekday=MON)), "2026-11-28", None, id="a storm on it"
        ),
    ],
)
def test_special_days(days, date, held):
    assert slot(f"{date} 07:10", timetable=replace(TIMETABLE, days=days))[1] == held


def test_outside_of_the_school_year_there_are_no_lessons():
    timetable = replace(TIMETABLE, years=(special("2026-09-07", "2026-11-20"), special("2026-11-30", "2027-05-28")))
    assert slot("2026-11-16 07:10", timetable=timetable)[1] == "7-3"
    assert slot("2026-11-23 07:10", timetable=timetable) == (None, None, None, "2026-11-30 07:00")


def test_a_new_weekly_timetable_replaces_the_old_one_from_its_first_day():
    later = week(replace(THIRD, lessons=lessons(MON, (0,), "lab")), first="2026-11-30")
    timetable = replace(TIMETABLE, weeks=(*TIMETABLE.weeks, later))
    assert [slot(f"{date} 07:10", timetable=timetable)[1] for date in ("2026-11-23", "2026-11-30")] == ["7-3", "3a"]


@pytest.mark.parametrize(
    ("booking", "held"),
    [
        pytest.param(Booking(day("2026-11-24"), "day", 0, "lab", "3a"), ("3a", None), id="a free room"),
        pytest.param(Booking(day("2026-11-24"), "day", 0, "lab", "3a", profile="exam"), ("3a", "exam"), id="a profile"),
        pytest.param(Booking(day("2026-11-24"), "day", 1, "lab", "3a"), (None, None), id="another period"),
        pytest.param(Booking(day("2026-12-01"), "day", 0, "lab", "3a"), (None, None), id="another day"),
    ],
)
def test_a_booking_puts_a_class_into_a_room_for_one_period_of_one_day(booking, held):
    assert slot("2026-11-24 07:10", timetable=replace(TIMETABLE, bookings=(booking,)))[1:3] == held


def test_a_booking_sends_another_class_back_to_its_own_place_and_keeps_its_lesson():
    booking = Booking(day("2026-11-23"), "day", 0, "lab", "3a", instead_of="7-3")
    timetable = replace(TIMETABLE, bookings=(booking,))
    assert [slot(f"2026-11-23 {t}", timetable=timetable)[1] for t in ("07:10", "07:47", "07:55")] == ["3a", None, "7-3"]
    assert slot("2026-11-23 07:10", "7-3", timetable)[0] == "morning 1"


def test_a_booking_can_empty_a_room():
    booking = Booking(day("2026-11-23"), "day", 1, "lab", instead_of="7-3")
    timetable = replace(TIMETABLE, bookings=(booking,))
    assert slot("2026-11-23 07:10", timetable=timetable) == ("morning 1", "7-3", None, "2026-11-23 07:45")
    assert slot("2026-11-23 08:00", timetable=timetable)[1] is None


def test_a_class_that_is_booked_elsewhere_is_not_in_two_rooms():
    booking = Booking(day("2026-11-23"), "day", 0, "library", "7-3")
    timetable = replace(TIMETABLE, bookings=(booking,))
    assert [slot("2026-11-23 07:10", room, timetable)[1] for room in ("library", "lab")] == ["7-3", None]
    assert teaching(timetable, "ha", moment("2026-11-23 07:10")) == ("7-3",)


# -- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "profile", "until"),
    [
        ("2026-11-23 21:59", None, "2026-11-23 22:00"),
        ("2026-11-23 22:00", "offline", "2026-11-24 05:30"),
        ("2026-11-24 00:00", "offline", "2026-11-24 05:30"),
        ("2026-11-24 05:29", "offline", "2026-11-24 05:30"),
        ("2026-11-24 05:30", None, "2026-11-24 22:00"),
    ],
)
def test_an_overnight_window_goes_on_until_morning(when, profile, until):
    timetable = replace(TIMETABLE, windows=(NIGHT,))
    assert slot(when, "dorm", timetable) == (None, None, profile, until)


def test_a_window_of_some_weekdays_ends_on_the_morning_after_the_last_of_them():
    timetable = replace(TIMETABLE, windows=(replace(NIGHT, weekdays=(SUN,)),))
    assert slot("2026-11-23 05:00", "dorm", timetable)[2] == "offline"  # Monday morning after a Sunday
    assert slot("2026-11-23 23:00", "dorm", timetable) == (None, None, None, "2026-11-29 22:00")


@pytest.mark.parametrize(
    ("when", "school_day", "free_day"), [("every", "p", "p"), ("school", "p", None), ("free", None, "p")]
)
def test_a_window_can_be_for_school_days_or_free_days(when, school_day, free_day):
    window = Window(("dorm",), tuple(range(7)), 600, 660, "p", when)
    timetable = replace(TIMETABLE, windows=(window,), days=(special("2026-11-24"),))
    assert slot("2026-11-23 10:10", "dorm", timetable)[2] == school_day
    assert slot("2026-11-24 10:10", "dorm", timetable)[2] == free_day


def test_several_windows_a_day_and_a_lesson_s_own_profile_goes_before_a_window_s():
    windows = (Window(("3a",), (MON,), 530, 600, "free"), Window(("3a",), (MON,), 700, 720, "free"))
    timetable = replace(TIMETABLE, windows=windows)
    found = [slot(f"2026-11-23 {t}", "3a", timetable)[2] for t in ("08:50", "09:00", "09:50", "11:00", "11:45")]
    assert found == ["free", "video", "free", None, "free"]


# -- the words of commands -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "when", "end"),
    [
        pytest.param("7-3", "07:10", "07:45", id="in a lesson"),
        pytest.param("7-3", "13:10", "13:45", id="a period without a lesson for this class"),
        pytest.param("lab", "08:56", "09:40", id="of the class in a room"),
        pytest.param("lab", "13:10", "13:45", id="of an empty room"),
        pytest.param("7-3", "07:47", None, id="a break"),
        pytest.param("7-3", "20:00", None, id="evening"),
    ],
)
def test_end_of_period(place, when, end):
    found = end_of_period(TIMETABLE, place, moment(f"2026-11-23 {when}"))
    assert shown(found) == (f"2026-11-23 {end}" if end else None)


def test_a_closed_day_has_no_periods():
    closed = replace(TIMETABLE, days=(special("2026-11-23"),))
    assert end_of_period(closed, "7-3", moment("2026-11-23 07:10")) is None
    with pytest.raises(ValueError, match="without school"):
        named(closed, "7-3", "tiết 1", moment("2026-11-23 07:10"))


@pytest.mark.parametrize(
    ("when", "end"),
    [
        ("2026-11-23 07:10", "2026-11-23 14:35"),
        ("2026-11-23 14:35", "2026-11-24 00:00"),
        ("2026-11-28 07:10", "2026-11-29 00:00"),
    ],
    ids=["the last lesson", "after it midnight", "a day without lessons"],
)
def test_end_of_day(when, end):
    assert shown(end_of_day(TIMETABLE, moment(when))) == end


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("tiết 2 chiều", "14:35"),
        ("Tiết 2 buổi chiều", "14:35"),
        ("tiet 2 chieu", "14:35"),
        ("period 2 afternoon", "14:35"),
        ("period 2 in the afternoon", "14:35"),
        ("2 sáng", "08:35"),
        ("tiết 2", "08:35"),
        ("tiết 3", "09:40"),
    ],
)
def test_a_period_by_its_name(text, end):
    assert shown(named(TIMETABLE, "7-3", text, moment("2026-11-23 07:10"))) == f"2026-11-23 {end}"


def test_a_number_without_a_half_is_the_next_such_period():
    assert shown(named(TIMETABLE, "7-3", "tiết 2", moment("2026-11-23 10:00"))) == "2026-11-23 14:35"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tiết 9", "no such period; there is morning 1 to 3, afternoon 1 to 2"),
        ("tiết 3 chiều", "no such period"),
        ("tiết 1 sáng", "is over, at 07:45"),
        ("lunch", "'lunch' is not a period; write"),
        ("tiết", "is not a period"),
        ("tiết 1 2", "is not a period"),
        ("tiết 1 sáng chiều", "is not a period"),
        ("tiết ٣", "is not a period"),
        ("", "is not a period"),
    ],
)
def test_a_period_that_cannot_be_meant_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        named(TIMETABLE, "7-3", text, moment("2026-11-23 08:00"))


@pytest.mark.parametrize(
    ("when", "classes"),
    [("07:10", ("7-3",)), ("07:47", ("7-3",)), ("08:40", ()), ("09:00", ("7-3",)), ("10:00", ())],
)
def test_a_teacher_teaches_the_class_of_the_lesson(when, classes):
    assert teaching(TIMETABLE, "ha", moment(f"2026-11-23 {when}")) == classes


def test_a_teacher_of_two_classes_at_once_has_both():
    joint = [ClassWeek(c, "day", lessons(MON, (0,), teacher="ha")) for c in ("6a", "6b")]
    timetable = replace(TIMETABLE, weeks=(week(*joint),))
    assert teaching(timetable, "ha", moment("2026-11-23 07:10")) == ("6a", "6b")
    assert teaching(timetable, "nobody", moment("2026-11-23 07:10")) == ()


# -- at and next_change agree ----------------------------------------------------------------------------------------

days = st.integers(day("2026-11-16"), day("2026-12-06"))
minutes = st.integers(0, 1439)
profiles = st.sampled_from([None, "video", "exam"])


@st.composite
def timetables(draw: st.DrawFn) -> Timetable:
    """Any timetable that makes sense, and many that `config` would refuse."""
    lesson = st.builds(
        Lesson, st.integers(0, 6), st.integers(0, 4), room=st.sampled_from([None, "lab"]), profile=profiles
    )
    classes = [ClassWeek(c, "day", tuple(draw(st.lists(lesson, max_size=8)))) for c in ("3a", "7-3")]
    booking = st.builds(
        Booking,
        days,
        st.just("day"),
        st.integers(0, 4),
        st.just("lab"),
        st.sampled_from([None, "3a", "7-3"]),
        st.sampled_from([None, "3a", "7-3"]),
        profiles,
    )
    window = st.builds(
        lambda starts, length, weekdays, when: Window(
            ("dorm", "3a"), tuple(weekdays), starts, starts + length, "offline", when
        ),
        minutes,
        st.integers(1, 1440),
        st.sets(st.integers(0, 6), min_size=1),
        st.sampled_from(["every", "school", "free"]),
    )
    closed = st.builds(lambda first, length, on: replace(special("2026-11-16"), first=first, last=first + length,
                       weekday=on), days, st.integers(0, 9), st.sampled_from([None, MON, FRI, SAT]))  # fmt: skip
    return replace(
        TIMETABLE,
        weeks=(week(*classes, last="2026-12-20"),),
        bookings=tuple(draw(st.lists(booking, max_size=4))),
        windows=tuple(draw(st.lists(window, max_size=3))),
        days=tuple(draw(st.lists(closed, max_size=3))),
    )


@settings(max_examples=150, deadline=None)
@given(timetables(), days, minutes, st.lists(st.floats(0, 1, exclude_max=True), max_size=12))
def test_nothing_changes_before_next_change_and_something_does_then(timetable, on, minute, between):
    now = schedule.agenda(timetable).clock.moment(on, minute)
    before = [schedule.treatment(timetable, place, now) for place in PLACES]
    change = next_change(timetable, now)
    end = change if change is not None else now + 40 * 86400
    for moment_s in [now + int((end - now - 1) * part) for part in between] + [end - 1]:
        assert [schedule.treatment(timetable, place, moment_s) for place in PLACES] == before
    if change is not None:
        assert change > now
        assert [schedule.treatment(timetable, place, change) for place in PLACES] != before


@settings(max_examples=150, deadline=None)
@given(timetables(), days, minutes, st.sampled_from(PLACES), st.floats(0, 1, exclude_max=True))
def test_a_slot_holds_until_it_says(timetable, on, minute, place, part):
    now = schedule.agenda(timetable).clock.moment(on, minute)
    found = at(timetable, place, now)
    if found.until is None:
        assert at(timetable, place, now + part * 40 * 86400) == found
    else:
        assert now < found.until
        assert at(timetable, place, now + (found.until - now - 1) * part) == found
        assert replace(at(timetable, place, found.until), until=None) != replace(found, until=None)
