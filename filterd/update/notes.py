"""What a run writes down: for its next run what each source said, for everybody else `STATE/status.json`.

Nothing depends on these notes but alerts and the hours between two questions: a full disk loses those of one night.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from filterd.core.source import Source
from filterd.core.updates import Outcome, Why
from filterd.store import lists, status, tables
from filterd.update.clock import RELEASED
from filterd.update.publish import Published
from filterd.update.sources import SourceResult

_IN_VAIN = frozenset({Outcome.REFUSED, Outcome.FAILED})  # a login page every night is no answer of a list's server
_ASKED = frozenset({Outcome.TAKEN, Outcome.UNCHANGED, Outcome.HELD, Outcome.REFUSED, Outcome.FAILED})


def remember(state_dir: Path, results: Mapping[str, SourceResult], now: int) -> None:
    """Keep what became of every source that was asked. `now`: Unix seconds."""
    with contextlib.suppress(OSError):
        for name, result in results.items():
            if result.outcome in _ASKED:
                before = lists.recall(state_dir, name)
                lists.remember(state_dir, name, _memory(before, result, now))


def _memory(before: lists.Memory, result: SourceResult, now: int) -> lists.Memory:
    came = result.outcome not in _IN_VAIN
    return lists.Memory(
        last_attempt=now,
        last_success=now if came else before.last_success,
        last_change=now if result.outcome is Outcome.TAKEN else before.last_change,
        failures=0 if came else before.failures + 1,
        retry_after=now + int(result.retry_after_s) if result.retry_after_s else None,
        outcome=result.outcome,
        why=result.why,
        text=result.text,
    )


def as_status(
    state_dir: Path,
    before: Mapping[str, Any],
    sources: Iterable[Source],
    results: Mapping[str, SourceResult],
    published: Published,
) -> dict[str, Any]:
    """The outcome of a run, and of sources it left alone what was known before (`store.status` has the shape)."""
    known = before.get("sources")
    kept = known if isinstance(known, dict) else {}
    return {
        "format": status.FORMAT,
        "outcome": "failed" if published.failed else "published" if published.generation else "kept",
        "text": published.text,
        "generation": published.generation or tables.current(state_dir),
        "sources": {s.id: _source(state_dir, s, results.get(s.id), kept.get(s.id)) for s in sources},
        "probe": [dataclasses.asdict(hit) for hit in published.old_sins],
    }


def _source(state_dir: Path, source: Source, result: SourceResult | None, before: Any) -> dict[str, Any]:
    memory, good = lists.recall(state_dir, source.id), lists.good(state_dir, source.id)
    known = before if isinstance(before, dict) else {}
    found = {
        "last_attempt": memory.last_attempt,
        "last_success": memory.last_success,
        "last_change": good.changed_at if good is not None and good.changed_at >= RELEASED else None,  # else unknown
        "held": lists.held(state_dir, source.id) is not None,
    }
    if result is None or (result.why is Why.NOT_DUE and known):
        return {**known, **found} if known else {**_row(memory.outcome, memory.why, memory.text, None), **found}
    return {**_row(result.outcome, result.why, result.text, result.entries), **found}


def _row(outcome: object, why: object, text: str, entries: int | None) -> dict[str, Any]:
    return {"outcome": outcome, "why": why, "text": text, "entries": entries}
