"""Adblock and AdGuard lists."""

from __future__ import annotations

import pytest

from tests.core.rules.reading import read


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("||a.com^", "a.com subtree", id="plain"),
        pytest.param("||A.com^\r", "a.com subtree", id="upper case, CR LF"),
        pytest.param("||a.com^|", "a.com subtree", id="end anchor"),
        pytest.param("||a.com", "a.com subtree", id="no separator"),
        pytest.param("||a.com/", "a.com subtree", id="slash without a path"),
        pytest.param("||a.com^$important", "a.com subtree", id="important"),
        pytest.param("||a.com^$all,important", "a.com subtree", id="all requests"),
        pytest.param("||*.a.com^", "a.com below", id="star"),
        pytest.param("@@||a.com^", "-a.com subtree", id="exception"),
        pytest.param("@@||a.com^|", "-a.com subtree", id="exception with anchor"),
        pytest.param("@@||a.com^$important", "-a.com subtree", id="important exception"),
        pytest.param("a.com", "a.com exact", id="name alone"),
        pytest.param("||thử.vn^", "xn--th-yct.vn subtree", id="Unicode"),
    ],
)
def test_a_rule_about_a_whole_host_is_taken(line: str, expected: str) -> None:
    rules, report = read(line + "\n", "adblock")
    assert not report.refused
    assert rules == [expected]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        pytest.param("||a.com^$third-party", "modifier", id="third-party"),
        pytest.param("||a.com^$document", "modifier", id="document"),
        pytest.param("||a.com^$important,popup", "modifier", id="one of two"),
        pytest.param("||a.com^$dnsrewrite=1.2.3.4", "modifier", id="dnsrewrite"),
        pytest.param("||a.com^$badfilter", "modifier", id="badfilter"),
        pytest.param("||a.com^$denyallow=b.com", "modifier", id="denyallow"),
        pytest.param(r"/^ads\d+\./", "regex", id="regex"),
        pytest.param(r"@@/^good\./$important", "regex", id="regex exception"),
        pytest.param("||ads*.a.com^", "pattern", id="star inside"),
        pytest.param("@@||*-go.kelkoogroup.net^", "pattern", id="star in an exception"),
        pytest.param("||ad.doubleclick.*;sz=", "pattern", id="open end"),
        pytest.param("||admulti.", "pattern", id="start of a name"),
        pytest.param(".adonweb.ru^", "pattern", id="end of a name"),
        pytest.param("://kma.biz^", "pattern", id="scheme-less"),
        pytest.param("|http://a.com^", "pattern", id="start anchor"),
        pytest.param("||a.com/page.html", "path", id="path"),
        pytest.param("||a.com/page^", "path", id="path and separator"),
        pytest.param("||192.0.2.1^", "ip", id="IP"),
        pytest.param("||com^", "bare-tld", id="bare TLD"),
        pytest.param("@@||com^", "bare-tld", id="exception for a whole TLD"),
        pytest.param("||github.io^", "public-suffix", id="suffix"),
    ],
)
def test_what_only_a_browser_can_apply_is_refused_and_counted(line: str, kind: str) -> None:
    rules, report = read(line + "\n", "adblock")
    assert rules == []
    assert dict(report.refused) == {kind: 1}


@pytest.mark.parametrize(
    "line",
    ["##.banner", "a.com##.banner", "a.com#@#.banner", "a.com#?#div:has(.ad)", "a.com#%#//scriptlet('x')",
     "a.com$$script[tag-content=x]", "#@#.x"],
    ids=lambda line: line,
)  # fmt: skip
def test_cosmetic_rules_are_ignored(line: str) -> None:
    rules, report = read(f"{line}\n||b.com^\n", "adblock")
    assert rules == ["b.com subtree"]
    assert dict(report.ignored) == {"cosmetic": 1}
    assert not report.refused


def test_headers_are_comments() -> None:
    rules, report = read("[Adblock Plus]\n! Title: x\n# also this\n||a.com^\n", "adblock")
    assert rules == ["a.com subtree"]
    assert not report.refused
