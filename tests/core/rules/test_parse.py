"""Whole lists: what is refused as a whole, and that nothing else ever escapes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterd.core.rules import FORMATS
from filterd.core.rules.report import MAX_SAMPLES
from filterd.errors import ListError
from tests.core.rules.reading import read

GOOD = "".join(f"ok{n}.com\n" for n in range(100))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("<!DOCTYPE html>\n<html>\n", "line 1 is HTML", id="HTML"),
        pytest.param("# Title\n\n  <HTML>\n", "line 3 is HTML", id="HTML after comments"),
        pytest.param(GOOD + "<html><body>oops</body></html>\n", "line 101 is HTML", id="HTML after rules"),
        pytest.param("a.com\n\0\n", "binary", id="binary"),
        pytest.param("||a.com^\n||b.com^\n", "looks like adblock", id="format change"),
        pytest.param("0.0.0.0 a.com\n0.0.0.0 b.com\n", "looks like hosts", id="another change"),
        pytest.param(GOOD + "x y\n" * 30, "30 of 130 lines are not domains rules, first line 101", id="a quarter bad"),
        pytest.param("x y\n" * 5000, "1000 of 1000 lines", id="given up early"),
    ],
)
def test_a_list_that_is_no_list_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ListError, match=reason):
        read(text, "domains")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("# Entries: 0\n", "no entries in 1 lines", id="header only"),
        pytest.param("", "no entries in 0 lines", id="empty"),
        pytest.param("localhost\n", "no entries", id="lone localhost"),
        pytest.param("192.0.2.1\n192.0.2.2\n", "no entries in 2 lines, first line 1: '192.0.2.1'", id="addresses"),
        pytest.param("a.com\n", "1 entries, fewer than the 2", id="too few"),
    ],
)
def test_a_list_that_shrank_to_nothing_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ListError, match=reason):
        read(text, "domains", min_entries=2)


def test_an_empty_list_is_well_where_the_source_allows_it() -> None:
    assert read("# nothing yet\n", "domains", min_entries=0)[0] == []


def test_stray_dirt_does_not_cost_the_list() -> None:
    rules, report = read(GOOD + "x y\n" * 10, "domains")
    assert len(rules) == 100
    assert report.malformed == 10


def test_samples_are_bounded_and_counts_are_not() -> None:
    _, report = read(GOOD + "192.0.2.1\n" * 500, "domains")
    assert report.refused["ip"] == 500
    assert len(report.samples) == MAX_SAMPLES
    assert report.samples[0].where == "101"


def test_a_sample_of_a_hostile_line_is_short_and_printable() -> None:
    _, report = read(GOOD + "\x1b]0;x\x07" + "z" * 5000 + "\n", "domains")
    assert len(report.samples[0].text) <= 80
    assert report.samples[0].text.isprintable()


@pytest.mark.parametrize("form", [*FORMATS, "auto"])
@settings(max_examples=150, deadline=None)
@given(data=st.one_of(st.binary(max_size=300), st.text(alphabet='a.*|^@$/:#=\n -0[]%&!ễcomCNAME"\t\r', max_size=200)))
def test_no_bytes_raise_anything_but_list_error(form: str, data: bytes | str) -> None:
    try:
        rules, report = read(data, form)
    except ListError:
        return
    assert len(rules) == report.entries + report.exceptions
