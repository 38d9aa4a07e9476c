"""The judge and its sentences: figures in, a verdict out. Whole files are judged in tests/update/test_incidents.py."""

from __future__ import annotations

from typing import Any

import pytest

from filterd.core.judge import judge, thinned, unfit
from filterd.core.updates import Figures, Outcome, Why
from tests.core.rules.reading import source


def figures(entries: int, **more: Any) -> Figures:
    return Figures(**({"format": "hosts", "lines": entries + 13, "entries": entries} | more))


def verdict(new: Figures, good: Figures | None, **settings: object) -> tuple[str, str]:
    found = judge(source(**({"min_entries": 1} | settings)), new, good)
    return found.outcome.value, found.why.value


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(1000, 1000, ("taken", ""), id="the same"),
        pytest.param(1000, 800, ("taken", ""), id="-20 %"),
        pytest.param(1000, 799, ("held", "shrunk"), id="-20.1 %"),
        pytest.param(1000, 500, ("held", "shrunk"), id="half"),
        pytest.param(1000, 499, ("held", "halved"), id="less than half"),
        pytest.param(1000, 1, ("held", "halved"), id="one left"),
        pytest.param(1000, 0, ("refused", "empty"), id="none left"),
        pytest.param(1000, 1250, ("taken", ""), id="+25 %"),
        pytest.param(1000, 1251, ("held", "grew"), id="+25.1 %"),
        pytest.param(3, 2, ("held", "shrunk"), id="few"),
        pytest.param(35, 28, ("taken", ""), id="-20 % that floats get wrong"),
        pytest.param(0, 50, ("taken", ""), id="first entries of an empty list"),
    ],
)
def test_entries_stay_within_bounds_of_the_last_good_copy(before: int, after: int, expected: tuple[str, str]) -> None:
    assert verdict(figures(after), figures(before)) == expected


@pytest.mark.parametrize(
    ("after", "settings", "expected"),
    [
        pytest.param(600, {"max_shrink": 0.4}, ("taken", ""), id="may shrink"),
        pytest.param(590, {"max_shrink": 0.4}, ("held", "shrunk"), id="not as much"),
        pytest.param(400, {"max_shrink": 1.0}, ("held", "halved"), id="never below half"),
        pytest.param(999, {"max_shrink": 0.0}, ("held", "shrunk"), id="may not shrink"),
        pytest.param(5000, {"max_grow": 4.0}, ("taken", ""), id="may grow"),
        pytest.param(5001, {"max_grow": 4.0}, ("held", "grew"), id="not as much, upwards"),
        pytest.param(899, {"min_entries": 900}, ("refused", "too-few"), id="under its minimum"),
        pytest.param(100, {"min_entries": 900}, ("refused", "too-few"), id="far under its minimum"),
        pytest.param(0, {"min_entries": 0}, ("held", "empty"), id="may be empty, and was not"),
    ],
)
def test_each_source_has_bounds_of_its_own(after: int, settings: dict[str, object], expected: tuple[str, str]) -> None:
    assert verdict(figures(after), figures(1000), **settings) == expected


@pytest.mark.parametrize(
    ("new", "good", "expected"),
    [
        pytest.param(figures(970, declared=1000), None, ("taken", ""), id="-3 %"),
        pytest.param(figures(969, declared=1000), None, ("refused", "count"), id="less"),
        pytest.param(figures(8, declared=10), None, ("taken", ""), id="a short list may be two off"),
        pytest.param(figures(7, declared=10), None, ("refused", "count"), id="and not three"),
        pytest.param(figures(900, refused=95, declared=1000), None, ("taken", ""), id="it counts what we refuse"),
        pytest.param(figures(900, exceptions=95, declared=1000), None, ("taken", ""), id="and exceptions"),
        pytest.param(figures(3900, lines=449, declared=436), None, ("taken", ""), id="several names a line"),
        pytest.param(figures(600, lines=1000, declared=1000), None, ("refused", "count"), id="comments are no entries"),
        pytest.param(figures(2000, format="rpz", declared=1000), None, ("taken", ""), id="rpz: two records a name"),
        pytest.param(figures(30, declared=23), None, ("taken", ""), id="more than it says, at first"),
        pytest.param(figures(1100, declared=900), figures(1000, declared=1000), ("held", "count"), id="suddenly more"),
        pytest.param(figures(1100, declared=900), figures(1000, declared=800), ("taken", ""), id="always more"),
        pytest.param(figures(1100, declared=900), figures(1000), ("taken", ""), id="newly declared, and more"),
        pytest.param(figures(900, declared=1000), figures(900, declared=1000), ("taken", ""), id="always less"),
        pytest.param(
            figures(850, declared=1000), figures(900, declared=1000), ("refused", "count"), id="and now lesser"
        ),
        pytest.param(figures(1000), figures(1000, declared=1000), ("taken", ""), id="no longer declared"),
        pytest.param(figures(1000, declared=1000), figures(1000), ("taken", ""), id="newly declared"),
        pytest.param(figures(400, declared=1000), figures(1000, declared=1000), ("refused", "count"), id="cut to 40 %"),
        pytest.param(figures(0, declared=1000), None, ("refused", "empty"), id="only the header came"),
        pytest.param(figures(0, declared=0), None, ("refused", "empty"), id="declared empty"),
    ],
)
def test_a_list_has_what_it_says_it_has(new: Figures, good: Figures | None, expected: tuple[str, str]) -> None:
    assert verdict(new, good) == expected


