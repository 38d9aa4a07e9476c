"""What is a new wrong of a table, and what was wrong before."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterd.core.probe import Hit
from filterd.update import trial
from tests.update.boxes import Box

CLOSED = Hit("resolve", "learn.example", ("thcs", "thpt"), ("games",), ("a-list",), "learn")
OPEN = Hit("block", "sin.example", ("thcs",), ("adult",), ("b-list",), "adult")


def test_a_wrong_is_what_pupils_feel_whichever_lists_do_it():
    other = Hit("resolve", "learn.example", ("thpt",), ("games", "chat"), ("b-list", "c-list"), "learn")
    assert trial.wrongs((other,)) < trial.wrongs((CLOSED,))
    assert not trial.wrongs((OPEN,)) & trial.wrongs((CLOSED,))


@pytest.mark.parametrize(
    ("hit", "expected"),
    [
        (CLOSED, "this table would block learn.example for thcs, thpt by a-list"),
        (OPEN, "with this table sin.example would no longer be blocked for thcs"),
    ],
)
def test_the_technician_reads_what_would_be(hit: Hit, expected: str):
    assert trial.sentence(hit) == expected


class TestInForce:
    def test_nothing_on_the_first_night(self, tmp_path: Path):
        assert trial.in_force(tmp_path) is None

    def test_the_table_of_the_night(self, box: Box):
        box.night()
        found = trial.in_force(box.state)
        assert found is not None
        assert found.generation == box.generation

    def test_a_damaged_one_is_none(self, box: Box):
        box.night()
        (box.state / "tables" / str(box.generation) / "sets.bin").write_bytes(b"")
        assert trial.in_force(box.state) is None
