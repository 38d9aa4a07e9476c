"""Where copies are, and what of them is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filterd.errors import ListError
from filterd.store import lists
from tests.core.rules.reading import source
from tests.store.copies import sha256, take


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
    take(tmp_path / "state", "x", "a.com\n", fetched_at=1_700_000_001)
    copy = located(tmp_path, **fetched)
    assert copy is not None
    assert (copy.time, copy.sha256) == (1_700_000_001, sha256("a.com\n"))


@pytest.mark.parametrize(
    "meta", [None, b"{", b"{}", b"[]", b"[" * 10_000], ids=["none", "half", "empty", "list", "deep"]
)
def test_a_copy_whose_meta_is_no_good_is_read_all_the_same(tmp_path: Path, meta: bytes | None) -> None:
    take(tmp_path / "state", "x", "a.com\n")
    folder = tmp_path / "state/lists/x"
    (folder / "meta.json").unlink()
    if meta is not None:
        (folder / "meta.json").write_bytes(meta)
    os.utime(folder / "copy", (5, 1_700_000_002))
    copy = located(tmp_path, id="x", url="https://lists.example/x.txt")
    assert copy is not None
    assert (copy.time, copy.sha256) == (1_700_000_002, "")
    assert lists.good(tmp_path / "state", "x") is None
