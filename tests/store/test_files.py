"""Only regular files of sane size are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filterd.store import files

LIMIT = 1 << 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"x" * LIMIT)
    return tmp_path / "file"


def test_a_file_is_read_whole_or_its_beginning(file: Path) -> None:
    assert files.read(file, LIMIT) == file.read_bytes()
    assert files.read(file, LIMIT, first=5) == b"xxxxx"
    assert files.read(file, LIMIT, first=LIMIT + 5) == file.read_bytes()


def test_a_file_above_its_limit_is_refused_even_for_its_beginning(file: Path) -> None:
    with file.open("ab") as more:
        more.write(b"x")
    for first in (None, 5):
        with pytest.raises(ValueError, match="file is larger than 1 MiB"):
            files.read(file, LIMIT, first)


def test_a_file_that_says_it_has_no_size_is_read_no_further_than_its_limit() -> None:
    assert b"MemTotal" in files.read(Path("/proc/meminfo"), LIMIT)
    with pytest.raises(ValueError, match="larger than"):
        files.read(Path("/proc/meminfo"), 10)


def test_a_link_is_followed_only_for_who_wants_that(file: Path) -> None:
    link = file.parent / "link"
    link.symlink_to(file)
    with pytest.raises(OSError, match="symbolic link"):
        files.read(link, LIMIT)
    assert files.read(link, LIMIT, links=True) == file.read_bytes()


@pytest.mark.parametrize("links", [False, True], ids=["itself", "through links"])
def test_a_pipe_a_folder_or_a_device_is_not_read_and_nobody_waits_for_it(tmp_path: Path, links: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(ValueError, match="is not a regular file"):
            files.read(path, LIMIT, links=links)


def test_no_descriptor_is_left_open(file: Path, tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    files.read(file, LIMIT)
    for path, limit in ((file, 1), (tmp_path, LIMIT)):
        with pytest.raises(ValueError):
            files.read(path, limit)
    assert len(os.listdir("/proc/self/fd")) == len(before)
