"""What the table in force does wrong, as the last run found it: for `filterd update` and `filterd lists status`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from filterd.cli.text import wrapped

_SHOWN: Final = 8


def show(status: Mapping[str, Any], flags: str) -> None:
    """A reason to look, with what to do; nothing where all is well. `flags` belong to every command to copy."""
    hits = _hits(status.get("probe"))
    if not hits:
        return
    click.echo()
    click.secho("MISTAKES IN FORCE: names that come out wrong", bold=True)
    for hit in hits[:_SHOWN]:
        says = "no list blocks it" if hit["kind"] == "block" else f"blocked by {_list(hit.get('sources'))}"
        click.echo(wrapped(f"{hit['name']}: {says}, for {_list(hit.get('tiers'))}", "  "))
    if len(hits) > _SHOWN:
        click.echo(f"  and {len(hits) - _SHOWN} more: filterd lists status --json{flags}")
    if any(hit["kind"] == "resolve" for hit in hits):
        click.echo("To open one for the school, whatever lists say:")
        click.echo(f"  filterd site allow NAME{flags}")


def _hits(found: Any) -> list[dict[str, Any]]:
    """Those of a status that can be shown; another hand may have written it. Names that people know come first."""
    hits = [hit for hit in found if isinstance(hit, dict)] if isinstance(found, list | tuple) else []
    hits = [hit for hit in hits if isinstance(hit.get("name"), str) and isinstance(hit.get("kind"), str)]
    return sorted(hits, key=lambda hit: (hit["name"].startswith("*."), hit["name"].count(".")))


def _list(found: Any) -> str:
    return ", ".join(map(str, found)) if isinstance(found, list | tuple) and found else "nobody knows"
