"""A week from a CSV file, as timetable programs export it: bytes in, lessons out, or every bad line at once.

One lesson a line:            class,day,half,period,subject,teacher,room,profile
or a grid, one class a column: thứ,buổi,tiết,6A,7A,...      with cells such as `Toán - Nguyễn Thị Hà`

Columns have Vietnamese or English names, in any order, parted by comma, semicolon or tab; empty cells of the day and
the half-day in a grid repeat the ones above. `cli.timetable` reads the file; `timetable_file` writes the lessons.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from filterd.config import units
from filterd.config.problems import suggest
from filterd.config.schema_timetable import WEEKDAYS
from filterd.core.timetable import Bell, Plan
from filterd.errors import ConfigError, Problem

MAX_BYTES: Final = 4 << 20
MAX_ROWS: Final = 50_000
MAX_SUBJECT: Final = 100
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "class": ("class", "classroom", "lop"),
    "day": ("day", "weekday", "thu", "ngay"),
    "half": ("half", "session", "buoi"),
    "period": ("period", "lesson", "tiet"),
    "subject": ("subject", "mon", "mon hoc"),
    "teacher": ("teacher", "giao vien", "gv"),
    "room": ("room", "phong", "phong hoc"),
    "profile": ("profile", "che do"),
}
_HALVES: Final = {"sang": "morning", "s": "morning", "chieu": "afternoon", "c": "afternoon", "toi": "evening"}
_DAYS: Final = {
    **{str(i + 2): day for i, day in enumerate(WEEKDAYS[:6])},
    **dict(zip(("hai", "ba", "tu", "nam", "sau", "bay"), WEEKDAYS, strict=False)),
    "cn": "sun",
    "chu nhat": "sun",
    **{day: day for day in WEEKDAYS},
    **dict(zip(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), WEEKDAYS, strict=True)),
}


class School(NamedTuple):
    """What a file may name: ids and the names people say; the bells of each class."""

    classes: Mapping[str, str]
    rooms: Mapping[str, str]
    profiles: Sequence[str]
    plans: Mapping[str, Plan]


class Entry(NamedTuple):
    """One lesson and its line. `bell` is an index of the bells of its class."""

    line: int
    classroom: str
    weekday: str
    bell: int
    subject: str
    teacher: str | None
    room: str | None
    profile: str | None


Row = tuple[int, Mapping[str, str]]


def parse(data: bytes, file: str, school: School) -> tuple[Entry, ...]:
    """The lessons of a file. Raises ConfigError with every mistake, each with its line; then nothing is to be used."""
    wrong: list[Problem] = []
    found: list[Entry] = []
    for line, row in _rows(data, file):
        try:
            entry = _entry(line, row, school)
        except ValueError as error:
            wrong.append(Problem(f"{file}:{line}", str(error)))
            continue
        found.append(entry)
    wrong += (Problem(f"{file}:{line}", what) for line, what in _clashes(found, school))
    if not wrong and not found:
        wrong.append(Problem(file, "holds no lesson"))
    if wrong:
        raise ConfigError(sorted(wrong, key=lambda p: int(p.where.rpartition(":")[2]) if ":" in p.where else 0))
    return tuple(found)


def plain(text: str) -> str:
    """Words without accents, in lower case, one space between: `Môn  học` is `mon hoc`."""
    spread = unicodedata.normalize("NFD", text.lower().replace("đ", "d"))
    return " ".join("".join(c for c in spread if not unicodedata.combining(c)).split())


def _rows(data: bytes, file: str) -> Iterator[Row]:
    """(line, cells by column) of every lesson; those of a grid one by one."""
    if len(data) > MAX_BYTES:
        raise ConfigError([Problem(file, f"is larger than {MAX_BYTES >> 20} MiB; that is no timetable")])
    text = _decoded(data, file)
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=head.count))
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise ConfigError([Problem(f"{file}:{reader.line_num}", f"not CSV: {error}")]) from None
    if len(rows) > MAX_ROWS:
        raise ConfigError([Problem(file, f"has more than {MAX_ROWS:,} lines; that is no timetable")])
    if not rows:
        raise ConfigError([Problem(file, "is empty")])
    header = rows[0][1]
    columns = {at: key for at, cell in enumerate(header) if (key := _column(cell)) is not None}
    grid = "class" not in columns.values()
    missing = [key for key in ("day", "period") if key not in columns.values()]
    if missing or len(set(columns.values())) < len(columns):
        what = f"has no column for {' and '.join(missing)}" if missing else "has two columns for the same"
        raise ConfigError([Problem(f"{file}:{rows[0][0]}", f"the first line {what}; it names the columns")])
    if grid and not any(header[at] for at in range(len(header)) if at not in columns):
        raise ConfigError([Problem(f"{file}:{rows[0][0]}", "the first line names no class")])
    yield from _grid(rows, columns) if grid else _lines(rows, columns, file)


def _decoded(data: bytes, file: str) -> str:
    try:
        text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(f"{file}:{line}", "is not UTF-8; save it as CSV UTF-8")]) from None
    if "\0" in text:
        raise ConfigError([Problem(file, "holds NUL characters; that is no CSV")])
    return text


def _column(cell: str) -> str | None:
    return next((key for key, names in COLUMNS.items() if plain(cell) in names), None)


def _lines(rows: list[tuple[int, list[str]]], columns: Mapping[int, str], file: str) -> Iterator[Row]:
    width = len(rows[0][1])
    long = [line for line, row in rows if any(row[width:])]
    if long:
        raise ConfigError([Problem(f"{file}:{line}", "has more cells than the first line") for line in long])
    for line, row in rows[1:]:
        if any(row):
            yield line, {columns[at]: cell for at, cell in enumerate(row) if at in columns}


def _grid(rows: list[tuple[int, list[str]]], columns: Mapping[int, str]) -> Iterator[Row]:
    header = rows[0][1]
    above: dict[str, str] = {}
    for line, row in rows[1:]:
        here = {columns[at]: cell for at, cell in enumerate(row) if at in columns}
        above |= {key: cell for key, cell in here.items() if key in ("day", "half") and cell}
        for at, cell in enumerate(row):
            if at in columns or not cell or plain(cell) in ("-", "x"):
                continue
            subject, _, teacher = cell.partition(" - ")
            classroom = header[at] if at < len(header) else ""
            yield line, {**here, **above, "class": classroom, "subject": subject.strip(), "teacher": teacher.strip()}


def _entry(line: int, row: Mapping[str, str], school: School) -> Entry:
    """A lesson. Raises ValueError saying what is wrong with its line."""
    classroom = _known(row.get("class", ""), school.classes, "class")
    day = plain(row.get("day", "")).removeprefix("thu ")
    if day not in _DAYS:
        raise ValueError(f"{units.shown(row.get('day', ''))} is not a day of the week, such as 2, Thứ 2, CN or mon")
    plan = school.plans.get(classroom)
    if plan is None:
        raise ValueError(f"the bells of {classroom} are not known; say which with --plan")
    subject = row.get("subject", "")
    if len(subject) > MAX_SUBJECT or not subject.isprintable():
        raise ValueError(f"{units.shown(subject)} is not a subject: at most {MAX_SUBJECT} characters in one line")
    profile = row.get("profile") or None
    if profile is not None and profile not in school.profiles:
        raise ValueError(f"{units.shown(profile)} is not a profile; {suggest(profile, school.profiles)}")
    said_room, teacher = row.get("room", ""), row.get("teacher", "")
    return Entry(
        line,
        classroom,
        _DAYS[day],
        _bell(row, plan),
        subject,
        _account(teacher) if teacher else None,
        _known(said_room, school.rooms, "room") if said_room else None,
        profile,
    )


def _known(said: str, names: Mapping[str, str], kind: str) -> str:
    """The id of what is called by its id or its name."""
    wanted = plain(said)
    for ident, name in names.items():
        if wanted in (ident, plain(name)):
            return ident
    raise ValueError(f"{units.shown(said)} is not a {kind}; {suggest(said, [*names, *names.values()])}")


def _account(name: str) -> str:
    """A teacher's name as the id of an account: `Nguyễn Thị Hà` is nguyen-thi-ha."""
    return units.identifier(re.sub(r"[^a-z0-9]+", "-", plain(name)).strip("-"))


