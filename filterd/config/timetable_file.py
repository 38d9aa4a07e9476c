"""The weeks of timetable.yaml as text: lessons written out, and put in place of the weeks a file has.

Works on text, so that comments and everything else stay as they are. Text in, text out; `cli.timetable` reads and
writes the file, once the whole configuration loads with it.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from filterd.config.schema_timetable import WEEKDAYS
from filterd.config.timetable_csv import Entry
from filterd.core.timetable import HALVES, Plan

_WEEKS = re.compile(r"^(weeks|\"weeks\"|'weeks')[ \t]*:")
_NEXT_KEY = re.compile(r"^[^\s#\-]")


class Kept(NamedTuple):
    """What stays of a class's week when its lessons are written anew: its bells and the room that is its own."""

    plan: Plan
    room: str | None = None


def week(
    entries: Iterable[Entry],
    kept: Mapping[str, Kept],
    first_day: datetime.date | None = None,
    last_day: datetime.date | None = None,
) -> str:
    """The section `weeks` with one week of these lessons."""
    lines = ["weeks:", "  - classes:"]
    if first_day is not None or last_day is not None:
        days = {"first_day": first_day, "last_day": last_day}
        said = [f"{key}: {date.isoformat()}" for key, date in days.items() if date is not None]
        lines = ["weeks:", f"  - {said[0]}", *(f"    {more}" for more in said[1:]), "    classes:"]
    by_class: dict[str, list[Entry]] = {}
    for entry in entries:
        by_class.setdefault(entry.classroom, []).append(entry)
    for classroom, own in by_class.items():
        lines += [f"      {classroom}:", f"        plan: {json.dumps(kept[classroom].plan.id)}"]
        room = kept[classroom].room
        lines += [f"        room: {json.dumps(room)}"] if room is not None else []
        for weekday in WEEKDAYS:
            lines += _day(weekday, [e for e in own if e.weekday == weekday], kept[classroom].plan)
    return "\n".join(lines) + "\n"


def replaced(text: str, section: str) -> str:
    """A file with another section `weeks`; at its end where it has none. Comments before the next key stay."""
    lines = text.splitlines(keepends=True)
    at = next((i for i, line in enumerate(lines) if _WEEKS.match(line)), None)
    if at is None:
        return text + ("" if text.endswith("\n") or not text else "\n") + section
    end = next((i for i in range(at + 1, len(lines)) if _NEXT_KEY.match(lines[i])), len(lines))
    while end > at + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    return "".join(lines[:at]) + section + "".join(lines[end:])


def _day(weekday: str, entries: list[Entry], plan: Plan) -> list[str]:
    lines = [f"        {weekday}:"] if entries else []
    held = {entry.bell: entry for entry in entries}
    for half in HALVES:
        own = [held.get(i) for i, bell in enumerate(plan.bells) if bell.half == half]
        while own and own[-1] is None:
            own.pop()
        if own:
            lines.append(f"          {half}: [{', '.join(map(_lesson, own))}]")
    return lines


def _lesson(entry: Entry | None) -> str:
    if entry is None:
        return "null"
    said = {"subject": entry.subject, "room": entry.room, "profile": entry.profile, "teacher": entry.teacher}
    written = {key: _quoted(value) for key, value in said.items() if value}
    if set(written) == {"subject"}:
        return written["subject"]
    return "{" + ", ".join(f"{key}: {value}" for key, value in written.items()) + "}"


def _quoted(value: str) -> str:
    """A text in double quotes, where YAML and JSON escape alike."""
    return json.dumps(value, ensure_ascii=False)
