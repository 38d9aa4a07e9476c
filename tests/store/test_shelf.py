"""What of a copy is read: a file, or a member of an archive or folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterd.core.source import Source
from filterd.errors import ListError
from filterd.store import lists
from tests.core.rules.reading import source
from tests.store.copies import take
from tests.store.test_lists import located, text_of
from tests.store.test_trees import tar

UT1 = {
    "blacklists/games/domains": "g.com\n",
    "blacklists/games/urls": "big.com/page\n",
    "blacklists/adult/urls": "a.com/x\n",
}


@pytest.mark.parametrize("member", ["blacklists/games", "games", "blacklists/games/domains", "blacklists/spiele/"])
def test_of_ut1_the_domains_are_read(tmp_path: Path, member: str) -> None:
    (tmp_path / "blocklists").mkdir()
    tar(tmp_path / "blocklists/ut1.tar.gz", UT1, {"blacklists/spiele": "games"})
    copy = located(tmp_path, form="ut1", url="file:ut1.tar.gz", member=member)
    with lists.Shelf() as shelf:
        assert text_of(shelf, copy) == "g.com\n"


@pytest.mark.parametrize("member", ["blacklists/adult", "blacklists/gone", "../x"])
def test_a_category_that_is_missing_is_no_empty_category(tmp_path: Path, member: str) -> None:
    (tmp_path / "blocklists").mkdir()
    tar(tmp_path / "blocklists/ut1.tar.gz", UT1)
    copy = located(tmp_path, form="ut1", url="file:ut1.tar.gz", member=member)
    assert copy is not None
    with lists.Shelf() as shelf, pytest.raises(ListError, match="missing, not empty"):
        shelf.take(copy)


@pytest.mark.parametrize("member", ["data/games", "games"])
@pytest.mark.parametrize("packed", [True, False], ids=["tar", "folder"])
def test_of_v2fly_a_file_and_its_includes_are_read(tmp_path: Path, member: str, packed: bool) -> None:
    (tmp_path / "blocklists/data").mkdir(parents=True)
    files = {"games": "g.com\ninclude:steam\n", "steam": "s.com\n"}
    if packed:
        tar(tmp_path / "blocklists/v2fly.tgz", {f"repo-main/data/{name}": text for name, text in files.items()})
    else:
        for name, text in files.items():
            (tmp_path / "blocklists/data" / name).write_text(text)
    copy = located(tmp_path, form="v2fly", url="file:v2fly.tgz" if packed else "file:data", member=member)
    assert copy is not None
    with lists.Shelf() as shelf:
        taken = shelf.take(copy)
        assert taken.include is not None
        assert b"".join(taken.include("steam") or ()) == b"s.com\n"
        assert taken.include("../../secret") is None
        assert taken.include("gone") is None


def test_a_single_v2fly_file_finds_its_includes_beside_it(tmp_path: Path) -> None:
    (tmp_path / "blocklists").mkdir()
    (tmp_path / "blocklists/games").write_text("include:steam\n")
    (tmp_path / "blocklists/steam").write_text("s.com\n")
    copy = located(tmp_path, form="v2fly", url="file:games")
    assert copy is not None
    with lists.Shelf() as shelf:
        taken = shelf.take(copy)
        assert taken.include is not None
        assert b"".join(taken.include("steam") or ()) == b"s.com\n"


def test_a_folder_needs_a_member(tmp_path: Path) -> None:
    copy = located(tmp_path, form="domains", url="file:curated")
    assert copy is not None
    with lists.Shelf() as shelf, pytest.raises(ListError, match="'member' must say which"):
        shelf.take(copy)


def test_lists_of_one_archive_are_read_in_the_order_they_lie_in_it(tmp_path: Path) -> None:
    (tmp_path / "blocklists").mkdir()
    tar(tmp_path / "blocklists/u.tgz", {f"b/{name}/domains": "a.com\n" for name in "xyz"})
    wanted: list[Source] = [source("ut1", id=name, url="file:u.tgz", member=f"b/{name}") for name in "zxy"]
    with lists.Shelf() as shelf:
        found = [lists.locate(each, tmp_path / "blocklists", tmp_path) for each in wanted]
        inputs = [shelf.take(copy) for copy in found if copy is not None]
        assert [each.source.id for each in shelf.in_reading_order(inputs)] == ["x", "y", "z"]


@pytest.mark.parametrize("form", ["v2fly", "auto"])
def test_what_lies_beside_a_download_is_no_part_of_it(tmp_path: Path, form: str) -> None:
    take(tmp_path / "state", "x", "include:meta.json\n")
    copy = located(tmp_path, form=form, id="x", url="https://lists.example/x")
    assert copy is not None
    with lists.Shelf() as shelf:
        assert shelf.take(copy).include is None
