"""The notes of the updater are followed while the server runs, and whatever lies there is survived."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from filterd.core.compiler import compile_table
from filterd.live.updates import LOOK_S, UpdateWatch
from filterd.store import status, suffixes, tables


def write(state: Path, **more: object) -> None:
    status.write(state, {"outcome": "kept", "sources": {"a": {"held": True}}, **more})


def test_a_new_status_is_seen_after_a_few_seconds(tmp_path: Path) -> None:
    watch = UpdateWatch(tmp_path)
    assert watch.poll(0.0).run == {}
    write(tmp_path, ended_at=5)
    assert watch.poll(LOOK_S / 2).run == {}
    assert watch.poll(LOOK_S).run == {"ended_at": 5}
    write(tmp_path, ended_at=66)
    assert watch.poll(2 * LOOK_S).run == {"ended_at": 66}


def test_one_that_goes_away_is_forgotten(tmp_path: Path) -> None:
    write(tmp_path)
    watch = UpdateWatch(tmp_path)
    assert watch.poll(0.0).held == {"a": True}
    status.path(tmp_path).unlink()
    assert watch.poll(LOOK_S).held == {}


def test_a_rollback_is_seen_without_another_run(tmp_path: Path) -> None:
    for at in (1, 2):
        tables.publish(tmp_path, compile_table((), suffixes.load()), at)
    write(tmp_path)
    watch = UpdateWatch(tmp_path)
    assert not watch.poll(0.0).pinned
    tables.rollback(tmp_path)
    assert watch.poll(LOOK_S).pinned
    tables.release(tmp_path)
    assert not watch.poll(2 * LOOK_S).pinned


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 4096, b"[" * 100_000, b'{"format": 1, "sources": {"a": 1}}', b"\xff\xfe"]
)
def test_any_bytes_are_survived(tmp_path: Path, content: bytes) -> None:
    status.path(tmp_path).write_bytes(content)
    assert UpdateWatch(tmp_path).poll(0.0).held == {}


def test_a_folder_in_its_place_is_survived(tmp_path: Path) -> None:
    status.path(tmp_path).mkdir()
    (tmp_path / "tables/.pinned").mkdir(parents=True)
    assert UpdateWatch(tmp_path).poll(0.0).held == {}


def test_a_status_is_read_once(tmp_path: Path) -> None:
    write(tmp_path)
    watch = UpdateWatch(tmp_path)
    before = watch.poll(0.0)
    assert watch.poll(LOOK_S) is before
    status.path(tmp_path).write_text(json.dumps({"format": 1}))
    assert watch.poll(2 * LOOK_S) is not before
