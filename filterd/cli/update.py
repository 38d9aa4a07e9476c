"""`filterd update`: renew the lists now, as the timer does at night (`update.run`).

Exit codes: 0 well; 1 something was held, refused or failed, or another run is at work: what was in force still is;
2 bad configuration; 75 the clock is not set, try again later.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from filterd.cli import stick
from filterd.cli.options import config_option, state_option
from filterd.cli.state import act_as_owner, state_directory
from filterd.cli.text import flags
from filterd.core.source import Source
from filterd.errors import BusyError


@click.command()
@click.option("--source", "only", multiple=True, metavar="ID", help="Only this list, due or not (repeatable).")
@click.option("--dry-run", is_flag=True, help="Fetch, judge and probe, and change nothing.")
@click.option("--offline", is_flag=True, help="Use no network: compile, probe and publish what is on the disk.")
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Take the lists from this folder or stick: ID, ID.txt, or as they are named on the web.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs: the status of the run, nothing else.")
@config_option
@state_option
@click.pass_context
def update(
    context: click.Context,
    only: tuple[str, ...],
    dry_run: bool,
    offline: bool,
    folder: Path | None,
    as_json: bool,
    config_dir: Path,
    state_dir: Path | None,
) -> None:
    """Renew the lists: fetch what is new, judge it, try it, put it in force.

    A list that looks wrong is held or refused, and its last good copy stays in use; the others go on.
    """
    from filterd.cli.updating import perform  # httpx, marisa and all: not for `--help`
    from filterd.update.run import Options

    ids = chosen(config_dir, only)
    state = state_directory(config_dir, state_dir)
    act_as_owner(state)
    options = Options(frozenset(only), dry_run=dry_run, offline=offline, folder=folder)
    given = flags(config_dir, state_dir)
    on_it = None if folder is None else stick.look(config_dir, folder, ids, given)
    try:
        result = perform(config_dir, state, options, ids, given, silent=as_json, on_it=on_it)
    except BusyError as error:
        click.echo(f"filterd: {error}", err=True)
        context.exit(1)
    if as_json:
        click.echo(json.dumps(result.status, ensure_ascii=False, indent=2))
    context.exit(result.exit_code)


def chosen(config_dir: Path, only: tuple[str, ...]) -> tuple[str, ...]:
    """The ids of these lists, or of all that are fetched. Raises BadParameter for one that is not; ConfigError."""
    from filterd.config.load import load_sources
    from filterd.config.problems import suggest

    known = {source.id: source for source in load_sources(config_dir)}
    for name in only:
        if name not in known:
            raise click.BadParameter(f"{name!r} is no list of sources.yaml; {suggest(name, known)}")
        _must_be_fetched(known[name])
    return tuple(only) or tuple(name for name, source in known.items() if source.enabled and _is_fetched(source))


def _must_be_fetched(source: Source) -> None:
    if not source.enabled:
        raise click.BadParameter(f"{source.id} is off; 'enabled: true' in blocklists/sources.yaml turns it on")
    if not _is_fetched(source):
        raise click.BadParameter(
            f"{source.id} is a file of this box, never fetched; 'filterd update --offline' reads it"
        )


def _is_fetched(source: Source) -> bool:
    return not source.url.startswith("file:")
