"""`filterd lists`: the group, and `lists build`, which compiles the lists on disk.

No command of it uses the network. Exit codes of all: 0 well; 1 what was asked for was not done, or not all of it, and
what was in force still is; 2 bad input.
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from filterd.cli.lists_bundles import export_bundle, import_bundle
from filterd.cli.lists_changes import accept, hold, release, rollback
from filterd.cli.lists_figures import diff, quality
from filterd.cli.lists_status import status
from filterd.cli.options import config_option, state_option
from filterd.cli.state import act_as_owner, state_directory
from filterd.cli.text import cut, wrapped
from filterd.core.rules import Report
from filterd.core.source import Source
from filterd.errors import BusyError, ListError, TableError
from filterd.store import build as builder
from filterd.store import lists as store

_ID, _CATEGORY, _ENTRIES = 26, 15, 11
_SAMPLES = 5


@click.group()
def lists() -> None:
    """Show the lists and the table; accept, hold, go back, compare."""


for _command in (status, diff, quality, accept, hold, release, rollback, export_bundle, import_bundle):
    lists.add_command(_command)


@lists.command()
@config_option
@state_option
@click.pass_context
def build(context: click.Context, config_dir: Path, state_dir: Path | None) -> None:
    """Compile every list that is on disk and publish the table."""
    from filterd.config.load import load_all  # yaml and pydantic: not for those who only import this group

    configuration = load_all(config_dir)
    sources = tuple(source for source in configuration.sources if source.enabled)
    state = state_directory(config_dir, state_dir)
    act_as_owner(state)
    try:
        with store.lock(state):
            keep = configuration.updates.keep
            built = builder.build(sources, config_dir / "blocklists", state, int(time.time()), keep)
    except (BusyError, ListError, TableError) as error:
        click.echo(wrapped(f"lists build: {error}", ""), err=True)
        context.exit(1)
    _show_build(sources, built)
    if built.refused or built.generation is None:
        context.exit(1)


def _show_build(sources: tuple[Source, ...], built: builder.Built) -> None:
    compiled = built.compiled
    assert compiled is not None
    entries = {source.id: source.entries for source in compiled.sources}
    for source in sources:
        if source.id in built.refused:
            click.echo(_row(source.id, source.category, "REFUSED"))
            click.echo(wrapped(built.refused[source.id]))
            _show_samples(compiled.reports.get(source.id))
        elif source.id in built.no_copy:
            click.echo(_row(source.id, source.category, "no copy yet"))
        else:
            report = compiled.reports[source.id]
            dropped = f"  ({_counts(report.refused)} dropped)" if report.refused_total else ""
            click.echo(_row(source.id, source.category, f"{entries[source.id]:,}") + dropped)
    for name in built.lost:
        click.secho(f"MISSING NOW: {name} was in the table before and is not in this one.", bold=True, err=True)
    if built.generation is None:
        click.echo("No list is usable: nothing was published, and what was in force still is.", err=True)
        return
    click.echo(f"\nTable {built.generation}: {compiled.names:,} names from {len(compiled.sources)} lists, in force.")
    if built.no_copy:
        click.echo(f"{len(built.no_copy)} lists have no copy yet: until they are fetched they block nothing.")


def _show_samples(report: Report | None) -> None:
    for sample in report.samples[:_SAMPLES] if report else ():
        click.echo(cut(f"    line {sample.where}: {sample.kind}: {sample.text}"))


def _row(name: str, category: str, entries: str) -> str:
    return f"{name:<{_ID}} {category:<{_CATEGORY}} {entries:>{_ENTRIES}}"


def _counts(refused: dict[str, int]) -> str:
    total = sum(refused.values())
    return f"{total:,} {next(iter(refused))}" if len(refused) == 1 else f"{total:,}"
