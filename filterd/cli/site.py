"""`filterd site`: opens or closes one name in policies/names.yaml, or takes it out again.

Works under a lock, on the text of the file (comments and order stay), and commits only what loads as part of the whole
configuration. The running server sees the new file by itself.
"""

from __future__ import annotations

import contextlib
import stat
import time
from pathlib import Path
from typing import NoReturn

import click

from filterd.cli.options import Command, config_option, state_option
from filterd.cli.state import state_directory
from filterd.config import advice, files, load, names_plan, problems, units
from filterd.config.names_plan import Plan
from filterd.core.policy import Policy, SchoolName
from filterd.core.verdict import Reason
from filterd.errors import ConfigError, Problem
from filterd.store import atomic, policies

FILE = "names.yaml"


@click.group()
def site() -> None:
    """Open or close one name for the school, a tier or a class."""


def _rule(command: Command) -> Command:
    """What a line of names.yaml says."""
    for option in (
        state_option,
        config_option,
        click.option("--reason", metavar="R", default="", help="Why, for whoever reads the file next year."),
        click.option("--class", "place", metavar="C", help="Only for this classroom or room."),
        click.option("--tier", metavar="T", help="Only for this tier."),
        click.argument("name"),
    ):
        command = option(command)
    return command


@site.command()
@_rule
def allow(**given: str | Path | None) -> None:
    """Open NAME and everything below it; =NAME is that name alone."""
    _set(True, **given)  # type: ignore[arg-type]


@site.command()
@_rule
def block(**given: str | Path | None) -> None:
    """Close NAME and everything below it; =NAME is that name alone."""
    _set(False, **given)  # type: ignore[arg-type]


@site.command()
@click.argument("name")
@click.option("--tier", metavar="T", help="Only what is for this tier.")
@click.option("--class", "place", metavar="C", help="Only what is for this classroom or room.")
@config_option
@state_option
def remove(name: str, tier: str | None, place: str | None, config_dir: Path, state_dir: Path | None) -> None:
    """Take NAME out of names.yaml, allow and block alike. Exit code 1 if it was not there."""
    with _locked(config_dir):
        policy = load.load(config_dir)
        wanted = _entry(policy, name, allow=True, tier=tier, place=place, reason="")
        plan = names_plan.without(policy.names, wanted)
        if plan.gone:
            _commit(config_dir, policy, plan)
    if not plan.gone:
        hint = problems.suggest(wanted.name, [entry.name for entry in policy.names])
        click.echo(f"names.yaml has no {wanted.name} for {_whom(wanted)}; {hint}")
        raise SystemExit(1)
    _say_gone(plan)
    click.echo(_when(config_dir, state_dir))


@site.command("list")
@config_option
@state_option
def show(config_dir: Path, state_dir: Path | None) -> None:
    """List the names the school opens and closes itself."""
    del state_dir  # every command takes it; the list is the file's
    policy = load.load(config_dir)
    for entry in policy.names:
        reason = f"  # {entry.reason}" if entry.reason else ""
        click.echo(f"{_verb(entry)}  {entry.name}  {advice.scope_of(entry)}{reason}")
        for why in advice.about_name(policy, entry):
            click.echo(f"       {why}")
    if not policy.names:
        click.echo("names.yaml opens and closes nothing")


def _set(
    allow: bool,
    *,
    name: str,
    tier: str | None,
    place: str | None,
    reason: str,
    config_dir: Path,
    state_dir: Path | None,
) -> None:
    with _locked(config_dir):
        policy = load.load(config_dir)
        entry = _entry(policy, name, allow, tier, place, reason)
        plan = names_plan.with_entry(policy.names, entry)
        after = _commit(config_dir, policy, plan) if plan.edits else policy
    _say_gone(plan)
    done = ("" if plan.edits else "already ") + ("open" if allow else "closed")
    click.echo(f"{done}: {advice.reach_of(entry)}, for {advice.scope_of(entry)}")
    for why in advice.about_name(after, next(e for e in after.names if names_plan.same(e, entry))):
        click.echo(f"warning: {_verb(entry)} {entry.name} {why}", err=True)
    if allow:
        _warn_of_floor(config_dir, state_directory(config_dir, state_dir), after, entry)
    if plan.edits:
        click.echo(_when(config_dir, state_dir))


