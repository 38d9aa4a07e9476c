import multiprocessing
import os

import pytest

from filterd.store import atomic


def test_content_and_mode_are_what_was_asked_for(tmp_path):
    path = tmp_path / "x.json"
    atomic.write(path, b"one")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o640)
    atomic.write(path, b"two", 0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o600)


def test_nothing_else_is_left_in_the_folder(tmp_path):
    atomic.write(tmp_path / "x.json", b"one")
    assert os.listdir(tmp_path) == ["x.json"]


def test_a_failure_leaves_the_old_content_and_no_rubbish(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    atomic.write(path, b"one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic.write(path, b"two")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"one", ["x.json"])


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic.write(tmp_path / "no" / "x.json", b"one")


def _hold(path: object, entered: object, leave: object) -> None:
    with atomic.locked(path):  # type: ignore[arg-type]
        entered.set()  # type: ignore[attr-defined]
        leave.wait(10)  # type: ignore[attr-defined]


def test_a_lock_is_held_against_other_processes(tmp_path):
    context = multiprocessing.get_context("spawn")
    first, second, leave = context.Event(), context.Event(), context.Event()
    path = tmp_path / ".lock"
    holder = context.Process(target=_hold, args=(path, first, leave))
    waiter = context.Process(target=_hold, args=(path, second, leave))
    holder.start()
    assert first.wait(10)
    waiter.start()
    assert not second.wait(0.3)
    leave.set()
    assert second.wait(10)
    holder.join()
    waiter.join()
