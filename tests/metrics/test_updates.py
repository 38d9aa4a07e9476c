"""What a scrape says of the last update: all that was written down, and nothing that was not."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from filterd.core.updates import Outcome, Why
from filterd.metrics.updates import MAX_SOURCES, families, state_of

STATUS: dict[str, Any] = {
    "format": 1,
    "outcome": "published",
    "text": "",
    "started_at": 90,
    "ended_at": 100,
    "duration_s": 10.5,
    "cpu_s": 4.25,
    "peak_bytes": 300_000_000,
    "generation": "000001-0123456789abcdef",
    "clock_trusted": True,
    "sources": {
        "good": {"outcome": "taken", "why": "", "last_attempt": 95, "last_success": 95, "last_change": 95},
        "bad": {
            "outcome": "held", "why": "halved", "last_attempt": 96, "last_success": 96, "last_change": 5, "held": True,
        },
        "ours": {"outcome": "local", "why": "", "last_attempt": None, "last_success": None, "last_change": None},
    },
    "probe": [{"kind": "resolve", "name": "a.example"}, {"kind": "resolve"}, {"kind": "block"}],
    "quality": {
        "tiers": [{"tier": "thcs", "tried": 50, "blocked": [{"name": "a.example"}, {"name": "b.example"}]}],
        "sources": [
            {"source": "good", "category": "games", "entries": 9, "only": 7, "missed": 6},
            {"source": "bad", "category": "games", "entries": 9, "only": 1, "missed": None},
        ],
    },
}  # fmt: skip


class Page:
    """A collector of one state."""

    def __init__(self, status: dict[str, Any], pinned: bool = False) -> None:
        self._state = state_of(status, pinned)

    def collect(self) -> list[Metric]:
        return list(families(self._state))


def values(status: dict[str, Any], pinned: bool = False) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(Page(status, pinned))  # type: ignore[arg-type]
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ('filterd_source_last_attempt_timestamp_seconds{source="good"}', 95),
        ('filterd_source_last_success_timestamp_seconds{source="bad"}', 96),
        ('filterd_source_last_change_timestamp_seconds{source="bad"}', 5),
        ('filterd_source_held{source="bad"}', 1),
        ('filterd_source_held{source="good"}', 0),
        ('filterd_source_outcome{outcome="held",source="bad",why="halved"}', 1),
        ('filterd_source_outcome{outcome="taken",source="good",why="none"}', 1),
        ("filterd_update_last_run_timestamp_seconds", 100),
        ("filterd_update_duration_seconds", 10.5),
        ("filterd_update_cpu_seconds", 4.25),
        ("filterd_update_peak_memory_bytes", 3e8),
        ("filterd_update_clock_trusted", 1),
        ('filterd_update_result{result="published"}', 1),
        ('filterd_update_result{result="failed"}', 0),
        ("filterd_table_pinned", 0),
        ('filterd_table_wrong_names{kind="resolve"}', 2),
        ('filterd_table_wrong_names{kind="block"}', 1),
        ('filterd_overblocked_names{tier="thcs"}', 2),
        ('filterd_overblocked_tried_names{tier="thcs"}', 50),
        ('filterd_source_only_entries{source="good"}', 7),
        ('filterd_source_missed_entries{source="good"}', 6),
    ],
)
def test_what_was_written_down_is_shown(name: str, value: float) -> None:
    assert values(STATUS)[name] == value


@pytest.mark.parametrize(
    "name",
    [
        'filterd_source_last_attempt_timestamp_seconds{source="ours"}',
        'filterd_source_missed_entries{source="bad"}',
    ],
)
def test_what_nobody_knows_has_no_value(name: str) -> None:
    assert name not in values(STATUS)


def test_a_box_without_a_run_says_only_that_nothing_is_pinned() -> None:
    assert values({}) == {"filterd_table_pinned": 0}
    assert values({}, pinned=True) == {"filterd_table_pinned": 1}


def test_every_outcome_and_reason_of_the_updater_can_be_shown() -> None:
    for outcome in Outcome:
        for why in Why:
            state = state_of({"sources": {"a": {"outcome": outcome, "why": why}}})
            assert state.outcomes == {"a": (outcome, why or "none")}


STRANGE: list[Any] = [
    None, True, -1, 10**400, 1e308, math.nan, math.inf, "", "x" * 300, 'a"b\n', "held", [], [1], {}, {"a": 1}, [[]],
    [{}], {"a": {"outcome": ["taken"]}}, {'a"b': {"held": True}}, {"": {}}, [{"tier": {}, "tried": []}],
]  # fmt: skip


@pytest.mark.parametrize("key", sorted(STATUS))
def test_nothing_strange_in_the_notes_breaks_the_page(key: str) -> None:
    for value in STRANGE:
        found = values({**STATUS, key: value})
        assert not any(math.isnan(each) or math.isinf(each) for each in found.values())
        assert all(name.count('"') % 2 == 0 and "\n" not in name for name in found)


@pytest.mark.parametrize("seed", range(20))
def test_values_in_any_place_do_no_harm(seed: int) -> None:
    chance = random.Random(seed)

    def spoil(value: Any) -> Any:
        if chance.random() < 0.15:
            return chance.choice(STRANGE)
        if isinstance(value, dict):
            return {key: spoil(each) for key, each in value.items()}
        return [spoil(each) for each in value] if isinstance(value, list) else value

    for _ in range(50):
        found = spoil(STATUS)
        values(found if isinstance(found, dict) else {})


def test_a_label_is_an_id_or_one_of_a_closed_set() -> None:
    status = {"sources": {"client 10.1.2.3": {"held": True}, "A": {"outcome": "taken"}, "a": {"outcome": "nonsense"}}}
    assert set(values(status)) == {"filterd_table_pinned", 'filterd_source_held{source="a"}'}


def test_sources_are_bounded() -> None:
    status = {"sources": {f"s{number}": {"held": True} for number in range(5 * MAX_SOURCES)}}
    assert len(state_of(json.loads(json.dumps(status))).held) == MAX_SOURCES
