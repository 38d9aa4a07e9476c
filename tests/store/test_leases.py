from __future__ import annotations

import os
from pathlib import Path

import pytest

from filterd.store import leases
from tests.core.test_lease_files import DNSMASQ, HEADER4, csv, kea4


def found(path: Path) -> list[str]:
    return [lease.name for lease in leases.load([str(path)])]


def test_a_file_that_is_not_there_holds_no_lease(tmp_path: Path) -> None:
    assert found(tmp_path / "none") == []


def test_several_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(DNSMASQ)
    (tmp_path / "k").write_bytes(csv(HEADER4, kea4("10.0.0.1", "tv")))
    got = leases.load([str(tmp_path / "d"), str(tmp_path / "k")])
    assert [lease.name for lease in got] == ["may-in", "", "laptop-an", "laptop-an", "tv"]


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        pytest.param((".2", ".1", ""), ["two", "one", "now"], id="a clean-up waits"),
        pytest.param((".2", ""), ["two", "now"], id="between clean-ups"),
        pytest.param((".1", ""), ["one", "now"], id="the first clean-up"),
        pytest.param((".completed", ".2", ".1", ""), ["done", "now"], id="a clean-up has just ended"),
        pytest.param((".2",), ["two"], id="the file itself is about to be made"),
    ],
)
def test_kea_goes_on_in_a_new_file_while_it_cleans_up(tmp_path: Path, present, expected) -> None:
    words = {"": "now", ".1": "one", ".2": "two", ".completed": "done"}
    for at, (suffix, word) in enumerate(words.items()):
        if suffix in present:
            (tmp_path / f"kea{suffix}").write_bytes(csv(HEADER4, kea4(f"10.0.0.{at}", word)))
    assert found(tmp_path / "kea") == expected


def test_what_lies_beside_dnsmasqs_file_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(DNSMASQ)
    (tmp_path / "d.1").write_bytes(DNSMASQ.replace(b"192.168", b"10.0"))
    assert len(found(tmp_path / "d")) == 4


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(DNSMASQ)
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="link"):
        found(tmp_path / "link")


def test_a_pipe_or_a_folder_is_no_lease_file_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="not a regular file"):
        found(tmp_path / "pipe")
    with pytest.raises((ValueError, OSError)):
        found(tmp_path)


def test_a_device_file_is_no_lease_file() -> None:
    with pytest.raises(ValueError, match="not a regular file"):
        leases.load(["/dev/zero"])


def test_a_file_of_absurd_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(b"")
    os.truncate(tmp_path / "d", leases.MAX_BYTES + 1)
    with pytest.raises(ValueError, match="larger than 4 MiB"):
        found(tmp_path / "d")


def test_a_signature_follows_every_file(tmp_path: Path) -> None:
    paths = [str(tmp_path / "k")]
    seen = [leases.signature(paths)]
    for name, data in (("k", b"a"), ("k", b"ab"), ("k.2", b"a"), ("k.1", b"a")):
        (tmp_path / name).write_bytes(data)
        seen.append(leases.signature(paths))
    assert len(set(seen)) == 5
    assert leases.signature(paths) == seen[-1]
