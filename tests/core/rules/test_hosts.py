"""Hosts files."""

from __future__ import annotations

import pytest

from tests.core.rules.reading import read


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("0.0.0.0 a.example.com", ["a.example.com"], id="plain"),
        pytest.param("0.0.0.0 a.com b.com\tc.com", ["a.com", "b.com", "c.com"], id="several names"),
        pytest.param("127.0.0.1\ta.com # why", ["a.com"], id="tab and inline comment"),
        pytest.param("0.0.0.0 a.com #b.com", ["a.com"], id="commented name"),
        pytest.param("::1 a.com", ["a.com"], id="IPv6 loopback"),
        pytest.param(":: a.com", ["a.com"], id="IPv6 unspecified"),
        pytest.param("0.0.0.0 A.Example.COM.", ["a.example.com"], id="upper case and trailing dot"),
        pytest.param("0.0.0.0 _dmarc.a_b.com", ["_dmarc.a_b.com"], id="underscores"),
        pytest.param("  0.0.0.0   a.com  \r", ["a.com"], id="blanks and CR"),
    ],
)
def test_every_name_on_a_line_stands_for_itself_alone(line: str, expected: list[str]) -> None:
    rules, report = read(line + "\n", "hosts")
    assert rules == [f"{name} exact" for name in expected]
    assert not report.refused


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        pytest.param("0.0.0.0 0.0.0.0", "ip", id="its own address"),
        pytest.param("0.0.0.0 180.215.200.9", "ip", id="IP as name"),
        pytest.param("192.0.2.7 www.google.com", "rewrite", id="an answer, not a block"),
        pytest.param("0.0.0.0 a.com/page", "path", id="URL with path"),
        pytest.param("0.0.0.0 com", "bare-tld", id="bare TLD"),
        pytest.param("0.0.0.0 github.io", "public-suffix", id="private suffix"),
    ],
)
def test_what_is_no_block_is_refused_and_counted(line: str, kind: str) -> None:
    rules, report = read(line + "\n", "hosts")
    assert rules == []
    assert dict(report.refused) == {kind: 1}
    assert (report.samples[0].where, report.samples[0].text) == ("1", line)


@pytest.mark.parametrize(
    "line", ["a.com", "0.0.0.0", "0.0.0.0 .0.0.0 # x", "||a.com^", "300.1.1.1 a.com"], ids=lambda line: line
)
def test_a_line_that_is_no_hosts_line_is_malformed(line: str) -> None:
    text = "\n".join(f"0.0.0.0 ok{n}.com" for n in range(9))
    _, report = read(f"{text}\n{line}\n", "hosts")
    assert dict(report.refused) == {"malformed": 1}


@pytest.mark.parametrize(
    "line",
    ["127.0.0.1 localhost", "fe80::1%lo0 localhost", "255.255.255.255 broadcasthost", "ff02::1 ip6-allnodes",
     "0.0.0.0 localhost", "::1 ip6-localhost ip6-loopback"],
    ids=lambda line: line,
)  # fmt: skip
def test_the_names_of_the_machine_itself_are_ignored(line: str) -> None:
    rules, report = read(line + "\n", "hosts")
    assert rules == []
    assert dict(report.ignored) == {"local": 1}
    assert not report.refused
