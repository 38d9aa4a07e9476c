"""A small timetable as values, for tests of the core: two classes, a computer room, the bells of a morning."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from filterd.core.timetable import (
    Bell,
    ClassWeek,
    Lesson,
    Offset,
    Plan,
    SpecialDays,
    Timetable,
    Week,
)

ZONE = datetime.timezone(datetime.timedelta(hours=7))
EPOCH = datetime.date(1970, 1, 1)
MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
DAY = Plan(
    "day",
    (
        Bell("morning", 1, 420, 465),  # 07:00-07:45
        Bell("morning", 2, 470, 515),  # 07:50-08:35
        Bell("morning", 3, 535, 580),  # 08:55-09:40
        Bell("afternoon", 1, 780, 825),  # 13:00-13:45
        Bell("afternoon", 2, 830, 875),  # 13:50-14:35
    ),
)


def day(text: str) -> int:
    """`2026-11-23` (a Monday) as a day."""
    return (datetime.date.fromisoformat(text) - EPOCH).days


def moment(text: str) -> int:
    """`2026-11-23 07:10` in Vietnam as Unix seconds."""
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp())


def shown(found: int | None) -> str | None:
    """Unix seconds as `2026-11-23 07:10` in Vietnam."""
    return None if found is None else datetime.datetime.fromtimestamp(found, ZONE).strftime("%Y-%m-%d %H:%M")


def special(first: str, last: str | None = None, weekday: int | None = None, name: str = "") -> SpecialDays:
    return SpecialDays(day(first), day(last or first), weekday, name)


def week(*classes: ClassWeek, first: str = "2026-09-07", last: str = "2027-05-30") -> Week:
    return Week(day(first), day(last), classes)


def lessons(weekday: int, bells: Iterable[int], room: str | None = None, **more: str) -> tuple[Lesson, ...]:
    return tuple(Lesson(weekday, bell, room=room, **more) for bell in bells)


# Monday: 7-3 in the computer room in periods 1 and 2, 3a in period 3 with a profile; the afternoon is 3a's alone.
SEVENTH = ClassWeek(
    "7-3",
    "day",
    (
        *lessons(MON, (0, 1), "lab", teacher="ha", subject="tin"),
        *lessons(MON, (2,), teacher="ha"),
        *lessons(TUE, (0, 1, 2)),
    ),
)
THIRD = ClassWeek(
    "3a", "day", (*lessons(MON, (2,), "lab", profile="video", teacher="binh"), *lessons(MON, (3, 4), profile="exam"))
)
TIMETABLE = Timetable((Offset(0, 25200),), (DAY,), weeks=(week(SEVENTH, THIRD),))
