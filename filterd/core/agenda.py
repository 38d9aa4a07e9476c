"""What a timetable comes to for a place on a day: one list of what holds from when.

An `Agenda` indexes a timetable once and remembers the days it was asked about; `schedule` asks. Breaks between two
periods of one class in one room belong to the class, so that nothing flickers at a bell.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from filterd.core.timetable import (
    DAY_MIN,
    Bell,
    Booking,
    ClassWeek,
    Clock,
    Moment,
    Plan,
    Timetable,
    Week,
    Window,
    planned_weekday,
    weekday_of,
)

REMEMBERED = 2000  # days of places; some 4 MB


class Hold(NamedTuple):
    """What holds for a place: the period, the class that is in the room, and the profile the timetable names."""

    bell: Bell | None = None
    classroom: str | None = None
    profile: str | None = None


class Span(NamedTuple):
    """A lesson as its class, its room and its teacher see it. Minutes of one day; `bell` None is a break."""

    starts: int
    ends: int
    bell: Bell | None
    classroom: str
    room: str | None
    profile: str | None
    teacher: str | None
    subject: str = ""


FREE = Hold()
Change = tuple[Moment, Hold]


class Agenda:
    """A timetable by place, teacher and day."""

    def __init__(self, timetable: Timetable) -> None:
        self.timetable = timetable
        self.clock = Clock(timetable.offsets)
        self.plans: dict[str, Plan] = {plan.id: plan for plan in timetable.plans}
        self.windows: dict[str, list[Window]] = {}
        for window in timetable.windows:
            for place in window.places:
                self.windows.setdefault(place, []).append(window)
        self._booked: dict[int, list[Booking]] = {}
        for booking in timetable.bookings:
            self._booked.setdefault(booking.day, []).append(booking)
        self._of_week = [_Spans(week, self.plans) for week in timetable.weeks]
        self.places: frozenset[str] = frozenset(self._places())
        self.treated: frozenset[str] = frozenset(self._treated())
        self.last_day = max((d for d in self._last_days()), default=-1)
        self._changes: dict[tuple[str, int], tuple[Change, ...]] = {}
        self._days: dict[int, tuple[int, _Spans | None]] = {}
        self._busy: dict[int, int] = {}

    def changes(self, place: str, day: int) -> tuple[Change, ...]:
        """What holds for a place on a day: (from when, what), by time; the first from the day's first second on."""
        key = (place, day)
        found = self._changes.get(key)
        if found is None:
            if len(self._changes) >= REMEMBERED:
                self._changes.clear()
            found = self._changes[key] = tuple(self._made(place, day))
        return found

    def next_busy(self, day: int) -> int:
        """The first day from this one on that has lessons or bookings; the day after the last where none has."""
        found = self._busy.get(day)
        if found is None:
            found = day
            while found <= self.last_day and found not in self._booked and self._day(found)[1] is None:
                found += 1
            self._busy[day] = found
        return found

    def is_quiet(self, place: str, day: int) -> bool:
        """Whether nothing at all can hold for a place on a day; told faster than by `changes`."""
        return place not in self.windows and not self.spans_of(place, day)

    def week(self, day: int) -> Week | None:
        """The weekly timetable of a day; the one that stands last where two would do."""
        return next((w for w in reversed(self.timetable.weeks) if w.first <= day <= w.last), None)

    def class_week(self, classroom: str, day: int) -> ClassWeek | None:
        """The week of a class that holds on a day."""
        week = self.week(day)
        return next((c for c in week.classes if c.classroom == classroom), None) if week is not None else None

    def spans(self, day: int) -> list[Span]:
        """Every lesson of a day, bookings and breaks between two lessons included."""
        weekday, week = self._day(day)
        planned = week.by_weekday.get(weekday, []) if week is not None else []
        bookings = self._booked.get(day)
        if not bookings:
            return planned
        return with_breaks(_booked(planned, bookings, self.plans), self.plans.values())

    def spans_of(self, place: str, day: int) -> list[Span]:
        """The lessons of a class or in a room on a day."""
        if day in self._booked:
            return [span for span in self.spans(day) if place in (span.classroom, span.room)]
        weekday, week = self._day(day)
        return week.by_place.get((place, weekday), []) if week is not None else []

    def _day(self, day: int) -> tuple[int, _Spans | None]:
        """The weekday whose lessons are held, and the week they are in; None on a day without lessons."""
        if day not in self._days:
            if len(self._days) >= REMEMBERED:
                self._days.clear()
            weekday = planned_weekday(self.timetable, day)
            at = next((i for i, w in reversed(list(enumerate(self.timetable.weeks))) if w.first <= day <= w.last), None)
            self._days[day] = (-1, None) if weekday is None or at is None else (weekday, self._of_week[at])
        return self._days[day]

    def _made(self, place: str, day: int) -> Iterator[Change]:
        spans = self.spans_of(place, day)
        windows = list(self._windows(place, day))
        edges = {0, DAY_MIN, *(s.starts for s in spans), *(s.ends for s in spans)}
        for window in windows:
            edges.update(window[:2])
        minutes = sorted(minute for minute in edges if 0 <= minute <= DAY_MIN)
        moments = [self.clock.moment(day, minute) for minute in minutes]
        before: Hold | None = None
        for minute, since, following in zip(minutes, moments, moments[1:], strict=False):
            # A clock that leaps forward shows no time between: what lies there never holds.
            if since >= following:
                continue
            held = _hold(place, minute, spans, windows)
            if held != before:
                yield since, held
            before = held

    def _windows(self, place: str, day: int) -> Iterator[tuple[int, int, str]]:
        """(starts, ends, profile) of windows that reach into a day, in its minutes."""
        if place not in self.windows:
            return
        for back in (1, 0):
            planned = planned_weekday(self.timetable, day - back)
            weekday = weekday_of(day - back) if planned is None else planned
            for window in self.windows[place]:
                fits = window.when == "every" or (window.when == "school") == (planned is not None)
                if fits and weekday in window.weekdays and window.ends > back * DAY_MIN:
                    yield window.starts - back * DAY_MIN, window.ends - back * DAY_MIN, window.profile

    def _places(self) -> Iterator[str]:
        yield from self.windows
        for week in self._of_week:
            yield from (place for place, _ in week.by_place)
        for booking in self.timetable.bookings:
            yield from (place for place in (booking.room, booking.classroom, booking.instead_of) if place is not None)

    def _treated(self) -> Iterator[str]:
        """The places that the timetable ever gives another class or profile; most classes only have lessons."""
        yield from self.windows
        for week in self._of_week:
            for (place, _), spans in week.by_place.items():
                if any(span.profile is not None or span.room == place for span in spans):
                    yield place
        for booking in self.timetable.bookings:
            yield booking.room
            if booking.classroom is not None and booking.profile is not None:
                yield booking.classroom

    def _last_days(self) -> Iterator[int]:
        yield from (week.last for week in self.timetable.weeks)
        yield from (booking.day for booking in self.timetable.bookings)


