"""What a run of the update shows: one line a source, what is in force, what to do; in a file and on a terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from tests.running import REPO
from tests.update.boxes import Box, body, source
from tests.update.webserver import WebServer, html, trickle
from tests.update.webserver import status as code

FIRST = body(100, more=["game.example"])


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer({"/games.txt": FIRST, "/more.txt": body(2000, 1000)}) as server:
        yield server


@pytest.fixture
def box(tmp_path: Path, web: WebServer) -> Box:
    return Box(tmp_path, web, source("games-list", "/games.txt"), source("more-list", "/more.txt"))


def words(box: Box, *given: str) -> list[str]:
    return ["update", *given, "-c", str(box.config), "--state-dir", str(box.state)]


def run(box: Box, *given: str) -> Result:
    return CliRunner().invoke(main, words(box, *given), catch_exceptions=False)


def flat(text: str) -> str:
    return " ".join(text.split())


class TestLines:
    def test_each_source_has_one_and_the_table_is_named(self, box: Box):
        result = run(box)
        assert result.exit_code == 0, result.output
        lines = result.output.splitlines()
        assert lines[:2] == [
            "games-list  taken      101 entries (new)",
            "more-list   taken      2,000 entries (new)",
        ]
        assert f"Table {box.generation} is in force: 2,102 names from 3 lists." in flat(result.output)

    def test_they_say_how_far_a_list_moved(self, box: Box, web: WebServer):
        run(box)
        web.files["/more.txt"] = body(2100, 1000)
        result = run(box, "--source", "more-list")
        assert "more-list  taken      2,100 entries (+5.0 %)" in result.output
        assert "games-list" not in result.output

    def test_what_is_held_says_why_and_what_to_do(self, box: Box, web: WebServer):
        run(box)
        web.files["/games.txt"] = body(20)
        result = run(box, "--source", "games-list")
        assert result.exit_code == 1
        assert "games-list  HELD       halved\n" in result.output
        assert "has 20 entries, the last good copy 101 (-80 %)" in flat(result.output)
        assert f"Table {box.generation} stays in force." in result.output
        assert f"  filterd lists accept games-list -c {box.config} --state-dir {box.state}\n" in result.output

    @pytest.mark.parametrize(
        ("answer", "word"), [(html(), "REFUSED"), (code(404), "FAILED")], ids=["a page", "nothing"]
    )
    def test_what_is_no_list_is_loud_and_the_others_go_on(self, box: Box, web: WebServer, answer: object, word: str):
        web.files["/games.txt"] = answer  # type: ignore[assignment]
        result = run(box)
        assert result.exit_code == 1
        assert f"games-list  {word}" in result.output
        assert "more-list   taken" in result.output
        assert "from 2 lists" in result.output

    def test_what_is_not_well_is_counted_at_the_end(self, box: Box, web: WebServer):
        web.files["/games.txt"] = code(404)
        shown = run(box).output
        assert "\n2 lists: 1 taken, 1 failed.\nWithout any copy, so they block nothing: games-list.\n" in shown
        web.files["/games.txt"] = FIRST
        assert "lists:" not in run(box).output

    def test_a_box_without_the_internet_is_asked_about_it(self, tmp_path: Path, web: WebServer):
        lost = Box(tmp_path, None, source("games-list", "/x").replace("{web}", "http://127.0.0.1:1"))
        shown = run(lost, "--source", "games-list").output
        assert "Has this box a way to the Internet" in shown
        assert max(map(len, shown.splitlines())) <= 80

    def test_they_fit_the_screen(self, box: Box, web: WebServer):
        web.files["/games.txt"] = html(b"<html>" + b"x" * 500)
        lines = run(box).output.splitlines()
        assert max(len(line) for line in lines) <= 80

    def test_a_list_that_is_not_due_says_when_it_was_asked(self, box: Box):
        run(box)
        result = run(box)
        assert result.exit_code == 0
        assert "games-list  skipped    was asked at 20" in result.output
        assert "nothing changed" in result.output


class TestMistakesInForce:
    def probes(self, box: Box, count: int) -> None:
        names = ", ".join(f"missing-{number}.example" for number in range(count))
        (box.config / "policies/probes.yaml").write_text(f"must_block:\n  - {{category: games, names: [{names}]}}\n")

    def test_what_the_first_table_does_wrong_is_said_and_no_reason_to_stop(self, box: Box):
        self.probes(box, 1)
        result = run(box)
        assert result.exit_code == 1
        assert f"Table {box.generation} is in force:" in result.output
        assert "MISTAKES IN FORCE" in result.output
        assert "  missing-0.example: no list blocks it, for tieu-hoc, thcs\n" in result.output

    def test_many_are_counted(self, box: Box):
        self.probes(box, 30)
        result = run(box)
        assert "  missing-7.example: " in result.output
        assert "missing-8.example" not in result.output
        assert "  and 22 more: filterd lists status --json -c " in result.output


def test_a_district_that_cannot_be_reached_leaves_what_is_in_force(box: Box) -> None:
    run(box)
    before = box.generation
    school = box.config / "policies/school.yaml"
    school.write_text(school.read_text() + "update: {bundle: /nowhere/at/all}\n")
    result = run(box)
    assert result.exit_code == 1
    assert f"Table {before} stays in force." in result.output
    assert "what was in force stays" in flat(result.output)
    assert "games-list" not in result.output


class TestOnATerminal:
    def test_the_line_under_way_is_written_over(self, box: Box):
        shown = typed(box)
        assert "\r\x1b[K[1/2] games-list" in shown
        assert "\r\x1b[Kgames-list  taken      101 entries (new)\r\n" in shown
        assert "\r\x1b[Kcompiling 3 lists ...\r\x1b[K" in shown
        assert f"Table {box.generation} is in force:" in shown

    def test_a_narrow_screen_is_written_over_as_well(self, box: Box, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("COLUMNS", "24")
        under_way = [part for part in typed(box).split("\r") if part.startswith(("\x1b[K[", "\x1b[Kcompiling"))]
        assert under_way
        assert max(len(part.removeprefix("\x1b[K")) for part in under_way) < 24

    def test_an_interrupt_says_what_is_in_force(self, box: Box, web: WebServer):
        run(box)
        web.files["/more.txt"] = trickle(body(3000), 0.2)
        shown = typed(box, "--source", "more-list", interrupt="more-list", code=1)
        assert f"Interrupted. Table {box.generation} is in force; try again:\r\n  filterd update -c" in shown
        assert "Traceback" not in shown

    def test_no_line_is_wider_than_the_screen(self, box: Box):
        assert max(len(part) for part in typed(box).replace("\x1b[K", "").replace("\n", "\r").split("\r")) <= 80


def typed(box: Box, *given: str, interrupt: str = "", code: int = 0) -> str:
    """What a terminal receives; `interrupt`: after it showed this, somebody presses Ctrl-C."""
    above, below = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "filterd", *words(box, *given)],
        cwd=REPO,
        stdout=below,
        stderr=below,
        stdin=subprocess.DEVNULL,
    )
    os.close(below)
    shown = b""
    while True:
        try:
            piece = os.read(above, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        shown += piece
        if interrupt and interrupt.encode() in shown:
            process.send_signal(signal.SIGINT)
            interrupt = ""
    os.close(above)
    assert process.wait(30) == code
    return shown.decode()
