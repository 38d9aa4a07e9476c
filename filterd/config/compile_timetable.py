"""timetable.yaml as values of the compiled policy: periods counted, weeks as lists of lessons, days as numbers.

Pure: checked models in, values out. `compile` calls `timetable`; `crosscheck_timetable` reads plans and weeks by the
same functions, so that what was checked is what holds.
"""

from __future__ import annotations

import bisect
import datetime
import functools
import zoneinfo
from collections.abc import Iterator

from filterd.config import schema_timetable as schema
from filterd.config.schema_timetable import WEEKDAYS
from filterd.core.timetable import (
    DAY_MIN,
    HALVES,
    NO_TIMETABLE,
    Bell,
    Booking,
    ClassWeek,
    Lesson,
    Offset,
    Plan,
    SpecialDays,
    Timetable,
    Week,
    Window,
)

EPOCH = datetime.date(1970, 1, 1)
STEP_S = 7 * 86400  # no zone changes its offset twice in a week


def timetable(model: schema.Timetable, zone: zoneinfo.ZoneInfo) -> Timetable:
    """The timetable; the empty one where the file says nothing."""
    if model == schema.Timetable():
        return NO_TIMETABLE
    plans = {ident: Plan(ident, bells(plan)) for ident, plan in model.plans.items()}
    return Timetable(
        offsets=offsets(zone),
        plans=tuple(plans.values()),
        years=years(model),
        weeks=tuple(_week(week, plans) for week in model.weeks),
        days=tuple(special_days(model)),
        bookings=tuple(b for booking in model.bookings for b in bookings(booking, model, plans)),
        windows=tuple(w for window in model.windows for w in windows(window)),
    )


def day(date: datetime.date) -> int:
    """A date as days since 1970-01-01."""
    return (date - EPOCH).days


def bells(plan: schema.PlanModel) -> tuple[Bell, ...]:
    """The periods of a plan, counted as it says."""
    found: list[Bell] = []
    for half in HALVES:
        before = len(found) if plan.counting == "continue" else 0
        found += [Bell(half, before + i + 1, *span) for i, span in enumerate(getattr(plan, half))]
    return tuple(found)


def lessons(week: schema.ClassWeekModel, plan: Plan) -> Iterator[tuple[tuple[str, str, int], Lesson]]:
    """(where it stands: day, half-day and position; the lesson) for every lesson that the plan has a period for."""
    for weekday, name in enumerate(WEEKDAYS):
        said: schema.DayModel | None = getattr(week, name)
        for half in HALVES if said is not None else ():
            indexes = [i for i, bell in enumerate(plan.bells) if bell.half == half]
            for position, (bell, lesson) in enumerate(zip(indexes, getattr(said, half), strict=False)):
                if lesson is not None:
                    room = lesson.room or week.room
                    made = Lesson(weekday, bell, lesson.subject, room, lesson.profile, lesson.teacher)
                    yield (name, half, position), made


def years(model: schema.Timetable) -> tuple[SpecialDays, ...]:
    """The days of each school year."""
    return tuple(SpecialDays(day(y.first_day), day(y.last_day), None, name) for name, y in model.years.items())


def special_days(model: schema.Timetable) -> Iterator[SpecialDays]:
    """Storms go before days that make up, and these before holidays."""
    for year in model.years.values():
        yield from _closed(year.storms)
    for year in model.years.values():
        for made in year.make_up:
            yield SpecialDays(day(made.date), day(made.date), WEEKDAYS.index(made.runs), made.name or "")
    for year in model.years.values():
        yield from _closed(year.holidays)


def bookings(booking: schema.BookingModel, model: schema.Timetable, plans: dict[str, Plan]) -> Iterator[Booking]:
    """One for every period of a booking that its plan has."""
    plan = plan_of(booking, model, plans)
    for number in dict.fromkeys(booking.periods):
        for i, bell in enumerate(plan.bells if plan is not None else ()):
            if plan is not None and (bell.half, bell.number) == (booking.half, number):
                yield Booking(
                    day(booking.date),
                    plan.id,
                    i,
                    booking.room,
                    booking.classroom,
                    booking.instead_of,
                    booking.profile,
                    booking.teacher,
                )


def plan_of(booking: schema.BookingModel, model: schema.Timetable, plans: dict[str, Plan]) -> Plan | None:
    """The bells of a booking: those it names, of its class or whom it displaces, or the only ones there are."""
    weeks = [week for week in reversed(model.weeks) if week.first_day <= booking.date <= week.last_day]
    classes = weeks[0].classes if weeks else {}
    followed = (classes[c].plan for c in (booking.classroom, booking.instead_of) if c in classes)
    ident = booking.plan or next(followed, None)
    if ident is None and len(plans) == 1:
        ident = next(iter(plans))
    return plans.get(ident) if ident is not None else None


def windows(window: schema.WindowModel) -> Iterator[Window]:
    """One for each of its times."""
    weekdays = tuple(sorted({WEEKDAYS.index(name) for name in window.days}))
    places = tuple(dict.fromkeys(window.places))
    for starts, ends in window.times:
        yield Window(places, weekdays, starts, ends + DAY_MIN * window.overnight, window.profile, window.when)


def offsets(zone: zoneinfo.ZoneInfo) -> tuple[Offset, ...]:
    """The offsets of a zone, from the first day a configuration can name to the last."""
    start, end = (
        int(datetime.datetime.combine(date, datetime.time(), datetime.UTC).timestamp())
        for date in (schema.FIRST_DAY, schema.LAST_DAY)
    )
    found = [Offset(start, _offset(zone, start))]
    for at in range(start, end, STEP_S):
        after = _offset(zone, at + STEP_S)
        if after != found[-1].seconds:
            # The first second with the new offset, between two looks.
            since = bisect.bisect_left(
                range(at + STEP_S), True, lo=at, key=functools.partial(_differs, zone, found[-1])
            )
            found.append(Offset(since, after))
    return tuple(found)


def _differs(zone: zoneinfo.ZoneInfo, from_: Offset, moment: int) -> bool:
    return _offset(zone, moment) != from_.seconds


def _offset(zone: zoneinfo.ZoneInfo, moment: int) -> int:
    ahead = datetime.datetime.fromtimestamp(moment, zone).utcoffset()
    assert ahead is not None
    return int(ahead.total_seconds())


def _closed(spans: list[schema.SpanModel]) -> Iterator[SpecialDays]:
    for span in spans:
        yield SpecialDays(day(span.first_day), day(span.last_day or span.first_day), None, span.name)


def _week(week: schema.WeekModel, plans: dict[str, Plan]) -> Week:
    classes = (
        ClassWeek(ident, said.plan, tuple(lesson for _, lesson in lessons(said, plans[said.plan])), said.room)
        for ident, said in week.classes.items()
    )
    return Week(day(week.first_day), day(week.last_day), tuple(classes))
