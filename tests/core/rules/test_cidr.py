"""Lists of addresses."""

from __future__ import annotations

import ipaddress

import pytest

from filterd.core.rules import Report, parse
from filterd.errors import ListError
from tests.core.rules.reading import SUFFIXES, source


def read(text: str, **more: object) -> tuple[list[str], Report]:
    rules, report = parse([text.encode()], source("cidr", **more), SUFFIXES)
    return [f"{ipaddress.ip_address(key[:-1])}/{key[-1]}" for key, _ in rules], report


@pytest.mark.parametrize(
    ("line", "network"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("  192.0.2.0/24  # a comment", "192.0.2.0/24"),
        ("192.0.2.0/24 ; SBL1", "192.0.2.0/24"),
        ("11.0.0.0/8", "11.0.0.0/8"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8::7", "2001:db8::7/128"),
        ("2400::/16", "2400::/16"),
    ],
)
def test_a_line_is_a_network_or_an_address(line, network):
    assert read(line)[0] == [network]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("11.0.0.0/7", "malformed"),
        ("12.0.0.0/7", "too-wide"),
        ("0.0.0.0/0", "too-wide"),
        ("::/0", "too-wide"),
        ("2400::/15", "too-wide"),
        ("10.0.0.0/8", "private"),
        ("10.1.2.3", "private"),
        ("172.0.0.0/8", "private"),
        ("192.168.1.0/24", "private"),
        ("fd00::/16", "private"),
        ("::ffff:192.0.2.0/120", "private"),
        ("64:ff9b::/32", "private"),
        ("192.0.2.1/24", "malformed"),
        ("192.0.2.0/255.255.255.0", "malformed"),
        ("192.0.2.0/33", "malformed"),
        ("192.0.2.0/", "malformed"),
        ("192.0.2.0/24 192.0.3.0/24", "malformed"),
        ("192.0.2.0-192.0.2.255", "malformed"),
        ("192.0.2", "malformed"),
        ("192.0.2.07", "malformed"),
        ("example.com", "malformed"),
        ("fe80::1%eth0", "malformed"),
        ("\xe9.0.2.0/24", "malformed"),
    ],
)
def test_what_is_no_such_network_is_refused(line, kind):
    found, report = read("\n".join([line, *(f"192.0.2.{n}" for n in range(9))]))
    assert len(found) == report.entries == 9
    assert report.refused == {kind: 1}
    assert report.samples[0].where == "1"


def test_comments_and_blank_lines_are_passed_over():
    found, report = read("# a\n; b\n\n192.0.2.1\n   # c\n")
    assert found == ["192.0.2.1/32"]
    assert not report.refused


@pytest.mark.parametrize("bad", ["10.0.0.0/8", "0.0.0.0/0", "example.com"])
def test_a_list_with_many_bad_lines_is_refused_as_a_whole(bad):
    with pytest.raises(ListError, match="2 of 6 lines are not cidr rules"):
        read("\n".join([bad, bad, *(f"192.0.2.{n}" for n in range(4))]))


def test_what_a_source_says_of_names_means_nothing_here():
    assert read("192.0.2.1", covers="exact", tld_list=True)[0] == ["192.0.2.1/32"]


def test_a_page_of_html_is_no_list():
    with pytest.raises(ListError, match="HTML"):
        read("<html>\n")
