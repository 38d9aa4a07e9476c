"""Accounts from a CSV file, as a school office exports its staff: bytes in, rows out, or every bad line at once.

    id,name,role,classes,profiles        (or mã, họ tên, vai trò, lớp, chế độ; in any order)
    an,Nguyễn Thị An,teacher,7-1 7-2,

Name and role are required. Without an id it is made of the name as `timetable_csv` makes that of a lesson's teacher, so
that the two files mean the same people. Columns are parted by comma, semicolon or tab; a cell with several classes
parts them by spaces, or by any of these. `cli.account` reads the file and writes the accounts. It is a list of staff:
nobody else has an account.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from filterd.config import units
from filterd.config.problems import suggest
from filterd.config.timetable_csv import plain
from filterd.core.commands import Role
from filterd.errors import ConfigError, Problem

MAX_BYTES: Final = 1 << 20
MAX_ROWS: Final = 2000
MAX_NAME: Final = 100
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {  # as `plain` leaves them
    "id": ("id", "ma", "tai khoan"),
    "name": ("name", "ho ten", "ho va ten", "ten"),
    "role": ("role", "vai tro"),
    "classes": ("classes", "class", "lop"),
    "profiles": ("profiles", "profile", "che do"),
}
ROLES: Final[Mapping[str, Role]] = {
    **{role.value: role for role in Role},
    "giao vien": Role.TEACHER,
    "ky thuat": Role.TECHNICIAN,
    "hieu truong": Role.HEAD,
    "bao ve tre em": Role.SAFEGUARDING,
    "phong giao duc": Role.DISTRICT,
}
_REQUIRED: Final = ("name", "role")
_GAP: Final = re.compile(r"[\s,;|]+")
_NOT_OF_AN_ID: Final = re.compile(r"[^a-z0-9]+")


class Row(NamedTuple):
    """One account as the file has it."""

    id: str
    name: str
    role: Role
    classes: tuple[str, ...]
    profiles: tuple[str, ...]


def parse(data: bytes, file: str, classes: Mapping[str, str], profiles: Mapping[str, str]) -> tuple[Row, ...]:
    """The accounts of a file. `classes` and `profiles`: id to the name people say, either of which may be written.

    Raises ConfigError with every mistake, each with its line; then nothing of the file is to be used.
    """
    problems: list[Problem] = []
    rows: list[Row] = []
    lines: dict[str, int] = {}
    try:
        for number, cells in _lines(data):
            try:
                found = row(cells, f"{file}:{number}", classes, profiles)
            except ConfigError as error:
                problems += error.problems
                continue
            if found.id in lines:
                problems.append(Problem(f"{file}:{number} id", f"{found.id!r} is in line {lines[found.id]} already"))
            lines.setdefault(found.id, number)
            rows.append(found)
    except ValueError as error:
        problems.append(Problem(file, str(error)))
    if not rows and not problems:
        problems.append(Problem(file, "holds no account"))
    if problems:
        raise ConfigError(problems)
    return tuple(rows)


def _lines(data: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line that is not empty with its number, as texts by column. Raises ValueError for the file as a whole."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError('is not in UTF-8; save it as "CSV UTF-8"') from None
    heading = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=heading.count), strict=True)
    columns: list[str] = []
    try:
        for count, cells in enumerate(reader):
            if count > 2 * MAX_ROWS:
                raise ValueError(f"has more than {MAX_ROWS} accounts")
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if not columns:
                columns = _columns(cells)
                continue
            if len(cells) > len(columns) and any(cells[len(columns) :]):
                raise ValueError(f"line {reader.line_num} has {len(cells)} cells, the heading {len(columns)}")
            yield reader.line_num, dict(zip(columns, cells, strict=False))
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None


def _columns(heading: list[str]) -> list[str]:
    known = {word: column for column, words in COLUMNS.items() for word in words}
    found = []
    for cell in heading:
        column = known.get(plain(cell))
        if column is None and cell:
            raise ValueError(f"{units.shown(cell)} is no column; {suggest(cell, COLUMNS)}")
        if column is not None and column in found:
            raise ValueError(f"the column {column} is there twice")
        found.append(column or "")
    missing = [column for column in _REQUIRED if column not in found]
    if missing:
        raise ValueError(f"has no column {', '.join(missing)}; its first line names the columns")
    return found


def row(cells: Mapping[str, str], where: str, classes: Mapping[str, str], profiles: Mapping[str, str]) -> Row:
    """One account of texts by column, as `parse`. Raises ConfigError with every mistake, at `where`."""
    name, role_word = (cells.get(column, "") for column in _REQUIRED)
    ident = cells.get("id") or _NOT_OF_AN_ID.sub("-", plain(name)).strip("-")
    problems: list[Problem] = []

    def wrong(column: str, what: str) -> None:
        problems.append(Problem(f"{where} {column}", what))

    try:
        units.identifier(ident)
    except ValueError as error:
        wrong("id", str(error))
    if not name or len(name) > MAX_NAME or not name.isprintable():
        wrong("name", f"{units.shown(name)} is not a name of 1 to {MAX_NAME} characters on one line")
    role = ROLES.get(plain(role_word))
    if role is None:
        wrong("role", f"{units.shown(role_word)} is not a role; {suggest(role_word, ROLES)}")
    found: dict[str, tuple[str, ...]] = {}
    for column, known in (("classes", classes), ("profiles", profiles)):
        words, ids = [word for word in _GAP.split(cells.get(column, "")) if word], []
        for word in words:
            try:
                ids.append(known_id(word, known, f"{where} {column}"))
            except ConfigError as error:
                problems += error.problems
        found[column] = tuple(dict.fromkeys(ids))
    if role not in (None, Role.TEACHER) and found["classes"]:
        wrong("classes", f"only a teacher has classes, and this is {role}")
    if problems or role is None:
        raise ConfigError(problems)
    return Row(ident, name, role, found["classes"], found["profiles"])


def known_id(word: str, known: Mapping[str, str], where: str) -> str:
    """The id that was meant by an id or by the one name people say. Raises ConfigError, suggesting the nearest."""
    if word.lower() in known:
        return word.lower()
    meant = [ident for ident, name in known.items() if plain(name) == plain(word)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise ConfigError([Problem(where, f"{units.shown(word)} may be {' or '.join(meant)}")])
    raise ConfigError([Problem(where, f"{units.shown(word)} is not known; {suggest(word, known)}")])
