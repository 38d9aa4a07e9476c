"""A source as a value: little must be said, and what is not said is the careful choice."""

from __future__ import annotations

import dataclasses

import pytest

from filterd.core.source import Source

LEAST = Source("x", "X", "https://example.org/x", "auto", "adult", "MIT")


def test_what_is_not_said_is_the_careful_choice() -> None:
    assert LEAST.enabled
    assert LEAST.covers is None
    assert not LEAST.allow_http
    assert not LEAST.tld_list
    assert LEAST.min_entries > 0
    assert 0 < LEAST.max_shrink < 1
    assert 0 < LEAST.max_grow < 1


def test_a_source_is_a_value() -> None:
    assert dataclasses.replace(LEAST, mirrors=()) == LEAST
    assert hash(LEAST) == hash(dataclasses.replace(LEAST))
    with pytest.raises(dataclasses.FrozenInstanceError):
        LEAST.url = "file:x"  # type: ignore[misc]
