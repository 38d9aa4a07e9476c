"""Two generations side by side, and the technician's file of top sites."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterd.core.table import EMPTY
from filterd.errors import ListError, TableError
from filterd.store import tables
from filterd.update import compare
from tests import schools
from tests.core.compiled import compiled


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for at, text in enumerate(["a.com", "a.com\nb.com", "b.com\nc.com"]):
        tables.publish(tmp_path, compiled(("domains", "games", text)), at)
    return tmp_path


def test_the_generation_before_is_the_next_older_one(state: Path) -> None:
    _, older, oldest = tables.generations(state)
    assert compare.generation_before(state) == older
    (state / "CURRENT").write_text(oldest + "\n")
    assert compare.generation_before(state) is None


def test_without_tables_there_is_none_before(tmp_path: Path) -> None:
    assert compare.generation_before(tmp_path) is None


def test_two_generations_are_compared(state: Path) -> None:
    newest, older, _ = tables.generations(state)
    before, after = compare.open_generation(state, older), compare.open_generation(state, newest)
    found = compare.compare(schools.POLICY, before, after, ("a.com", "b.com", "c.com"), schools.NOW)
    assert (found.difference.before, found.difference.after) == (older, newest)
    assert found.difference.categories["games"].entered_samples == ("c.com",)
    assert [(t.tier, t.closed, t.opened) for t in found.tiers] == [("tieu-hoc", 1, 1), ("thcs", 1, 1), ("staff", 0, 0)]
    assert found.top_sites == 3


def test_a_generation_that_is_not_kept_is_told_with_those_that_are(state: Path) -> None:
    with pytest.raises(TableError, match=f"'000009-x' is not kept; there is {tables.generations(state)[0]}"):
        compare.open_generation(state, "000009-x")


def test_a_damaged_generation_is_not_opened(state: Path) -> None:
    newest = tables.generations(state)[0]
    with (state / "tables" / newest / "trie.marisa").open("r+b") as file:
        file.write(b"x")
    with pytest.raises(TableError, match="damaged"):
        compare.open_generation(state, newest)


def test_no_generation_is_the_empty_table(tmp_path: Path) -> None:
    assert compare.open_generation(tmp_path, None) is EMPTY


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("google.com\nzalo.me\n", ("google.com", "zalo.me")),
        ("1,google.com\r\n2,zalo.me\r\n", ("google.com", "zalo.me")),
        ('"rank","domain"\n"1","Google.com."\n', ("google.com",)),
        ("\ufeff# popular\n\ngoogle.com\n", ("google.com",)),
        ("b.com\na.com\nb.com\n", ("b.com", "a.com")),
        ("192.0.2.1\nlocalhost\nbad name.com\n-\nb\u00fccher.example\n", ("xn--bcher-kva.example",)),
        ("google.com,1,x\n", ("google.com",)),
    ],
    ids=["plain", "ranked", "headed", "commented", "twice", "what is no name", "name first"],
)
def test_top_sites_are_read_as_people_have_them(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    path = tmp_path / "top.csv"
    path.write_bytes(text.encode())
    assert compare.read_top_sites(path) == names


def test_only_so_many_top_sites_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "MAX_TOP_SITES", 2)
    (tmp_path / "top").write_text("a.com\na.com\nb.com\nc.com\n")
    assert compare.read_top_sites(tmp_path / "top") == ("a.com", "b.com")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory; it is top_sites of school.yaml"),
        (b"", "has no names; write one a line, or rank,name"),
        (b"\xff\xfe\x00g\x00o", "has no names"),
    ],
    ids=["missing", "empty", "binary"],
)
def test_a_file_without_top_sites_is_an_error_that_names_it(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "top"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ListError, match=message):
        compare.read_top_sites(path)


def test_a_folder_is_no_file_of_top_sites(tmp_path: Path) -> None:
    with pytest.raises(ListError, match="is not a regular file; it is top_sites"):
        compare.read_top_sites(tmp_path)
