"""`filterd override`: what the box's own administrators set for a class, a grade or the school for a while.

Changes overrides.json by `live.commands`, as everybody else does, and so leaves a line in the audit log. Exit codes:
0 done, 1 refused by a rule, 2 bad input.
"""

from __future__ import annotations

import json
import os
import pwd
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from filterd.cli.options import Command as Decorated
from filterd.cli.options import config_option, state_option
from filterd.cli.state import act_as_owner, must_be_readable, state_directory
from filterd.config import requests
from filterd.core.commands import Clear, Close, Command, Extend, Open, Role, SetProfile
from filterd.core.overrides import Applied, Override
from filterd.core.policy import Policy
from filterd.core.strict import saved_time
from filterd.core.targets import places_of
from filterd.errors import ConfigError, Problem, Refused
from filterd.live import commands
from filterd.live.published import Published, open_readonly
from filterd.store import status
from filterd.update import clock

ROLES: Final = (Role.TECHNICIAN, Role.HEAD, Role.SAFEGUARDING)
INPUT: Final = frozenset({"unknown", "time", "name", "reason"})  # refusals that are mistakes of the command line


@dataclass(frozen=True, slots=True)
class Given:
    """What every command takes."""

    who: str
    role: str
    reason: str
    config_dir: Path
    state_dir: Path | None


class Asker(NamedTuple):
    """For whom, by whom and why: what every command of `core.commands` has."""

    policy: Policy
    places: tuple[str, ...]
    now: float
    common: dict[str, Any]

    def end(self, lasting: str | None, until: str | None) -> int:
        return requests.moment(self.policy, self.places, lasting, until, self.now)


@click.group()
def override() -> None:
    """Set, open or close something for a class for a while; it always ends."""


def _for_whom(command: Decorated) -> Decorated:
    """WHO, --as, --reason, given to the command as `given: dict`; and where the configuration is."""
    for option in (
        state_option,
        config_option,
        click.option(
            "--as",
            "role",
            type=click.Choice([str(role) for role in ROLES]),
            default=str(Role.TECHNICIAN),
            show_default=True,
            help="Whose longest time and rank hold.",
        ),
        click.option("--reason", metavar="TEXT", default="", help="Why, for whoever reads the audit log."),
        click.argument("who"),
    ):
        command = option(command)
    return command


def _until_when(command: Decorated) -> Decorated:
    for option in (
        click.option("--until", metavar="TIME", help='10:15, end-of-period, end-of-day, "tiết 3 chiều".'),
        click.option("--for", "lasting", metavar="TIME", help="How long from now: 45m, 2h, 1d."),
    ):
        command = option(command)
    return command


@override.command("set")
@_for_whom
@click.argument("profile")
@_until_when
def set_profile(profile: str, lasting: str | None, until: str | None, **given: Any) -> None:
    """Put WHO (a class such as 7A, a grade such as khoi-9, or school) into PROFILE."""
    _do(Given(**given), lambda by: SetProfile(profile=profile.lower(), until=by.end(lasting, until), **by.common))


@override.command()
@_for_whom
@click.argument("what", nargs=-1, required=True)
@_until_when
def allow(what: tuple[str, ...], lasting: str | None, until: str | None, **given: Any) -> None:
    """Open services or names (WHAT) for WHO."""
    _do(
        Given(**given),
        lambda by: Open(rules=requests.rules_of(by.policy, what), until=by.end(lasting, until), **by.common),
    )


@override.command()
@_for_whom
@click.argument("what", nargs=-1, required=True)
@_until_when
def block(what: tuple[str, ...], lasting: str | None, until: str | None, **given: Any) -> None:
    """Close services or names (WHAT) for WHO."""
    _do(
        Given(**given),
        lambda by: Close(rules=requests.rules_of(by.policy, what), until=by.end(lasting, until), **by.common),
    )


@override.command()
@_for_whom
@_until_when
def extend(lasting: str | None, until: str | None, **given: Any) -> None:
    """Let everything that is set for WHO last longer, all of it to the same moment."""
    _do(Given(**given), lambda by: Extend(until=by.end(lasting, until), **by.common))


@override.command()
@_for_whom
def clear(**given: Any) -> None:
    """End everything that is set for WHO."""
    _do(Given(**given), lambda by: Clear(**by.common))


