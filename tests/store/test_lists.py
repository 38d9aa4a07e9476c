"""Where copies are, and what of them is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filterd.core.source import Source
from filterd.errors import ListError
from filterd.store import lists
from tests.core.rules.reading import source
from tests.store.test_trees import tar


def text_of(shelf: lists.Shelf, copy: lists.Copy | None) -> str:
    assert copy is not None
    taken = shelf.take(copy)
    first = b"".join(taken.read())
    assert b"".join(taken.read()) == first
    return first.decode()


def located(tmp_path: Path, **more: object) -> lists.Copy | None:
    (tmp_path / "blocklists/curated").mkdir(parents=True, exist_ok=True)
    return lists.locate(source(**more), tmp_path / "blocklists", tmp_path / "state")  # type: ignore[arg-type]


def test_a_file_source_is_its_own_copy(tmp_path: Path) -> None:
    (tmp_path / "blocklists/curated").mkdir(parents=True)
    path = tmp_path / "blocklists/curated/games.txt"
    path.write_text("a.com\n")
    os.utime(path, (5, 1_700_000_000))
    copy = located(tmp_path, url="file:curated/games.txt")
    assert copy is not None
    assert copy.time == 1_700_000_000
    with lists.Shelf() as shelf:
        assert text_of(shelf, copy) == "a.com\n"


def test_an_absolute_file_is_read_where_the_source_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a.com\n")
    with lists.Shelf() as shelf:
        assert text_of(shelf, located(tmp_path, url=f"file://{tmp_path}/a.txt")) == "a.com\n"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("file:../secret.txt", "leads out of", id="upwards"),
        pytest.param("file:curated/link.txt", "leads out of", id="by a link"),
        pytest.param("file:curated/gone.txt", "does not exist", id="missing"),
    ],
)
def test_a_file_source_stays_inside_its_folder(tmp_path: Path, url: str, reason: str) -> None:
    (tmp_path / "secret.txt").write_text("a.com\n")
    (tmp_path / "blocklists/curated").mkdir(parents=True)
    (tmp_path / "blocklists/curated/link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ListError, match=reason):
        located(tmp_path, url=url)


def test_a_fetched_source_has_no_copy_until_there_is_one(tmp_path: Path) -> None:
    fetched: dict[str, object] = {"id": "x", "url": "https://lists.example/x.txt"}
    assert located(tmp_path, **fetched) is None
    folder = tmp_path / "state/lists/x"
    folder.mkdir(parents=True)
    (folder / "copy").write_text("a.com\n")
    (folder / "meta.json").write_text('{"fetched_at": 1700000001}')
    copy = located(tmp_path, **fetched)
    assert copy is not None
    assert copy.time == 1_700_000_001
    (folder / "meta.json").write_text("{")
    assert located(tmp_path, **fetched) is not None


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
