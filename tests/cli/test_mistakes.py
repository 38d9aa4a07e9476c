"""What the table in force does wrong, as commands show it."""

from __future__ import annotations

from typing import Any

import pytest

from filterd.cli import mistakes


def hit(name: str, kind: str = "resolve") -> dict[str, Any]:
    return {"name": name, "kind": kind, "sources": ["games-list"], "tiers": ["thcs", "thpt"]}


def test_names_that_people_know_come_first_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    mistakes.show({"probe": [hit("*.learn.example"), hit("learn.example"), hit("game.example", "block")]}, " -c school")
    assert capsys.readouterr().out.splitlines()[1:] == [
        "MISTAKES IN FORCE: names that come out wrong",
        "  learn.example: blocked by games-list, for thcs, thpt",
        "  game.example: no list blocks it, for thcs, thpt",
        "  *.learn.example: blocked by games-list, for thcs, thpt",
        "To open one for the school, whatever lists say:",
        "  filterd site allow NAME -c school",
    ]


@pytest.mark.parametrize("found", [None, [], 7, ["x"], [{}], [{"name": 7, "kind": "block"}]])
def test_nothing_and_nonsense_show_nothing(found: object, capsys: pytest.CaptureFixture[str]) -> None:
    mistakes.show({"probe": found}, "")
    assert capsys.readouterr().out == ""


def test_half_a_hit_is_shown_as_far_as_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    mistakes.show({"probe": [{"name": "learn.example", "kind": "resolve"}]}, "")
    assert "learn.example: blocked by nobody knows, for nobody knows" in capsys.readouterr().out
