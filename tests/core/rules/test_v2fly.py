"""v2fly domain lists and their includes."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from filterd.core.rules import v2fly
from filterd.errors import ListError
from tests.core.rules.reading import read


def tree(**files: str):  # type: ignore[no-untyped-def]
    def include(name: str) -> Iterable[bytes] | None:
        return [files[name].encode()] if name in files else None

    return include


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("a.com", "a.com subtree", id="bare"),
        pytest.param("domain:a.com @ads", "a.com subtree", id="domain, attribute"),
        pytest.param("full:a.com @!cn # why", "a.com exact", id="full"),
        pytest.param("a.com @cn @ads &other", "a.com subtree", id="affiliation"),
    ],
)
def test_names_are_read(line: str, expected: str) -> None:
    rules, report = read(line + "\n", "v2fly")
    assert not report.refused
    assert rules == [expected]


@pytest.mark.parametrize(
    ("line", "kind"),
    [("keyword:ads", "keyword"), (r"regexp:^ads\d", "regex"), ("include:gone", "include"), ("odd:a.com", "malformed")],
)
def test_what_is_no_name_is_refused_and_counted(line: str, kind: str) -> None:
    rules, report = read("".join(f"ok{n}.com\n" for n in range(9)) + line + "\n", "v2fly", tree())
    assert len(rules) == 9
    assert dict(report.refused) == {kind: 1}


def test_an_include_brings_the_other_files_names() -> None:
    rules, _ = read("a.com\ninclude:b\nz.com\n", "v2fly", tree(b="b.com\ninclude:c\n", c="full:c.com\n"))
    assert rules == ["a.com subtree", "b.com subtree", "c.com exact", "z.com subtree"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("include:b", ["plain", "ads", "both"], id="all"),
        pytest.param("include:b @ads", ["ads", "both"], id="with"),
        pytest.param("include:b @-cn", ["plain", "ads"], id="without"),
        pytest.param("include:b @ads @-cn", ["ads"], id="with and without"),
    ],
)
def test_attributes_of_an_include_select(line: str, expected: list[str]) -> None:
    rules, _ = read(line + "\n", "v2fly", tree(b="plain.com\nads.com @ads\nboth.com @ads @cn\n"))
    assert rules == [f"{name}.com subtree" for name in expected]


def test_a_selection_holds_for_what_the_other_file_includes() -> None:
    rules, _ = read("include:b @ads\n", "v2fly", tree(b="include:c\n", c="c.com\nd.com @ads\n"))
    assert rules == ["d.com subtree"]


def test_files_that_include_each_other_end() -> None:
    rules, report = read("include:b\n", "v2fly", tree(b="b.com\ninclude:c\n", c="include:b\nc.com\n"))
    assert rules == ["b.com subtree", "c.com subtree"]
    assert not report.refused


def test_a_line_of_another_file_is_reported_with_that_file() -> None:
    _, report = read("a.com\ninclude:b\n", "v2fly", tree(b="b.com\n# x\nregexp:x\n"))
    assert [sample.where for sample in report.samples] == ["b:3"]


def test_an_endless_chain_of_includes_is_refused() -> None:
    with pytest.raises(ListError, match="too many files"):
        read("include:f0\n", "v2fly", lambda name: [f"include:f{int(name[1:]) + 1}\n".encode()])


def test_one_file_included_again_and_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v2fly, "MAX_LINES", 1000)
    text = "".join(f"include:b @-x{n}\n" for n in range(20))
    with pytest.raises(ListError, match="more than 1,000 lines") as caught:
        read(text, "v2fly", tree(b="".join(f"b{n}.com\n" for n in range(100))))
    assert caught.value.why == "too-large"