def _warn_of_floor(config_dir: Path, state_dir: Path, policy: Policy, entry: SchoolName) -> None:
    """Say so where a list of the floor closes the name all the same. Any place in scope will do: the floor is one."""
    from filterd.live.explain import Question, explain_name
    from filterd.live.published import open_readonly

    meant = (p.id for p in policy.places if p.id in entry.classes or (not entry.classes and _in_tiers(p.tier, entry)))
    place = next(meant, None)
    if place is None:
        return
    name = entry.name.removeprefix("=")
    found = explain_name(open_readonly(config_dir, state_dir), Question(name, classroom=place), time.time())
    if found["reason"] == Reason.FLOOR:
        why = f"{found['category']}, a category of the floor ({', '.join(found['sources'])})"
        opens = "only must_allow of floor.yaml opens it"
        click.echo(f"warning: allow {entry.name} has no effect: it is in {why}; {opens}", err=True)


def _in_tiers(tier: str, entry: SchoolName) -> bool:
    return not entry.tiers or tier in entry.tiers


def _commit(config_dir: Path, before: Policy, plan: Plan) -> Policy:
    """Write names.yaml if the whole configuration loads with it and says what was meant; else nothing."""
    path = (config_dir / files.POLICIES / FILE).resolve()
    data = files.read(path)
    edited = data
    try:
        for edit in plan.edits:
            edited = edit(edited)
    except ValueError as error:
        _refuse(str(error))
    after = load.load(config_dir, staged={FILE: edited})
    if after.names != plan.names:
        _refuse("the file is written in a way that cannot be edited safely; edit it by hand")
    if files.digest(config_dir) != before.digest:
        _refuse("somebody changed the configuration meanwhile; try again")
    atomic.write(path, edited, stat.S_IMODE(path.stat().st_mode))
    return after


def _refuse(why: str) -> NoReturn:
    raise ConfigError([Problem(f"{files.POLICIES}/{FILE}", why)])


def _entry(policy: Policy, name: str, allow: bool, tier: str | None, place: str | None, reason: str) -> SchoolName:
    """What was asked for, checked. Raises ConfigError, with every mistake of the command line."""
    wrong: list[Problem] = []
    if tier is not None and place is not None:
        wrong.append(Problem("--tier, --class", "one of them, not both"))
    for option, kind, value, known in (
        ("--tier", "tier", tier, [t.id for t in policy.tiers]),
        ("--class", "class or room", place, [p.id for p in policy.places]),
    ):
        if value is not None and value not in known:
            wrong.append(Problem(option, f"{units.shown(value)} is not a {kind}; {problems.suggest(value, known)}"))
    if any(not c.isprintable() for c in reason):
        wrong.append(Problem("--reason", "holds a control character"))
    try:
        name = units.rule_name(name)
    except ValueError as error:
        wrong.append(Problem("NAME", str(error)))
    if wrong:
        raise ConfigError(wrong)
    return SchoolName(name, allow, (tier,) if tier else (), (place,) if place else (), reason.strip())


def _locked(config_dir: Path) -> contextlib.AbstractContextManager[None]:
    if not (config_dir / files.POLICIES).is_dir():
        load.load(config_dir)  # says what is missing
    return atomic.locked(config_dir / files.POLICIES)


def _say_gone(plan: Plan) -> None:
    for entry in plan.gone:
        click.echo(f"removed: {_verb(entry)} {entry.name} for {advice.scope_of(entry)}")


def _verb(entry: SchoolName) -> str:
    return "allow" if entry.allow else "block"


def _whom(entry: SchoolName) -> str:
    return advice.scope_of(entry) if entry.tiers or entry.classes else "anybody"


def _when(config_dir: Path, state_dir: Path | None) -> str:
    """When the change takes effect."""
    if policies.path(state_directory(config_dir, state_dir)).exists():
        return "A running server takes it within a second."
    return "A running server takes it within a second; none has run with this state directory yet."
