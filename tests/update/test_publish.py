"""What must hold before a table is in force, and who is held for it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from filterd.config.load import load_sources
from filterd.core import compiler
from filterd.errors import TableError
from filterd.store import build, lists, status, tables
from filterd.update import publish
from filterd.update.run import NEGATIVE, WELL
from tests.update.boxes import FIRST, GAMES, MORE, Box, body, source
from tests.update.webserver import WebServer
from tests.update.webserver import status as code


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

    def test_what_is_held_says_how_many_names_and_which_and_what_stays(self, tmp_path: Path, web: WebServer):
        names = "www.learn.example, learn.example, a.learn.example, b.learn.example, c.learn.example"
        probes = f"must_resolve:\n  - {{id: learn, name: {{vi: Học, en: Learn}}, names: [{names}]}}\n"
        box = Box(tmp_path, web, GAMES, MORE, probes=probes)
        box.night()
        web.files["/games.txt"] = body(100, more=["game.example", "learn.example"])
        box.night()
        text = status.read(box.state)["sources"]["games-list"]["text"]
        assert "would block learn.example, www.learn.example, a.learn.example and 2 more for " in text
        assert "(line 2: learn.example): held; the copy of " in text
        assert text.endswith(" stays in use")

    def test_nothing_but_what_is_held_makes_no_table(self, tmp_path: Path, web: WebServer):
        box = Box(tmp_path, web, GAMES, MORE, probes=LEARN)
        box.night()
        before = tables.generations(box.state)
        for night in range(3):
            web.files["/games.txt"] = body(100 + night, more=["game.example", "learn.example"])
            found = box.night()
        assert box.outcome("games-list") == ("held", "probe")
        assert tables.generations(box.state) == before
        assert found.status["text"] == "nothing changed but what is held"

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
        assert found.status["probe"] == []  # it is no mistake of the table in force


LEARN = "must_resolve:\n  - {id: learn, name: {vi: Học, en: Learn}, names: [learn.example]}\n"
UNLISTED = "must_block:\n  - {category: games, names: [unlisted.example]}\n"


class TestWhatIsWrongAlready:
    """It is said every night, and stops nothing: what would be new is another matter."""

    def test_a_list_more_in_a_category_that_lacks_a_sentinel_is_published(self, tmp_path: Path, web: WebServer):
        box = Box(tmp_path, web, GAMES, MORE, probes=UNLISTED)
        web.files["/games.txt"] = code(404)
        box.night()
        assert status.read(box.state)["probe"][0]["sources"] == ["more-list"]
        web.files["/games.txt"] = FIRST
        box.night()
        assert box.outcome("games-list") == ("taken", "")
        assert box.blocks("game.example")

    def test_one_of_two_lists_that_takes_a_name_back_is_taken(self, tmp_path: Path, web: WebServer):
        box = Box(tmp_path, web, GAMES, MORE, probes=LEARN)
        web.files["/games.txt"] = body(100, more=["learn.example"])
        web.files["/more.txt"] = body(50, 1000, more=["learn.example"])
        box.night()
        both = frozenset({"games-list", "more-list"})
        box.again(offline=True, accept=both, only=both)
        assert box.blocks("learn.example")
        web.files["/games.txt"] = body(101)
        box.night()
        assert box.outcome("games-list") == ("taken", "")
        assert status.read(box.state)["probe"][0]["sources"] == ["more-list"]

    def test_but_one_list_more_that_closes_a_name_is_held(self, tmp_path: Path, web: WebServer):
        box = Box(tmp_path, web, GAMES, MORE, probes=LEARN)
        web.files["/games.txt"] = body(100, more=["learn.example"])
        box.night()
        games = frozenset({"games-list"})
        box.again(offline=True, accept=games, only=games)
        web.files["/more.txt"] = body(50, 1000, more=["learn.example"])
        box.night()
        assert box.outcome("more-list") == ("held", "probe")

    def test_a_night_without_news_still_says_it(self, tmp_path: Path, web: WebServer):
        box = Box(tmp_path, web, GAMES, probes=UNLISTED)
        first, second = box.night(), box.night()
        assert second.status["text"] == "nothing changed"
        assert second.status["probe"] == first.status["probe"] != []
        assert second.exit_code == first.exit_code == NEGATIVE


class TestWhatIsNotTaken:
    def test_a_list_that_says_one_thing_again_and_again_is_held(self, box: Box, web: WebServer):
        box.night()
        web.files["/games.txt"] = b"site-1.example\n" * 101
        web.files["/more.txt"] = body(51, 1000)
        assert box.night().exit_code == NEGATIVE
        assert box.outcome("games-list") == ("held", "halved")
        assert "1 different rules" in status.read(box.state)["sources"]["games-list"]["text"]
        assert box.blocks("game.example")
        assert box.blocks("site-1050.example")
        web.files["/games.txt"] = body(101) + body(101)  # it always may repeat itself, if it still says as much
        web.files["/more.txt"] = body(51, 1000)
        box.night()
        assert box.outcome("games-list") == ("held", "grew")
        web.files["/games.txt"] = body(90) + body(30)
        box.night()
        assert box.outcome("games-list") == ("taken", "")

    def test_unless_a_person_takes_it(self, box: Box, web: WebServer):
        box.night()
        web.files["/games.txt"] = b"site-1.example\n" * 101
        box.night()
        games = frozenset({"games-list"})
        box.again(offline=True, accept=games, only=games)
        assert box.outcome("games-list") == ("taken", "")
        assert not box.blocks("game.example")

    def test_a_list_of_more_addresses_than_a_table_holds_says_so(
        self, tmp_path: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
    ):
        web.files["/networks.txt"] = b"192.0.2.0/28\n198.51.100.0/28\n"
        networks = source("networks-list", "/networks.txt").replace("format: domains", "format: cidr")
        box = Box(tmp_path, web, networks, MORE)
        box.night()
        generation = box.generation
        web.files["/networks.txt"] = b"192.0.2.0/28\n198.51.100.0/28\n203.0.113.0/28\n"
        monkeypatch.setattr(compiler, "MAX_NETWORKS", 2)
        assert box.night().exit_code == NEGATIVE
        assert box.outcome("networks-list") == ("refused", "too-large")
        assert box.generation == generation

    def test_an_accepted_archive_without_the_category_is_not(self, tmp_path: Path, web: WebServer):
        web.files["/all.tar.gz"] = archive({"games": body(60), "chat": body(40, 500)})
        parts = [source(f"{name}-part", "/all.tar.gz", f", member: lists/{name}") for name in ("games", "chat")]
        box = Box(tmp_path, web, *parts)
        box.night()
        web.files["/all.tar.gz"] = archive({"games": body(61)})
        box.night()
        chat = frozenset({"chat-part"})
        assert box.again(offline=True, accept=chat, only=chat).exit_code == NEGATIVE
        assert box.outcome("chat-part") == ("held", "member")
        assert box.blocks("site-520.example")
        assert lists.held(box.state, "chat-part") is not None
        web.files["/all.tar.gz"] = archive({"games": body(61), "chat": body(41, 500)})
        assert box.night().exit_code == WELL
        assert box.blocks("site-540.example")

    def test_without_a_table_nothing_is_and_the_next_run_asks_again(
        self, box: Box, web: WebServer, monkeypatch: pytest.MonkeyPatch
    ):
        box.night()
        web.files["/games.txt"] = body(110, more=["other.example"])
        with monkeypatch.context() as patch:
            patch.setattr(tables, "publish", failing(TableError("the new table could not be written")))
            assert box.night().exit_code == NEGATIVE
        assert box.outcome("games-list") == ("failed", "disk")
        assert status.read(box.state)["sources"]["games-list"]["entries"] == 101
        box.now += 600
        box.again()
        assert box.outcome("games-list") == ("taken", "")
        assert box.blocks("other.example")

    def test_a_copy_that_could_not_be_kept_is_the_next_night(
        self, box: Box, web: WebServer, monkeypatch: pytest.MonkeyPatch
    ):
        box.night()
        web.files["/games.txt"] = body(110, more=["other.example"])
        with monkeypatch.context() as patch:
            patch.setattr(lists, "take", failing(OSError(28, "No space left on device")))
            found = box.night()
        assert found.exit_code == NEGATIVE
        assert found.status["generation"] == box.generation
        assert "stays" not in found.status["text"]
        assert box.outcome("games-list") == ("failed", "disk")
        assert box.blocks("other.example")
        assert box.night().exit_code == WELL
        assert b"other.example" in (box.state / "lists/games-list/copy").read_bytes()

    def test_a_list_that_a_person_turned_off_is_told_how_to_leave_out(self, tmp_path: Path, web: WebServer):
        box = Box(tmp_path, web, GAMES, MORE, probes="must_block:\n  - {category: games, names: [game.example]}\n")
        box.night()
        listed = box.config / "blocklists/sources.yaml"
        listed.write_text(listed.read_text().replace("id: games-list,", "id: games-list, enabled: false,"))
        found = box.night()
        assert found.exit_code == NEGATIVE
        assert "game.example would no longer be blocked" in found.status["text"]
        assert "'filterd lists build'" in found.status["text"]
        build.build(load_sources(box.config), box.config / "blocklists", box.state, int(box.now))
        web.files["/more.txt"] = body(51, 1000)
        box.night()
        assert box.outcome("more-list") == ("taken", "")
        assert not box.blocks("game.example")


class TestCrowding:
    def test_the_list_that_grew_most_is_held_before_the_memory_is_gone(
        self, box: Box, web: WebServer, monkeypatch: pytest.MonkeyPatch
    ):
        box.night()
        monkeypatch.setattr(publish, "MAX_RULES", 160)
        web.files["/games.txt"] = body(120)
        web.files["/more.txt"] = body(51, 1000)
        assert box.night().exit_code == NEGATIVE
        assert box.outcome("games-list") == ("held", "too-large")
        assert box.outcome("more-list") == ("taken", "")
        assert box.blocks("game.example")
        games = frozenset({"games-list"})
        box.again(offline=True, accept=games, only=games)
        assert box.blocks("site-119.example")


class TestTables:
    def test_nothing_is_accepted_while_the_table_is_pinned(self, box: Box, web: WebServer):
        box.night()
        web.files["/more.txt"] = body(52, 1000)
        box.night()
        web.files["/games.txt"] = body(20)
        box.night()
        tables.rollback(box.state)
        games = frozenset({"games-list"})
        found = box.again(offline=True, accept=games, only=games)
        assert found.exit_code == NEGATIVE
        assert "pinned" in found.status["text"]
        assert lists.held(box.state, "games-list") is not None

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


def archive(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"lists/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail
