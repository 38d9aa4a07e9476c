"""The audit log on disk: rotation, two writers, power cuts and full disks at every step, and what is no file."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from filterd.core.audit import START, Head
from filterd.store import audit
from tests.stepping import FAILED, Step, Stepper, can_trace

NOW = 1_795_500_000
EXPECTED = (OSError,)


def fill(folder: Path, count: int, rotate_bytes: int = audit.ROTATE_BYTES) -> Head:
    head = START
    for number in range(count):
        head = audit.append(folder, {"event": "override", "number": number}, NOW + number, rotate_bytes)
    return head


def names(folder: Path) -> list[str]:
    return [file.name for file in audit.log_files(folder)]


def numbers(folder: Path) -> list[int]:
    return [line.sequence for line in audit.read(folder)]


def test_no_log_is_an_empty_log(tmp_path: Path) -> None:
    folder = audit.folder(tmp_path)
    assert audit.head(folder) == START
    assert audit.verify(folder).sound
    assert list(audit.read(folder)) == []
    assert not folder.exists()


def test_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    folder = audit.folder(tmp_path)
    head = fill(folder, 3)
    assert head.sequence == 3
    assert audit.head(folder) == head
    assert [(line.time, line.entry["number"]) for line in audit.read(folder)] == [(NOW, 0), (NOW + 1, 1), (NOW + 2, 2)]
    assert [line.sequence for line in audit.read(folder, after=2)] == [3]
    report = audit.verify(folder, head)
    assert (report.sound, report.lines, report.head) == (True, 3, head)


@pytest.mark.parametrize("umask", [0, 0o077])
def test_the_group_may_read_and_nobody_else(tmp_path: Path, umask: int) -> None:
    folder = audit.folder(tmp_path)
    folder.mkdir(mode=0o750)
    umask = os.umask(umask)
    try:
        fill(folder, 1)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(audit.path(folder).stat().st_mode) == 0o640
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_a_file_that_has_grown_is_put_away_and_the_chain_goes_on(tmp_path: Path) -> None:
    head = fill(tmp_path, 20, rotate_bytes=1000)
    assert len(names(tmp_path)) > 3
    assert names(tmp_path)[-1] == "audit.jsonl"
    assert numbers(tmp_path) == list(range(1, 21))
    assert [line.sequence for line in audit.read(tmp_path, after=18)] == [19, 20]
    report = audit.verify(tmp_path, head)
    assert (report.sound, report.lines) == (True, 20)


def test_a_file_put_away_and_then_removed_is_seen(tmp_path: Path) -> None:
    fill(tmp_path, 20, rotate_bytes=1000)
    (tmp_path / names(tmp_path)[1]).unlink()
    problems = audit.verify(tmp_path).problems
    assert len(problems) == 1
    assert "was expected" in problems[0]


def test_a_file_put_away_is_never_written_over(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    (tmp_path / "audit-000000000005.jsonl").write_bytes(b"somebody's")
    audit.append(tmp_path, {}, NOW, rotate_bytes=1)
    assert (tmp_path / "audit-000000000005.jsonl").read_bytes() == b"somebody's"
    assert (tmp_path / "audit.jsonl").read_bytes().count(b"\n") == 6


def test_a_power_cut_between_putting_away_and_the_next_line_loses_nothing(tmp_path: Path) -> None:
    head = fill(tmp_path, 5)
    audit.path(tmp_path).rename(tmp_path / "audit-000000000005.jsonl")
    assert audit.head(tmp_path) == head
    audit.path(tmp_path).touch()
    assert audit.head(tmp_path) == head
    assert audit.append(tmp_path, {}, NOW).sequence == 6
    assert audit.verify(tmp_path, head).sound


@pytest.mark.parametrize("cut", [1, 2, 40, 150])
def test_half_a_last_line_is_passed_over_said_and_never_built_on(tmp_path: Path, cut: int) -> None:
    fill(tmp_path, 3)
    file = audit.path(tmp_path)
    os.truncate(file, file.stat().st_size - cut)
    whole = 3 if cut == 1 else 2  # all but the newline is a whole line
    assert audit.head(tmp_path).sequence == whole
    assert audit.verify(tmp_path).sound
    assert audit.append(tmp_path, {"event": "next"}, NOW).sequence == whole + 1
    report = audit.verify(tmp_path)
    assert report.sound
    assert len(report.torn) == 3 - whole
    assert numbers(tmp_path) == list(range(1, whole + 2))


def test_a_long_tail_of_zeros_is_passed_over(tmp_path: Path) -> None:
    head = fill(tmp_path, 2)
    with audit.path(tmp_path).open("ab") as file:
        file.write(bytes(200_000))
    assert audit.head(tmp_path) == head
    assert audit.append(tmp_path, {}, NOW).sequence == 3
    report = audit.verify(tmp_path, head)
    assert (report.sound, report.lines, len(report.torn)) == (True, 3, 1)


def test_what_was_altered_stays_seen_after_more_lines(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    file = audit.path(tmp_path)
    file.write_bytes(file.read_bytes().replace(b'"number":2', b'"number":7'))
    assert audit.append(tmp_path, {}, NOW).sequence == 3
    assert audit.verify(tmp_path).problems == ("audit.jsonl line 3: altered: its hash does not fit",)


WRITER = """
import sys, pathlib
from filterd.store import audit
for number in range(int(sys.argv[2])):
    audit.append(pathlib.Path(sys.argv[1]), {"by": sys.argv[3], "number": number}, 1, 20_000)
