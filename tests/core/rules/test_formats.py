"""The guess for `auto`."""

from __future__ import annotations

import pytest

from filterd.core.rules import detect
from filterd.errors import ListError
from tests.core.rules.reading import read

HEADS = [
    pytest.param("# Title\n\n0.0.0.0 a.com\n0.0.0.0 b.com c.com\n", "hosts", id="hosts"),
    pytest.param("127.0.0.1 localhost\n::1 localhost\n", "hosts", id="hosts boilerplate"),
    pytest.param("# Title\na.com\nb.com #x\nc.com\n", "domains", id="domains"),
    pytest.param("a.com\nhttp://b.com/\nb.com/path\n", "domains", id="domains with URLs"),
    pytest.param("# x\n*.a.com\n*.b.com\n", "wildcard", id="wildcard"),
    pytest.param("*.a.com\nb.com\nc.com\n", "wildcard", id="wildcard and bare"),
    pytest.param("[Adblock Plus]\n! x\n||a.com^\n@@||b.com^\n", "adblock", id="adblock"),
    pytest.param("||a.com^\nb.com\n", "adblock", id="adblock with a bare name"),
    pytest.param("$TTL 60\n@ SOA a. b. 1 1 1 1 1\n NS a.\na.com CNAME .\n", "rpz", id="rpz"),
    pytest.param("local=/a.com/\nserver=/b.com/\n", "dnsmasq", id="dnsmasq"),
    pytest.param('server:\n local-zone: "a.com" static\n local-zone: "b.com" static\n', "unbound", id="unbound"),
    pytest.param("a.com @ads\nb.com\nc.com\nfull:d.com\n", "v2fly", id="v2fly"),
    pytest.param("include:b\n", "v2fly", id="v2fly include"),
    pytest.param("just some prose\nthat goes on\n", None, id="prose"),
    pytest.param("<!doctype html>\n<p>a.com</p>\n", None, id="HTML"),
    pytest.param("# only\n# comments\n", None, id="comments"),
    pytest.param("", None, id="nothing"),
]


@pytest.mark.parametrize(("head", "form"), HEADS)
def test_the_format_is_told_from_the_first_lines(head: str, form: str | None) -> None:
    assert detect(head.encode()) == form


def test_auto_reads_what_it_detects() -> None:
    rules, report = read("\ufeff0.0.0.0 a.com\r\n0.0.0.0 b.com\r\n", "auto")
    assert rules == ["a.com exact", "b.com exact"]
    assert report.format == "hosts"


def test_auto_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ListError, match="in no format known here; it begins with 'just some prose'"):
        read("just some prose\nthat goes on\n", "auto")
