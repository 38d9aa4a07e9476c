import datetime
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core.timetable import NO_TIMETABLE, Clock, Offset, Timetable, planned_weekday, weekday_of
from tests.core.timetables import FRI, MON, SAT, SUN, TIMETABLE, day, special

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
# Summer time of 2026 begins on 29 March at 02:00 and ends on 25 October at 03:00.
FORWARD, BACK = 1_774_746_000, 1_792_890_000
CLOCK = Clock((Offset(0, 3600), Offset(FORWARD, 7200), Offset(BACK, 3600)))


def in_berlin(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp())


@pytest.mark.parametrize(
    ("date", "minute", "found"),
    [
        pytest.param("2026-03-28", 450, in_berlin("2026-03-28 07:30"), id="winter"),
        pytest.param("2026-07-01", 450, in_berlin("2026-07-01 07:30"), id="summer"),
        pytest.param("2026-03-29", 150, FORWARD, id="a time that the clock leaps over"),
        pytest.param("2026-10-25", 150, in_berlin("2026-10-25 02:30"), id="a time that comes twice: the first"),
        pytest.param("2026-10-25", 180, in_berlin("2026-10-25 03:00"), id="after it"),
        pytest.param("2026-10-26", 450, in_berlin("2026-10-26 07:30"), id="winter again"),
        pytest.param("2026-10-25", 1440, in_berlin("2026-10-26 00:00"), id="midnight"),
    ],
)
def test_a_time_of_day_is_the_first_moment_the_clock_shows_it(date, minute, found):
    assert CLOCK.moment(day(date), minute) == found


@given(st.integers(day("2026-01-01"), day("2026-12-31")), st.integers(0, 1439))
def test_a_day_holds_its_moments(on, minute):
    moment = CLOCK.moment(on, minute)
    assert CLOCK.day(moment) == on
    assert CLOCK.moment(on, 0) <= moment < CLOCK.moment(on + 1, 0)


@given(st.integers(FORWARD - 90_000, BACK + 90_000), st.integers(0, 90_000))
def test_days_never_go_back_even_where_the_clock_is_turned_back_over_midnight(now, later):
    havana = Clock((Offset(0, -14400), Offset(FORWARD - FORWARD % 86400 + 14400 + 1800, -18000)))
    assert havana.day(now) <= havana.day(now + later)
    assert havana.moment(havana.day(now), 0) <= now < havana.moment(havana.day(now) + 1, 0)


def test_weekdays():
    assert [weekday_of(day(text)) for text in ("1970-01-01", "2026-11-23", "2026-11-28")] == [3, MON, SAT]


def test_the_first_special_day_that_fits_counts():
    timetable = Timetable(days=(special("2026-11-28"), special("2026-11-27", "2026-11-29", MON)))
    dates = ("2026-11-26", "2026-11-27", "2026-11-28", "2026-11-29", "2026-11-30")
    assert [planned_weekday(timetable, day(text)) for text in dates] == [3, MON, None, MON, MON]


def test_days_outside_of_every_school_year_are_free_and_a_special_day_may_be_held_there():
    timetable = Timetable(years=(special("2026-09-07", "2027-05-28"),), days=(special("2027-05-30", weekday=FRI),))
    dates = ("2026-09-06", "2026-09-07", "2027-05-28", "2027-05-29", "2027-05-30")
    assert [planned_weekday(timetable, day(text)) for text in dates] == [None, MON, FRI, None, FRI]
    assert planned_weekday(NO_TIMETABLE, day("2027-05-30")) == SUN


def test_a_timetable_in_which_nobody_has_anything_is_none():
    assert TIMETABLE
    assert not Timetable(TIMETABLE.offsets, TIMETABLE.plans, days=(special("2026-11-28"),))
