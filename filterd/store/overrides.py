"""`STATE/overrides.json`: the overrides in force. The API is its only writer; every process that decides reads it."""

from __future__ import annotations

import json
from pathlib import Path

from filterd.core.overrides import Overrides

MAX_BYTES = 4 << 20


def path(state_dir: Path) -> Path:
    return state_dir / "overrides.json"


def load(state_dir: Path) -> Overrides:
    """What is in force; nothing if the file does not exist. Raises OSError, or ValueError if it is not what the API
    writes, which `core.overrides` knows.
    """
    try:
        with path(state_dir).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Overrides()
    if len(data) > MAX_BYTES:
        raise ValueError("overrides.json is larger than 4 MiB")
    try:
        return Overrides.from_json(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"overrides.json: {error}") from None
