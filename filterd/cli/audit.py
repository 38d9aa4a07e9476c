"""`filterd audit`: who changed what, why and until when, and whether the log of it is whole. Writes nothing.

Exit codes: 0 well, 1 the log was altered or cut, 2 bad input.
"""

from __future__ import annotations

import contextlib
import datetime
import json
from collections import deque
from pathlib import Path
from typing import Any

import click

from filterd.cli.options import config_option, state_option
from filterd.cli.state import must_be_readable, state_directory
from filterd.core.audit import START, Head, Line
from filterd.errors import ConfigError, Problem
from filterd.store import accounts, overrides
from filterd.store import audit as store

MAX_SHOWN = 20


@click.group()
def audit() -> None:
    """Show who changed what, and check that the log of it is whole."""


def _head(_: click.Context, __: click.Parameter, value: str | None) -> Head | None:
    try:
        return None if value is None else Head.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@audit.command()
@click.option("--head", callback=_head, metavar="H", help="A head that was kept elsewhere: it must be in this log.")
@click.option("--after", callback=_head, metavar="H", help="The head of the last line that was removed on purpose.")
@config_option
@state_option
@click.pass_context
def verify(
    context: click.Context, head: Head | None, after: Head | None, config_dir: Path, state_dir: Path | None
) -> None:
    """Look at every line of the log. Exit code 1 if one was altered, moved or removed.

    That the end was cut off, or all of it written anew, shows only against a head that was kept elsewhere; the heads
    that overrides and accounts carry are looked at as far as they can be read.
    """
    folder = _folder(config_dir, state_dir)
    start = after or START
    known = [(where, kept) for where, kept in _known(folder.parent) if kept.sequence >= start.sequence]
    report = store.verify(folder, head, known, start)
    for sentence in report.torn[:MAX_SHOWN]:
        click.echo(f"passed over: {sentence}")
    for sentence in report.problems[:MAX_SHOWN]:
        click.echo(f"NOT AS IT WAS WRITTEN: {sentence}", err=True)
    for name, sentences in (("passed over", report.torn), ("not as they were written", report.problems)):
        if len(sentences) > MAX_SHOWN:
            click.echo(f"and {len(sentences) - MAX_SHOWN} more {name}", err=True)
    if not report.sound:
        context.exit(1)
    against = " and agrees with the head that was kept" if head else ""
    click.echo(f"ok: {report.lines} lines, each follows the one before{against}")
    click.echo(f"head {report.head}")


@audit.command("head")
@config_option
@state_option
def show_head(config_dir: Path, state_dir: Path | None) -> None:
    """Print the head of the log, to be kept elsewhere."""
    folder = _folder(config_dir, state_dir)
    try:
        click.echo(str(store.head(folder)))
    except ValueError as error:
        raise ConfigError([Problem(str(folder), str(error))]) from None


@audit.command()
@click.option("-n", "--lines", "count", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--who", metavar="ID", help="Only what this account did, or what was done to it.")
@click.option("--place", metavar="CLASS", help="Only what is about this class.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON each.")
@config_option
@state_option
def show(
    count: int, who: str | None, place: str | None, as_json: bool, config_dir: Path, state_dir: Path | None
) -> None:
    """Show the last lines of the log, oldest first."""
    folder = _folder(config_dir, state_dir)
    try:
        found = deque((line for line in store.read(folder) if _wanted(line, who, place)), maxlen=count)
    except ValueError as error:
        raise ConfigError([Problem(str(folder), str(error))]) from None
    for line in found:
        click.echo(_json(line) if as_json else _text(line))
    if not found and not as_json:
        click.echo("nothing")


def _folder(config_dir: Path, state_dir: Path | None) -> Path:
    state = state_directory(config_dir, state_dir)
    folder = store.folder(state)
    must_be_readable(state)
    must_be_readable(folder)
    return folder


def _known(state: Path) -> list[tuple[str, Head]]:
    """The heads that the files beside the log carry; one that is damaged, or closed to this user, carries none."""
    found: list[tuple[str, Head]] = []
    with contextlib.suppress(OSError, ValueError):
        in_force = overrides.load(state)
        found.append((overrides.path(state).name, Head(in_force.sequence, in_force.chain)))
    with contextlib.suppress(OSError, ValueError):
        known = accounts.load(state)
        found.append((accounts.path(state).name, Head(known.sequence, known.chain)))
    return [(where, head) for where, head in found if head.hash]


def _wanted(line: Line, who: str | None, place: str | None) -> bool:
    entry = line.entry
    places = entry.get("places", [entry.get("place")])
    by_whom = who is None or who in (entry.get("by"), entry.get("account"))
    return by_whom and (place is None or (isinstance(places, list) and place in places))


def _json(line: Line) -> str:
    return json.dumps({"sequence": line.sequence, "time": line.time, **line.entry}, ensure_ascii=False)


def _text(line: Line) -> str:
    """Number, time, and what the entry says; what is empty is left out."""
    words = [_value(key, line.entry[key]) for key in ("kind", "what") if line.entry.get(key)]
    words += [
        f"{_value('', key)}={_value(key, value)}"
        for key, value in line.entry.items()
        if key not in ("kind", "what") and value
    ]
    return f"{line.sequence:>6}  {_moment(line.time)}  {' '.join(words)}"


def _value(key: str, value: Any) -> str:
    if key in ("until", "since") and isinstance(value, int):
        return json.dumps(_moment(value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    plain = text.isprintable() and " " not in text
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())


def _moment(seconds: int) -> str:
    """By the box's time zone; a number that is no moment stays one."""
    try:
        return datetime.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return str(seconds)
