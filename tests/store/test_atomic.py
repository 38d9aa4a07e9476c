"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from filterd.store import atomic


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    atomic.write(path, b"new" * 100_000)
    assert path.read_bytes() == b"new" * 100_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            atomic.write(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_lock_keeps_another_process_out_and_dies_with_its_holder(tmp_path: Path) -> None:
    holder = (
        "import sys, pathlib\n"
        "from filterd.store import atomic\n"
        "with atomic.locked(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    lock = tmp_path / ".lock"
    child = subprocess.Popen(
        [sys.executable, "-c", holder, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        assert child.stdout.readline() == "held\n"
        tried = subprocess.run(["flock", "--nonblock", str(lock), "true"], check=False)
        assert tried.returncode == 1
        child.kill()
    with atomic.locked(lock):
        pass


def test_a_second_name_replaces_a_file_whole(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "x").write_bytes(b"old")
    for _ in range(2):
        atomic.link(tmp_path / "new", tmp_path / "x")
    assert (tmp_path / "x").samefile(tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["new", "x"]


def test_where_there_are_no_hard_links_the_bytes_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "new").write_bytes(b"new" * 100_000)
    atomic.link(tmp_path / "new", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"new" * 100_000
    assert not (tmp_path / "x").samefile(tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "gone"])
def test_what_is_no_file_gets_no_second_name(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x").write_bytes(b"old")
    source = tmp_path / "source"
    if kind == "link":
        source.symlink_to("/etc/hostname")
    elif kind == "pipe":
        os.mkfifo(source)
    elif kind == "folder":
        source.mkdir()
    with pytest.raises(OSError, match=r"symbolic links|not a regular file|Is a directory|No such file"):
        atomic.link(source, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"old"


def test_a_lock_that_is_taken_is_not_waited_for_where_nobody_wants_to(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with atomic.locked(lock), pytest.raises(BlockingIOError), atomic.locked(lock, wait=False):
        pass
    with atomic.locked(lock, wait=False):
        pass
