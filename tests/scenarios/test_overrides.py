"""A lesson as the box's administrators and the pupils' devices see it: the real command, a running server, real dig."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from filterd.store import overrides
from tests.running import EXAM, PUPIL, SEVENTH, Server, until, write_school
from tests.upstreams import ADDRESS, Upstream

pytestmark = pytest.mark.skipif(shutil.which("dig") is None, reason="dig is not installed")


@pytest.fixture
def school(tmp_path: Path) -> tuple[Path, Path]:
    return write_school(tmp_path)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as found:
        yield found


@pytest.fixture
def server(school: tuple[Path, Path], upstream: Upstream) -> Iterator[Server]:
    with Server(*school, upstreams=(upstream.url,), workers=2) as found:
        yield found


def filterd(school: tuple[Path, Path], *words: str) -> str:
    command = [sys.executable, "-m", "filterd", "override", words[0], *words[1:]]
    command += ["-c", str(school[0]), "--state-dir", str(school[1])]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dig(server: Server, name: str, source: str = PUPIL) -> str:
    """The addresses a device at `source` hears of."""
    command = ["dig", "-b", source, "-p", str(server.port), "@127.0.0.1", "+short", "+tries=1", "+time=2", name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


BLOCKED = "0.0.0.0"


def test_a_toggle_is_answered_within_a_second_for_the_class_alone_and_ends_by_itself(
    server: Server, school: tuple[Path, Path]
) -> None:
    assert dig(server, "youtube.com") == BLOCKED
    filterd(school, "allow", "3A", "youtube", "--for", "8s")
    until(lambda: dig(server, "youtube.com") == ADDRESS, "youtube is open for 3A", within_s=1.5)
    (item,) = overrides.load(school[1]).items
    assert dig(server, "youtube.com", EXAM) == BLOCKED
    until(lambda: dig(server, "youtube.com") == BLOCKED, "it ended by itself", within_s=12)
    assert time.time() >= item.until
    assert time.time() < item.until + 1.5


def test_an_exam_leaves_its_own_sites_until_it_is_cleared(server: Server, school: tuple[Path, Path]) -> None:
    assert dig(server, "news.example", SEVENTH) == ADDRESS
    filterd(school, "set", "khoi-7", "exam", "--for", "45m", "--reason", "Kiểm tra")
    until(lambda: dig(server, "news.example", SEVENTH) == BLOCKED, "the exam began", within_s=1.5)
    assert dig(server, "olm.vn", SEVENTH) == ADDRESS
    assert dig(server, "news.example") == ADDRESS
    filterd(school, "clear", "7/3")
    until(lambda: dig(server, "news.example", SEVENTH) == ADDRESS, "the exam is over", within_s=1.5)


def test_what_was_set_survives_a_power_cut(school: tuple[Path, Path], upstream: Upstream) -> None:
    first = Server(*school, upstreams=(upstream.url,))
    try:
        filterd(school, "block", "7/3", "news.example", "--for", "45m")
        until(lambda: dig(first, "news.example", SEVENTH) == BLOCKED, "it is closed")
    finally:
        first.kill()
    with Server(*school, upstreams=(upstream.url,)) as second:
        assert dig(second, "news.example", SEVENTH) == BLOCKED


def test_a_box_that_does_not_know_the_time_keeps_what_closes_and_ignores_what_opens(
    school: tuple[Path, Path], upstream: Upstream
) -> None:
    faketime = next((p for p in Path("/usr/lib").rglob("libfaketimeMT.so.1") if p.is_file()), None)
    if faketime is None:
        pytest.skip("faketime is not installed")
    filterd(school, "allow", "3A", "youtube", "--for", "1h")
    filterd(school, "block", "7/3", "news.example", "--for", "1h")
    wrong = {"LD_PRELOAD": str(faketime), "FAKETIME": "@2016-01-01 00:00:00", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    in_2016 = Server(*school, upstreams=(upstream.url,), env=wrong)
    try:
        assert dig(in_2016, "youtube.com") == BLOCKED
        assert dig(in_2016, "news.example", SEVENTH) == BLOCKED
        assert dig(in_2016, "news.example") == ADDRESS
        assert "overrides that open are ignored" in in_2016.log
    finally:
        in_2016.kill()  # a faked clock is no good for an orderly end
    with Server(*school, upstreams=(upstream.url,)) as server:
        assert dig(server, "youtube.com") == ADDRESS
        assert dig(server, "news.example", SEVENTH) == BLOCKED
