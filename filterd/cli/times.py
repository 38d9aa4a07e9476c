"""Times as people give them to commands, in the school's time zone."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import click


def moment(text: str, zone: str) -> float:
    """Unix seconds of a local time; a time alone is today's. Raises click.BadParameter."""
    here = ZoneInfo(zone)
    today = datetime.datetime.now(here).date()
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%H:%M"):
        try:
            found = datetime.datetime.strptime(text, form)  # noqa: DTZ007  the zone is the school's, set below
        except ValueError:
            continue
        if form == "%H:%M":
            found = datetime.datetime.combine(today, found.time())
        return found.replace(tzinfo=here).timestamp()
    raise click.BadParameter(f"{text!r} is not a time like '2026-11-23 09:10' or '09:10'")
