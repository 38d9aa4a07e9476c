"""A folder or stick that `filterd update --from` takes lists from: what on it is whose, before and after the run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from filterd.cli.text import wrapped
from filterd.core.source import Source

_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Stick:
    """`absent`: lists that are not on it; `unused`: files that are no list's."""

    folder: Path
    absent: frozenset[str]
    unused: tuple[str, ...]


def look(config_dir: Path, folder: Path, ids: tuple[str, ...], flags: str) -> Stick:
    """What is there for the lists `ids`. Raises ClickException, which says what to do, if that is nothing."""
    from filterd.config.load import load_sources
    from filterd.update import offline

    sources = tuple(source for source in load_sources(config_dir) if source.enabled)
    asked = [source for source in sources if source.id in ids]
    try:
        unused = offline.unclaimed(folder, sources)
        absent = frozenset(source.id for source in asked if offline.find(folder, source, sources) is None)
    except PermissionError as error:
        text = f"{error.filename or folder}: {error.strerror} for the user {_user()}, who reads the lists."
        raise _refused(f"{text} Mount the stick so that all may read it, or copy the lists elsewhere.") from None
    except OSError as error:
        raise _refused(f"{folder} cannot be read: {error.strerror or error}. Was the stick pulled out?") from None
    if len(absent) < len(asked):
        return Stick(folder, absent, unused)
    if (folder / "index.json").exists():
        raise _refused(
            f"{folder} holds no lists but a signed bundle. Take it with:", f"filterd lists import {folder}{flags}"
        )
    there = f"there is {_some(unused)}" if unused else "it is empty: is the stick mounted there?"
    raise _refused(f"{folder} has none of these lists; {there}{_names(asked) if unused else ''}")


def show(stick: Stick) -> None:
    """After a run: what was not there, and what is there and was not used."""
    if stick.absent:
        click.echo(wrapped(f"Not in {stick.folder}, and left as they were: {', '.join(sorted(stick.absent))}.", ""))
    if stick.unused:
        text = f"Not used, as no list that is on has such a name: {_some(stick.unused)}"
        click.echo(wrapped(f"{text}. The name of a list is its ID and .txt; 'filterd lists status' shows the IDs.", ""))


def _refused(text: str, command: str = "") -> click.ClickException:
    return click.ClickException(wrapped(text, "").strip() + (f"\n  {command}" if command else "\nNothing was changed."))


def _names(asked: list[Source]) -> str:
    example = asked[0].id if asked else "ID"
    return f". The name of a list is its ID and .txt, such as {example}.txt; 'filterd lists status' shows the IDs"


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more


def _user() -> str:
    from filterd.store import lists

    return lists.user_name(os.geteuid())
