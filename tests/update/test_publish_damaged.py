"""A bad disk between two nights: a copy cut short or gone never opens a name, and heals when its source answers."""

from __future__ import annotations

import os
import shutil

import pytest

from filterd.store import lists, status, tables
from filterd.update.run import NEGATIVE, WELL
from tests.update.boxes import FIRST, Box
from tests.update.webserver import WebServer
from tests.update.webserver import status as answers

GAME = "game.example"
LAST = "site-99.example"


@pytest.fixture
def used(box: Box) -> Box:
    """A box after its first night."""
    assert box.night().exit_code == WELL
    assert box.blocks(GAME)
    assert box.blocks(LAST)
    return box


def cut(box: Box, *, note: bool) -> None:
    """Half of the copy is gone; with `note` half of what is written of it, too."""
    folder = box.state / "lists/games-list"
    for name in (lists.COPY, *([lists.META] if note else [])):
        os.truncate(folder / name, (folder / name).stat().st_size // 2)


EACH_NOTE = pytest.mark.parametrize("note", [False, True], ids=["its note is whole", "its note too"])


@EACH_NOTE
def test_a_copy_cut_short_opens_nothing_while_its_source_is_silent(used: Box, web: WebServer, note: bool) -> None:
    before = used.generation
    cut(used, note=note)
    web.files["/games.txt"] = answers(404)
    assert used.night().exit_code == NEGATIVE
    assert used.generation == before
    assert used.blocks(LAST)
    assert "the copy of games-list is damaged: 51 entries, the table in force 101" in status.read(used.state)["text"]


@EACH_NOTE
def test_not_even_when_the_newest_table_is_damaged_too(used: Box, web: WebServer, note: bool) -> None:
    before = used.generation
    web.files["/games.txt"] = FIRST + b"new.example\n"
    used.night()
    (used.state / "tables" / str(used.generation) / "trie.marisa").write_bytes(b"")
    cut(used, note=note)
    web.files["/games.txt"] = answers(404)
    assert used.night().exit_code == NEGATIVE
    assert tables.sound(used.state) == before
    web.files["/games.txt"] = FIRST
    assert used.night().exit_code == WELL
    assert used.blocks(LAST)
    assert tables.sound(used.state) == used.generation


def test_a_copy_that_is_gone_opens_nothing_while_its_source_is_silent(used: Box, web: WebServer) -> None:
    before = used.generation
    shutil.rmtree(used.state / "lists/games-list")
    web.files["/games.txt"] = answers(404)
    assert used.night().exit_code == NEGATIVE
    assert used.generation == before
    assert "games-list would be lost with its 101 entries" in status.read(used.state)["text"]


def test_a_list_that_a_person_turned_off_goes(used: Box) -> None:
    shutil.rmtree(used.state / "lists/games-list")
    path = used.config / "blocklists/sources.yaml"
    path.write_text(path.read_text().replace("id: games-list,", "id: games-list, enabled: false,"))
    assert used.night().exit_code == WELL
    assert not used.blocks(GAME)


@EACH_NOTE
@pytest.mark.parametrize("more", [b"", b"new.example\n"], ids=["the same list", "a new list"])
def test_it_heals_when_its_source_answers(used: Box, web: WebServer, note: bool, more: bytes) -> None:
    cut(used, note=note)
    web.files["/games.txt"] = FIRST + more
    assert used.night().exit_code == WELL
    assert (used.state / "lists/games-list/copy").read_bytes() == FIRST + more
    assert lists.good(used.state, "games-list") is not None
    assert used.blocks(LAST)


def test_a_run_that_ended_between_table_and_copies_is_made_good_the_next_night(used: Box, web: WebServer) -> None:
    folder, old = used.state / "lists/games-list", used.state / "old"
    shutil.copytree(folder, old)
    web.files["/games.txt"] = FIRST + b"new.example\n"
    used.night()
    generation = used.generation
    shutil.rmtree(folder)
    old.rename(folder)
    assert used.night().exit_code == WELL
    assert used.generation == generation
    assert (folder / "copy").read_bytes() == FIRST + b"new.example\n"
