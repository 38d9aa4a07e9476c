"""What a table is made of: everything that would change it, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from filterd.core.source import Source
from filterd.store import build, identity, lists
from tests.core.rules.reading import source
from tests.store.copies import staged, take
from tests.store.test_trees import tar

FETCHED = source("domains", id="x", url="https://lists.example/x")
LOCAL = source("domains", id="own", url="file:own.txt")


@pytest.fixture
def school(tmp_path: Path) -> Path:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/own.txt").write_text("own.com\n")
    take(tmp_path / "state", "x", "x.com\n")
    return tmp_path


def made_of(school: Path, *sources: Source, **staged_files: Path) -> str:
    return build.fingerprint(sources or (FETCHED, LOCAL), school / "lists", school / "state", staged_files)


def test_the_same_lists_make_the_same_table(school: Path) -> None:
    before = made_of(school)
    assert made_of(school) == before
    os.utime(school / "lists/own.txt", (5, 5))
    take(school / "state", "x", "x.com\n", fetched_at=1_800_000_000, etag='"2"')
    assert made_of(school) == before


CHANGES: dict[str, Callable[[Path], object]] = {
    "new content": lambda school: take(school / "state", "x", "y.com\n"),
    "a copy that is gone": lambda school: (school / "state/lists/x/copy").unlink(),
    "a file edited in place": lambda school: (school / "lists/own.txt").write_text("OWN.com\n"),
    "a file that is gone": lambda school: (school / "lists/own.txt").unlink(),
    "a copy edited in place": lambda school: (school / "state/lists/x/copy").write_text("z.com\n"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_bytes_make_another_table(school: Path, change: Callable[[Path], object]) -> None:
    before = made_of(school)
    change(school)
    assert made_of(school) != before


@pytest.mark.parametrize(
    "change",
    [
        {"format": "hosts"},
        {"category": "ads"},
        {"covers": "exact"},
        {"tld_list": True},
        {"min_entries": 2},
        {"id": "z"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_settings_make_another_table(school: Path, change: dict[str, object]) -> None:
    assert made_of(school, FETCHED, replace(LOCAL, **change)) != made_of(school)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [{"name": "Another"}, {"licence": "GPL-3.0"}, {"max_shrink": 0.5}, {"mirrors": ("https://a.example/x",)}],
    ids=lambda change: next(iter(change)),
)
def test_what_only_the_judge_or_people_read_changes_nothing(school: Path, change: dict[str, object]) -> None:
    assert made_of(school, replace(FETCHED, **change), LOCAL) == made_of(school)  # type: ignore[arg-type]


def test_order_and_sources_that_are_off(school: Path) -> None:
    assert made_of(school, LOCAL, FETCHED) != made_of(school)
    assert made_of(school, FETCHED, LOCAL, source(id="off", enabled=False)) == made_of(school)


def test_a_download_counts_as_the_copy_it_will_become(school: Path) -> None:
    path = staged(school / "state", "new.com\n")
    before = made_of(school, x=path)
    assert before != made_of(school)
    take(school / "state", "x", "new.com\n")
    assert made_of(school) == before


def test_an_archive_of_many_lists_is_read_once(school: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar(school / "a.tgz", {"b/x/domains": "a.com\n", "b/y/domains": "b.com\n"})
    read = []
    digest = identity._digest
    monkeypatch.setattr(identity, "_digest", lambda file: read.append(file.name) or digest(file))
    both = [source("ut1", id=name, member=f"b/{name}", url="https://lists.example/a.tgz") for name in "xy"]
    made_of(school, *both, x=school / "a.tgz", y=school / "a.tgz")
    assert len(read) == 2  # the archive, and the list of public suffixes


@pytest.mark.parametrize("name", ["games", "steam", "deep/er"])
def test_any_file_of_a_folder_may_be_included(school: Path, name: str) -> None:
    data = school / "lists/data"
    for each in ("games", "steam", "deep/er"):
        (data / each).parent.mkdir(parents=True, exist_ok=True)
        (data / each).write_text("a.com\n")
    folder = source("v2fly", id="f", url="file:data", member="games")
    before = made_of(school, folder)
    assert made_of(school, folder) == before
    (data / name).write_text("include:other\n")
    assert made_of(school, folder) != before


@pytest.mark.parametrize(("form", "counts"), [("v2fly", True), ("auto", True), ("domains", False)])
def test_the_files_beside_one_count_where_they_may_be_included(school: Path, form: str, counts: bool) -> None:
    one = source(form, id="f", url="file:own.txt")
    before = made_of(school, one)
    (school / "lists/steam").write_text("s.com\n")
    assert (made_of(school, one) != before) is counts


def test_what_cannot_be_read_has_an_identity_too(school: Path) -> None:
    (school / "lists/own.txt").unlink()
    os.mkfifo(school / "lists/own.txt")
    assert made_of(school) == made_of(school)
    (school / "state/lists/x/copy").unlink()
    (school / "state/lists/x/copy").symlink_to("/etc/passwd")
    assert made_of(school) == made_of(school)
    assert lists.good(school / "state", "x") is None
