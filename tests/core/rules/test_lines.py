"""Chunks to lines."""

from __future__ import annotations

import pytest

from filterd.core.rules import lines
from filterd.errors import ListError

TEXT = b"one\r\ntwo\n\nfour\rfive"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_lines_and_numbers_do_not_depend_on_the_chunks(size: int) -> None:
    chunks = [TEXT[at : at + size] for at in range(0, len(TEXT), size)]
    found = [
        (number, line) for _, before, batch in lines.batches(chunks) for number, line in enumerate(batch, before + 1)
    ]
    assert found == [(1, b"one"), (2, b"two"), (3, b""), (4, b"four"), (5, b"five")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"a.com\nb\0.com\n", "NUL", id="NUL"),
        pytest.param(b"a" * 70_000, "line of more than", id="endless line"),
        pytest.param(b"a.com\n" + b"b" * 70_000 + b"\n", "line of more than", id="one endless line"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, reason: str) -> None:
    chunks = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    with pytest.raises(ListError, match=reason):
        list(lines.batches(chunks))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        pytest.param(b"\x1f\x8b\x08", "gzip", id="gzip"),
        pytest.param(b"PK\x03\x04", "zip", id="zip"),
        pytest.param(b"\xfd7zXZ\0", "xz", id="xz"),
        pytest.param("a.com\n".encode("utf-16"), "UTF-16", id="UTF-16"),
        pytest.param(b"%PDF-1.4", "PDF", id="PDF"),
    ],
)
def test_known_files_of_other_kinds_are_named(data: bytes, what: str) -> None:
    with pytest.raises(ListError, match=what):
        lines.head_and_all([data])


def test_the_head_is_read_again_with_the_rest() -> None:
    head, chunks = lines.head_and_all(iter([b"\xef\xbb\xbfab", b"cd"]))
    assert head == b"abcd"
    assert b"".join(chunks) == b"abcd"
