"""`filterd lists accept`, `hold`, `release` and `rollback`: what a person decides about lists and tables.

None uses the network. All write as the owner of the state directory. Exit codes: 0 well; 1 what was asked for was not
done, and what was in force still is; 2 bad input.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from filterd.cli.options import config_option, state_option
from filterd.cli.state import act_as_owner, state_directory
from filterd.cli.text import flags, wrapped
from filterd.errors import BusyError, TableError
from filterd.store import lists, tables
from filterd.update import clock


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--table", is_flag=True, help="End a rollback: updates may publish tables again.")
@config_option
@state_option
@click.pass_context
def accept(context: click.Context, ids: tuple[str, ...], table: bool, config_dir: Path, state_dir: Path | None) -> None:
    """Take what is held of lists ID, whatever spoke against it, and put it in force.

    With --table: end a rollback, and put the lists of today in force.
    """
    from filterd.cli.update import chosen
    from filterd.cli.updating import perform
    from filterd.update.run import Options

    if bool(ids) == table:
        raise click.UsageError("say which list, or --table")
    all_ids = chosen(config_dir, ids)
    state = state_directory(config_dir, state_dir)
    act_as_owner(state)
    missing = [name for name in ids if lists.held(state, name) is None]
    if missing:
        _refuse(context, f"nothing of {', '.join(missing)} waits to be accepted; nothing was changed")
    pin = tables.pinned(state)
    if ids and pin is not None:
        text = f"a rollback pinned {pin.generation}: what is accepted would not come into force. Nothing was changed"
        click.echo(wrapped(f"{text}; first end the rollback:", ""), err=True)
        click.echo(f"  filterd lists accept --table{flags(config_dir, state_dir)}", err=True)
        context.exit(1)
    try:
        if table and not _released(config_dir, state, flags(config_dir, state_dir)):
            return
        options = Options(frozenset(ids), accept=frozenset(ids), offline=True)
        result = perform(config_dir, state, options, all_ids, flags(config_dir, state_dir))
    except (BusyError, TableError) as error:
        _refuse(context, str(error))
    context.exit(result.exit_code)


def _released(config_dir: Path, state: Path, flags: str) -> bool:
    """End the rollback; True if the lists on this box are to be compiled now. Raises ConfigError, TableError."""
    from filterd.config.load import load_all

    bundle = load_all(config_dir).updates.bundle
    pin = tables.pinned(state)
    if pin is None:
        click.echo("The table is not pinned: updates publish already.")
        return False
    tables.release(state)
    click.echo(f"No longer pinned to {pin.generation}.")
    if bundle is not None:
        click.echo(f"The next update takes what {bundle} has; now:\n  filterd update{flags}")
    return bundle is None


@click.command()
@click.argument("name", metavar="ID")
@click.option("--reason", metavar="TEXT", default="", help="Why, for whoever looks next year.")
@config_option
@state_option
def hold(name: str, reason: str, config_dir: Path, state_dir: Path | None) -> None:
    """Leave list ID as it is, whatever its maintainers publish, until `release`."""
    state = _state_for(name, config_dir, state_dir)
    who = os.environ.get("SUDO_USER") or lists.user_name(os.getuid())
    act_as_owner(state)
    before = lists.frozen(state, name)
    if before is not None and not reason:
        click.echo(wrapped(f"{name} is frozen already, {_since(before)}", ""))
        return
    lists.freeze(state, name, reason, time.time(), who)
    good = lists.good(state, name)
    kept = "no copy yet, so it blocks nothing" if good is None else f"the copy of {clock.shown(good.fetched_at)}"
    click.echo(wrapped(f"{name} is frozen: updates leave it alone. In use: {kept}.", ""))
    click.echo(f"To let it be renewed again:\n  filterd lists release {name}{flags(config_dir, state_dir)}")


@click.command()
@click.argument("name", metavar="ID")
@config_option
@state_option
def release(name: str, config_dir: Path, state_dir: Path | None) -> None:
    """Let list ID be renewed again after `hold`."""
    state = _state_for(name, config_dir, state_dir)
    act_as_owner(state)
    before = lists.frozen(state, name)
    lists.thaw(state, name)
    if before is None:
        click.echo(f"{name} was not frozen: updates renew it.")
        if lists.held(state, name) is not None:
            click.echo("A copy of it is held, which is something else. Look at it, then take it:")
            click.echo(f"  filterd lists diff --held {name}{flags(config_dir, state_dir)}")
            click.echo(f"  filterd lists accept {name}{flags(config_dir, state_dir)}")
        return
    click.echo(wrapped(f"{name} was frozen {_since(before)}", ""))
    click.echo(f"The next update renews it; now:\n  filterd update --source {name}{flags(config_dir, state_dir)}")


@click.command()
@click.argument("generation", required=False, metavar="[GEN]")
@config_option
@state_option
@click.pass_context
def rollback(context: click.Context, generation: str | None, config_dir: Path, state_dir: Path | None) -> None:
    """Go back to table GEN, or to the one before; updates publish no other until `accept --table`."""
    state = state_directory(config_dir, state_dir)
    act_as_owner(state)
    before = tables.current(state)
    try:
        now = tables.rollback(state, None if generation is None else full_name(state, generation), int(time.time()))
    except TableError as error:
        _refuse(context, f"{error}\nIn force: {before or 'no table'}")
    click.echo(f"Table {now} is in force; it was {before}.")
    click.echo("It is pinned: updates fetch and judge lists, and publish no table until")
    click.echo(f"  filterd lists accept --table{flags(config_dir, state_dir)}")


def full_name(state_dir: Path, generation: str) -> str:
    """A generation by its name, or by its number alone. Raises TableError, which says what is kept."""
    kept = tables.generations(state_dir)
    number = generation.lstrip("0")
    for name in kept:
        if generation == name or number == name.partition("-")[0].lstrip("0"):
            return name
    raise TableError(f"table {generation[:80]!r} is not kept; there is {', '.join(kept) or 'none'}")


def _state_for(name: str, config_dir: Path, state_dir: Path | None) -> Path:
    """The state directory, once the list is known to be one that is fetched. Raises BadParameter."""
    from filterd.cli.update import chosen

    chosen(config_dir, (name,))
    return state_directory(config_dir, state_dir)


def _since(frozen: lists.Frozen) -> str:
    who = f" by {frozen.by}" if frozen.by else ""
    return f"since {clock.shown(frozen.since)}{who}: {frozen.reason or 'no reason given'}"


def _refuse(context: click.Context, text: str) -> None:
    for line in text.splitlines():
        click.echo(wrapped(line, ""), err=True)
    context.exit(1)