class _Spans:
    """The lessons of a week by weekday, and by place and weekday."""

    def __init__(self, week: Week, plans: dict[str, Plan]) -> None:
        self.by_weekday: dict[int, list[Span]] = {}
        self.by_place: dict[tuple[str, int], list[Span]] = {}
        found: dict[int, list[Span]] = {}
        for each in week.classes:
            bells = plans[each.plan].bells
            for lesson in each.lessons:
                bell = bells[lesson.bell]
                who = (each.classroom, lesson.room, lesson.profile, lesson.teacher, lesson.subject)
                span = Span(bell.starts, bell.ends, bell, *who)
                found.setdefault(lesson.weekday, []).append(span)
        for weekday, spans in found.items():
            self.by_weekday[weekday] = with_breaks(spans, plans.values())
            for span in self.by_weekday[weekday]:
                for place in {span.classroom, span.room} - {None}:
                    self.by_place.setdefault((str(place), weekday), []).append(span)


def with_breaks(spans: Iterable[Span], plans: Iterable[Plan]) -> list[Span]:
    """The lessons, and between two that follow each other for one class in one room a break."""
    following = {a: b for plan in plans for a, b in itertools.pairwise(plan.bells) if a.half == b.half}
    lessons = list(spans)
    first: dict[tuple[str, str | None, Bell | None], Span] = {(s.classroom, s.room, s.bell): s for s in lessons}
    found = list(lessons)
    for span in lessons:
        after = first.get((span.classroom, span.room, following[span.bell])) if span.bell in following else None
        if after is not None and after.starts > span.ends:
            found.append(
                Span(
                    span.ends,
                    after.starts,
                    None,
                    span.classroom,
                    span.room,
                    span.profile if span.profile == after.profile else None,
                    span.teacher if span.teacher == after.teacher else None,
                )
            )
    return found


def _booked(planned: list[Span], bookings: list[Booking], plans: dict[str, Plan]) -> list[Span]:
    """The lessons of a day with what was booked for that day alone. A class is at one place only: its booking's."""
    found = [span for span in planned if span.bell is not None]
    for booking in bookings:
        bell = plans[booking.plan].bells[booking.bell]
        moved: Span | None = None
        kept = []
        for span in found:
            meets = span.starts < bell.ends and bell.starts < span.ends
            if meets and span.classroom == booking.classroom:
                moved = span
            elif meets and span.room == booking.room and span.classroom == booking.instead_of:
                kept.append(span._replace(room=None))
            else:
                kept.append(span)
        found = kept
        if booking.classroom is not None:
            base = moved or Span(0, 0, None, booking.classroom, None, None, None)
            found.append(
                base._replace(
                    starts=bell.starts,
                    ends=bell.ends,
                    bell=bell,
                    room=booking.room,
                    profile=booking.profile or base.profile,
                    teacher=booking.teacher or base.teacher,
                )
            )
    return found


def _hold(place: str, minute: int, spans: list[Span], windows: list[tuple[int, int, str]]) -> Hold:
    profile = next((w[2] for w in reversed(windows) if w[0] <= minute < w[1]), None)
    for span in spans:
        if span.starts <= minute < span.ends:
            return Hold(span.bell, None if place == span.classroom else span.classroom, span.profile or profile)
    return Hold(None, None, profile)