"""


def test_writers_at_once_lose_nothing_and_keep_one_chain(tmp_path: Path) -> None:
    each, writers = 60, 4
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(each), str(number)])
        for number in range(writers)
    ]
    while any(process.poll() is None for process in started):
        assert audit.verify(tmp_path).sound  # a reader at the same time sees no fault
    assert all(process.returncode == 0 for process in started)
    report = audit.verify(tmp_path)
    assert (report.sound, report.lines, report.torn) == (True, each * writers, ())
    assert numbers(tmp_path) == list(range(1, each * writers + 1))
    found = [(line.entry["by"], line.entry["number"]) for line in audit.read(tmp_path)]
    assert sorted(found) == sorted((str(writer), number) for writer in range(writers) for number in range(each))


def test_a_bad_entry_touches_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="audit log"):
        audit.append(tmp_path / "overrides", {"a": float("inf")}, NOW)
    assert not (tmp_path / "overrides").exists()


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_not_followed_or_waited_for(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "overrides"
    folder.mkdir()
    other = tmp_path / "shadow"
    other.write_bytes(b"")
    file = audit.path(folder)
    if kind == "link":
        file.symlink_to(other)
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.mkdir()
    with pytest.raises((OSError, ValueError)):
        audit.append(folder, {}, NOW)
    assert other.read_bytes() == b""


# -- a power cut and a full disk at every step ------------------------------------------------------------------------


def grow(root: Path) -> None:
    """Four lines; the file is put away between some of them."""
    for number in range(4):
        audit.append(root / "overrides", {"event": "override", "number": number}, NOW, 400)


def one(root: Path) -> None:
    audit.append(root / "overrides", {"event": "override"}, NOW)


@pytest.fixture(scope="module")
def stepper() -> Iterator[Stepper]:
    if not can_trace():
        pytest.skip("strace is not here, or may not trace")
    with Stepper(__name__) as made:
        yield made


def steps_of(stepper: Stepper, root: Path) -> list[Step]:
    (root / "whole").mkdir()
    return stepper.steps("grow", root / "whole", root / "log")


def sound_and_goes_on(root: Path, before: Head) -> None:
    folder = root / "overrides"
    report = audit.verify(folder, before)
    assert report.sound, report.problems
    assert numbers(folder) == list(range(1, report.head.sequence + 1))
    after = audit.append(folder, {"event": "after"}, NOW)
    assert after.sequence == report.head.sequence + 1
    assert audit.verify(folder, after).sound


def fresh(root: Path) -> tuple[Path, Head]:
    state = root / "state"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    return state, fill(state / "overrides", 2)


def test_killed_at_any_step_the_log_is_whole_and_goes_on(stepper: Stepper, tmp_path: Path) -> None:
    for step in steps_of(stepper, tmp_path):
        state, before = fresh(tmp_path)
        try:
            stepper.kill("grow", state, step)
        except AssertionError as error:  # fewer steps than from nothing: the folder was there
            assert "not killed" in str(error)
        sound_and_goes_on(state, before)


def test_a_line_is_on_disk_before_append_returns_and_its_file_before_the_line(stepper: Stepper, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    calls = [step.call for step in stepper.steps("one", tmp_path / "state", tmp_path / "log")]
    made = len(calls) - calls[::-1].index("openat") - 1
    assert calls[made:] == ["openat", "fchmod", "fsync", "write", "fsync"]


@pytest.mark.parametrize("onwards", [False, True], ids=["once", "from there on"])
def test_a_full_disk_at_any_step_leaves_the_log_whole(stepper: Stepper, tmp_path: Path, onwards: bool) -> None:
    for step in steps_of(stepper, tmp_path):
        state, before = fresh(tmp_path)
        assert stepper.fail("grow", state, step, onwards=onwards) in (0, FAILED)
        sound_and_goes_on(state, before)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root can mount a small disk")
def test_a_disk_that_fills_up_for_real_loses_no_line_and_no_chain(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        folder, head = tmp_path / "overrides", START
        with pytest.raises(OSError, match="No space left"):
            while True:
                head = audit.append(folder, {"event": "override", "reason": "x" * 3000}, NOW, 1 << 20)
        assert head.sequence > 5
        report = audit.verify(folder, head)
        assert (report.sound, report.head, report.torn) == (True, head, ())
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
