"""Whole runs against a real web server: what the school has in the morning."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterd.config.load import load_sources
from filterd.core.source import Source
from filterd.errors import BusyError, ConfigError
from filterd.store import lists, status
from filterd.update import sources
from filterd.update.run import NEGATIVE, NO_TIME, WELL
from tests.certificates import Authority
from tests.peers import server_context
from tests.update.boxes import FIRST, GAMES, MORE, NIGHT_S, Box, body
from tests.update.webserver import WebServer
from tests.update.webserver import status as code


class TestANight:
    def test_the_first_night_brings_a_table_of_all_lists(self, box: Box):
        found = box.night()
        assert found.exit_code == WELL
        assert box.blocks("game.example")
        assert box.blocks("adult.example")
        assert box.watch.lines == [("games-list", "taken"), ("more-list", "taken")]
        assert found.status == status.read(box.state)
        assert found.status["generation"] == box.generation
        assert found.status["sources"]["games-list"]["entries"] == 101
        assert found.status["sources"]["games-list"]["last_change"] == int(box.now)
        assert found.status["peak_bytes"] > 1 << 20

    def test_a_night_without_news_changes_nothing_and_asks_with_validators(self, box: Box, web: WebServer):
        box.night()
        generation = box.generation
        web.requests.clear()
        found = box.night()
        assert found.exit_code == WELL
        assert box.generation == generation
        assert box.outcome("games-list") == ("unchanged", "")
        assert all("if-none-match" in request.headers for request in web.requests)
        row = found.status["sources"]["games-list"]
        assert row["last_success"] == int(box.now)
        assert row["last_change"] == int(box.now) - NIGHT_S
        assert row["entries"] == 101

    def test_a_source_is_asked_once_a_night_but_by_name_as_often_as_a_person_likes(self, box: Box, web: WebServer):
        box.night()
        web.requests.clear()
        box.now += 600
        box.again()
        assert box.watch.lines == [("games-list", "skipped"), ("more-list", "skipped")]
        assert box.outcome("games-list") == ("taken", "")  # what it said when it was asked
        assert not web.requests
        box.again(only=frozenset({"games-list"}))
        assert [request.path for request in web.requests] == ["/games.txt"]

    def test_news_within_bounds_are_in_force_in_the_morning(self, box: Box, web: WebServer):
        box.night()
        web.files["/games.txt"] = body(110, more=["other.example"])
        assert box.night().exit_code == WELL
        assert box.blocks("other.example")
        assert not box.blocks("game.example")
        assert box.is_up_to_date(load_sources(box.config))

    def test_one_that_fails_stops_no_other(self, box: Box, web: WebServer):
        box.night()
        web.files["/games.txt"] = code(404)
        web.files["/more.txt"] = body(55, 1000, more=["other.example"])
        assert box.night().exit_code == NEGATIVE
        assert box.outcome("games-list") == ("failed", "status")
        assert box.blocks("game.example")
        assert box.blocks("other.example")

    def test_a_mistake_of_ours_over_one_list_stops_no_other(
        self, box: Box, web: WebServer, monkeypatch: pytest.MonkeyPatch
    ):
        box.night()
        web.files["/games.txt"] = body(105)
        web.files["/more.txt"] = body(55, 1000, more=["other.example"])
        read = sources.read

        def stumbling(source: Source, *rest: object) -> object:
            if source.id == "games-list":
                raise RecursionError("maximum recursion depth exceeded")
            return read(source, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(sources, "read", stumbling)
        assert box.night().exit_code == NEGATIVE
        assert box.outcome("games-list") == ("refused", "format")
        assert "RecursionError" in status.read(box.state)["sources"]["games-list"]["text"]
        assert box.blocks("game.example")
        assert box.blocks("other.example")

    def test_no_network_at_all_is_no_harm(self, box: Box, web: WebServer):
        box.night()
        web.files["/games.txt"] = web.files["/more.txt"] = code(500)
        generation = box.generation
        for _ in range(3):
            assert box.night().exit_code == NEGATIVE
        assert box.generation == generation
        assert lists.recall(box.state, "games-list").failures == 3

    def test_a_dry_run_says_everything_and_leaves_nothing(self, box: Box, web: WebServer):
        box.night()
        web.files["/games.txt"] = body(10)
        before = {path: path.read_bytes() for path in box.state.rglob("*") if path.is_file()}
        found = box.night(dry_run=True)
        assert found.status["sources"]["games-list"]["outcome"] == "held"
        assert {path: path.read_bytes() for path in box.state.rglob("*") if path.is_file()} == before

    def test_offline_only_compiles_what_is_there(self, box: Box, web: WebServer):
        box.night()
        web.requests.clear()
        with (box.config / "blocklists/curated/adult.txt").open("a") as file:
            file.write("new-here.example\n")
        assert box.night(offline=True).exit_code == WELL
        assert not web.requests
        assert box.blocks("new-here.example")

    def test_when_the_time_for_fetching_is_over_what_came_is_published(self, box: Box, web: WebServer):
        box.night()
        web.files["/games.txt"] = body(110, more=["other.example"])
        box.night(fetching_s=-1.0)
        assert box.watch.lines == [("games-list", "skipped"), ("more-list", "skipped")]
        box.now += 60
        box.again()
        assert box.blocks("other.example")

    def test_what_failed_last_night_is_asked_last(self, box: Box, web: WebServer):
        web.files["/games.txt"] = code(404)
        box.night()
        box.night()
        assert [name for name, _ in box.watch.lines] == ["more-list", "games-list"]

    def test_two_runs_at_once_do_not_meet(self, box: Box):
        with lists.lock(box.state), pytest.raises(BusyError):
            box.night()

    def test_a_bad_configuration_is_told_and_nothing_is_touched(self, box: Box):
        (box.config / "blocklists/sources.yaml").write_text("sources: nonsense\n")
        with pytest.raises(ConfigError):
            box.night()
        assert not box.state.exists()


class TestWithoutTheInternet:
    def test_a_stick_is_as_good(self, tmp_path: Path, web: WebServer):
        box = Box(tmp_path, web, GAMES, MORE)
        stick = tmp_path / "stick"
        stick.mkdir()
        (stick / "games-list.txt").write_bytes(FIRST)
        assert box.night(folder=stick).exit_code == NEGATIVE  # more-list is not on it
        assert not web.requests
        assert box.blocks("game.example")
        assert box.outcome("more-list") == ("failed", "missing")

    def test_and_judged_all_the_same(self, tmp_path: Path, web: WebServer):
        box = Box(tmp_path, web, GAMES)
        box.night()
        stick = tmp_path / "stick"
        stick.mkdir()
        (stick / "games-list").write_bytes(body(3))
        box.night(folder=stick)
        assert box.outcome("games-list") == ("held", "halved")
        assert box.blocks("game.example")


class TestClock:
    def test_a_box_in_1970_keeps_its_table_and_says_why(self, tmp_path: Path):
        authority = Authority(tmp_path)
        with WebServer({"/games.txt": FIRST}, tls=server_context(authority.certificate, authority.key)) as web:
            box = Box(tmp_path, web, GAMES)
            box.now = 0.0  # its certificate says that it is of a time to come, to a box that believes its clock
            found = box.again()
        assert found.exit_code == NO_TIME
        assert found.status["clock_trusted"] is False
        assert box.outcome("games-list") == ("failed", "clock")
        assert "1970-01-01" in found.status["sources"]["games-list"]["text"]
        assert box.blocks("adult.example")
