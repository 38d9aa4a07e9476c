"""Plain and wildcard domain lists, and the dirt that real ones carry."""

from __future__ import annotations

import pytest

from tests.core.rules.reading import read


@pytest.mark.parametrize(
    ("line", "name"),
    [
        pytest.param(b"a.example.com", "a.example.com", id="plain"),
        pytest.param(b"*.a.com", "a.com", id="with a star"),
        pytest.param(b".a.com", "a.com", id="with a leading dot"),
        pytest.param(b"a.com           #Gore", "a.com", id="inline comment"),
        pytest.param(b"a.com\r", "a.com", id="CR LF"),
        pytest.param(b"Vant6.COM", "vant6.com", id="upper case"),
        pytest.param(b"a.com.", "a.com", id="trailing dot"),
        pytest.param(b"http://a.com/", "a.com", id="URL without a path"),
        pytest.param(b"https://a.com", "a.com", id="URL without a slash"),
        pytest.param("thử.vn".encode(), "xn--th-yct.vn", id="Unicode"),
        pytest.param("momoví.weebly.com".encode(), "xn--momov-3sa.weebly.com", id="Unicode below a shared host"),
        pytest.param(b"a_b.com", "a_b.com", id="underscore"),
        pytest.param(b"x." * 100 + b"com", "x." * 100 + "com", id="many labels"),
        pytest.param(b"a" * 63 + b".com", "a" * 63 + ".com", id="longest label"),
        pytest.param(b"www.ck", "www.ck", id="exception in the suffix list"),
        pytest.param(b"a.b.kawasaki.jp", "a.b.kawasaki.jp", id="below a wildcard suffix"),
    ],
)
@pytest.mark.parametrize("form", ["domains", "wildcard", "ut1"])
def test_a_name_covers_itself_and_all_below(form: str, line: bytes, name: str) -> None:
    rules, report = read(line + b"\n", form)
    assert not report.refused
    assert rules == [f"{name} subtree"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        pytest.param(b"192.0.2.1", "ip", id="IPv4"),
        pytest.param(b"2001:db8::1", "ip", id="IPv6"),
        pytest.param(b"[2001:db8::1]", "ip", id="IPv6 in brackets"),
        pytest.param(b"192.0.2.0/24", "ip", id="network"),
        pytest.param(b"0.0.0.0", "ip", id="unspecified"),
        pytest.param(b"sites.google.com/view/x", "path", id="path"),
        pytest.param(b"http://www.facebook.com/x?y", "path", id="URL with path"),
        pytest.param(b"google.com/talk", "path", id="short path"),
        pytest.param(b"a.com?x=1", "path", id="query"),
        pytest.param(b"a.com:8080", "port", id="port"),
        pytest.param(b"com", "bare-tld", id="bare TLD"),
        pytest.param(b"COM.", "bare-tld", id="bare TLD in capitals"),
        pytest.param(b"xn--p1ai", "bare-tld", id="bare IDN TLD"),
        pytest.param(b"com.vn", "public-suffix", id="ICANN suffix"),
        pytest.param(b"github.io", "public-suffix", id="private suffix"),
        pytest.param(b"*.weebly.com", "public-suffix", id="private suffix with star"),
        pytest.param(b"anything.ck", "public-suffix", id="wildcard suffix"),
        pytest.param(b"kawasaki.jp", "public-suffix", id="parent of a wildcard suffix"),
        pytest.param(b"ads*.a.com", "pattern", id="star inside"),
        pytest.param(b"*://*.google.com/*", "pattern", id="browser match pattern"),
        pytest.param(b"a" * 64 + b".com", "too-long", id="label too long"),
        pytest.param(b"x." * 130 + b"com", "too-long", id="name too long"),
        pytest.param(b"a..com", "malformed", id="empty label"),
        pytest.param(b"..", "malformed", id="dots"),
        pytest.param(b"a b.com", "malformed", id="two words"),
        pytest.param(b"a,b.com", "malformed", id="comma"),
        pytest.param(b"||a.com^", "malformed", id="adblock"),
        pytest.param(b"caf\xe9.com", "malformed", id="not UTF-8"),
        pytest.param(b"a.123", "malformed", id="numeric TLD"),
        pytest.param(b"http://", "malformed", id="URL of nothing"),
        pytest.param(b"\x1b[31mred.com", "malformed", id="terminal control"),
    ],
)
def test_what_is_no_name_is_refused_with_its_line_number(line: bytes, kind: str) -> None:
    good = b"".join(b"ok%d.com\n" % n for n in range(9))
    rules, report = read(good + line + b"\n", "domains")
    assert len(rules) == 9
    assert dict(report.refused) == {kind: 1}
    assert report.samples[0].where == "10"
    assert report.samples[0].text.isprintable()


def test_a_tld_list_may_name_tlds_and_suffixes() -> None:
    rules, report = read("zip\ncom.vn\ngithub.io\na.com\n", "domains", tld_list=True)
    assert rules == ["zip subtree", "com.vn subtree", "github.io subtree", "a.com subtree"]
    assert not report.refused


@pytest.mark.parametrize("covers", ["exact", "below"])
def test_the_source_overrides_what_an_entry_covers(covers: str) -> None:
    assert read("a.com\n", "domains", covers=covers)[0] == [f"a.com {covers}"]


def test_localhost_alone_is_an_empty_list() -> None:
    rules, report = read("localhost\n", "domains")
    assert rules == []
    assert not report.entries


@pytest.mark.parametrize("comment", ["# a.com", "! a.com", "; a.com", "", "   ", "\t#x"], ids=repr)
def test_comments_and_blank_lines_are_nothing(comment: str) -> None:
    rules, report = read(f"{comment}\nb.com\n", "domains")
    assert rules == ["b.com subtree"]
    assert not report.refused
    assert report.lines == 2
