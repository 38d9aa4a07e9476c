"""`filterd lists status`: the table in force, the last run, and of each list its age and what waits for a person.

The table and its report come from `store.tables`, what the updater did from `STATE/status.json`, what is held or frozen
from the folders of the lists themselves, so that it is right between two runs too.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import click

from filterd.cli import mistakes
from filterd.cli.options import config_option, state_option
from filterd.cli.state import must_be_readable, state_directory
from filterd.cli.text import age, cut, flags, wrapped
from filterd.core.source import Source
from filterd.core.updates import Outcome, UpdateSettings
from filterd.errors import ConfigError, TableError
from filterd.store import lists, tables
from filterd.store import status as runs
from filterd.update import clock

_ID, _CATEGORY, _ENTRIES, _AGE = 26, 15, 11, 9
_LOUD: Final = frozenset({Outcome.HELD, Outcome.REFUSED, Outcome.FAILED})
_DAY_S: Final = 86400


@click.command()
@config_option
@state_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def status(context: click.Context, config_dir: Path, state_dir: Path | None, as_json: bool) -> None:
    """Show the table in force, the last run, and every list's age and trouble."""
    sources, settings = _configured(config_dir)
    state = state_directory(config_dir, state_dir)
    must_be_readable(state)
    found = status_of(sources, settings, state, int(time.time()))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _show(found, flags(config_dir, state_dir))
    if found["error"] or found["generation"] is None:
        context.exit(1)


def _configured(config_dir: Path) -> tuple[tuple[Source, ...], UpdateSettings]:
    """The lists that are on. A mistake in a policy is no reason not to show them."""
    from filterd.config.load import load_all, load_sources  # yaml and pydantic: not for who only imports the group

    try:
        configuration = load_all(config_dir)
    except ConfigError:
        return tuple(source for source in load_sources(config_dir) if source.enabled), UpdateSettings()
    return tuple(source for source in configuration.sources if source.enabled), configuration.updates


def status_of(sources: tuple[Source, ...], settings: UpdateSettings, state_dir: Path, now: int) -> dict[str, Any]:
    """Everything that is shown; times are Unix seconds."""
    run = runs.read(state_dir)
    pin = tables.pinned(state_dir)
    generation = tables.current(state_dir)
    found: dict[str, Any] = {"generation": generation, "error": None, "names": 0, "built_at": None, "age_s": None}
    found["pinned"] = None if pin is None else {"generation": pin.generation, "since": pin.since}
    found["generations"] = tables.generations(state_dir)
    found["last_run"] = {name: value for name, value in run.items() if name not in ("sources", "format")} or None
    rows = {source.id: _row_of(source, state_dir, run, settings, now) for source in sources}
    if generation is not None:
        try:
            _add_table(found, rows, state_dir, generation, now)
        except TableError as error:
            found["error"] = str(error)
    found["sources"] = list(rows.values())
    return found


def _row_of(source: Source, state_dir: Path, run: dict[str, Any], settings: UpdateSettings, now: int) -> dict[str, Any]:
    """What is known of a list beside the table."""
    row: dict[str, Any] = {"id": source.id, "category": source.category, "entries": None}
    if source.url.startswith("file:"):
        return row | {"outcome": Outcome.LOCAL}
    good, memory = lists.good(state_dir, source.id), lists.recall(state_dir, source.id)
    held, frozen = lists.held(state_dir, source.id), lists.frozen(state_dir, source.id)
    last = run.get("sources", {}).get(source.id)
    known = {name: text for name, text in last.items() if isinstance(text, str)} if isinstance(last, dict) else {}
    changed = good.changed_at if good is not None and good.changed_at >= clock.RELEASED else None  # else unknown
    return row | {
        "outcome": known.get("outcome") or memory.outcome,
        "why": known.get("why") or memory.why,
        "text": known.get("text") or memory.text,
        "last_attempt": memory.last_attempt,
        "last_success": memory.last_success,
        "last_change": changed,
        "failures": memory.failures,
        "held": None if held is None else {"why": held.why, "text": held.text, "since": held.since},
        "frozen": None if frozen is None else {"since": frozen.since, "by": frozen.by, "reason": frozen.reason},
        "stale": changed is not None and now - changed > settings.stale_days * _DAY_S,
    }


def _add_table(
    found: dict[str, Any], rows: dict[str, dict[str, Any]], state_dir: Path, generation: str, now: int
) -> None:
    table = tables.open_table(tables.verify(state_dir, generation))
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
            changed = row.get("last_change") or (source.list_time if row.get("outcome") == Outcome.LOCAL else None)
            row["age_s"] = None if changed is None else now - changed


