"""What must hold of timetable.yaml: ids that exist, periods in their order, one class in a room at a time, days that
do not contradict each other.

Trees in, problems out. A part that `schema` complained about is skipped, the others are read by its models.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from filterd.config import compile_timetable, problems, units
from filterd.config import schema_timetable as schema
from filterd.config.across import Report, Trees, find
from filterd.config.schema_timetable import WEEKDAYS
from filterd.config.yamltree import Path
from filterd.core.timetable import DAY_MIN, HALVES, Booking, Plan, Timetable, planned_weekday

FILE = "timetable.yaml"
WEEK_MIN = 7 * DAY_MIN
CLASSES, ROOMS = "classrooms.*.id", "rooms.*.id"
BOOKED = {"room": "room", "classroom": "class", "instead_of": "class", "plan": "plan", "profile": "profile"}

Model = TypeVar("Model", bound=BaseModel)


class Meeting(NamedTuple):
    """A class in a room, and where the file says so. Minutes of one day."""

    starts: int
    ends: int
    room: str
    classroom: str | None
    path: Path


Meetings = dict[int, list[Meeting]]


def check(trees: Trees, report: Report) -> None:
    """Every mistake, at the place where it stands."""
    if FILE not in trees:
        return
    _references(trees, report)
    plans = {str(path[-1]): _plan(path, plan, report) for path, plan in _parts(trees, "plans.*", schema.PlanModel)}
    _years(trees, report)
    _windows(trees, report)
    _bookings(trees, plans, _weeks(trees, plans, report), report)


def _parts(trees: Trees, pattern: str, model: type[Model]) -> Iterator[tuple[Path, Model]]:
    """What matches a pattern, as far as it is right."""
    for path, value in find(trees, FILE, pattern):
        try:
            yield path, model.model_validate(value)
        except ValidationError:
            continue


def _references(trees: Trees, report: Report) -> None:
    known = {
        "class": [value for _, value in find(trees, "classes.yaml", CLASSES) if isinstance(value, str)],
        "room": [value for _, value in find(trees, "classes.yaml", ROOMS) if isinstance(value, str)],
        "profile": [str(path[-1]) for path, _ in find(trees, "profiles.yaml", "profiles.*")],
        "plan": [str(path[-1]) for path, _ in find(trees, FILE, "plans.*")],
    }
    known["class or room"] = known["class"] + known["room"]
    for path, value, kind in _named(trees):
        file = {"profile": "profiles.yaml", "plan": FILE}.get(kind, "classes.yaml")
        if not isinstance(value, str) or file not in trees or value in known[kind]:
            continue
        what = f"{units.shown(value)} is not a {kind}"
        if kind == "room" and value in known["class"]:
            report(FILE, path, f"{what} but a class; a place that several classes share stands under rooms")
        else:
            report(FILE, path, f"{what}; {problems.suggest(value, known[kind])}")


def _named(trees: Trees) -> Iterator[tuple[Path, Any, str]]:
    """(path, id, kind) of everything the file names."""
    for path, value in find(trees, FILE, "weeks.*.classes.*"):
        yield path, path[-1], "class"
        if isinstance(value, dict):
            yield (*path, "plan"), value.get("plan"), "plan"
            yield (*path, "room"), value.get("room"), "room"
    for path, lesson in find(trees, FILE, "weeks.*.classes.*.*.*.*"):
        if isinstance(lesson, dict):
            yield (*path, "room"), lesson.get("room"), "room"
            yield (*path, "profile"), lesson.get("profile"), "profile"
    for path, booking in find(trees, FILE, "bookings.*"):
        for key, kind in BOOKED.items() if isinstance(booking, dict) else ():
            yield (*path, key), booking.get(key), kind
    yield from ((path, value, "class or room") for path, value in find(trees, FILE, "windows.*.places.*"))
    yield from ((path, value, "profile") for path, value in find(trees, FILE, "windows.*.profile"))


def _plan(path: Path, plan: schema.PlanModel, report: Report) -> Plan:
    made = Plan(str(path[-1]), compile_timetable.bells(plan))
    places = [(*path, half, i) for half in HALVES for i in range(len(getattr(plan, half)))]
    for (one, where), (two, there) in itertools.pairwise(zip(made.bells, places, strict=True)):
        if two.starts < one.ends:
            report(FILE, there, f"begins at {_clock(two.starts)}, before {_shown(where)} ends at {_clock(one.ends)}")
    return made


def _years(trees: Trees, report: Report) -> None:
    years = list(_parts(trees, "years.*", schema.YearModel))
    for pattern in ("years.*", "years.*.holidays.*", "years.*.storms.*", "weeks.*"):
        model: type[Any] = {"years.*": schema.YearModel, "weeks.*": schema.WeekModel}.get(pattern, schema.SpanModel)
        for path, span in _parts(trees, pattern, model):
            if span.last_day is not None and span.last_day < span.first_day:
                report(FILE, (*path, "last_day"), f"{span.last_day} is before the first day, {span.first_day}")
    for (_, one), (path, two) in itertools.pairwise(sorted(years, key=lambda year: year[1].first_day)):
        if two.first_day <= one.last_day:
            report(FILE, (*path, "first_day"), f"the school year before ends on {one.last_day} only")
    holidays = [(span, path) for path, span in _parts(trees, "years.*.holidays.*", schema.SpanModel)]
    made: dict[object, Path] = {}
    for path, make_up in _parts(trees, "years.*.make_up.*", schema.MakeUpModel):
        for span, where in holidays:
            if span.first_day <= make_up.date <= (span.last_day or span.first_day):
                line = trees[FILE].line(where)
                report(FILE, (*path, "date"), f"{make_up.date} is in the holiday {span.name!r} of line {line}")
        if make_up.date in made:
            line = trees[FILE].line(made[make_up.date])
            report(FILE, (*path, "date"), f"{make_up.date} makes up for a day already, in line {line}")
        made.setdefault(make_up.date, path)


def _windows(trees: Trees, report: Report) -> None:
    by_place: dict[str, list[tuple[int, int, Path, str]]] = {}
    for path, window in _parts(trees, "windows.*", schema.WindowModel):
        for i, (starts, ends) in enumerate(window.times):
            where = (*path, "times", i)
            said = f"{_clock(starts)}-{_clock(ends)}"
            if not window.overnight and ends <= starts:
                report(FILE, where, f"{said} ends before it begins; add overnight: true if it ends on the next morning")
                continue
            if window.overnight and ends > starts:
                report(FILE, where, f"{said} would last longer than a day; leave out overnight")
                continue
            for weekday, place in itertools.product(sorted(set(window.days)), dict.fromkeys(window.places)):
                begins = WEEKDAYS.index(weekday) * DAY_MIN + starts
                length = ends - starts + DAY_MIN * window.overnight
                by_place.setdefault(place, []).append((begins, begins + length, where, window.when))
    for place, found in by_place.items():
        _overlaps(trees, place, found, report)


def _overlaps(trees: Trees, place: str, found: list[tuple[int, int, Path, str]], report: Report) -> None:
    told: set[frozenset[Path]] = set()
    again = [(begins + WEEK_MIN, ends + WEEK_MIN, path, when) for begins, ends, path, when in found]
    for one, two in itertools.combinations(sorted(found + again), 2):
        both = frozenset((one[2], two[2]))
        apart = {one[3], two[3]} == {"school", "free"}
        if two[0] < one[1] and len(both) == 2 and not apart and both not in told:
            told.add(both)
            first, second = sorted((one[2], two[2]), key=lambda path: (path[1], path[3]))
            line = trees[FILE].line(first)
            report(FILE, second, f"{place} already has a window at that time, in line {line}")


def _weeks(trees: Trees, plans: dict[str, Plan], report: Report) -> dict[int, Meetings]:
    """Who is in which room, by the index of the week and the weekday."""
    weeks: dict[int, Meetings] = {}
    for path, said in _parts(trees, "weeks.*.classes.*", schema.ClassWeekModel):
        plan = plans.get(said.plan)
        if plan is None:
            continue
        _too_many(path, said, plan, report)
        found = weeks.setdefault(int(path[1]), {})
        for where, lesson in compile_timetable.lessons(said, plan):
            bell = plan.bells[lesson.bell]
            if lesson.room is not None:
                meeting = Meeting(bell.starts, bell.ends, lesson.room, str(path[-1]), (*path, *where))
                found.setdefault(lesson.weekday, []).append(meeting)
    for meetings in (each for found in weeks.values() for each in found.values()):
        _one_at_a_time(trees, meetings, report)
    return weeks


def _one_at_a_time(trees: Trees, meetings: list[Meeting], report: Report) -> None:
    """Within one weekday of one week."""
    latest: dict[str, Meeting] = {}
    for meeting in sorted(meetings, key=lambda m: m[:2]):
        before = latest.get(meeting.room)
        if before is not None and meeting.starts < before.ends:
            first, second = sorted((before, meeting), key=lambda m: trees[FILE].line(m.path))
            report(FILE, second.path, _twice(trees, second, first))
        if before is None or meeting.ends > before.ends:
            latest[meeting.room] = meeting


def _too_many(path: Path, said: schema.ClassWeekModel, plan: Plan, report: Report) -> None:
    for name, half in itertools.product(WEEKDAYS, HALVES):
        said_day: schema.DayModel | None = getattr(said, name)
        count = sum(bell.half == half for bell in plan.bells)
        held = len(getattr(said_day, half)) if said_day is not None else 0
        if held > count:
            what = f"{held} periods, but the plan {plan.id!r} has {count} in the {half}"
            report(FILE, (*path, name, half, count), what)


def _bookings(trees: Trees, plans: dict[str, Plan], weeks: dict[int, Meetings], report: Report) -> None:
    try:
        model = schema.Timetable.model_validate(trees[FILE].value)
    except ValidationError:
        return  # which day is which is not known
    dates = [(compile_timetable.day(week.first_day), compile_timetable.day(week.last_day)) for week in model.weeks]
    special = Timetable(years=compile_timetable.years(model), days=tuple(compile_timetable.special_days(model)))
    found: list[tuple[Booking, Meeting]] = []
    for i, booking in enumerate(model.bookings):
        path: Path = ("bookings", i)
        if booking.classroom is None and booking.instead_of is None:
            report(FILE, path, "says nobody; add classroom, or instead_of to empty the room")
            continue
        plan = compile_timetable.plan_of(booking, model, plans)
        if plan is None:
            if booking.plan is None and all(week.plan in plans for w in model.weeks for week in w.classes.values()):
                report(FILE, path, "the bells are not known: name a plan")
            continue
        made = list(compile_timetable.bookings(booking, model, plans))
        for number in set(booking.periods) - {plan.bells[b.bell].number for b in made}:
            where = (*path, "periods", booking.periods.index(number))
            report(FILE, where, f"the plan {plan.id!r} has no period {number} in the {booking.half}")
        bells = (plan.bells[each.bell] for each in made)
        meetings = (Meeting(bell.starts, bell.ends, booking.room, booking.classroom, path) for bell in bells)
        found += zip(made, meetings, strict=True)
    for day, group in itertools.groupby(sorted(found, key=lambda pair: pair[0].day), key=lambda pair: pair[0].day):
        weekday = planned_weekday(special, day)
        fitting = [at for at, week in enumerate(dates) if week[0] <= day <= week[1]]
        planned = weeks.get(fitting[-1], {}).get(weekday, []) if fitting and weekday is not None else []
        _on_a_day(trees, list(group), planned, report)


def _on_a_day(trees: Trees, booked: list[tuple[Booking, Meeting]], planned: list[Meeting], report: Report) -> None:
    for i, (booking, own) in enumerate(booked):
        there = [m for m in planned if m.room == own.room and _meet(m, own)]
        if booking.instead_of is not None and booking.instead_of not in [m.classroom for m in there]:
            what = f"{booking.instead_of!r} is not in {own.room} then, at {_clock(own.starts)}"
            report(FILE, (*own.path, "instead_of"), what)
        # A class that is booked elsewhere leaves its room to others.
        away = {m.classroom for _, m in booked if _meet(m, own) and m.room != own.room}
        for other in there:
            if other.classroom not in (own.classroom, booking.instead_of, *away):
                what = _twice(trees, own, other)
                report(FILE, own.path, f"{what}; add instead_of: {other.classroom} if that is meant")
        for _, other in booked[:i]:
            if _meet(own, other) and other.room == own.room:
                report(FILE, own.path, _twice(trees, own, other))
            elif _meet(own, other) and own.classroom is not None and other.classroom == own.classroom:
                line = trees[FILE].line(other.path)
                report(FILE, own.path, f"{own.classroom} is booked into {other.room} at that time, in line {line}")


def _meet(one: Meeting, two: Meeting) -> bool:
    return one.starts < two.ends and two.starts < one.ends


def _twice(trees: Trees, two: Meeting, one: Meeting) -> str:
    line = trees[FILE].line(one.path)
    there = f"{one.classroom} is" if one.classroom is not None else "it is emptied"
    return f"two in {two.room} at once, at {_clock(max(one.starts, two.starts))}: {there} there by line {line}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _shown(path: Path) -> str:
    return f"period {int(path[-1]) + 1} of the {path[-2]}"
