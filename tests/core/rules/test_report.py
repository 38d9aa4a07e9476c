"""The error budget."""

from __future__ import annotations

import re

import pytest

from filterd.core.rules import FORMATS, Kind, Report
from filterd.errors import ListError
from tests.core.rules.reading import read


def test_what_is_ignored_is_not_refused() -> None:
    report = Report("a", "adblock")
    report.skip(Kind.COSMETIC, "", 1, b"##x")
    report.skip(Kind.PATH, "data/x", 2, b"a.com/x")
    assert report.refused_total == 1
    assert [sample.where for sample in report.samples] == ["data/x:2"]
    assert report.to_json()["ignored"] == {"cosmetic": 1}


@pytest.mark.parametrize("line", ["<<<<<<< HEAD", ">>>>>>> 0a1b2c3", "||||||| base"])
@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_merge_that_nobody_finished_costs_the_list(form: str, line: str) -> None:
    with pytest.raises(ListError, match=f"line 2 is a mark of a merge nobody finished: '{re.escape(line)}'") as caught:
        read(f"# a list\n{line}\n", form)
    assert caught.value.why == "format"


@pytest.mark.parametrize(
    ("text", "min_entries", "why"),
    [
        pytest.param("x y\n", 1, "format", id="no rules of its format"),
        pytest.param("192.0.2.1\n", 1, "format", id="not one name"),
        pytest.param("localhost\n", 1, "empty", id="nothing that should be one"),
        pytest.param("a.com\n", 2, "too-few", id="too few"),
    ],
)
def test_a_list_that_must_not_be_used_says_why_in_one_word(text: str, min_entries: int, why: str) -> None:
    with pytest.raises(ListError) as caught:
        read(text, "domains", min_entries=min_entries)
    assert caught.value.why == why


def test_a_list_of_exceptions_has_rules() -> None:
    assert read("@@||a.com^\n" * 9 + "x y\n", "adblock")[1].rules == 9
