"""`filterd lists accept`, `hold`, `release`, `rollback`: what a person decides comes into force, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.lists_changes import full_name
from filterd.cli.main import main
from filterd.errors import TableError
from filterd.store import lists, tables
from tests.running import REPO
from tests.update.boxes import Box, body, source
from tests.update.webserver import WebServer

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


def run(box: Box, *given: str) -> Result:
    words = ["lists", *given, "-c", str(box.config), "--state-dir", str(box.state)]
    return CliRunner().invoke(main, words, catch_exceptions=False)


def flat(text: str) -> str:
    return " ".join(text.split())


class TestAccept:
    def test_what_is_held_comes_into_force(self, box: Box, web: WebServer):
        web.files["/games.txt"] = body(20, more=["new.example"])
        box.night()
        web.requests.clear()
        result = run(box, "accept", "games-list")
        assert result.exit_code == 0, result.output
        assert "games-list  taken      21 entries (-79.2 %)" in result.output
        assert box.blocks("new.example")
        assert not box.blocks("game.example")
        assert lists.held(box.state, "games-list") is None
        assert not web.requests

    def test_also_what_the_probe_found(self, box: Box, web: WebServer):
        web.files["/games.txt"] = body(100, more=["game.example", "learn.example"])
        box.night()
        run(box, "accept", "games-list")
        assert lists.held(box.state, "games-list") is None

    def test_nothing_held_is_nothing_to_accept(self, box: Box):
        before = box.generation
        result = run(box, "accept", "games-list")
        assert result.exit_code == 1
        assert "nothing of games-list waits to be accepted" in result.output
        assert box.generation == before

    def test_after_a_rollback_nothing_is_accepted_that_would_not_come_into_force(self, box: Box, web: WebServer):
        web.files["/more.txt"] = body(51, 1000)
        web.files["/games.txt"] = body(20)
        box.night()
        tables.rollback(box.state)
        result = run(box, "accept", "games-list")
        assert result.exit_code == 1
        assert "would not come into force. Nothing was changed" in flat(result.output)
        assert f"  filterd lists accept --table -c {box.config} --state-dir {box.state}\n" in result.output
        assert lists.held(box.state, "games-list") is not None
        good = lists.good(box.state, "games-list")
        assert good is not None
        assert good.figures is not None
        assert good.figures.entries == 101

    def test_one_that_is_not_held_stops_the_others_too(self, box: Box, web: WebServer):
        web.files["/games.txt"] = body(20)
        box.night()
        assert run(box, "accept", "games-list", "more-list").exit_code == 1
        assert lists.held(box.state, "games-list") is not None

    @pytest.mark.parametrize("words", [(), ("games-list", "--table")], ids=["nothing", "both"])
    def test_it_wants_to_know_what(self, box: Box, words: tuple[str, ...]):
        result = run(box, "accept", *words)
        assert result.exit_code == 2
        assert "say which list, or --table" in result.output

    def test_an_unknown_list_suggests_the_nearest(self, box: Box):
        result = run(box, "accept", "game-list")
        assert result.exit_code == 2
        assert "did you mean 'games-list'?" in flat(result.output)

    def test_while_an_update_runs_it_waits_for_another_time(self, box: Box, web: WebServer):
        web.files["/games.txt"] = body(20)
        box.night()
        with lists.lock(box.state):
            result = run(box, "accept", "games-list")
        assert result.exit_code == 1
        assert "another update is at work" in flat(result.output)


class TestHold:
    def test_a_frozen_list_is_left_alone_until_it_is_released(self, box: Box, web: WebServer):
        result = run(box, "hold", "games-list", "--reason", "exams")
        assert result.exit_code == 0
        assert "games-list is frozen: updates leave it alone" in result.output
        web.files["/games.txt"] = body(110, more=["new.example"])
        box.night()
        assert box.outcome("games-list") == ("skipped", "frozen")
        assert not box.blocks("new.example")
        result = run(box, "release", "games-list")
        assert "exams" in result.output
        assert f"filterd update --source games-list -c {box.config}" in result.output
        box.night()
        assert box.blocks("new.example")

    def test_the_note_names_who_typed_sudo(self, box: Box, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("SUDO_USER", "minh")
        run(box, "hold", "games-list")
        frozen = lists.frozen(box.state, "games-list")
        assert frozen is not None
        assert frozen.by == "minh"

    def test_frozen_already_says_since_when_and_why(self, box: Box):
        run(box, "hold", "games-list", "--reason", "exams")
        before = lists.frozen(box.state, "games-list")
        result = run(box, "hold", "games-list")
        assert result.exit_code == 0
        assert "is frozen already, since 20" in flat(result.output)
        assert flat(result.output).endswith(": exams")
        assert lists.frozen(box.state, "games-list") == before

    def test_a_new_reason_replaces_the_old_one(self, box: Box):
        run(box, "hold", "games-list")
        run(box, "hold", "games-list", "--reason", "exams")
        frozen = lists.frozen(box.state, "games-list")
        assert frozen is not None
        assert frozen.reason == "exams"

    def test_releasing_what_is_not_frozen_is_no_mistake(self, box: Box):
        result = run(box, "release", "games-list")
        assert result.exit_code == 0
        assert "was not frozen" in result.output

    @pytest.mark.parametrize("word", ["hold", "release"])
    def test_a_file_of_the_box_is_nobodys_to_renew(self, box: Box, word: str):
        result = run(box, word, "adult-curated")
        assert result.exit_code == 2
        assert "is a file of this box" in flat(result.output)


class TestRollback:
    @pytest.fixture
    def second(self, box: Box, web: WebServer) -> tuple[Box, str]:
        """A box after a second night, and the generation of the first."""
        first = box.generation
        assert first is not None
        web.files["/games.txt"] = body(110, more=["new.example"])
        box.night()
        return box, first

    def test_the_table_before_is_in_force_and_stays_so(self, second: tuple[Box, str], web: WebServer):
        box, first = second
        result = run(box, "rollback")
        assert result.exit_code == 0
        assert f"Table {first} is in force" in result.output
        assert f"  filterd lists accept --table -c {box.config}" in result.output
        web.files["/more.txt"] = body(55, 1000)
        box.night()
        assert box.generation == first

    def test_accepting_the_table_ends_it_with_the_lists_of_today(self, second: tuple[Box, str]):
        box, first = second
        run(box, "rollback")
        result = run(box, "accept", "--table")
        assert result.exit_code == 0, result.output
        assert f"No longer pinned to {first}." in result.output
        assert box.generation != first
        assert box.blocks("new.example")
        assert tables.pinned(box.state) is None

    def test_a_table_that_is_not_pinned_needs_no_accepting(self, box: Box):
        before = box.generation
        result = run(box, "accept", "--table")
        assert result.exit_code == 0
        assert "is not pinned" in result.output
        assert box.generation == before

    def test_a_school_that_takes_bundles_waits_for_the_next_one(self, tmp_path: Path, second: tuple[Box, str]):
        box, first = second
        run(box, "rollback")
        school = box.config / "policies/school.yaml"
        school.write_text(school.read_text() + "update: {bundle: 'https://lists.example.vn/x'}\n")
        result = run(box, "accept", "--table")
        assert result.exit_code == 0
        assert "The next update takes what https://lists.example.vn/x has" in result.output
        assert box.generation == first
        assert tables.pinned(box.state) is None

    def test_a_table_is_named_by_its_number_too(self, second: tuple[Box, str]):
        box, first = second
        assert full_name(box.state, "1") == full_name(box.state, "000001") == full_name(box.state, first) == first

    @pytest.mark.parametrize("name", ["7", "", "../x", "000001-0000000000000000"])
    def test_a_table_that_is_not_kept_is_refused_with_those_that_are(self, second: tuple[Box, str], name: str):
        box, _ = second
        before = box.generation
        with pytest.raises(TableError, match="is not kept; there is 000002-"):
            full_name(box.state, name)
        result = run(box, "rollback", name)
        assert result.exit_code == 1
        assert box.generation == before
        assert tables.pinned(box.state) is None

    def test_without_an_older_table_nothing_changes(self, box: Box):
        before = box.generation
        result = run(box, "rollback")
        assert result.exit_code == 1
        assert f"In force: {before}" in result.output


def test_root_writes_as_the_owner(box: Box) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root becomes somebody else")
    for path in (box.state, *box.state.rglob("*")):
        os.chown(path, 65534, 65534)
    for path in (*box.config.parents, *box.config.parent.rglob("*")):
        if path.is_dir():
            path.chmod(path.stat().st_mode | 0o055)
    words = ["lists", "hold", "games-list", "-c", str(box.config), "--state-dir", str(box.state)]
    done = subprocess.run([sys.executable, "-m", "filterd", *words], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (box.state / "lists/games-list/frozen").stat().st_uid == 65534


def test_to_release_what_is_held_shows_what_was_meant(box: Box, web: WebServer) -> None:
    web.files["/games.txt"] = body(20)
    box.night()
    shown = run(box, "release", "games-list").output
    assert "games-list was not frozen" in shown
    assert f"  filterd lists accept games-list -c {box.config} --state-dir {box.state}\n" in shown
    assert "is held" not in run(box, "release", "more-list").output
