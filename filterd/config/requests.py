"""What people write when they ask for something for a while: services and names, and until when.

Text in, values of `core.commands` out; every mistake is a Refused that says what would do.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from typing import Final
from zoneinfo import ZoneInfo

from filterd.config import units
from filterd.core import schedule
from filterd.core.overrides import length
from filterd.core.policy import Policy, Rules
from filterd.core.targets import unknown
from filterd.errors import Refused

END_OF_PERIOD: Final = frozenset({"end-of-period", "het-tiet", "hết tiết"})
END_OF_DAY: Final = frozenset({"end-of-day", "het-ngay", "hết ngày", "cuối ngày"})
FARTHEST_S: Final = 366 * 86400
_CLOCK: Final = re.compile(r"([0-9]{1,2})(?::|h|g)([0-9]{2})?")
_FORMS: Final = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%d/%m/%Y %H:%M")
_EXAMPLES: Final = "write 10:15, end-of-period, end-of-day or a period, such as 'tiết 3 chiều'"


def rules_of(policy: Policy, words: Iterable[str]) -> Rules:
    """Services by id, everything with a dot or a leading `=` a name. Raises Refused "unknown", "name"."""
    services: list[str] = []
    names: list[str] = []
    known = [service.id for service in policy.services]
    for word in words:
        plain = word.strip().lower()
        if plain in known:
            services.append(plain)
        elif "." not in plain and not plain.startswith("="):
            raise unknown("service, and no name of a site", word, known)
        else:
            names.append(_name(word))
    if not services and not names:
        raise Refused("unknown", "no service and no name was given")
    return Rules(services=tuple(dict.fromkeys(services)), names=tuple(dict.fromkeys(names)))


def moment(policy: Policy, places: Iterable[str], lasting: str | None, until: str | None, now: float) -> int:
    """The Unix second at which it ends: `lasting` ("45m") from now, or `until` a time or a point of the timetable.

    Points of the timetable are those of the place whose comes first. Raises Refused "time", "past", "timetable".
    """
    if (lasting is None) == (until is None):
        raise Refused("time", "say how long, either for or until", "such as --for 45m or --until 10:15")
    if lasting is not None:
        try:
            seconds = units.duration(lasting)
        except ValueError as error:
            raise Refused("time", str(error)) from None
        found = int(now) + seconds
    else:
        assert until is not None
        found = _until(policy, tuple(places), until.strip(), now)
    if found <= now:
        raise Refused("past", f"{until or lasting} has passed", f"it is {shown(policy, now)}")
    if found > now + FARTHEST_S:
        raise Refused("time", f"{until or lasting} is more than a year away")
    return found


def shown(policy: Policy, moment: float) -> str:
    """A moment on the school's clock: `2026-11-23 10:15`."""
    return datetime.datetime.fromtimestamp(moment, ZoneInfo(policy.time_zone)).strftime("%Y-%m-%d %H:%M")


def shown_from(policy: Policy, moment: float, now: float) -> str:
    """A moment to come, short: `10:15 (in 45 min)`, with its day if that is another."""
    full, today = shown(policy, moment), shown(policy, now)
    return f"{full[11:] if full[:10] == today[:10] else full} (in {length(int(moment - now))})"


def _name(word: str) -> str:
    try:
        name = units.rule_name(word)
    except ValueError as error:
        raise Refused("name", str(error)) from None
    if not name.startswith("=") and units.is_public_suffix(name):
        raise Refused("name", f"{name} is no site but what sites are registered under", f"={name} is that name alone")
    return name


def _until(policy: Policy, places: tuple[str, ...], text: str, now: float) -> int:
    word = text.lower()
    if word in END_OF_PERIOD:
        ends = [e for place in places if (e := schedule.end_of_period(policy.timetable, place, now)) is not None]
        if not ends:
            raise Refused("timetable", "the timetable knows no period that is now", "write a time, such as 10:15")
        return min(ends)
    if word in END_OF_DAY:
        return schedule.end_of_day(policy.timetable, now) if policy.timetable else _midnight(policy, now)
    clock = _CLOCK.fullmatch(word)
    if clock is not None or any(character in word for character in "-/"):
        return _wall(policy, word, clock, now)
    return _named(policy, places, text, now)


def _named(policy: Policy, places: tuple[str, ...], text: str, now: float) -> int:
    """The end of a period by its name: of a whole school that of the first class that has such a period today."""
    found: list[int] = []
    why = "no class was named"
    for place in places:
        try:
            found.append(schedule.named(policy.timetable, place, text, now))
        except ValueError as error:
            why = str(error)
    if not found:
        raise Refused("timetable", f"{text[:40]!r}: {why}", _EXAMPLES)
    return min(found)


def _midnight(policy: Policy, now: float) -> int:
    zone = ZoneInfo(policy.time_zone)
    tomorrow = datetime.datetime.fromtimestamp(now, zone).date() + datetime.timedelta(days=1)
    return int(datetime.datetime.combine(tomorrow, datetime.time(), zone).timestamp())


def _wall(policy: Policy, text: str, clock: re.Match[str] | None, now: float) -> int:
    zone = ZoneInfo(policy.time_zone)
    found: datetime.datetime | None = None
    if clock is not None and int(clock[1]) < 24 and int(clock[2] or 0) < 60:
        today = datetime.datetime.fromtimestamp(now, zone)
        found = today.replace(hour=int(clock[1]), minute=int(clock[2] or 0), second=0, microsecond=0, fold=0)
    for form in _FORMS:
        try:
            found = found or datetime.datetime.strptime(text.upper(), form).replace(tzinfo=zone)
        except ValueError:
            continue
    if found is None:
        raise Refused("time", f"{text[:40]!r} is not a time", _EXAMPLES)
    return int(found.timestamp())
