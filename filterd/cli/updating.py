"""A run of the update as people see it: one line a source, what is in force now, and what waits for a person.

`filterd update`, `lists accept` and whoever else runs `update.run` show it by this. On a terminal the line of what is
under way is written over and over; elsewhere there are finished lines only.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from filterd.cli import mistakes, stick
from filterd.cli.stick import Stick
from filterd.cli.text import WIDTH, cut, share, wrapped
from filterd.core.updates import Outcome, Why
from filterd.errors import TableError
from filterd.store import lists, tables
from filterd.update.run import NO_TIME, Options, Result, run
from filterd.update.sources import SourceResult

LOUD: Final = frozenset({Outcome.HELD, Outcome.REFUSED, Outcome.FAILED})
_BAR: Final = 24
_REDRAW_S: Final = 0.1
_ERASE: Final = "\r\x1b[K"
_UNREACHED: Final = frozenset({Why.NETWORK, Why.RESOLVE, Why.TIMEOUT})


class Silent:
    """For programs: they read the status."""

    def fetching(self, source: str, done: int, total: int | None) -> None: ...
    def settled(self, source: str, result: SourceResult) -> None: ...
    def step(self, text: str) -> None: ...


class Lines(Silent):
    """One line for every source that is settled, as wide as `ids` need. `state_dir`: the sizes they had before.

    A run that asks nobody does not say so source by source.
    """

    def __init__(self, state_dir: Path, ids: tuple[str, ...], options: Options) -> None:
        self._state_dir = state_dir
        self._offline = options.offline
        self._width = min(max(map(len, ids), default=0), 30)
        self._taken = "would take" if options.dry_run else "taken"
        self.absent: frozenset[str] = frozenset()  # from the folder they should come from: said once for all
        self.results: dict[str, SourceResult] = {}

    def settled(self, source: str, result: SourceResult) -> None:
        if source in self.absent and result.why is Why.MISSING:
            return
        self.results[source] = result  # once more for a list that the probe holds after all
        if self._offline and result.why is Why.NOT_DUE:
            return
        loud = result.outcome in LOUD
        word = result.outcome.upper() if loud else self._taken if result.outcome is Outcome.TAKEN else result.outcome
        begins = f"{source:<{self._width}}  {word:<9}"
        says = result.text if loud or result.outcome is Outcome.SKIPPED else self._entries(source, result)
        line = f"{begins}  {says}".rstrip()
        if len(line) > WIDTH:
            line = f"{begins}  {result.why}".rstrip() + "\n" + wrapped(says)
        click.secho(line, bold=loud) if loud else click.echo(line)

    def step(self, text: str) -> None:
        click.echo(text)

    def _entries(self, source: str, result: SourceResult) -> str:
        if result.entries is None:
            return result.text
        good = lists.good(self._state_dir, source)
        before = good.figures.entries if good is not None and good.figures is not None else 0
        more = f" ({share(result.entries, before)})" if result.outcome is Outcome.TAKEN else ""
        return f"{result.entries:,} entries{more}"


class Screen(Lines):
    """On a terminal: below the finished lines, one of what is under way."""

    def __init__(self, state_dir: Path, ids: tuple[str, ...], options: Options) -> None:
        super().__init__(state_dir, ids, options)
        self._all, self._done = len(ids), 0
        self._drawn = 0.0

    def fetching(self, source: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._drawn < _REDRAW_S:
            return
        self._drawn = now
        size = f"{done / 1e6:.1f} MB" if total is None else f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"
        filled = round(_BAR * min(done / total, 1)) if total else 0
        bar = f"{'#' * filled}{'-' * (_BAR - filled)}  " if total else ""
        self._draw(f"[{min(self._done + 1, self._all)}/{self._all}] {source:<{self._width}}  {bar}{size}")

    def settled(self, source: str, result: SourceResult) -> None:
        self._done = len({*self.results, source})
        self.clear()
        super().settled(source, result)

    def step(self, text: str) -> None:
        self._draw(f"{text} ...")

    def clear(self) -> None:
        """Take away the unfinished line."""
        click.echo(_ERASE, nl=False)

    def _draw(self, text: str) -> None:
        width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)  # a line that wraps cannot be written over
        click.echo(_ERASE + cut(text)[: width - 1], nl=False)


def perform(
    config_dir: Path,
    state_dir: Path,
    options: Options,
    ids: tuple[str, ...],
    flags: str,
    silent: bool = False,
    on_it: Stick | None = None,
) -> Result:
    """Run the update and show it. `ids` are the sources it may ask; `flags` belong to every command to copy; `on_it`
    is what is in the folder that the lists come from.

    Raises as `update.run.run`.
    """
    if silent:
        return run(config_dir, state_dir, options, Silent())
    kind: type[Lines] = Screen if sys.stdout.isatty() else Lines
    watch = kind(state_dir, ids, options)
    if on_it is not None:
        watch.absent = on_it.absent
    before = tables.current(state_dir)
    try:
        result = run(config_dir, state_dir, options, watch)
    except KeyboardInterrupt:
        _clear(watch)
        now = tables.current(state_dir)
        click.echo(f"\nInterrupted. {'There is no table' if now is None else f'Table {now} is in force'}; try again:")
        click.echo(f"  filterd update{flags}")
        raise
    except BaseException:
        _clear(watch)
        raise
    _clear(watch)
    click.echo("\n" + _in_force(state_dir, before, result.status, options.dry_run))
    _show_counts(state_dir, watch.results)
    if on_it is not None:
        stick.show(on_it)
    mistakes.show(result.status, flags)
    if not options.dry_run:
        _show_work(state_dir, result, flags)
    return result


def _clear(watch: Lines) -> None:
    if isinstance(watch, Screen):
        watch.clear()


def _show_counts(state_dir: Path, results: Mapping[str, SourceResult]) -> None:
    """What a long run came to, if not all of it is well: its lines have left the screen."""
    loud = [name for name, result in results.items() if result.outcome in LOUD]
    if not loud:
        return
    counts = Counter(result.outcome for result in results.values())
    said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    click.echo(wrapped(f"{len(results)} {'lists' if len(results) > 1 else 'list'}: {said}.", ""))
    bare = [name for name in loud if not lists.held_path(state_dir, name).with_name(lists.COPY).exists()]
    if bare:
        click.echo(wrapped(f"Without any copy, so they block nothing: {', '.join(bare)}.", ""))
    if all(result.why in _UNREACHED for result in results.values()):
        click.echo("None could be reached. Has this box a way to the Internet, are `upstreams` in")
        click.echo("policies/school.yaml right? From a stick: filterd update --from DIR")


def _in_force(state_dir: Path, before: str | None, status: Mapping[str, Any], dry_run: bool) -> str:
    """What the run came to, and the table that answers now."""
    now = tables.current(state_dir)
    said = str(status.get("text") or "")
    if dry_run:
        head = "Dry run: nothing was changed."
    elif now is not None and now != before:
        head = _described(state_dir, now)
    elif now is None:
        head = "There is no table: nothing is blocked by lists."
    else:
        head = f"Table {now} stays in force."
    lines = [head] if head.startswith("Table") and not said else [head, *([wrapped(said, "")] if said else [])]
    return "\n".join(lines)


def _described(state_dir: Path, generation: str) -> str:
    try:
        table = tables.open_table(tables.verify(state_dir, generation))
    except TableError as error:
        return wrapped(f"Table {generation} is DAMAGED: {error}", "")
    return f"Table {generation} is in force:\n  {table.names:,} names from {len(table.sources)} lists."


def _show_work(state_dir: Path, result: Result, flags: str) -> None:
    """What waits for a person, with commands to copy."""
    waiting = {name for name, row in result.status.get("sources", {}).items() if row["held"]}
    for name in sorted(waiting):
        held = lists.held(state_dir, name)
        click.echo(f"\n{name} waits for you{f': {held.why}' if held is not None else ''}")
        click.echo(f"  filterd lists diff --held {name}{flags}")
        click.echo(f"  filterd lists accept {name}{flags}")
    if tables.pinned(state_dir) is not None:
        click.echo("\nThe table is pinned by a rollback. So that updates publish again:")
        click.echo(f"  filterd lists accept --table{flags}")
    if result.exit_code == NO_TIME:
        click.echo("\nThis box does not know the time, so no certificate can be checked. It goes on")
        click.echo("with the lists it has. Set the clock, then try again:")
        click.echo(f"  timedatectl set-ntp true\n  filterd update{flags}")
