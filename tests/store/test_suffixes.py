"""The installed public suffix list."""

from __future__ import annotations

import pytest

from filterd.store import suffixes


@pytest.mark.parametrize("key", [b"vn.com.", b"io.github.", b"com.blogspot.", b"com.weebly.", b"uk.co."], ids=repr)
def test_both_sections_are_read(key: bytes) -> None:
    assert suffixes.load()(key)
