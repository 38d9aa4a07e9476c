"""`filterd lists status`: the table, the last run, and of each list what waits for a person."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from filterd.store import lists, status, tables
from filterd.update.clock import RELEASED
from tests.update.boxes import NIGHT_S, Box, body, source
from tests.update.webserver import WebServer
from tests.update.webserver import status as code

FIRST = body(100, more=["game.example"])


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer({"/games.txt": FIRST, "/more.txt": body(50, 1000)}) as server:
        yield server


@pytest.fixture
def box(tmp_path: Path, web: WebServer) -> Box:
    made = Box(tmp_path, web, source("games-list", "/games.txt"), source("more-list", "/more.txt"))
    made.night()
    return made


def show(box: Box, *given: str) -> Result:
    words = ["lists", "status", *given, "-c", str(box.config), "--state-dir", str(box.state)]
    return CliRunner().invoke(main, words, catch_exceptions=False)


def flat(text: str) -> str:
    return " ".join(text.split())


def row(box: Box, name: str) -> dict[str, object]:
    return next(each for each in json.loads(show(box, "--json").stdout)["sources"] if each["id"] == name)


def test_it_names_the_table_and_the_last_run(box: Box) -> None:
    result = show(box)
    assert result.exit_code == 0
    assert f"Table {box.generation}: 152 names, built" in result.output
    assert "Last update: 20" in result.output
    assert " MB, published\n" in result.output
    assert "games-list                 games                   101" in result.output


def test_what_is_held_says_why_since_when_and_what_to_do(box: Box, web: WebServer) -> None:
    web.files["/games.txt"] = body(20)
    box.night()
    shown = show(box).output
    assert "HELD" in shown
    assert "held since 20" in shown
    assert "has 20 entries, the last good copy 101 (-80 %)" in flat(shown)
    flags = f"-c {box.config} --state-dir {box.state}"
    assert f"    filterd lists diff --held games-list {flags}\n    filterd lists accept games-list {flags}\n" in shown
    assert shown.endswith("\nOf 3 lists: 1 HELD.\n")
    held = row(box, "games-list")["held"]
    assert isinstance(held, dict)
    assert (held["why"], held["since"]) == ("halved", int(box.now))


def test_what_failed_says_why_and_how_often(box: Box, web: WebServer) -> None:
    web.files["/games.txt"] = code(404)
    box.night()
    box.night()
    shown = flat(show(box).output)
    assert "FAILED status, 2 times now:" in shown
    assert row(box, "games-list")["last_success"] == int(box.now) - 2 * NIGHT_S


def test_what_is_frozen_says_who_and_why(box: Box) -> None:
    lists.freeze(box.state, "games-list", "renovation of the list", RELEASED, "thầy Minh")
    shown = flat(show(box).output)
    assert "frozen since 2026-11-21 00:00 UTC by thầy Minh: renovation of the list" in shown


@pytest.mark.parametrize(("days", "stale"), [(90, False), (91, True)])
def test_a_list_without_news_for_long_is_stale(
    box: Box, days: int, stale: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: box.now + days * NIGHT_S)
    assert row(box, "games-list")["stale"] is stale
    assert ("STALE: nothing new for long" in show(box).output) is stale


def test_what_a_box_without_the_time_wrote_down_is_no_age(box: Box, web: WebServer) -> None:
    box.now = 5000.0
    web.files["/games.txt"] = body(110)
    box.night()
    shown = show(box).output
    assert "names, built when the clock was wrong\n" in shown
    assert "STALE" not in shown
    assert row(box, "games-list")["last_change"] is None


def test_the_mistakes_of_the_table_and_lists_without_a_copy_are_named_at_the_end(box: Box, web: WebServer) -> None:
    (box.config / "policies/probes.yaml").write_text("must_block:\n  - {category: games, names: [missing.example]}\n")
    sources = box.config / "blocklists/sources.yaml"
    sources.write_text(
        sources.read_text() + f"  - {source('new-list', '/new.txt').replace('{web}', web.url('')[:-1])}\n"
    )
    box.night()
    shown = show(box).output
    assert "\nOf 4 lists: 1 FAILED, 1 without any copy.\n" in shown
    assert shown.endswith("  missing.example: no list blocks it, for tieu-hoc, thcs\n")


def test_a_rollback_is_said_with_the_way_out(box: Box, web: WebServer) -> None:
    web.files["/games.txt"] = body(110)
    box.night()
    tables.rollback(box.state)
    shown = show(box).output
    assert "PINNED by a rollback since" in shown
    assert f"    filterd lists accept --table -c {box.config}" in shown
    assert json.loads(show(box, "--json").stdout)["pinned"]["generation"] == box.generation


def test_a_box_without_the_time_is_told(box: Box) -> None:
    status.write(box.state, {**status.read(box.state), "clock_trusted": False})
    assert "This box did not know the time" in show(box).output


def test_a_list_that_left_the_configuration_is_named(box: Box) -> None:
    path = box.config / "blocklists/sources.yaml"
    text = path.read_text()
    path.write_text("".join(line for line in text.splitlines(True) if "id: more-list" not in line))
    assert "is in the table and not in sources.yaml any more" in flat(show(box).output)


def test_a_mistake_in_a_policy_does_not_hide_the_lists(box: Box) -> None:
    (box.config / "policies/classes.yaml").write_text("classrooms: nonsense\n")
    result = show(box)
    assert result.exit_code == 0
    assert "games-list" in result.output


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"format": 1, "sources": {"games-list": 7}, "started_at": "x", "peak_bytes": [], "text": {}}',
        b'{"format": 1, "started_at": 1e300, "duration_s": null, "clock_trusted": 5}',
        b'{"format": 1, "started_at": 99999999999999, "sources": {"games-list": {"outcome": ["x"], "why": {}}}}',
        b"\xff" * 100,
    ],
    ids=["empty", "cut", "other kinds", "numbers", "far", "bytes"],
)
def test_a_strange_status_file_costs_no_more_than_its_figures(box: Box, content: bytes) -> None:
    status.path(box.state).write_bytes(content)
    result = show(box)
    assert result.exit_code == 0
    assert f"Table {box.generation}" in result.output
    assert show(box, "--json").exit_code == 0


def test_before_the_first_run_it_says_what_to_do(tmp_path: Path) -> None:
    result = show(Box(tmp_path, None))
    assert result.exit_code == 1
    assert "'filterd update' makes one" in result.output


def test_a_directory_of_somebody_else_is_not_an_empty_one(box: Box) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    box.state.chmod(0)
    try:
        result = show(box)
    finally:
        box.state.chmod(0o750)
    assert result.exit_code == 2
    assert "try it with sudo" in result.output


def test_it_fits_the_screen(box: Box, web: WebServer) -> None:
    web.files["/games.txt"] = body(20)
    box.night()
    lines = [line for line in show(box).output.splitlines() if "filterd lists" not in line]
    assert max(map(len, lines)) <= 80
