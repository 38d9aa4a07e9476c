"""Whole runs against a real web server: what the school has in the morning."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from filterd.config.load import load_sources
from filterd.errors import BusyError, ConfigError
from filterd.store import lists, status, tables
from filterd.update.run import NEGATIVE, NO_TIME, WELL
from tests.certificates import Authority
from tests.peers import server_context
from tests.update.boxes import NIGHT_S, Box, body, source
from tests.update.webserver import WebServer, html, rate_limited
from tests.update.webserver import status as code

GAMES = source("games-list", "/games.txt")
MORE = source("more-list", "/more.txt")
FIRST = body(100, more=["game.example"])


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer({"/games.txt": FIRST, "/more.txt": body(50, 1000)}) as server:
        yield server


@pytest.fixture
def box(tmp_path: Path, web: WebServer) -> Box:
    return Box(tmp_path, web, GAMES, MORE)


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

    def test_two_runs_at_once_do_not_meet(self, box: Box):
        with lists.lock(box.state), pytest.raises(BusyError):
            box.night()

    def test_a_bad_configuration_is_told_and_nothing_is_touched(self, box: Box):
        (box.config / "blocklists/sources.yaml").write_text("sources: nonsense\n")
        with pytest.raises(ConfigError):
            box.night()
        assert not box.state.exists()


class TestHolding:
    def test_a_collapse_is_held_until_somebody_accepts_it(self, box: Box, web: WebServer):
        box.night()
        web.files["/games.txt"] = body(20, more=["new.example"])
        assert box.night().exit_code == NEGATIVE
        assert box.outcome("games-list") == ("held", "halved")
        assert box.blocks("game.example")
        web.requests.clear()
        assert box.night().exit_code == NEGATIVE
        assert box.outcome("games-list") == ("held", "halved")
        assert web.requests[0].headers["if-none-match"]  # what waits is not fetched again
        assert box.again(offline=True, accept=frozenset({"games-list"}), only=frozenset({"games-list"})).exit_code == 0
        assert box.blocks("new.example")
        assert not box.blocks("game.example")
        assert lists.held(box.state, "games-list") is None
        assert box.night().exit_code == WELL

    def test_what_its_source_takes_back_waits_no_longer(self, box: Box, web: WebServer):
        box.night()
        web.files["/games.txt"] = body(20)
        box.night()
        assert lists.held(box.state, "games-list") is not None
        web.files["/games.txt"] = FIRST
        assert box.night().exit_code == WELL
        assert lists.held(box.state, "games-list") is None

    def test_slow_growth_after_a_collapse_stays_held(self, box: Box, web: WebServer):
        box.night()
        for count in (5, 6, 7, 8, 10, 12):
            web.files["/games.txt"] = body(count)
            box.night()
            assert box.outcome("games-list") == ("held", "halved")
        assert box.blocks("game.example")

    def test_a_login_page_is_thrown_away(self, box: Box, web: WebServer):
        box.night()
        web.files["/games.txt"] = html()
        assert box.night().exit_code == NEGATIVE
        assert box.outcome("games-list") == ("refused", "html")
        assert lists.held(box.state, "games-list") is None
        assert box.blocks("game.example")

    def test_a_frozen_source_is_left_alone(self, box: Box, web: WebServer):
        box.night()
        lists.freeze(box.state, "games-list", "exam week", box.now)
        web.requests.clear()
        box.night()
        assert box.outcome("games-list") == ("skipped", "frozen")
        assert [request.path for request in web.requests] == ["/more.txt"]

    def test_a_server_that_asks_to_be_left_alone_is(self, box: Box, web: WebServer):
        web.files["/games.txt"] = rate_limited("80000")
        box.night()
        assert box.outcome("games-list") == ("failed", "rate-limited")
        web.requests.clear()
        box.now += 79_000
        box.again(only=frozenset({"games-list"}))
        assert box.outcome("games-list") == ("skipped", "rate-limited")
        assert not web.requests


class TestProbing:
    def test_a_list_that_would_block_the_ministry_is_held_with_its_line_and_the_others_go_on(
        self, tmp_path: Path, web: WebServer
    ):
        probes = """\
