"""Copies of lists for tests, put into a state directory as the nightly update does."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from filterd.core.updates import Figures, Why
from filterd.store import lists

FIGURES = Figures("domains", 1, 1)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def staged(state: Path, text: str, name: str = "staged") -> Path:
    """A download on the file system of the copies."""
    state.mkdir(parents=True, exist_ok=True)
    path = state / name
    path.unlink(missing_ok=True)
    path.write_text(text)
    return path


def meta_of(text: str, **more: Any) -> lists.Meta:
    values: dict[str, Any] = {"etag": '"1"', "fetched_at": 1_700_000_000, "changed_at": 1_700_000_000}
    return lists.Meta(url="https://lists.example/x", sha256=sha256(text), figures=FIGURES, **values | more)


def take(state: Path, source_id: str, text: str, **more: Any) -> lists.Meta:
    return lists.take(state, source_id, staged(state, text), meta_of(text, **more))


def hold(state: Path, source_id: str, text: str, now: float = 1_700_000_100, **more: Any) -> lists.Held:
    return lists.hold(state, source_id, staged(state, text), meta_of(text, **more), Why.SHRUNK, "is too short", now)
