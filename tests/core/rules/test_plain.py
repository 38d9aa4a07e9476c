"""Counting is parsing without the rules: the reports are the same, whatever the bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterd.core.rules import FORMATS, Report, count, parse
from filterd.core.rules.model import Include
from filterd.errors import ListError
from tests.core.rules.reading import SUFFIXES, source

NAMES = [
    "a.com", "www.a.com", "com", "github.io", "a.github.io", "x.ck", "www.ck", "a.www.ck", "kawasaki.jp",
    "b.kawasaki.jp", "A.com", "a.com.", ".a.com", "a..com", "192.0.2.1", "a.1", "a.-b", "-a.com", "_a.b", "cốc.vn",
    "a.com/x", "http://a.com/", "a.com:80", "x y", "localhost", "z" * 63 + ".com", "z" * 64 + ".com",
    "a." * 124 + "com", "a." * 126 + "com", "a.b", "*.a.com", "# no", "a.com # yes", "", " a.com ", "<b>",
]  # fmt: skip
AROUND = [("", ""), ("0.0.0.0 ", ""), ("*.", ""), ("||", "^"), ("local=/", "/"), ("@@||", "^"), ("", " CNAME .")]


def outcome(text: bytes, form: str, counted: bool, include: Include | None = None, **more: object) -> Report | str:
    try:
        if counted:
            return count([text], source(form, **more), SUFFIXES, include)
        rules, report = parse([text], source(form, **more), SUFFIXES, include)
        assert len(list(rules)) == report.rules
    except ListError as error:
        return error.why
    return report


@pytest.mark.parametrize("form", [*FORMATS, "auto"])
@pytest.mark.parametrize("tld_list", [False, True])
def test_every_kind_of_name_is_counted_as_it_is_parsed(form: str, tld_list: bool) -> None:
    for before, after in AROUND:
        text = "\r\n".join(f"{before}{name}{after}" for name in [*["ok.com"] * 200, *NAMES]).encode()
        counted = outcome(text, form, True, tld_list=tld_list)
        assert counted == outcome(text, form, False, tld_list=tld_list)


@pytest.mark.parametrize("form", [*FORMATS, "auto"])
@settings(max_examples=100, deadline=None)
@given(
    lines=st.lists(st.tuples(st.sampled_from(AROUND), st.sampled_from(NAMES)), max_size=30),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_any_mixture_is_counted_as_it_is_parsed(form: str, lines: list[tuple[tuple[str, str], str]], end: str) -> None:
    text = end.join(f"{before}{name}{after}" for (before, after), name in lines).encode()
    assert outcome(text, form, True) == outcome(text, form, False)


@pytest.mark.parametrize("form", [*FORMATS, "auto"])
@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_counted_as_they_are_parsed(form: str, data: bytes) -> None:
    assert outcome(data, form, True) == outcome(data, form, False)


def test_samples_keep_their_line_numbers_across_chunks() -> None:
    names = "".join(f"n{n}.com\n" for n in range(1000))
    text = f"{names}com\n{names}x y\ncom\n{names}".encode()
    chunks = [text[at : at + 777] for at in range(0, len(text), 777)]
    report = count(chunks, source("domains"), SUFFIXES)
    assert [sample.where for sample in report.samples] == ["1001", "2002", "2003"]
    assert (report.lines, report.entries) == (3003, 3000)


@pytest.mark.parametrize("bad", [999, 1000, 1001, 5000])
def test_a_list_is_given_up_where_parsing_gives_it_up(bad: int) -> None:
    text = b"x y\n" * bad + b"ok.com\n" * 30_000
    assert outcome(text, "domains", True) == outcome(text, "domains", False)


def test_included_files_are_counted_too() -> None:
    def include(name: str) -> list[bytes] | None:
        return [b"b.com\nc.com @ads\n"] if name == "other" else None

    report = count([b"a.com\ninclude:other\n"], source("v2fly"), SUFFIXES, include)
    assert report.entries == 3
