"""`filterd lists build` and `filterd lists status`: compile the lists on disk, and say what is in force.

Neither uses the network. Exit codes: 0 well; 1 a list was refused or the table is damaged; 2 bad configuration.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from filterd.cli.lists_bundles import export_bundle, import_bundle
from filterd.cli.options import config_option, state_option
from filterd.cli.state import state_directory
from filterd.core.rules import Report
from filterd.core.source import Source
from filterd.errors import ListError, TableError
from filterd.store import build as builder
from filterd.store import tables

_WIDTH = 80
_ID, _CATEGORY, _ENTRIES, _AGE = 26, 15, 11, 9
_SAMPLES = 5


@click.group()
def lists() -> None:
    """Build the table of blocked names, or show its state."""


lists.add_command(export_bundle)
lists.add_command(import_bundle)


@lists.command()
@config_option
@state_option
@click.pass_context
def build(context: click.Context, config_dir: Path, state_dir: Path | None) -> None:
    """Compile every list that is on disk and publish the table."""
    sources = _sources(config_dir)
    state = state_directory(config_dir, state_dir)
    try:
        built = builder.build(sources, config_dir / "blocklists", state, int(time.time()))
    except (ListError, TableError) as error:
        click.echo(f"lists build: {error}", err=True)
        context.exit(1)
    _show_build(sources, built)
    if built.refused or built.generation is None:
        context.exit(1)


@lists.command()
@config_option
@state_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def status(context: click.Context, config_dir: Path, state_dir: Path | None, as_json: bool) -> None:
    """Show the table in force and the age and errors of every list in it."""
    sources = _sources(config_dir)
    state = state_directory(config_dir, state_dir)
    found = _status(sources, state, int(time.time()))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _show_status(found)
    if found["error"] or found["generation"] is None:
        context.exit(1)


def _sources(config_dir: Path) -> tuple[Source, ...]:
    from filterd.config.load import load_sources  # yaml and pydantic: not for those who only import this group

    return tuple(source for source in load_sources(config_dir) if source.enabled)


def _show_build(sources: tuple[Source, ...], built: builder.Built) -> None:
    compiled = built.compiled
    assert compiled is not None
    entries = {source.id: source.entries for source in compiled.sources}
    for source in sources:
        if source.id in built.refused:
            click.echo(_row(source.id, source.category, "REFUSED"))
            click.echo(_wrapped(built.refused[source.id]))
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
        click.echo(_cut(f"    line {sample.where}: {sample.kind}: {sample.text}"))


def _status(sources: tuple[Source, ...], state_dir: Path, now: int) -> dict[str, Any]:
    generation = tables.current(state_dir)
    found: dict[str, Any] = {"generation": generation, "error": None, "names": 0, "built_at": None, "age_s": None}
    rows: dict[str, dict[str, Any]] = {s.id: {"id": s.id, "category": s.category, "entries": None} for s in sources}
    found["sources"] = list(rows.values())
    found["generations"] = tables.generations(state_dir)
    if generation is None:
        return found
    try:
        table = tables.open_table(tables.verify(state_dir, generation))
    except TableError as error:
        found["error"] = str(error)
        return found
    found |= {"names": table.names, "built_at": table.built_at, "age_s": now - table.built_at}
    reports = tables.report_of(state_dir, generation)
    in_table = {source.id: source for source in table.sources}
    for name in {**rows, **in_table}:
        row = rows.setdefault(name, {"id": name, "category": "", "entries": None, "not_configured": True})
        report = reports.get(name, {})
        row |= {"refused": report.get("refused", {}), "reason": report.get("reason")}
        if name in in_table:
            source = in_table[name]
            row |= {"category": source.category, "entries": source.entries, "list_time": source.list_time}
            row["age_s"] = now - source.list_time
    found["sources"] = list(rows.values())
    return found


def _show_status(found: dict[str, Any]) -> None:
    if found["generation"] is None:
        click.echo("No table has been built. 'filterd lists build' makes one.")
    elif found["error"]:
        click.echo(f"Table {found['generation']} is DAMAGED:\n{_wrapped(found['error'])}")
    else:
        click.echo(f"Table {found['generation']}: {found['names']:,} names, built {_age(found['age_s'])} ago")
    click.echo("\n" + _cut(_row("LIST", "CATEGORY", "ENTRIES") + "  " + "AGE".rjust(_AGE) + "  DROPPED"))
    for row in found["sources"]:
        if row["entries"] is None:
            click.echo(_cut(_row(row["id"], row["category"], "REFUSED" if row.get("reason") else "none yet")))
            if row.get("reason"):
                click.echo(_wrapped(row["reason"]))
            continue
        dropped = sum(row["refused"].values())
        text = _row(row["id"], row["category"], f"{row['entries']:,}") + "  " + _age(row["age_s"]).rjust(_AGE)
        click.echo(_cut(f"{text}  {dropped:,}" if dropped else text))


def _row(name: str, category: str, entries: str) -> str:
    return f"{name:<{_ID}} {category:<{_CATEGORY}} {entries:>{_ENTRIES}}"


def _counts(refused: dict[str, int]) -> str:
    total = sum(refused.values())
    return f"{total:,} {next(iter(refused))}" if len(refused) == 1 else f"{total:,}"


def _wrapped(text: str) -> str:
    return click.wrap_text(text, width=_WIDTH, initial_indent="    ", subsequent_indent="    ")


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _age(seconds: int) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{max(seconds, 0)} s"
