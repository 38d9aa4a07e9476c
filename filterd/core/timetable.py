"""The timetable of a school as values, and the arithmetic of its calendar and clock.

`config` makes it from policies/timetable.yaml, it travels inside the compiled policy, and `schedule` answers from it.
A *day* is a whole number of days since 1970-01-01, a weekday 0 (Monday) to 6, a time of day minutes after midnight in
the school's time zone, a *Moment* Unix seconds. The zone comes along as a table of offsets, so that the core needs no
database of zones and daylight saving time is still right.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

Moment = int

DAY_S = 86400
DAY_MIN = 1440
HALVES = ("morning", "afternoon", "evening")
MONDAY_OF_DAY_0 = 3  # 1970-01-01 was a Thursday
FARTHEST_S = 2 * DAY_S  # no zone is so far ahead of UTC


@dataclass(frozen=True, slots=True)
class Offset:
    """From `since` (Unix seconds) on the school's clock is `seconds` ahead of UTC."""

    since: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Bell:
    """One period of a plan, by the number people call it."""

    half: str  # "morning" | "afternoon" | "evening"
    number: int
    starts: int
    ends: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The bells of a school level or shift, by time."""

    id: str
    bells: tuple[Bell, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a class does in one period. `bell` is an index of its plan's bells; `room` None: in its own classroom;
    `profile` None: the class's.
    """

    weekday: int
    bell: int
    subject: str = ""
    room: str | None = None
    profile: str | None = None
    teacher: str | None = None


@dataclass(frozen=True, slots=True)
class ClassWeek:
    """The week of a class. `room` is where its lessons without a room of their own are, and is in them already."""

    classroom: str
    plan: str
    lessons: tuple[Lesson, ...]
    room: str | None = None


@dataclass(frozen=True, slots=True)
class Week:
    """The weekly timetable from the day `first` to the day `last`, both included."""

    first: int
    last: int
    classes: tuple[ClassWeek, ...]


@dataclass(frozen=True, slots=True)
class SpecialDays:
    """Days, both ends included, that are closed (`weekday` None) or run the plan of another weekday."""

    first: int
    last: int
    weekday: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Booking:
    """A room on one day in one period. `classroom` None: nobody is there; `instead_of`: who would have been."""

    day: int
    plan: str
    bell: int
    room: str
    classroom: str | None = None
    instead_of: str | None = None
    profile: str | None = None
    teacher: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A profile for places between two times of day; `ends` beyond 1440 is on the next morning."""

    places: tuple[str, ...]
    weekdays: tuple[int, ...]
    starts: int
    ends: int
    profile: str
    when: str = "every"  # "every" day | "school" days | "free" days


@dataclass(frozen=True, slots=True)
class Timetable:
    """`days` in falling precedence; `years` are the teaching days, none: every day. `offsets` are sorted."""

    offsets: tuple[Offset, ...] = ()
    plans: tuple[Plan, ...] = ()
    years: tuple[SpecialDays, ...] = ()
    weeks: tuple[Week, ...] = ()
    days: tuple[SpecialDays, ...] = ()
    bookings: tuple[Booking, ...] = ()
    windows: tuple[Window, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything of it ever holds for somebody."""
        return any(week.classes for week in self.weeks) or bool(self.bookings or self.windows)


NO_TIMETABLE = Timetable()


class Clock:
    """The school's calendar over Unix time."""

    def __init__(self, offsets: tuple[Offset, ...]) -> None:
        self._since = [offset.since for offset in offsets[1:]]
        self._seconds = [offset.seconds for offset in offsets] or [0]

    def moment(self, day: int, minute: int) -> Moment:
        """The first second at which the school's clock shows this time or, where it leaps over it, a later one."""
        local = day * DAY_S + minute * 60
        if not self._since:
            return local - self._seconds[0]
        first = bisect_right(self._since, local - FARTHEST_S)
        for i in range(first, len(self._since)):
            if local - self._seconds[i] < self._since[i]:
                return local - self._seconds[i]
            if local - self._seconds[i + 1] <= self._since[i]:
                return self._since[i]
        return local - self._seconds[-1]

    def day(self, now: float) -> int:
        """The day it is. It never goes back, also where the clock is turned back over midnight."""
        offset = self._seconds[bisect_right(self._since, now)]
        day = int((now + offset) // DAY_S)
        return day + 1 if now >= self.moment(day + 1, 0) else day


def weekday_of(day: int) -> int:
    """0 for a Monday to 6 for a Sunday."""
    return (day + MONDAY_OF_DAY_0) % 7


def planned_weekday(timetable: Timetable, day: int) -> int | None:
    """The weekday whose lessons are held on a day; None on days without school."""
    for special in timetable.days:
        if special.first <= day <= special.last:
            return special.weekday
    if timetable.years and not any(year.first <= day <= year.last for year in timetable.years):
        return None
    return weekday_of(day)
