"""`filterd lists diff` and `filterd lists quality`: what a table changes and for whom, and how good the lists are.

Tables come from `store.tables`, verified; what `--held` asks about is compiled in memory. Nothing is written.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from filterd.cli.lists_changes import full_name
from filterd.cli.options import config_option, state_option
from filterd.cli.state import must_be_readable, state_directory
from filterd.cli.text import wrapped
from filterd.core.difference import Change, TierChange
from filterd.core.quality import Quality, SourceQuality, TierQuality
from filterd.core.table import Table
from filterd.errors import ListError, TableError
from filterd.store import build, lists, tables
from filterd.update import compare

if TYPE_CHECKING:
    from filterd.config.load import Configuration

_NAME, _COUNT = 34, 12
_SAMPLES: Final = 5


@click.command()
@click.argument("generation", required=False, metavar="[GEN]")
@click.option("--held", metavar="ID", help="From the table in force to one with what is held of list ID.")
@click.option(
    "--top",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Popular sites, one name or `rank,name` a line.  [default: top_sites of school.yaml]",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@config_option
@state_option
@click.pass_context
def diff(
    context: click.Context,
    generation: str | None,
    held: str | None,
    top: Path | None,
    as_json: bool,
    config_dir: Path,
    state_dir: Path | None,
) -> None:
    """Show what entered and left from table GEN, or the one before, to the one in force."""
    from filterd.config.load import load_all

    if generation is not None and held is not None:
        raise click.UsageError("GEN and --held are two questions: ask one")
    configuration = load_all(config_dir)
    state = state_directory(config_dir, state_dir)
    must_be_readable(state)
    listed = configuration.updates.top_sites
    file = top if top is not None else config_dir / listed if listed is not None else None
    try:
        sites = compare.read_top_sites(file) if file is not None else ()
        before, after = _two(configuration, config_dir, state, generation, held)
        found = compare.compare(configuration.policy, before, after, sites, time.time())
    except (ListError, TableError) as error:
        click.echo(wrapped(str(error), ""), err=True)
        context.exit(1)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found), ensure_ascii=False, indent=2))
        return
    changed = found.difference
    click.echo(f"from  {changed.before or 'nothing'}: {changed.names_before:,} names")
    click.echo(
        f"to    {changed.after or f'the one in force with what is held of {held}'}: {changed.names_after:,} names"
    )
    _show_changes("LIST", changed.sources)
    _show_changes("CATEGORY", changed.categories)
    if file is not None:
        _show_tiers(found.tiers, found.top_sites, file)


def _two(
    configuration: Configuration, config_dir: Path, state: Path, generation: str | None, held: str | None
) -> tuple[Table, Table]:
    """The tables to compare, the older first. Raises TableError, ListError."""
    in_force = tables.current(state)
    if in_force is None:
        raise TableError("there is no table yet: 'filterd update' makes one")
    if held is None:
        wanted = compare.generation_before(state) if generation is None else full_name(state, generation)
        return compare.open_generation(state, wanted), compare.open_generation(state, in_force)
    if held not in {source.id for source in configuration.sources} or lists.held(state, held) is None:
        raise ListError(f"nothing of {held!r} is held; 'filterd lists status' says what is")
    staged = {held: lists.held_path(state, held)}
    built = build.compile_lists(configuration.sources, config_dir / "blocklists", state, staged)
    if held in built.refused:
        raise ListError(f"what is held of {held} cannot be compiled: {built.refused[held]}")
    return compare.open_generation(state, in_force), build.table_of(built)


def _show_changes(title: str, changes: Mapping[str, Change]) -> None:
    click.echo(f"\n{title:<{_NAME}} {'ENTERED':>{_COUNT}} {'LEFT':>{_COUNT}}")
    for name, change in changes.items():
        click.echo(f"{name:<{_NAME}} {change.entered:>{_COUNT},} {change.left:>{_COUNT},}")
        for sign, samples in (("+", change.entered_samples), ("-", change.left_samples)):
            _show_samples(sign, samples)
    if not changes:
        click.echo("nothing")


def _show_tiers(tiers: tuple[TierChange, ...], count: int, file: Path) -> None:
    click.echo(f"\nOf {count:,} names of {file}:")
    click.echo(f"{'TIER':<{_NAME}} {'CLOSED NOW':>{_COUNT}} {'OPEN NOW':>{_COUNT}}")
    for tier in tiers:
        click.echo(f"{tier.tier:<{_NAME}} {tier.closed:>{_COUNT},} {tier.opened:>{_COUNT},}")
        _show_samples("+", tier.closed_samples)
        _show_samples("-", tier.opened_samples)


def _show_samples(sign: str, samples: tuple[str, ...]) -> None:
    if samples:
        click.echo(wrapped(f"{sign} {', '.join(samples[:_SAMPLES])}"))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@config_option
@state_option
@click.pass_context
def quality(context: click.Context, as_json: bool, config_dir: Path, state_dir: Path | None) -> None:
    """Show what is blocked by mistake in each tier, and what each list adds."""
    from filterd.config.load import load_all
    from filterd.core.quality import quality as measure

    configuration = load_all(config_dir)
    state = state_directory(config_dir, state_dir)
    must_be_readable(state)
    languages = {source.id: source.languages for source in configuration.sources}
    try:
        in_force = tables.current(state)
        if in_force is None:
            raise TableError("there is no table yet: 'filterd update' makes one")
        table = compare.open_generation(state, in_force)
    except TableError as error:
        click.echo(wrapped(str(error), ""), err=True)
        context.exit(1)
    found = measure(configuration.policy, table, configuration.probes, languages, time.time())
    if as_json:
        click.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
        return
    _show_overblocked(found.tiers)
    _show_shares(found)


def _show_overblocked(tiers: tuple[TierQuality, ...]) -> None:
    """Tiers with the same mistakes together."""
    click.echo("BLOCKED BY MISTAKE, of the names of policies/probes.yaml")
    together: dict[object, list[TierQuality]] = {}
    for tier in tiers:
        together.setdefault((tier.tried, tier.blocked), []).append(tier)
    for same in together.values():
        first = same[0]
        share = len(first.blocked) / first.tried if first.tried else 0.0
        names = ", ".join(tier.tier for tier in same)
        click.echo(wrapped(f"{names}: {len(first.blocked)} of {first.tried:,} ({share:.2%})".replace("%", " %"), ""))
        for blocked in first.blocked:
            click.echo(wrapped(f"{blocked.name} ({', '.join(blocked.categories)}): {', '.join(blocked.sources)}"))


def _show_shares(found: Quality) -> None:
    click.echo("\nWHAT EACH LIST ADDS")
    click.echo("  ONLY    of its names, those that no other list of its category has")
    click.echo("  MISSED  of a list with Vietnamese sites, those that no foreign list has")
    click.echo(f"\n{'CATEGORY, LIST':<{_NAME}} {'ENTRIES':>11} {'ONLY':>7} {'MISSED':>7}")
    by_category = sorted(found.sources, key=lambda source: (source.category, -source.entries))
    for category, sources in itertools.groupby(by_category, key=lambda source: source.category):
        click.echo(f"{category:<{_NAME}} {found.categories.get(category, 0):>11,}")
        for source in sources:
            _show_share(source)


def _show_share(source: SourceQuality) -> None:
    missed = "" if source.missed is None else _share(source.missed, source.entries)
    own = _share(source.only, source.entries)
    click.echo(f"  {source.source:<{_NAME - 2}} {source.entries:>11,} {own:>7} {missed:>7}".rstrip())


def _share(part: int, of: int) -> str:
    return f"{part / of:.0%}".replace("%", " %") if of else "-"
