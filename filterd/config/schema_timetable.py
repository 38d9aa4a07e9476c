"""`policies/timetable.yaml`: the bells, the week of every class, and the days that are not like others."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from filterd.config import units
from filterd.config.schema import Day, Emptiable, EmptiableMap, Id, Line, Strict

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 1440
FIRST_DAY, LAST_DAY = datetime.date(2020, 1, 1), datetime.date(2099, 12, 31)  # what `units.day` accepts
Half = Literal["morning", "afternoon", "evening"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Span = tuple[int, int]


def span(value: object) -> Span:
    """`"07:00-07:45"` as minutes after midnight; an end at 24:00 is the midnight that follows."""
    parts = value.split("-") if isinstance(value, str) else []
    if len(parts) != 2:
        raise ValueError(f"{units.shown(value)} is not a span of time; write HH:MM-HH:MM, such as 07:00-07:45")
    start, end = (part.strip() for part in parts)
    return units.clock(start), DAY_MIN if end == "24:00" else units.clock(end)


def _forward(value: object) -> Span:
    starts, ends = span(value)
    if ends <= starts:
        raise ValueError(f"{units.shown(value)} ends before it begins")
    return starts, ends


def _lesson(value: Any) -> Any:
    if value == "":
        return None
    return {"subject": value} if isinstance(value, str) else value


Period = Annotated[Span, Field(strict=False), BeforeValidator(_forward)]
Periods = Annotated[list[Period], Emptiable]


class PlanModel(Strict):
    """The bells of a school level or of one shift."""

    morning: Periods = Field(default_factory=list, max_length=20)
    """Its periods in the morning, in their order: 07:00-07:45. Default: none."""
    afternoon: Periods = Field(default_factory=list, max_length=20)
    """Its periods in the afternoon. Default: none."""
    evening: Periods = Field(default_factory=list, max_length=20)
    """Its periods in the evening. Default: none."""
    counting: Literal["restart", "continue"] = "restart"
    """Whether the afternoon begins with period 1 again or goes on counting. Default: restart."""


class SpanModel(Strict):
    """Days from a first to a last one, both included."""

    name: Line
    """What they are called."""
    first_day: Day
    """The first of them."""
    last_day: Day | None = None
    """The last of them. Default: the first is the only one."""


class MakeUpModel(Strict):
    """One day that runs the plan of another weekday."""

    date: Day
    """The day, mostly a Saturday."""
    runs: Weekday
    """The weekday whose lessons are held."""
    name: Line | None = None
    """What for. Default: nothing is said."""


class YearModel(Strict):
    """One school year."""

    first_day: Day
    """The first day of lessons."""
    last_day: Day
    """The last day of lessons."""
    holidays: Annotated[list[SpanModel], Emptiable] = Field(default_factory=list, max_length=100)
    """Days without lessons; Tết has other dates every year. Default: none."""
    make_up: Annotated[list[MakeUpModel], Emptiable] = Field(default_factory=list, max_length=100)
    """Days that make up for others. Default: none."""
    storms: Annotated[list[SpanModel], Emptiable] = Field(default_factory=list, max_length=100)
    """Days on which the school was closed at short notice; they go before everything else. Default: none."""


class LessonModel(Strict):
    """What a class does in a period."""

    subject: Annotated[str, Field(max_length=100)] = ""
    """The subject. Default: nothing is said."""
    room: Id | None = None
    """The room it is held in. Default: the class's own."""
    profile: Id | None = None
    """The profile the class has in it. Default: the class's own."""
    teacher: Id | None = None
    """The account of who teaches it. Default: nobody in particular."""


Lessons = Annotated[list[Annotated[LessonModel | None, BeforeValidator(_lesson)]], Emptiable]


class DayModel(Strict):
    """The lessons of a weekday, period by period; null where there is none."""

    morning: Lessons = Field(default_factory=list, max_length=20)
    """From the first period of the morning on. Default: none."""
    afternoon: Lessons = Field(default_factory=list, max_length=20)
    """From the first period of the afternoon on. Default: none."""
    evening: Lessons = Field(default_factory=list, max_length=20)
    """From the first period of the evening on. Default: none."""


class ClassWeekModel(Strict):
    """The week of a class."""

    plan: Id
    """The bells it follows."""
    room: Id | None = None
    """The room where it is when a lesson names none, for classes that share one. Default: its own subnets only."""
    mon: DayModel | None = None
    """Its lessons on Mondays. Default: none; so for every day."""
    tue: DayModel | None = None
    """On Tuesdays."""
    wed: DayModel | None = None
    """On Wednesdays."""
    thu: DayModel | None = None
    """On Thursdays."""
    fri: DayModel | None = None
    """On Fridays."""
    sat: DayModel | None = None
    """On Saturdays."""
    sun: DayModel | None = None
    """On Sundays."""


class WeekModel(Strict):
    """The weekly timetable for a part of the year."""

    first_day: Day = FIRST_DAY
    """The first day it holds. Default: always has."""
    last_day: Day = LAST_DAY
    """The last day it holds. Default: until another one follows."""
    classes: Annotated[dict[Id, ClassWeekModel], EmptiableMap] = Field(default_factory=dict, max_length=1000)
    """The week of each class. Default: none."""


class BookingModel(Strict):
    """A room on one day."""

    date: Day
    """The day."""
    half: Half
    """Morning, afternoon or evening."""
    periods: list[int] = Field(min_length=1, max_length=20)
    """The periods, as the plan counts them."""
    room: Id
    """The room."""
    classroom: Id | None = None
    """The class that is there. Default: nobody is."""
    instead_of: Id | None = None
    """The class that would have been there by its week. Default: none would."""
    plan: Id | None = None
    """The bells. Default: those of the class."""
    profile: Id | None = None
    """The profile the class has there. Default: as without the booking."""
    teacher: Id | None = None
    """The account of who teaches it. Default: as without the booking."""


class WindowModel(Strict):
    """A profile for some places at some times of day."""

    places: list[Id] = Field(min_length=1, max_length=1000)
    """Classes and rooms."""
    days: list[Weekday] = Field(default_factory=lambda: list(WEEKDAYS), min_length=1, max_length=7)  # type: ignore[arg-type]
    """Weekdays on which it begins. Default: all."""
    times: list[Annotated[Span, Field(strict=False), BeforeValidator(span)]] = Field(min_length=1, max_length=20)
    """From when until when: 06:00-07:00."""
    overnight: bool = False
    """Whether the times end on the next morning: 22:00-05:30. Default: false."""
    when: Literal["every", "school", "free"] = "every"
    """Every day, days with lessons, or days without. Default: every."""
    profile: Id
    """The profile; one that a lesson names goes before it."""


class Timetable(Strict):
    """The whole of timetable.yaml."""

    plans: Annotated[dict[Id, PlanModel], EmptiableMap] = Field(default_factory=dict, max_length=50)
    """Bells by plan. Default: none."""
    years: Annotated[dict[Annotated[str, Field(max_length=20)], YearModel], EmptiableMap] = Field(
        default_factory=dict, max_length=80
    )
    """School years by name, such as 2026-2027. Default: none, and lessons are held on every day of a week."""
    weeks: Annotated[list[WeekModel], Emptiable] = Field(default_factory=list, max_length=100)
    """Weekly timetables; the last that fits a day holds. Default: none."""
    bookings: Annotated[list[BookingModel], Emptiable] = Field(default_factory=list, max_length=5000)
    """Rooms on single days. Default: none."""
    windows: Annotated[list[WindowModel], Emptiable] = Field(default_factory=list, max_length=500)
    """Profiles by the time of day. Default: none."""