@pytest.mark.parametrize(
    ("new", "good", "expected"),
    [
        pytest.param(figures(900, refused=100), figures(1000), ("taken", ""), id="-10 points"),
        pytest.param(figures(890, refused=130), figures(1000), ("held", "share"), id="-13 points"),
        pytest.param(figures(890, refused=130), figures(890, refused=130), ("taken", ""), id="as ever"),
        pytest.param(figures(700, refused=400), figures(1000), ("held", "share"), id="the share before the size"),
        pytest.param(figures(400, refused=600), figures(1000), ("held", "halved"), id="half before the share"),
        pytest.param(figures(900, refused=0), figures(900, refused=900), ("taken", ""), id="cleaned up"),
        pytest.param(figures(100, refused=101), None, ("held", "share"), id="a first copy of strange lines"),
        pytest.param(figures(100, refused=99), None, ("taken", ""), id="a first copy of many strange lines"),
    ],
)
def test_the_share_of_rules_must_not_collapse(new: Figures, good: Figures | None, expected: tuple[str, str]) -> None:
    assert verdict(new, good) == expected


@pytest.mark.parametrize(
    ("new", "good", "expected"),
    [
        pytest.param(figures(1000, exceptions=20), figures(1000), ("taken", ""), id="a few"),
        pytest.param(
            figures(1000, exceptions=500), figures(1000), ("held", "shrunk"), id="a flood takes the list away"
        ),
        pytest.param(figures(1000), figures(1000, exceptions=500), ("held", "grew"), id="all gone"),
        pytest.param(figures(1000, exceptions=300), figures(1000, exceptions=500), ("taken", ""), id="fewer"),
        pytest.param(figures(1000), figures(1000, exceptions=10), ("taken", ""), id="a few gone"),
    ],
)
def test_exceptions_count_as_well(new: Figures, good: Figures, expected: tuple[str, str]) -> None:
    assert verdict(new, good) == expected


def test_a_list_of_exceptions_alone_is_taken_where_the_source_says_so() -> None:
    new = figures(0, exceptions=859)
    assert verdict(new, None, min_entries=0) == ("taken", "")
    assert verdict(new, new, min_entries=0) == ("taken", "")
    assert verdict(figures(0, exceptions=100), new, min_entries=0) == ("held", "grew")
    assert verdict(new, None) == ("refused", "empty")


@pytest.mark.parametrize(
    ("new", "good", "settings", "text"),
    [
        pytest.param(
            figures(1275), figures(34331), {},
            "has 1,275 entries, the last good copy 34,331 (-96 %); less than half is never taken unasked: held; "
            "the copy of 2026-06-20 stays in use", id="halved",
        ),
        pytest.param(
            figures(1300), figures(1000), {},
            "has 1,300 entries, the last good copy 1,000 (+30 %); at most 25 % more are expected (max_grow): held; "
            "the copy of 2026-06-20 stays in use", id="grew",
        ),
        pytest.param(
            figures(0, declared=500), None, {},
            "has 0 entries; nothing in its 13 lines blocks a name, though it says that it has 500: refused; "
            "there is no copy of it in use", id="empty",
        ),
        pytest.param(
            figures(5), figures(100), {"min_entries": 50},
            "has 5 entries, the last good copy 100 (-95 %); at least 50 are expected (min_entries); less than half is "
            "never taken unasked: refused; the copy of 2026-06-20 stays in use", id="two reasons",
        ),
        pytest.param(
            figures(1012), figures(1000), {}, "has 1,012 entries, the last good copy 1,000 (+1.2 %)", id="taken"
        ),
        pytest.param(figures(7), None, {}, "has 7 entries", id="first"),
    ],
)  # fmt: skip
def test_the_sentence_says_what_was_seen_what_was_expected_and_what_stays(
    new: Figures, good: Figures | None, settings: dict[str, object], text: str
) -> None:
    found = judge(source(**({"min_entries": 1} | settings)), new, good, "the copy of 2026-06-20")
    assert found.text == text


@pytest.mark.parametrize("why", [why for why in Why if why])
def test_what_could_not_be_read_is_refused_and_a_missing_category_waits(why: Why) -> None:
    found = unfit("is odd", why.value, has_good=True)
    expected = {Why.MEMBER: Outcome.HELD, Why.DISK: Outcome.FAILED, Why.MISSING: Outcome.FAILED}
    assert found.outcome is expected.get(why, Outcome.REFUSED)
    assert found.why is why
    assert found.text == f"is odd: {found.outcome.value}; the last good copy stays in use"


@pytest.mark.parametrize(
    ("before", "after", "settings", "expected"),
    [
        pytest.param(1000, 800, {}, None, id="-20 %"),
        pytest.param(1000, 799, {}, "shrunk", id="-20.1 %"),
        pytest.param(1000, 1, {}, "halved", id="one left"),
        pytest.param(1000, 600, {"max_shrink": 0.4}, None, id="may shrink"),
        pytest.param(1000, 499, {"max_shrink": 1.0}, "halved", id="never below half"),
        pytest.param(1000, 9000, {}, None, id="more is for the lines to say"),
        pytest.param(0, 0, {}, None, id="nothing from nothing"),
    ],
)
def test_what_a_list_says_twice_counts_once(
    before: int, after: int, settings: dict[str, Any], expected: str | None
) -> None:
    found = thinned(source(**settings), after, before)
    assert (found and found.why.value) == expected
    assert found is None or (found.outcome is Outcome.HELD and "stays in use" in found.text)
