from __future__ import annotations

import os
from pathlib import Path

import pytest

from filterd.core.policy import Leases
from filterd.live.leases import LeaseWatch

NOW = 1_800_000_000.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dnsmasq.leases"
    path.write_text("1800000600 aa:bb 192.168.1.50 tv *\n1800000300 aa:bc 192.168.1.51 pc *\n")
    return path


def configured(*paths: Path) -> Leases:
    return Leases("lan", tuple(map(str, paths)), ())


def test_only_another_content_is_news(file: Path) -> None:
    watch, leases = LeaseWatch(), configured(file)
    assert watch.poll(leases, NOW)
    assert watch.found == (("tv", "192.168.1.50"), ("pc", "192.168.1.51"))
    assert not watch.poll(leases, NOW)
    file.write_text(file.read_text().replace("1800000600", "1800000700"))
    assert not watch.poll(leases, NOW)
    file.write_text("")
    assert watch.poll(leases, NOW)
    assert watch.found == ()


def test_a_lease_ends_though_nobody_writes(file: Path) -> None:
    watch, leases = LeaseWatch(), configured(file)
    told = [watch.poll(leases, NOW + later) for later in (0, 299, 300, 301, 600)]
    assert told == [True, False, True, False, True]


def test_a_clock_set_back_brings_leases_back(file: Path) -> None:
    watch, leases = LeaseWatch(), configured(file)
    assert [watch.poll(leases, NOW + later) for later in (0, 1e9, -1e9, 0)] == [True, True, True, False]
    assert len(watch.found) == 2


def test_a_file_that_cannot_be_read_leaves_what_was_known(file: Path) -> None:
    watch, leases = LeaseWatch(), configured(file)
    watch.poll(leases, NOW)
    os.truncate(file, 5 << 20)
    assert not watch.poll(leases, NOW + 1)
    assert "larger than 4 MiB; in force: the 2 known before" in watch.problem
    assert watch.poll(leases, NOW + 300)
    file.unlink()
    assert watch.poll(leases, NOW + 301)
    assert (watch.found, watch.problem) == ((), "")


def test_a_policy_without_leases_has_none(file: Path) -> None:
    watch = LeaseWatch()
    watch.poll(configured(file), NOW)
    assert watch.poll(None, NOW)
    assert watch.found == ()
    assert not watch.poll(None, NOW)
