"""Garbage is looked for when there may be some, mostly among what is new."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from filterd.dns import garbage
from filterd.dns.garbage import Collector


class Circle:
    """An object that keeps itself alive."""

    def __init__(self) -> None:
        self.it = self


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setattr(garbage, "YOUNG_OBJECTS", 1000)
    gc.collect()
    gc.disable()
    yield Collector()
    gc.enable()


def circles(count: int) -> weakref.ref[Circle]:
    """Make so many and drop them; the first one, for as long as it is there."""
    refs = [weakref.ref(Circle()) for _ in range(count)]
    return refs[0]


def test_what_is_little_waits_until_it_is_much(collector: Collector) -> None:
    first = circles(400)
    collector.second()
    assert first() is not None
    circles(2000)
    collector.second()
    assert first() is None


def test_what_has_outlived_a_look_is_looked_at_again_after_some_more(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "YOUNG_IN_A_ROW", 2)
    kept = Circle()
    old = weakref.ref(kept)
    circles(2000)
    collector.second()
    del kept
    found = []
    for _ in range(2):
        circles(2000)
        collector.second()
        found.append(old() is not None)
    assert found == [True, False]


def test_now_and_then_all_is_looked_at_even_if_nothing_came(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "OLD_S", 5)
    first = circles(10)
    found = []
    for _ in range(5):
        collector.second()
        found.append(first() is not None)
    assert found == [True, True, True, True, False]


def test_pythons_own_collector_is_off_and_what_was_there_is_let_be() -> None:
    was, frozen = gc.isenabled(), gc.get_freeze_count()
    try:
        Collector().take_over()
        assert not gc.isenabled()
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()
        if was:
            gc.enable()
