"""The status of the last run, for people and alerts."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterd.store import status

RUN = {"outcome": "held", "text": "ít hơn", "sources": {"x": {"outcome": "held", "held": True}}, "quality": {}}


def test_what_a_run_wrote_is_read_by_others(tmp_path: Path) -> None:
    status.write(tmp_path / "state", RUN)
    assert status.read(tmp_path / "state") == {"format": 1, **RUN}
    status.write(tmp_path / "state", {"outcome": "taken"})
    assert status.read(tmp_path / "state") == {"format": 1, "outcome": "taken"}


def test_text_that_is_no_unicode_stops_nobody(tmp_path: Path) -> None:
    status.write(tmp_path, {"text": "a\udcff"})
    assert status.read(tmp_path)["text"] == "a?"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b'{"format": 1', id="half"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(b"{}", id="no format"),
        pytest.param(b'{"format": 2}', id="another format"),
        pytest.param(b'{"format": 1, "sources": []}', id="other sources"),
        pytest.param(b"\xff", id="no text"),
    ],
)
def test_what_is_no_status_reads_as_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        status.path(tmp_path).write_bytes(content)
    assert status.read(tmp_path) == {}


def test_a_link_in_its_place_is_not_read(tmp_path: Path) -> None:
    status.write(tmp_path / "other", RUN)
    status.path(tmp_path).symlink_to(tmp_path / "other/status.json")
    assert status.read(tmp_path) == {}