@override.command("list")
@click.argument("who", required=False)
@config_option
@state_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(who: str | None, config_dir: Path, state_dir: Path | None, as_json: bool) -> None:
    """List what is set now, for WHO or for everybody."""
    state = state_directory(config_dir, state_dir)
    must_be_readable(state)
    published, now = open_readonly(config_dir, state), time.time()
    if "overrides" in published.faults:
        raise ConfigError([Problem("overrides", published.faults["overrides"])])
    places = _places(published.policy, who) if who else None
    found = [o for o in published.overrides.items if o.holds(now) and (places is None or o.place in places)]
    if as_json:
        click.echo(json.dumps([_as_json(o) for o in found], ensure_ascii=False, indent=2))
        return
    for item in found:
        click.echo(_line(published.policy, item, now))
    if not found:
        click.echo("nothing is set")


def _do(given: Given, ask: Callable[[Asker], Command]) -> None:
    """Carry out what `ask` makes, and say what it did or why not."""
    state, by = state_directory(given.config_dir, given.state_dir), _account()
    act_as_owner(state, "overrides")
    published, now = open_readonly(given.config_dir, state), time.time()
    policy = published.policy
    common = {"by": by, "role": Role(given.role), "reason": given.reason.strip()}
    try:
        places = places_of(policy, given.who)
        command = ask(Asker(policy, places, now, {"places": places, **common}))
        applied = commands.carry_out(published, command, now, _knows_time(published, now), "box")
    except Refused as error:
        click.echo(f"refused ({error.rule}): {error}", err=True)
        raise SystemExit(2 if error.rule in INPUT else 1) from None
    except ValueError as error:
        raise ConfigError([Problem(str(state), str(error))]) from None
    _say(published, command, applied, now)


def _knows_time(published: Published, now: float) -> bool:
    """As the server asks itself: not before the last update ended, nor before somebody last set something."""
    ended = status.read(published.state_dir).get("ended_at")
    known = ended if isinstance(ended, int | float) and ended < clock.RELEASED + clock.FAR_S else 0
    return clock.is_trusted(now, {"ended_at": max(known, saved_time(published.overrides))})


def _say(published: Published, command: Command, applied: Applied, now: float) -> None:
    for item in applied.added:
        click.echo(_line(published.policy, item, now))
    if isinstance(command, Clear):
        for place in dict.fromkeys(o.place for o in applied.ended):
            click.echo(f"{_name(published.policy, place)}: nothing is set any more")
    old_s = commands.old_answers_s(published, command)
    click.echo(
        "A running server takes it within a second." + (f" Devices may use old answers for {old_s} s." * bool(old_s))
    )


def _line(policy: Policy, item: Override, now: float) -> str:
    said = [f"profile {item.profile}"] if item.profile is not None else []
    for verb, rules in (("open", item.allow), ("closed", item.block)):
        words = [*rules.categories, *rules.services, *rules.names]
        said += [f"{verb}: {', '.join(words)}"] if words else []
    why = f"  # {item.by}: {item.reason}" if item.reason else f"  # {item.by}" if item.by else ""
    until = requests.shown_from(policy, item.until, now)
    return f"{_name(policy, item.place)}: {'; '.join(said)}, until {until}{why}"


def _as_json(item: Override) -> dict[str, Any]:
    return {
        "place": item.place,
        "profile": item.profile,
        "open": [*item.allow.categories, *item.allow.services, *item.allow.names],
        "closed": [*item.block.categories, *item.block.services, *item.block.names],
        "since": item.since,
        "until": item.until,
        "by": item.by,
        "role": item.role,
        "reason": item.reason,
    }


def _name(policy: Policy, place: str) -> str:
    return next((p.name for p in policy.places if p.id == place), place)


def _places(policy: Policy, who: str) -> tuple[str, ...]:
    try:
        return places_of(policy, who)
    except Refused as error:
        raise ConfigError([Problem("WHO", str(error))]) from None


def _account() -> str:
    """Who started the command, as the system knows it; asked before `act_as_owner` changes that."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    behind = os.environ.get("SUDO_USER", "") if user == "root" else ""
    return f"{behind} (sudo)" if behind and behind.isprintable() and len(behind) < 40 else user
