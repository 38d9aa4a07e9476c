"""Snapshots share what did not change."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterd.core.overrides import Override, Overrides
from filterd.errors import TableError
from filterd.live import snapshots
from filterd.live.published import open_readonly
from tests import schools
from tests.running import build_table, write_school


def test_no_directory_is_the_empty_table() -> None:
    table = snapshots.open_table(None)
    assert (table.generation, table.names) == ("", 0)
    assert table.mask(b"example.adult.") == 0


def test_a_table_that_is_mapped_already_is_shared_and_a_new_one_is_opened(tmp_path: Path) -> None:
    config, state = write_school(tmp_path)
    published = open_readonly(config, state)
    first = snapshots.build(published.policy, published.table, published.overrides, schools.NOW)
    again = snapshots.build(published.policy, published.table, Overrides(sequence=2), schools.NOW, first)
    assert again.table is first.table
    assert again.index is first.index
    generation = build_table(config, state)
    moved = snapshots.build(published.policy, state / "tables" / generation, Overrides(), schools.NOW, again)
    assert moved.table is not first.table
    assert moved.table.generation == generation


def test_overrides_hold_at_the_moment_the_snapshot_is_built_for() -> None:
    override = Override("3a", until=int(schools.NOW) + 60, profile="exam")
    during = snapshots.build(schools.POLICY, None, Overrides((override,)), schools.NOW)
    after = snapshots.build(schools.POLICY, None, Overrides((override,)), schools.NOW + 61, during)
    assert schools.row(during, "3a").profile == "exam"
    assert schools.row(after, "3a").profile == "learning"


def test_a_directory_that_is_not_there_is_a_table_error(tmp_path: Path) -> None:
    with pytest.raises(TableError):
        snapshots.open_table(tmp_path / "000001-0000000000000000")
