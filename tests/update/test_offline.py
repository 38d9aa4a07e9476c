from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
from pathlib import Path

import pytest

from filterd.core.updates import Why
from filterd.update.fetch import Failure, Fetched
from filterd.update.offline import find, take, unclaimed
from tests.update.fetching import LIST, source

URL = "https://lists.example/a/ads.txt"
OURS = source(URL)
MEMBER = source("https://lists.example/all.tar.gz", member="all/ads")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    (tmp_path / "staging").mkdir()
    return tmp_path / "stick"


def put(path: Path, content: bytes = LIST) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "name", ["list", "list.txt", "list.hosts", "list.tar.gz", "list.of-2026", "list/copy", "lists/list/copy", "ads.txt"]
)
def test_a_file_is_a_source_s_by_its_name(name: str, folder: Path) -> None:
    put(folder / "other.txt")
    put(folder / "listing.txt")
    path = put(folder / name)
    assert find(folder, OURS, [OURS]) == path.resolve()


@pytest.mark.parametrize(
    "name", ["list.json", "list.txt.sig", "list.sha256", "list.part", "list/held", "a/list", "ads"]
)
def test_other_files_are_not(name: str, folder: Path) -> None:
    put(folder / name)
    assert find(folder, OURS, [OURS]) is None


def test_the_first_of_several_is_taken_in_an_order_that_is_always_the_same(folder: Path) -> None:
    names = ["ads.txt", "lists/list/copy", "list.z", "list.gz", "list.txt", "list"]
    for name in names:
        path = put(folder / name)
        assert find(folder, OURS, [OURS]) == path.resolve()


def test_the_name_of_a_url_is_not_enough_where_another_list_is_called_the_same(folder: Path) -> None:
    path = put(folder / "ads.txt")
    same_file = source(URL, id="other")
    elsewhere = source("https://lists.example/b/ads.txt", id="other")
    assert find(folder, OURS, [OURS, same_file]) == path.resolve()  # two categories of one archive
    assert find(folder, OURS, [OURS, elsewhere]) is None
    assert find(folder, OURS) is None  # nobody said what others there are


@pytest.mark.parametrize("name", ["LIST.TXT", "List", "Ads.txt", "ADS.TXT"])
def test_capitals_do_not_matter(name: str, folder: Path) -> None:
    path = put(folder / name)
    assert find(folder, OURS, [OURS]) == path.resolve()


@pytest.mark.parametrize("name", ["my list.txt", "My_List.hosts", "Adult.txt", "adult"])
def test_what_people_windows_and_browsers_make_of_a_name_is_understood(name: str, folder: Path) -> None:
    mine = source("https://lists.example/Lists/Adult", id="my-list")
    path = put(folder / name)
    assert find(folder, mine, [mine, OURS]) == path.resolve()
    assert find(folder, OURS, [mine, OURS]) is None
    assert unclaimed(folder, [mine, OURS]) == ()


def test_a_name_that_is_another_list_s_id_is_that_one_s(folder: Path) -> None:
    mine, adult = source("https://lists.example/Lists/Adult", id="mine"), source("https://x.example/y", id="adult")
    path = put(folder / "adult")
    assert find(folder, adult, [mine, adult]) == path.resolve()
    assert find(folder, mine, [mine, adult]) is None


def test_what_is_nobody_s_is_said(folder: Path) -> None:
    for name in ("list.txt", "ads (1).txt", "liste.txt", "list.sha256", ".hidden"):
        put(folder / name)
    (folder / "System Volume Information").mkdir()
    assert unclaimed(folder, [OURS]) == ("ads (1).txt", "liste.txt")
    with pytest.raises(FileNotFoundError):
        unclaimed(folder / "gone", [OURS])


def test_links_are_followed_inside_the_folder_only(folder: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "shadow", b"root:x\n")
    inside = put(folder / "data" / "x")
    (folder / "list.txt").symlink_to(outside)
    (folder / "list.list").symlink_to("../shadow")
    assert find(folder, OURS) is None
    (folder / "list.hosts").symlink_to("data/x")
    assert find(folder, OURS) == inside.resolve()


@pytest.mark.parametrize("kind", ["pipe", "circle", "folder", "nothing", "no folder"])
def test_what_is_no_file_is_not_found_and_stops_nobody(kind: str, folder: Path) -> None:
    path = folder / "list"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "circle":
        path.symlink_to("list")
    elif kind == "folder":
        path.mkdir()
    assert find(folder / "gone" if kind == "no folder" else folder, OURS, [OURS]) is None


def test_a_list_is_copied_to_staging(folder: Path, tmp_path: Path) -> None:
    path = put(folder / "list.txt")
    found = take(path, tmp_path / "staging", OURS)
    assert found == Fetched(tmp_path / "staging" / "list", path.as_uri(), len(LIST), hashlib.sha256(LIST).hexdigest())
    path.unlink()  # the stick is pulled out
    assert found.path.read_bytes() == LIST


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_a_single_list_that_is_packed_is_unpacked_and_an_archive_is_not(pack, folder: Path, tmp_path: Path) -> None:
    path = put(folder / "list.gz", pack(LIST))
    for wanted, content in ((OURS, LIST), (MEMBER, pack(LIST))):
        found = take(path, tmp_path / "staging", wanted)
        assert isinstance(found, Fetched)
        assert found.path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"x" * 2000, Why.TOO_LARGE, id="too large"),
        pytest.param(gzip.compress(bytes(2000)), Why.TOO_LARGE, id="unpacks to too much"),
        pytest.param(gzip.compress(LIST)[:-5], Why.TRUNCATED, id="packed and cut off"),
        pytest.param(gzip.compress(b"")[:-1] + b"x", Why.ARCHIVE, id="packed and damaged"),
    ],
)
def test_what_cannot_be_a_list_leaves_nothing_in_staging(
    content: bytes, why: Why, folder: Path, tmp_path: Path
) -> None:
    limit = 10_000 if why is Why.TRUNCATED else 1000
    found = take(put(folder / "list", content), tmp_path / "staging", source(URL, max_bytes=limit))
    assert isinstance(found, Failure)
    assert (found.why, str(folder / "list") in found.text) == (why, True)
    assert not list((tmp_path / "staging").iterdir())


def test_what_is_gone_or_no_file_meanwhile_is_missing(folder: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside")
    (folder / "link").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    for name, text in (("gone", "No such file"), ("link", "cannot be read"), ("pipe", "is not a regular file")):
        found = take(folder / name, tmp_path / "staging", OURS)
        assert isinstance(found, Failure)
        assert (found.why, text in found.text) == (Why.MISSING, True)


def test_an_unpacked_archive_is_refused_and_says_what_is_wanted(folder: Path, tmp_path: Path) -> None:
    put(folder / "list" / "all" / "ads")
    found = find(folder, MEMBER)
    assert found == (folder / "list").resolve()
    refused = take(found, tmp_path / "staging", MEMBER)
    assert refused == Failure(Why.ARCHIVE, f"{found} is a folder; put the archive itself there, as list.tar.gz")


def test_a_full_disk_is_said(folder: Path, tmp_path: Path) -> None:
    found = take(put(folder / "list"), tmp_path / "gone", OURS)
    assert isinstance(found, Failure)
    assert found.why is Why.DISK
