"""Where copies are, and how they come to be there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from filterd.core.updates import Outcome, Why
from filterd.errors import BusyError, ListError
from filterd.store import lists
from tests.core.rules.reading import source
from tests.store.copies import hold, meta_of, sha256, staged, take


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


# -- taking, holding, freezing, remembering ---------------------------------------------------------------------------


def content(state: Path, name: str) -> str:
    return (state / "lists" / name).read_text()


def test_what_is_taken_is_the_last_good_copy_and_its_meta_fits_it(tmp_path: Path) -> None:
    meta = take(tmp_path, "x", "a.com\n")
    found = (tmp_path / "lists/x/copy").stat()
    assert lists.good(tmp_path, "x") == meta
    assert (meta.bytes, meta.mtime_ns) == (6, found.st_mtime_ns)
    assert stat.S_IMODE(found.st_mode) == 0o640
    take(tmp_path, "x", "b.com\n", etag=None)
    assert content(tmp_path, "x/copy") == "b.com\n"
    assert lists.good(tmp_path, "x") == meta_of(
        "b.com\n", etag=None, bytes=6, mtime_ns=(tmp_path / "lists/x/copy").stat().st_mtime_ns
    )
    assert sorted(os.listdir(tmp_path / "lists/x")) == ["copy", "meta.json"]


def test_lists_of_one_archive_share_its_bytes(tmp_path: Path) -> None:
    archive = staged(tmp_path, "an archive")
    for name in "xyz":
        lists.take(tmp_path, name, archive, meta_of("an archive"))
    lists.take(tmp_path, "x", archive, meta_of("an archive"))
    archive.unlink()
    assert len({(tmp_path / "lists" / name / "copy").stat().st_ino for name in "xyz"}) == 1
    assert all(lists.good(tmp_path, name) is not None for name in "xyz")
    assert sorted(os.listdir(tmp_path / "lists/x")) == ["copy", "meta.json"]


@pytest.mark.parametrize("change", ["longer", "touched", "gone", "link"])
def test_a_meta_that_does_not_fit_its_copy_is_none(tmp_path: Path, change: str) -> None:
    take(tmp_path, "x", "a.com\n")
    copy = tmp_path / "lists/x/copy"
    if change == "longer":
        times = copy.stat()
        copy.write_text("a.com\nb.com\n")
        os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif change == "touched":
        os.utime(copy, (5, 5))
    else:
        copy.rename(tmp_path / "elsewhere")
    if change == "link":
        copy.symlink_to(tmp_path / "elsewhere")
    assert lists.good(tmp_path, "x") is None


def test_what_is_held_waits_beside_the_copy_in_use(tmp_path: Path) -> None:
    take(tmp_path, "x", "old\n")
    waiting = hold(tmp_path, "x", "new\n")
    assert lists.held(tmp_path, "x") == waiting
    assert (waiting.why, waiting.text, waiting.since, waiting.meta.sha256) == (
        Why.SHRUNK, "is too short", 1_700_000_100, sha256("new\n"),
    )  # fmt: skip
    assert content(tmp_path, "x/copy") == "old\n"
    assert lists.held_path(tmp_path, "x").read_text() == "new\n"


def test_a_list_that_is_held_again_has_waited_since_the_first_night(tmp_path: Path) -> None:
    hold(tmp_path, "x", "new\n", now=100)
    assert hold(tmp_path, "x", "new\n", now=200.5).since == 100
    assert hold(tmp_path, "x", "newer\n", now=300.5).since == 100


def test_what_is_accepted_is_the_last_good_copy(tmp_path: Path) -> None:
    take(tmp_path, "x", "old\n")
    hold(tmp_path, "x", "new\n")
    meta = lists.accept(tmp_path, "x", 1_700_000_500.5)
    assert lists.good(tmp_path, "x") == meta
    assert (meta.changed_at, meta.fetched_at) == (1_700_000_500, 1_700_000_000)
    assert content(tmp_path, "x/copy") == "new\n"
    assert sorted(os.listdir(tmp_path / "lists/x")) == ["copy", "meta.json"]
    assert lists.held(tmp_path, "x") is None
    with pytest.raises(ListError, match="x: nothing waits to be accepted"):
        lists.accept(tmp_path, "x", 0)


def test_accepting_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    hold(tmp_path, "x", "new\n")
    os.link(tmp_path / "lists/x/held", tmp_path / "lists/x/copy")
    lists.accept(tmp_path, "x", 0)
    assert content(tmp_path, "x/copy") == "new\n"
    assert sorted(os.listdir(tmp_path / "lists/x")) == ["copy", "meta.json"]


@pytest.mark.parametrize("lost", ["held", "held.json"])
def test_half_of_what_is_held_is_nothing(tmp_path: Path, lost: str) -> None:
    hold(tmp_path, "x", "new\n")
    (tmp_path / "lists/x" / lost).unlink()
    assert lists.held(tmp_path, "x") is None
    with pytest.raises(ListError, match="nothing waits"):
        lists.accept(tmp_path, "x", 0)
    lists.drop_held(tmp_path, "x")
    assert os.listdir(tmp_path / "lists/x") == []


def test_dropping_what_nobody_holds_is_no_fault(tmp_path: Path) -> None:
    lists.drop_held(tmp_path, "x")
    lists.thaw(tmp_path, "x")


def test_a_person_freezes_a_list_and_thaws_it(tmp_path: Path) -> None:
    assert lists.frozen(tmp_path, "x") is None
    assert lists.freeze(tmp_path, "x", "tuần thi", 100.5, by="lan") == lists.frozen(tmp_path, "x")
    assert lists.frozen(tmp_path, "x") == lists.Frozen(100, "lan", "tuần thi")
    lists.thaw(tmp_path, "x")
    assert lists.frozen(tmp_path, "x") is None


def test_who_froze_it_is_the_user_unless_said(tmp_path: Path) -> None:
    assert lists.freeze(tmp_path, "x", "", 0).by == lists.user_name(os.getuid())
    assert lists.user_name(4_000_000) == "4000000"


def test_a_damaged_note_still_freezes(tmp_path: Path) -> None:
    lists.freeze(tmp_path, "x", "", 0)
    (tmp_path / "lists/x/frozen").write_bytes(b"{")
    found = lists.frozen(tmp_path, "x")
    assert found is not None
    assert found.reason == "the note is damaged"


def test_the_updater_remembers_each_source(tmp_path: Path) -> None:
    memory = lists.Memory(1, 2, 3, 4, 5, Outcome.HELD, Why.GREW, "ít hơn")
    lists.remember(tmp_path, "x", memory)
    assert lists.recall(tmp_path, "x") == memory
    assert lists.recall(tmp_path, "y") == lists.Memory()
    (tmp_path / "lists/x/memory.json").write_bytes(b"\0" * 64)
    assert lists.recall(tmp_path, "x") == lists.Memory()


def test_notes_that_are_links_pipes_or_endless_are_not_read(tmp_path: Path) -> None:
    take(tmp_path, "x", "a.com\n")
    hold(tmp_path, "x", "b.com\n")
    lists.remember(tmp_path, "x", lists.Memory(failures=3))
    folder = tmp_path / "lists/x"
    for at, name in enumerate(("meta.json", "held.json", "memory.json")):
        (folder / name).rename(tmp_path / name)
        if at == 0:
            (folder / name).symlink_to(tmp_path / name)
        elif at == 1:
            os.mkfifo(folder / name)
        else:
            (folder / name).write_bytes(b" " * (2 << 20))
    assert lists.good(tmp_path, "x") is None
    assert lists.held(tmp_path, "x") is None
    assert lists.recall(tmp_path, "x") == lists.Memory()


def test_a_link_is_never_taken(tmp_path: Path) -> None:
    take(tmp_path, "x", "a.com\n")
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="symbolic links"):
        lists.take(tmp_path, "x", tmp_path / "link", meta_of("x"))
    assert content(tmp_path, "x/copy") == "a.com\n"
    assert lists.good(tmp_path, "x") is not None


@pytest.mark.parametrize("name", ["", ".", "..", "../x", ".staging", "a/b", "A", "x" * 65])
def test_an_id_cannot_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ListError, match="is no id of a source"):
        take(tmp_path, name, "a.com\n")


# -- one run ----------------------------------------------------------------------------------------------------------


def test_downloads_are_staged_in_the_file_system_of_the_copies_and_swept(tmp_path: Path) -> None:
    with lists.staging(tmp_path) as folder:
        assert os.listdir(folder) == []
        assert folder.stat().st_dev == (tmp_path / "lists").stat().st_dev
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "x").write_text("a.com\n")
    assert not folder.exists()


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    take(tmp_path, "x", "a.com\n")
    left = [tmp_path / "lists" / name for name in (".staging/deep/x", "x/.copy.12.tmp", "x/.meta.json.34.tmp")]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    with lists.staging(tmp_path) as folder:
        assert os.listdir(folder) == []
    assert sorted(path.name for path in (tmp_path / "lists").rglob("*")) == ["copy", "meta.json", "x"]


def test_a_link_in_place_of_the_staging_folder_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("kept")
    (tmp_path / "lists/.staging").symlink_to(tmp_path / "precious")
    with lists.staging(tmp_path) as folder:
        assert not folder.is_symlink()
    assert (tmp_path / "precious/file").read_text() == "kept"


def test_a_second_run_is_turned_away_at_once(tmp_path: Path) -> None:
    with lists.lock(tmp_path), pytest.raises(BusyError, match="another update is at work"), lists.lock(tmp_path):
        pass
    with lists.lock(tmp_path):
        pass


def test_what_fails_inside_the_lock_is_not_taken_for_the_lock(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError, match="inside"), lists.lock(tmp_path):
        raise BlockingIOError("inside")


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/.lock").symlink_to(tmp_path / "made")
    with pytest.raises(OSError, match="symbolic links"), lists.lock(tmp_path):
        pass
    assert not (tmp_path / "made").exists()
