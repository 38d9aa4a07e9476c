"""What must hold before a table is in force, and who is held for it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from filterd.store import status, tables
from filterd.update.run import NEGATIVE, WELL
from tests.update.boxes import GAMES, MORE, Box, body, source
from tests.update.webserver import WebServer


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


def archive(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"lists/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()
