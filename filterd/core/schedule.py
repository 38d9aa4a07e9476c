"""What the timetable says at a moment: for a place, for a teacher, and when that changes.

Every answer is made from the timetable and the moment alone. An index of a timetable is made at the first question and
kept for as long as the same timetable is asked about.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from filterd.core.agenda import FREE, Agenda, Hold
from filterd.core.timetable import HALVES, Bell, Moment, Plan, planned_weekday
from filterd.core.timetable import Timetable as Timetable

HORIZON_DAYS = 400  # what changes later than that is as good as never
_HALF_WORDS = {
    "morning": "morning", "afternoon": "afternoon", "evening": "evening",
    "sang": "morning", "chieu": "afternoon", "toi": "evening",
}  # fmt: skip
_NO_MEANING = {"tiet", "period", "buoi", "in", "the"}


@dataclass(frozen=True, slots=True)
class Slot:
    """What holds for a place. `period` is a label such as "afternoon 3", None between periods; `classroom` the class
    that is in a room, None in a class's own place; `profile` what the timetable names; `until` when any of it changes.
    """

    period: str | None = None
    classroom: str | None = None
    profile: str | None = None
    until: Moment | None = None


NOTHING = Slot()


class _Same:
    """A timetable as a key that is compared by identity, because comparing all its lessons takes longer than asking."""

    __slots__ = ("value",)

    def __init__(self, value: Timetable) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


@functools.lru_cache(maxsize=4)
def _agenda_of(same: _Same) -> Agenda:
    return Agenda(same.value)


def agenda(timetable: Timetable) -> Agenda:
    """The index of a timetable, made once."""
    return _agenda_of(_Same(timetable))


def at(timetable: Timetable, place_id: str, now: float) -> Slot:
    """What holds for a class or a room at `now`; nothing for a place the timetable does not know."""
    found = agenda(timetable)
    if place_id not in found.places:
        return NOTHING
    held = _held(found, place_id, now)
    period = None if held.bell is None else f"{held.bell.half} {held.bell.number}"
    return Slot(period, held.classroom, held.profile, _until(found, place_id, now, held))


def treatment(timetable: Timetable, place_id: str, now: float) -> tuple[str | None, str | None]:
    """(classroom, profile) of `at`: what the rows of the matrix depend on."""
    found = agenda(timetable)
    return _held(found, place_id, now)[1:] if place_id in found.places else (None, None)


def next_change(timetable: Timetable, now: float) -> Moment | None:
    """When the classroom in a room or the profile of a place changes next; None: not within a year.

    A bell that changes neither is not a change; `Slot.until` counts it.
    """
    found = agenda(timetable)
    held = {place: _held(found, place, now)[1:] for place in found.treated}
    busy = [place for place, treated in held.items() if treated != FREE[1:] or place in found.windows]
    today = found.clock.day(now)
    day = today
    while day <= today + HORIZON_DAYS:
        # Until a day with lessons only what holds already can end, and windows can begin.
        after = day if day == today else found.next_busy(day)
        if after != day and not busy:
            day = after
            continue
        moments = [
            since
            for place in (held if after == day else busy)
            for since, hold in found.changes(place, day)
            if since > now and hold[1:] != held[place]
        ]
        if moments:
            return min(moments)
        if after > found.last_day and not busy:
            return None
        day += 1
    return None


def end_of_period(timetable: Timetable, place_id: str, now: float) -> Moment | None:
    """The end of the period it is, by the bells of the class or of the class in the room; None in breaks."""
    found = agenda(timetable)
    day = found.clock.day(now)
    if planned_weekday(timetable, day) is None:
        return None
    held = _held(found, place_id, now).bell if place_id in found.places else None
    bells = [held] if held is not None else [bell for plan in plans_of(timetable, place_id, now) for bell in plan.bells]
    ends = (found.clock.moment(day, b.ends) for b in bells if found.clock.moment(day, b.starts) <= now)
    return min((end for end in ends if now < end), default=None)


def end_of_day(timetable: Timetable, now: float) -> Moment:
    """When the last lesson of the day ends or, where none is to come, the midnight to come."""
    found = agenda(timetable)
    day = found.clock.day(now)
    last = found.clock.moment(day, max((span.ends for span in found.spans(day)), default=0))
    return last if last > now else found.clock.moment(day + 1, 0)


def named(timetable: Timetable, place_id: str, text: str, now: float) -> Moment:
    """When a period of today ends: "tiết 3 chiều", "tiet 3", "period 3 afternoon". Raises ValueError saying why not."""
    number, half = _words(text)
    found = agenda(timetable)
    day = found.clock.day(now)
    plans = plans_of(timetable, place_id, now)
    bells = [b for plan in plans for b in plan.bells if b.number == number and half in (None, b.half)]
    if not bells:
        raise ValueError(f"there is no such period; there is {_listed(plans) or 'no timetable'}")
    if planned_weekday(timetable, day) is None:
        raise ValueError("today is a day without school")
    ends = [found.clock.moment(day, bell.ends) for bell in bells]
    to_come = [end for end in ends if end > now]
    if not to_come:
        raise ValueError(f"that period is over, at {_clock(max(bell.ends for bell in bells))}")
    return min(to_come)


def teaching(timetable: Timetable, teacher_id: str, now: float) -> tuple[str, ...]:
    """The classes a teacher has now, by the timetable; breaks within a double period included."""
    found = agenda(timetable)
    day = found.clock.day(now)
    moment = found.clock.moment
    return tuple(
        dict.fromkeys(
            span.classroom
            for span in found.spans(day)
            if span.teacher == teacher_id and moment(day, span.starts) <= now < moment(day, span.ends)
        )
    )


def plans_of(timetable: Timetable, place_id: str, now: float) -> tuple[Plan, ...]:
    """The bells that a place follows on the day it is: those of the class, of the classes in the room, else all."""
    found = agenda(timetable)
    day = found.clock.day(now)
    own = found.class_week(place_id, day)
    if own is not None:
        return (found.plans[own.plan],)
    week = found.week(day)
    using = {c.plan for c in (week.classes if week is not None else ()) if any(n.room == place_id for n in c.lessons)}
    return tuple(plan for plan in timetable.plans if not using or plan.id in using)


def _held(found: Agenda, place: str, now: float) -> Hold:
    day = found.clock.day(now)
    held = FREE
    for since, hold in found.changes(place, day):
        if since > now:
            break
        held = hold
    return held


def _until(found: Agenda, place: str, now: float, held: Hold) -> Moment | None:
    """When something else holds for a place."""
    today = found.clock.day(now)
    skips = held == FREE and place not in found.windows
    last = min(today + HORIZON_DAYS, found.last_day + 1) if place not in found.windows else today + HORIZON_DAYS
    day = today
    while day <= last:
        if day == today or not (skips and found.is_quiet(place, day)):
            for since, hold in found.changes(place, day):
                if since > now and hold != held:
                    return since
        day = found.next_busy(day + 1) if skips else day + 1
    return None


def _words(text: str) -> tuple[int, str | None]:
    plain = unicodedata.normalize("NFD", text.lower())
    words = "".join(c for c in plain if not unicodedata.combining(c)).split()
    numbers = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 3]
    halves = [_HALF_WORDS[word] for word in words if word in _HALF_WORDS]
    known = len(numbers) + len(halves) + sum(word in _NO_MEANING for word in words)
    if len(numbers) != 1 or len(halves) > 1 or known != len(words):
        raise ValueError(f'{text[:40]!r} is not a period; write "tiết 3 chiều" or "period 3 afternoon"')
    return numbers[0], halves[0] if halves else None


def _listed(plans: Iterable[Plan]) -> str:
    bells: dict[str, list[Bell]] = {}
    for plan in plans:
        for bell in plan.bells:
            bells.setdefault(bell.half, []).append(bell)
    parts = [
        f"{half} {min(b.number for b in bells[half])} to {max(b.number for b in bells[half])}"
        for half in HALVES
        if half in bells
    ]
    return ", ".join(parts)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
