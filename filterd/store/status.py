"""`STATE/status.json`: what the last nightly run did. The updater is its only writer; metrics, `lists status` and the
web pages read it.

    {"format": 1, "started_at", "ended_at", "outcome", "text", "duration_s", "cpu_s", "peak_bytes", "generation",
     "clock_trusted", "sources": {id: {"outcome", "why", "text", "last_attempt", "last_success", "last_change",
     "entries", "held"}}, "probe": [...], "quality": {...}}

It is for people and alerts: nothing depends on it, so a damaged or missing file reads as {}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filterd.store import atomic, files

FORMAT = 1
MAX_BYTES = 16 << 20


def path(state_dir: Path) -> Path:
    """Where the status of a state directory is."""
    return state_dir / "status.json"


def plain(status: Mapping[str, Any]) -> dict[str, Any]:
    """A status as `read` would give it: lists for tuples, words for members of an enum."""
    found: dict[str, Any] = json.loads(json.dumps(status))
    return found


def write(state_dir: Path, status: Mapping[str, Any]) -> None:
    """Publish what a run did; one writer at a time. Raises OSError; the status of the run before then stays."""
    atomic.make_folder(state_dir)
    atomic.sweep(path(state_dir))
    body = json.dumps({"format": FORMAT, **status}, ensure_ascii=False, indent=1)
    atomic.write(path(state_dir), body.encode("utf-8", "replace"))


def read(state_dir: Path) -> dict[str, Any]:
    """What the last run did; {} where none ran, or where the file is not what was written."""
    try:
        found = json.loads(files.read(path(state_dir), MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("sources", {}), dict):
        return {}
    return found