must_resolve:
  - {id: learn, name: {vi: Học, en: Learn}, names: [learn.example]}
"""
        box = Box(tmp_path, web, GAMES, MORE, probes=probes)
        box.night()
        web.files["/games.txt"] = body(100, more=["game.example", "learn.example"])
        web.files["/more.txt"] = body(51, 1000)
        assert box.night().exit_code == NEGATIVE
        assert box.outcome("games-list") == ("held", "probe")
        text = status.read(box.state)["sources"]["games-list"]["text"]
        assert "learn.example" in text
        assert "line 2: learn.example" in text
        assert not box.blocks("learn.example")
        assert box.blocks("game.example")
        assert box.blocks("site-1050.example")
        box.again(offline=True, accept=frozenset({"games-list"}), only=frozenset({"games-list"}))
        assert box.blocks("learn.example")
        assert status.read(box.state)["probe"][0]["name"] == "learn.example"

    def test_on_the_first_night_too(self, tmp_path: Path, web: WebServer):
        probes = "must_resolve:\n  - {id: learn, name: {vi: Học, en: Learn}, names: [site-3.example]}\n"
        box = Box(tmp_path, web, GAMES, MORE, probes=probes)
        box.night()
        assert box.outcome("games-list") == ("held", "probe")
        assert not box.blocks("game.example")
        assert box.blocks("site-1049.example")

    def test_a_list_that_loses_what_must_be_blocked_is_held(self, tmp_path: Path, web: WebServer):
        probes = "must_block:\n  - {category: games, names: [game.example]}\n"
        box = Box(tmp_path, web, GAMES, MORE, probes=probes)
        box.night()
        web.files["/games.txt"] = body(101)
        box.night()
        assert box.outcome("games-list") == ("held", "sentinel")
        assert box.blocks("game.example")

    def test_a_sin_of_the_box_itself_keeps_the_last_table(self, tmp_path: Path, web: WebServer):
        probes = "must_resolve:\n  - {id: learn, name: {vi: Học, en: Learn}, names: [learn.example]}\n"
        box = Box(tmp_path, web, GAMES, probes=probes)
        box.night()
        generation = box.generation
        with (box.config / "blocklists/curated/adult.txt").open("a") as file:
            file.write("learn.example\n")
        found = box.night()
        assert found.exit_code == NEGATIVE
        assert box.generation == generation
        assert "learn.example" in found.status["text"]


class TestTables:
    def test_after_a_rollback_nothing_is_published_until_somebody_says_so(self, box: Box, web: WebServer):
        box.night()
        first = box.generation
        web.files["/games.txt"] = body(110, more=["other.example"])
        box.night()
        assert tables.rollback(box.state) == first
        found = box.night()
        assert "pinned" in found.status["text"]
        assert box.generation == first
        tables.release(box.state)
        box.night()
        assert box.blocks("other.example")

    def test_a_damaged_table_is_built_anew(self, box: Box):
        box.night()
        generation = box.generation
        (box.state / "tables" / str(generation) / "trie.marisa").write_bytes(b"rubbish")
        assert box.night().exit_code == WELL
        assert box.generation != generation
        assert box.blocks("game.example")

    def test_one_archive_for_many_sources_is_fetched_once(self, tmp_path: Path, web: WebServer):
        web.files["/all.tar.gz"] = archive({"games": body(60), "chat": body(40, 500)})
        more = ", member: {0}"
        box = Box(
            tmp_path,
            web,
            source("games-part", "/all.tar.gz", more.format("lists/games")),
            source("chat-part", "/all.tar.gz", more.format("lists/chat")),
        )
        assert box.night().exit_code == WELL
        assert len(web.requests) == 1
        assert box.blocks("site-520.example")
        web.files["/all.tar.gz"] = archive({"games": body(61)})
        assert box.night().exit_code == NEGATIVE
        assert box.outcome("games-part") == ("taken", "")
        assert box.outcome("chat-part") == ("held", "member")
        assert box.blocks("site-520.example")
        assert box.blocks("site-60.example")


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


def archive(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"lists/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()
