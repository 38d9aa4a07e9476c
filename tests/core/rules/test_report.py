"""The error budget."""

from __future__ import annotations

from filterd.core.rules import Kind, Report


def test_what_is_ignored_is_not_refused() -> None:
    report = Report("a", "adblock")
    report.skip(Kind.COSMETIC, "", 1, b"##x")
    report.skip(Kind.PATH, "data/x", 2, b"a.com/x")
    assert report.refused_total == 1
    assert [sample.where for sample in report.samples] == ["data/x:2"]
    assert report.to_json()["ignored"] == {"cosmetic": 1}
