"""The metrics of the nightly update, from what `STATE/status.json` says of the last run.

The updater is another process, which is gone when somebody asks. Its notes are read with suspicion: what is not of its
kind is left out, and no word of theirs becomes a label unless it is one of a closed set or has the form of an id.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric

from filterd.core.updates import Outcome, Why

MAX_SOURCES: Final = 1000
RESULTS: Final = ("published", "kept", "failed")
KINDS: Final = ("resolve", "block")  # of names that come out wrong, `core.probe.Hit`
NO_REASON: Final = "none"
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

# key in the notes -> (name, help)
_TIMES: Final = {
    "last_attempt": ("filterd_source_last_attempt_timestamp_seconds", "When the list was asked for last."),
    "last_success": ("filterd_source_last_success_timestamp_seconds", "When its server last answered well."),
    "last_change": ("filterd_source_last_change_timestamp_seconds", "When new content of the list was last taken."),
}
_RUN: Final = {
    "ended_at": ("filterd_update_last_run_timestamp_seconds", "When the last update ended."),
    "duration_s": ("filterd_update_duration_seconds", "How long the last update took."),
    "cpu_s": ("filterd_update_cpu_seconds", "Processor time of the last update."),
    "peak_bytes": ("filterd_update_peak_memory_bytes", "The most memory the last update had."),
    "clock_trusted": ("filterd_update_clock_trusted", "Whether the box knew the time at the last update."),
}
_ADDED: Final = {
    "only": ("filterd_source_only_entries", "Entries of a list that no other list of its category covers."),
    "missed": ("filterd_source_missed_entries", "Of a Vietnamese list, entries that no list without the language has."),
}


@dataclass(slots=True)
class UpdateState:
    """What is shown. Times are Unix seconds; `run` and the values of `sources` are by the keys of the notes."""

    pinned: bool = False
    run: dict[str, float] = field(default_factory=dict)
    result: str = ""
    times: dict[str, dict[str, float]] = field(default_factory=dict)  # by key of the notes, then by source
    held: dict[str, bool] = field(default_factory=dict)
    outcomes: dict[str, tuple[str, str]] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)  # names that come out wrong in the table, by kind
    overblocked: dict[str, tuple[float, float]] = field(default_factory=dict)  # by tier: names closed, names tried
    added: dict[str, dict[str, float]] = field(default_factory=dict)  # by key of the notes, then by source


def state_of(status: Mapping[str, Any], pinned: bool = False) -> UpdateState:
    """The values of a status; of an empty or strange one those that can be believed."""
    found = UpdateState(pinned)
    found.run = {key: value for key in _RUN if (value := _number(status.get(key))) is not None}
    outcome = status.get("outcome")
    found.result = outcome if outcome in RESULTS else ""
    sources = _rows(status.get("sources"))
    for key in _TIMES:
        found.times[key] = _numbers(sources, key)
    found.held = {name: row.get("held") is True for name, row in sources.items()}
    for name, row in sources.items():
        outcome, why = _member(row.get("outcome"), Outcome), _member(row.get("why"), Why)
        if outcome:
            found.outcomes[name] = outcome, why or NO_REASON
    hits = status.get("probe")
    if isinstance(hits, list):
        kinds = [hit.get("kind") for hit in hits if isinstance(hit, dict)]
        found.wrong = {kind: kinds.count(kind) for kind in KINDS}
    _add_quality(found, status.get("quality"))
    return found


def _add_quality(found: UpdateState, quality: Any) -> None:
    """The figures of `core.quality.Quality.to_json`."""
    if not isinstance(quality, dict):
        return
    for tier, row in _listed(quality.get("tiers"), "tier").items():
        tried, blocked = _number(row.get("tried")), row.get("blocked")
        if tried is not None and isinstance(blocked, list | tuple):
            found.overblocked[tier] = len(blocked), tried
    sources = _listed(quality.get("sources"), "source")
    found.added = {key: _numbers(sources, key) for key in _ADDED}


def families(state: UpdateState) -> Iterator[Metric]:
    """The page's part about updates."""
    yield GaugeMetricFamily(
        "filterd_table_pinned", "Whether a rollback pinned the table, so that updates publish none.", state.pinned
    )
    for key, (name, text) in _RUN.items():
        family = GaugeMetricFamily(name, text)
        if key in state.run:
            family.add_metric([], state.run[key])
        yield family
    result = GaugeMetricFamily("filterd_update_result", "What the last update came to.", labels=["result"])
    for each in RESULTS if state.result else ():
        result.add_metric([each], each == state.result)
    yield result
    yield _by("filterd_table_wrong_names", "Names that the table closes or opens by mistake.", "kind", state.wrong)
    yield from _sources(state)
    yield from _quality(state)


def _sources(state: UpdateState) -> Iterator[Metric]:
    for key, (name, text) in _TIMES.items():
        yield _by(name, text, "source", state.times.get(key, {}))
    yield _by("filterd_source_held", "Whether new content of the list waits for a person.", "source", state.held)
    outcomes = GaugeMetricFamily(
        "filterd_source_outcome", "What the last update made of the list.", labels=["source", "outcome", "why"]
    )
    for name, (outcome, why) in sorted(state.outcomes.items()):
        outcomes.add_metric([name, outcome, why], 1)
    yield outcomes


def _quality(state: UpdateState) -> Iterator[Metric]:
    closed = {tier: blocked for tier, (blocked, _) in state.overblocked.items()}
    tried = {tier: of for tier, (_, of) in state.overblocked.items()}
    yield _by("filterd_overblocked_names", "Names of probes.yaml that lists close by mistake.", "tier", closed)
    yield _by("filterd_overblocked_tried_names", "Names of probes.yaml that were tried.", "tier", tried)
    for key, (name, text) in _ADDED.items():
        yield _by(name, text, "source", state.added.get(key, {}))


def _by(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for each, value in sorted(values.items()):
        family.add_metric([each], value)
    return family


def _rows(value: Any) -> dict[str, dict[str, Any]]:
    """Objects by id; others, and those beyond the bound, are left out."""
    if not isinstance(value, dict):
        return {}
    sound = {name: row for name, row in value.items() if isinstance(row, dict) and _ID.fullmatch(name)}
    return dict(list(sound.items())[:MAX_SOURCES])


def _listed(value: Any, key: str) -> dict[str, dict[str, Any]]:
    """The objects of a list by the id that each has under `key`."""
    rows = value if isinstance(value, list | tuple) else ()
    return _rows({str(row.get(key)): row for row in rows if isinstance(row, dict)})


def _numbers(rows: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, float]:
    return {name: number for name, row in rows.items() if (number := _number(row.get(key))) is not None}


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _member(value: Any, words: type[Outcome] | type[Why]) -> str:
    """A word of a closed set, or ""."""
    return str(value) if isinstance(value, str) and value in set(words) else ""
