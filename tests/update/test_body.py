from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from filterd.core.updates import Why
from filterd.update.body import save, unpacked, write
from filterd.update.faults import FetchError
from filterd.update.web import Answer, Limits
from tests.update.fetching import LIST, source

PACKERS = [
    pytest.param(gzip.compress, id="gzip"),
    pytest.param(bz2.compress, id="bzip2"),
    pytest.param(lzma.compress, id="xz"),
]


def split(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 3, 1000, 1 << 20])
@pytest.mark.parametrize("pack", [*PACKERS, pytest.param(bytes, id="not packed")])
def test_a_list_is_the_same_however_it_is_split_on_its_way(pack, size: int) -> None:
    assert b"".join(unpacked(split(pack(LIST), size))) == LIST


@pytest.mark.parametrize("pack", PACKERS)
def test_several_packed_parts_are_one_list(pack) -> None:
    assert b"".join(unpacked(split(pack(b"a.example\n") + pack(b"b.example\n"), 7))) == b"a.example\nb.example\n"


@pytest.mark.parametrize("data", [b"", b"\x1f", b"BZ", b"\xfd7zX", b"a"])
def test_a_few_bytes_are_what_they_are(data: bytes) -> None:
    assert b"".join(unpacked(split(data, 1))) == data


@pytest.mark.parametrize("pack", PACKERS)
def test_without_its_end_nothing_packed_is_whole(pack) -> None:
    packed = pack(LIST)
    for cut in (1, 4, 8, len(packed) // 2, len(packed) - 7):
        with pytest.raises(FetchError) as failed:
            b"".join(unpacked(split(packed[:-cut], 100)))
        assert failed.value.why is Why.TRUNCATED


@pytest.mark.parametrize("pack", PACKERS)
def test_a_bit_that_has_turned_over_is_found(pack) -> None:
    packed = bytearray(pack(LIST))
    packed[len(packed) // 2] ^= 4
    with pytest.raises(FetchError) as failed:
        b"".join(unpacked(split(bytes(packed), 100)))
    assert failed.value.why in (Why.ARCHIVE, Why.TRUNCATED)


def test_a_file_is_new_even_where_something_is(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"x" * 100_000)
    assert write(tmp_path / "list", split(LIST, 100)) == (len(LIST), hashlib.sha256(LIST).hexdigest())
    assert (tmp_path / "list").read_bytes() == LIST


def test_a_disk_that_takes_no_more_is_said(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(FetchError, match=r"it cannot be written to .*: File too large") as failed:
            write(tmp_path / "list", iter([bytes(1 << 21)]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert failed.value.why is Why.DISK


class Clock:
    """Goes on by so many seconds each time it is looked at."""

    def __init__(self, step: float) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.mark.parametrize(
    ("size", "step", "fast_enough"),
    [
        pytest.param(1024, 1.0, True, id="just as fast as it must be"),
        pytest.param(1000, 1.0, False, id="a little slower"),
        pytest.param(1, 0.001, True, id="few bytes often"),
        pytest.param(1, 29.0, False, id="a byte within each time-out"),
    ],
)
def test_a_body_must_come_at_a_pace(size: int, step: float, fast_enough: bool, tmp_path: Path) -> None:
    answer = Answer(200, {}, split(b"x" * size * 100, size))
    ours = source("https://lists.example/")
    if fast_enough:
        save(answer, tmp_path / "list", ours, Limits(), Clock(step), None)
    else:
        with pytest.raises(FetchError, match="bytes came in") as failed:
            save(answer, tmp_path / "list", ours, Limits(), Clock(step), None)
        assert failed.value.why is Why.TIMEOUT


@pytest.mark.parametrize("name", ["gzip", "GZIP ", "x-gzip"])
def test_encodings_are_told_in_any_spelling(name: str, tmp_path: Path) -> None:
    answer = Answer(200, {"content-encoding": name}, iter([gzip.compress(LIST)]))
    save(answer, tmp_path / "list", source("https://lists.example/"), Limits(), Clock(0.0), None)
    assert (tmp_path / "list").read_bytes() == LIST


@pytest.mark.parametrize("name", ["br", "zstd", "deflate", "gzip, gzip", "x" * 5000])
def test_an_encoding_that_was_not_asked_for_is_refused(name: str, tmp_path: Path) -> None:
    answer = Answer(200, {"content-encoding": name}, iter([LIST]))
    with pytest.raises(FetchError, match="gzip or none was asked for") as failed:
        save(answer, tmp_path / "list", source("https://lists.example/"), Limits(), Clock(0.0), None)
    assert failed.value.why is Why.ARCHIVE
    assert len(failed.value.text) < 200