def _show(found: dict[str, Any], flags: str) -> None:
    if found["generation"] is None:
        click.echo("No table has been built. 'filterd update' makes one.")
    elif found["error"]:
        click.echo(f"Table {found['generation']} is DAMAGED:\n{wrapped(found['error'])}")
    else:
        knows = found["built_at"] >= clock.RELEASED
        built = f"built {age(found['age_s'])} ago" if knows else "built when the clock was wrong"
        click.echo(f"Table {found['generation']}: {found['names']:,} names, {built}")
    _show_run(found["last_run"])
    if found["pinned"] is not None:
        since = clock.shown(found["pinned"]["since"])
        click.secho(f"PINNED by a rollback since {since}: updates publish nothing until", bold=True)
        click.echo(f"    filterd lists accept --table{flags}")
    head = f"{'LIST':<{_ID}} {'CATEGORY':<{_CATEGORY}} {'ENTRIES':>{_ENTRIES}} {'CHANGED':>{_AGE}}  LAST RUN"
    click.echo(f"\n{head}")
    for row in found["sources"]:
        _show_row(row, flags)
    _show_work(found["sources"])
    mistakes.show(found["last_run"] or {}, flags)


def _show_work(rows: list[dict[str, Any]]) -> None:
    """Whether anything above needs a person: the first lines have left the screen by now."""
    words = Counter(word for row in rows if (word := _word(row)).isupper())
    bare = sum(row["entries"] is None for row in rows)
    said = [f"{count} {word}" for word, count in words.items()] + ([f"{bare} without any copy"] if bare else [])
    click.echo(f"\nOf {len(rows)} lists: {', '.join(said)}." if said else f"\nAll {len(rows)} lists are well.")


def _show_run(run: dict[str, Any] | None) -> None:
    """When the last update was, how long it took, what it needed. A file that another hand wrote shows less."""
    if run is None:
        click.echo("No update has run yet: 'filterd update', or the timer at night.")
        return
    parts = []
    started, took, peak = (run.get(name) for name in ("started_at", "duration_s", "peak_bytes"))
    if isinstance(started, int) and 0 <= started < 1 << 35:
        parts.append(clock.shown(started))
    if isinstance(took, int | float):
        parts.append(f"{took:.1f} s")
    if isinstance(peak, int):
        parts.append(f"{peak / 1e6:.0f} MB")
    parts.append(str(run.get("text") or run.get("outcome") or ""))
    click.echo(wrapped(f"Last update: {', '.join(part for part in parts if part)}", ""))
    if run.get("clock_trusted") is False:
        click.secho("This box did not know the time: set the clock (timedatectl set-ntp true).", bold=True)


def _show_row(row: dict[str, Any], flags: str) -> None:
    missing = "REFUSED" if row.get("reason") else "none yet"
    entries = missing if row["entries"] is None else f"{row['entries']:,}"
    changed = "" if row.get("age_s") is None else age(row["age_s"])
    name = f"{row['id']:<{_ID}} {row['category']:<{_CATEGORY}} {entries:>{_ENTRIES}} {changed:>{_AGE}}"
    click.echo(cut(f"{name}  {_word(row)}".rstrip()))
    for note in _notes(row, flags):
        click.echo(f"    {note}" if note.startswith("filterd ") else wrapped(note))  # a command is to be copied


def _word(row: dict[str, Any]) -> str:
    """The last run in one word."""
    if row.get("frozen"):
        return "frozen"
    if row.get("held"):
        return "HELD"
    outcome = row.get("outcome")
    dropped = sum(row.get("refused", {}).values())
    if outcome == Outcome.LOCAL:
        return f"{dropped:,} dropped" if dropped else "a file here"
    return str(outcome).upper() if outcome in _LOUD else str(outcome or "")


def _notes(row: dict[str, Any], flags: str) -> list[str]:
    """What a person has to know, each a paragraph."""
    notes = [row["reason"]] if row.get("reason") else []
    if row.get("not_configured"):
        notes.append("is in the table and not in sources.yaml any more; the next update leaves it out")
    if frozen := row.get("frozen"):
        who = f" by {frozen['by']}" if frozen["by"] else ""
        notes.append(f"frozen since {clock.shown(frozen['since'])}{who}: {frozen['reason'] or 'no reason given'}")
    if held := row.get("held"):
        notes.append(f"held since {clock.shown(held['since'])}: {held['text']}")
        notes.append(f"filterd lists diff --held {row['id']}{flags}")
        notes.append(f"filterd lists accept {row['id']}{flags}")
    elif row.get("outcome") in (Outcome.REFUSED, Outcome.FAILED):
        often = f", {row['failures']} times now" if row["failures"] > 1 else ""
        notes.append(f"{row['why']}{often}: {row['text']}")
    if row.get("stale"):
        notes.append("STALE: nothing new for long; does anybody still look after it?")
    return notes
