"""`filterd timetable`: what the timetable says for a class or a room, and a new week from a CSV file.

`import` writes only the section `weeks` of policies/timetable.yaml, under a lock, and only if the whole configuration
loads with it. The running server sees the new file by itself.
"""

from __future__ import annotations

import datetime
import json
import stat
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from filterd.cli.options import config_option
from filterd.cli.times import moment
from filterd.config import files, load, problems, timetable_csv, timetable_file, units
from filterd.config.timetable_csv import School
from filterd.config.timetable_file import Kept
from filterd.core import schedule
from filterd.core.policy import Place, Policy
from filterd.core.timetable import Plan, planned_weekday
from filterd.errors import ConfigError, Problem
from filterd.store import atomic

FILE = "timetable.yaml"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@click.group()
def timetable() -> None:
    """Show who is where, or take a new week from a CSV file."""


@timetable.command()
@click.argument("name", metavar="CLASS|ROOM")
@config_option
@click.option("--at", "at", metavar="TIME", help='At another time: "2026-11-23 09:10" in the school\'s time zone.')
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(name: str, config_dir: Path, at: str | None, as_json: bool) -> None:
    """Show what the timetable says for CLASS or ROOM: now, and on the whole day."""
    policy = load.load(config_dir)
    place = _place(policy, name)
    now = moment(at, policy.time_zone) if at else time.time()
    found = report(policy, place, now)
    click.echo(json.dumps(found, ensure_ascii=False, indent=2) if as_json else _text(found, policy.time_zone))


def report(policy: Policy, place: Place, now: float) -> dict[str, Any]:
    """What holds for a place at `now` and on its day, as JSON values; moments are Unix seconds."""
    table = policy.timetable
    agenda = schedule.agenda(table)
    day = agenda.clock.day(now)
    slot = schedule.at(table, place.id, now)
    spans = sorted((s for s in agenda.spans_of(place.id, day) if s.bell is not None), key=lambda s: s.starts)
    weekday = planned_weekday(table, day)
    special = next((s for s in table.days if s.first <= day <= s.last), None)
    there = next((p for p in policy.places if p.id == slot.classroom), place)
    return {
        "place": place.id,
        "name": place.name,
        "kind": place.kind,
        "at": int(now),
        "period": slot.period,
        "classroom": slot.classroom,
        "tier": there.tier,
        "profile": slot.profile or there.profile,
        "until": slot.until,
        "runs": WEEKDAYS[weekday] if weekday is not None else None,
        "special": special.name if special is not None else None,
        "lessons": [
            {
                "starts": agenda.clock.moment(day, span.starts),
                "ends": agenda.clock.moment(day, span.ends),
                "period": f"{span.bell.half} {span.bell.number}" if span.bell is not None else None,
                "classroom": span.classroom,
                "room": span.room,
                "subject": span.subject,
                "teacher": span.teacher,
                "profile": span.profile,
            }
            for span in spans
        ],
    }


