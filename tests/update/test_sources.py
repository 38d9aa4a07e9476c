"""What becomes of one source: asked or not, held until somebody accepts it, thrown away."""

from __future__ import annotations

from pathlib import Path

from filterd.store import lists
from filterd.update.fetch import TRIES
from filterd.update.run import NEGATIVE, WELL
from tests.update.boxes import FIRST, Box, body, source
from tests.update.test_publish import archive
from tests.update.webserver import WebServer, html, rate_limited, status


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

    def test_an_archive_that_fails_is_not_asked_for_again_by_each_list_in_it(self, tmp_path: Path, web: WebServer):
        web.files["/all.tar.gz"] = status(500)
        parts = [source(f"part-{at}", "/all.tar.gz", f", member: lists/{at}") for at in range(5)]
        box = Box(tmp_path, web, *parts)
        box.night()
        assert [request.path for request in web.requests] == ["/all.tar.gz"] * TRIES
        assert {box.outcome(f"part-{at}") for at in range(5)} == {("failed", "status")}


class TestAnotherConfiguration:
    """What a person changes in sources.yaml counts from the next night on, for what waits too."""

    def test_what_waits_is_judged_anew_by_wider_bounds(self, tmp_path: Path, web: WebServer):
        box = Box(tmp_path, web, source("games-list", "/games.txt", ", max_grow: 25%"))
        box.night()
        web.files["/games.txt"] = body(400)
        box.night()
        assert box.outcome("games-list") == ("held", "grew")
        change(box, "max_grow: 25%", "max_grow: 400%")
        web.requests.clear()
        assert box.night().exit_code == WELL
        assert web.requests[0].headers["if-none-match"]  # it is here already
        assert box.outcome("games-list") == ("taken", "")
        assert box.blocks("site-399.example")
        assert lists.held(box.state, "games-list") is None

    def test_but_not_by_others_that_it_is_out_of_as_well(self, tmp_path: Path, web: WebServer):
        box = Box(tmp_path, web, source("games-list", "/games.txt", ", max_grow: 25%"))
        box.night()
        web.files["/games.txt"] = body(400)
        box.night()
        since = lists.held(box.state, "games-list").since
        change(box, "max_grow: 25%", "max_grow: 30%")
        for _ in range(2):
            box.night()
            assert box.outcome("games-list") == ("held", "grew")
        waiting = lists.held(box.state, "games-list")
        assert waiting.since == since
        assert "30 %" in waiting.text

    def test_a_category_that_was_renamed_is_found_by_its_new_name(self, tmp_path: Path, web: WebServer):
        web.files["/all.tar.gz"] = archive({"games": body(60)})
        box = Box(tmp_path, web, source("games-part", "/all.tar.gz", ", member: lists/games"))
        box.night()
        web.files["/all.tar.gz"] = archive({"games-new": body(61)})
        box.night()
        assert box.outcome("games-part") == ("held", "member")
        change(box, "lists/games", "lists/games-new")
        assert box.night().exit_code == WELL
        assert box.outcome("games-part") == ("taken", "")
        assert box.blocks("site-60.example")

    def test_another_category_of_the_archive_is_measured_by_itself(self, tmp_path: Path, web: WebServer):
        web.files["/all.tar.gz"] = archive({"games": body(60), "chat": body(400, 500)})
        box = Box(tmp_path, web, source("a-part", "/all.tar.gz", ", member: lists/games"))
        box.night()
        change(box, "lists/games", "lists/chat")
        found = box.night()
        assert box.outcome("a-part") == ("unchanged", "")
        assert found.status["sources"]["a-part"]["entries"] == 400
        assert box.blocks("site-899.example")
        web.files["/all.tar.gz"] = archive({"games": body(60), "chat": body(410, 500)})
        assert box.night().exit_code == WELL
        assert box.outcome("a-part") == ("taken", "")


def change(box: Box, old: str, new: str) -> None:
    """Edit sources.yaml."""
    path = box.config / "blocklists/sources.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
