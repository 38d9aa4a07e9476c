"""`filterd lists export` and `filterd lists import`: signed bundles, from one box of a district to the others.

Neither uses the network. Exit codes: 0 well; 1 the bundle was not taken, or none was made: what was there still is;
2 bad configuration.
"""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import click

from filterd.cli.options import config_option, state_option
from filterd.cli.state import act_as_owner, state_directory
from filterd.core.bundle import DAYS, Index, day
from filterd.errors import BusyError, TableError, TrustError
from filterd.store import lists, status, tables
from filterd.update import clock

_WIDTH = 80


@click.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--key", "key_file", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The private key."
)
@click.option("--name", metavar="TEXT", help="Whose bundle it is.  [default: the school's name]")
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=DAYS,
    show_default=True,
    help="For how long it may be imported.",
)
@config_option
@state_option
@click.pass_context
def export_bundle(
    context: click.Context,
    folder: Path,
    key_file: Path,
    name: str | None,
    days: int,
    config_dir: Path,
    state_dir: Path | None,
) -> None:
    """Write the table in force to DIR as a signed bundle, for a web server, a share or a stick."""
    from filterd.config.load import load_all  # yaml, pydantic, cryptography: not for the other commands of the group
    from filterd.store import exports, keys

    configuration = load_all(config_dir)
    state = state_directory(config_dir, state_dir)
    now, before = int(time.time()), status.read(state)
    outcomes = {name: str(row.get("outcome", "")) for name, row in before.get("sources", {}).items()}
    try:
        if not clock.is_trusted(now, before):
            raise TrustError(
                f"this box does not know the time (it says {clock.shown(now)}): set its clock first", "clock"
            )
        private = keys.load_private(key_file)
        if key_file.resolve().is_relative_to(folder.resolve()):
            raise TrustError(f"{key_file} lies in {folder}, where everybody would read it", "key")
        title = name or configuration.policy.school_name.vi
        index = exports.export(state, folder, private, title, configuration.sources, outcomes, now, days)
    except (TrustError, TableError, OSError) as error:
        _refuse(context, f"no bundle was made: {error}")
    else:
        _show(index, f"signed with {key_file.name} ({index.signer})")
        click.echo(f"{folder}: {len(index.files) + 2} files, {index.total / 1e6:.1f} MB")


@click.command("import")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@config_option
@state_option
@click.pass_context
def import_bundle(context: click.Context, folder: Path, config_dir: Path, state_dir: Path | None) -> None:
    """Take the signed bundle in DIR, if a trusted key signed it and it is newer."""
    from filterd.config.load import load_all
    from filterd.store import bundles
    from filterd.update import district

    configuration = load_all(config_dir)
    state = state_directory(config_dir, state_dir)
    act_as_owner(state)
    now = int(time.time())
    check = district.prober(configuration.policy, configuration.probes, state, now)
    try:
        with lists.lock(state), lists.staging(state) as staging:
            gate = bundles.gate(config_dir, state, now, clock.is_trusted(now, status.read(state)))
            taken = district.update(state, str(folder), None, staging, gate, configuration.updates.keep, check)
    except (TrustError, TableError, BusyError, OSError) as error:
        _refuse(context, f"the bundle is not taken: {error}\nIn force: {tables.current(state) or 'no table'}")
    else:
        offer = taken.offer
        _show(offer.index, f"signed by {offer.key.name} ({offer.key.id})")
        if offer.warning:
            click.echo(_wrapped(f"warning: {offer.warning}"), err=True)
        click.echo(f"Table {taken.generation} is in force{'' if taken.changed else ', as it was before'}.")


def _show(index: Index, signed: str) -> None:
    click.echo(f"bundle   {index.name}, {signed}")
    click.echo(f"version  {index.version}, made on {day(index.created_at)}, expires on {day(index.expires_at)}")
    click.echo(f"table    {index.generation}: {index.names:,} names from {len(index.sources)} lists")


def _refuse(context: click.Context, text: str) -> None:
    for line in text.splitlines():
        click.echo(_wrapped(line), err=True)
    context.exit(1)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)  # paths stay whole