@timetable.command("import")
@click.argument("source", metavar="FILE.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@config_option
@click.option("--plan", metavar="ID", help="The bells of classes that have none yet.  [default: the only plan]")
@click.option("--from", "first", metavar="DATE", help="The first day the week holds.  [default: always has]")
@click.option("--until", "last", metavar="DATE", help="The last day it holds.  [default: until another import]")
def import_csv(source: Path, config_dir: Path, plan: str | None, first: str | None, last: str | None) -> None:
    """Put the lessons of FILE.csv in place of all weeks of policies/timetable.yaml.

    Every bad line is listed, and then nothing is changed. Classes keep their bells and rooms of before.
    """
    days = _day("--from", first), _day("--until", last)
    with atomic.locked(config_dir / files.POLICIES):
        before = load.load(config_dir)
        kept = _kept(before, plan)
        school = School(
            {p.id: p.name for p in before.places if p.kind == "classroom"},
            {p.id: p.name for p in before.places if p.kind == "room"},
            tuple(p.id for p in before.profiles),
            {classroom: each.plan for classroom, each in kept.items()},
        )
        entries = timetable_csv.parse(source.read_bytes(), source.name, school)
        _write(config_dir, before, timetable_file.week(entries, kept, *days))
    classes = dict.fromkeys(entry.classroom for entry in entries)
    rooms = {entry.room for entry in entries} - {None}
    click.echo(f"{len(entries)} lessons of {len(classes)} classes, {len(rooms)} rooms, in policies/{FILE}")
    without = [p.id for p in before.places if p.kind == "classroom" and p.id not in classes]
    if without:
        click.echo(f"without a lesson: {', '.join(without)}")
    click.echo("A running server takes it within a second.")


def _place(policy: Policy, name: str) -> Place:
    wanted = timetable_csv.plain(name)
    for place in policy.places:
        if wanted in (place.id, timetable_csv.plain(place.name)):
            return place
    known = [word for place in policy.places for word in (place.id, place.name)]
    what = f"{units.shown(name)} is not a class or room; {problems.suggest(name, known)}"
    raise ConfigError([Problem("CLASS|ROOM", what)])


def _day(option: str, text: str | None) -> datetime.date | None:
    try:
        return units.day(text) if text is not None else None
    except ValueError as error:
        raise ConfigError([Problem(option, str(error))]) from None


def _kept(policy: Policy, ident: str | None) -> dict[str, Kept]:
    """The bells of every class, and the room that all its lessons without one were in."""
    plans = {plan.id: plan for plan in policy.timetable.plans}
    if not plans:
        raise ConfigError([Problem(f"{files.POLICIES}/{FILE}", "has no plans; write the bells first")])
    if ident is not None and ident not in plans:
        what = f"{units.shown(ident)} is not a plan; {problems.suggest(ident, plans)}"
        raise ConfigError([Problem("--plan", what)])
    default: Plan | None = plans[ident] if ident is not None else None
    if default is None and len(plans) == 1:
        default = next(iter(plans.values()))
    own = {c.classroom: c for week in policy.timetable.weeks for c in week.classes}
    kept: dict[str, Kept] = {}
    for place in policy.places:
        plan = plans[own[place.id].plan] if place.id in own else default
        if plan is not None and place.kind == "classroom":
            kept[place.id] = Kept(plan, own[place.id].room if place.id in own else None)
    return kept


def _write(config_dir: Path, before: Policy, section: str) -> None:
    """Write the section if the whole configuration loads with it and nothing else of it changed."""
    path = (config_dir / files.POLICIES / FILE).resolve()
    try:
        edited = timetable_file.replaced(files.read(path).decode("utf-8-sig"), section).encode()
    except ValueError as error:
        raise ConfigError([Problem(f"{files.POLICIES}/{FILE}", str(error))]) from None
    after = load.load(config_dir, staged={FILE: edited}).timetable
    was = before.timetable
    if (after.plans, after.years, after.days, after.windows) != (was.plans, was.years, was.days, was.windows):
        what = "is written in a way that cannot be edited safely; edit it by hand"
        raise ConfigError([Problem(f"{files.POLICIES}/{FILE}", what)])
    if files.digest(config_dir) != before.digest:
        raise ConfigError([Problem(str(config_dir), "somebody changed the configuration meanwhile; try again")])
    atomic.write(path, edited, stat.S_IMODE(path.stat().st_mode))


def _text(found: dict[str, Any], zone: str) -> str:
    def clock(seconds: float, form: str = "%H:%M") -> str:
        return datetime.datetime.fromtimestamp(seconds, ZoneInfo(zone)).strftime(form)

    today = clock(found["at"], "%Y-%m-%d")
    until = found["until"]
    same_day = until is not None and clock(until, "%Y-%m-%d") == today
    lines = [
        f"{found['name']} ({found['place']}), {clock(found['at'], '%A %Y-%m-%d %H:%M')}",
        "",
        f"  period    {found['period'] or '-'}",
    ]
    if found["kind"] == "room":
        lines.append(f"  class     {found['classroom'] or 'nobody'}")
    lines += [
        f"  tier      {found['tier']}",
        f"  profile   {found['profile']}",
        f"  until     {clock(until, '%H:%M' if same_day else '%Y-%m-%d %H:%M') if until is not None else '-'}",
        "",
    ]
    why = f" ({found['special']})" if found["special"] else ""
    runs = f"the lessons of a {found['runs']}{why}" if found["runs"] else f"no school{why}"
    if found["runs"] and not found["lessons"]:
        runs += ", none here"
    lines.append(f"  {today}: {runs}")
    for lesson in found["lessons"]:
        who = lesson["classroom"] if found["kind"] == "room" else lesson["room"]
        more = [word for word in (lesson["subject"], who, lesson["teacher"], lesson["profile"]) if word]
        times = f"{clock(lesson['starts'])}-{clock(lesson['ends'])}"
        lines.append(f"  {times}  {lesson['period']:12}  {', '.join(more)}".rstrip())
    return "\n".join(lines)
