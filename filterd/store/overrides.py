"""`STATE/overrides.json`: the overrides in force. The API is its only writer; every process that decides reads it."""

from __future__ import annotations

import json
from pathlib import Path

from filterd.core import names
from filterd.core.overrides import Override, Overrides
from filterd.errors import NameSyntaxError

MAX_BYTES = 4 << 20


def path(state_dir: Path) -> Path:
    return state_dir / "overrides.json"


def load(state_dir: Path) -> Overrides:
    """What is in force; nothing if the file does not exist. Raises OSError, or ValueError if it is not what the API
    writes: every name in normal form, every id text, so that whatever is returned can be served.
    """
    try:
        with path(state_dir).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Overrides()
    if len(data) > MAX_BYTES:
        raise ValueError("overrides.json is larger than 4 MiB")
    try:
        found = Overrides.from_json(json.loads(data))
    except (ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"overrides.json is not a set of overrides: {error}") from None
    for override in found.items:
        _check(override)
    return found


def _check(override: Override) -> None:
    for rules in (override.allow, override.block):
        for entry in (*rules.categories, *rules.services, *rules.names):
            if not isinstance(entry, str):
                raise ValueError(f"overrides.json: {entry!r} for {override.place!r} is not text")
        for name in rules.names:
            bare = name.removeprefix("=")
            try:
                normal = names.normal(bare)
            except NameSyntaxError as error:
                raise ValueError(f"overrides.json: {error}") from None
            if normal != bare:
                raise ValueError(f"overrides.json: {name!r} should be {normal!r}")