def _bell(row: Mapping[str, str], plan: Plan) -> int:
    said, half = row.get("period", ""), plain(row.get("half", ""))
    number = plain(said).removeprefix("tiet ").removeprefix("period ")
    half = _HALVES.get(half.removeprefix("buoi "), half)
    if half not in ("", "morning", "afternoon", "evening"):
        raise ValueError(f"{units.shown(row.get('half', ''))} is not a half-day: sáng, chiều or tối")
    fits = [i for i, b in enumerate(plan.bells) if str(b.number) == number and half in ("", b.half)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise ValueError(f"period {number} is in the morning and later too; the line must say the half-day")
    where = f" in the {half}" if half else ""
    raise ValueError(f"the plan {plan.id!r} has no period {units.shown(said)}{where}")


def _clashes(found: Sequence[Entry], school: School) -> Iterator[tuple[int, str]]:
    """Two lessons of a class in one period, and two classes in one room at once."""
    lessons: dict[tuple[str, str, int], int] = {}
    rooms: dict[tuple[str, str], list[tuple[Bell, Entry]]] = {}
    for entry in found:
        first = lessons.setdefault((entry.classroom, entry.weekday, entry.bell), entry.line)
        if first != entry.line:
            yield entry.line, f"{entry.classroom} already has a lesson in that period, in line {first}"
            continue
        if entry.room is None:
            continue
        bell = school.plans[entry.classroom].bells[entry.bell]
        for other, there in rooms.setdefault((entry.weekday, entry.room), []):
            if bell.starts < other.ends and other.starts < bell.ends:
                yield entry.line, f"two in {entry.room} at once: {there.classroom} is there by line {there.line}"
        rooms[entry.weekday, entry.room].append((bell, entry))
