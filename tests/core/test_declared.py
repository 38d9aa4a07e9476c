"""What lists say of themselves in their first lines."""

from __future__ import annotations

import pytest

from filterd.core.declared import declared


@pytest.mark.parametrize(
    ("head", "form", "count"),
    [
        pytest.param("# Entries: 26,029\n", "hosts", 26029, id="commas"),
        pytest.param("# Blocked: 22.622 domains\n", "hosts", 22622, id="dots"),
        pytest.param("! Blocked: 22 495 rules\n", "adblock", 22495, id="blanks"),
        pytest.param("# Entries: 22\u202f495\n", "domains", 22495, id="thin blanks"),
        pytest.param("# Entries: 22'495\n", "domains", 22495, id="apostrophes"),
        pytest.param("# Number of entries: 95025\n", "wildcard", 95025, id="bare"),
        pytest.param("; Number of entries: 6922\n", "rpz", 6922, id="rpz"),
        pytest.param("$TTL 30\n@ SOA a. b. 1 1 1 1 1\n;\n; Number of entries: 7\n", "rpz", 7, id="after a zone's head"),
        pytest.param("# Total number of network filters: 24280\n", "hosts", 24280, id="network filters"),
        pytest.param("#    Domains: 219,522\r\n", "domains", 219522, id="CRLF"),
        pytest.param("# Number of unique domains: 93,402\n", "hosts", 93402, id="unique"),
        pytest.param("# Total Count = 5\n", "domains", 5, id="equals"),
        pytest.param("# Domain Count: 5.\n", "domains", 5, id="full stop"),
        pytest.param("# Entries: 26,029 (26,010 names, 19 addresses)\n", "hosts", 26029, id="in detail"),
        pytest.param("# Entries: 0\n", "hosts", 0, id="none"),
        pytest.param("# Entries: 5\n# Domains: 5\n", "hosts", 5, id="twice the same"),
        pytest.param("0.0.0.0 a.com\n# Entries: 5\n", "hosts", 5, id="after a rule"),
        pytest.param("\n" * 70 + "# Entries: 5\n", "hosts", None, id="too far down"),
        pytest.param("# Entries: 5\n# Entries: 6\n", "hosts", None, id="two of them"),
        pytest.param("Entries: 5\n", "hosts", None, id="no comment"),
        pytest.param("# Version: 2607231411\n", "hosts", None, id="version"),
        pytest.param("# Version: 2026.0516.1657\n", "hosts", None, id="dotted version"),
        pytest.param("# Expires: 1 day\n", "hosts", None, id="expiry"),
        pytest.param("# Updated: 8/22/2026  14:12 (2:12 PM CST)\n", "domains", None, id="date"),
        pytest.param("# Last modified: 23 Jul 2026 14:11 UTC+7\n", "hosts", None, id="time"),
        pytest.param("# Domains per line: 9\n", "hosts", None, id="of a line"),
        pytest.param("# Hosts: 0.0.0.0\n", "hosts", None, id="address"),
        pytest.param("# Blocked: 12 of 30 domains\n", "hosts", None, id="two numbers"),
        pytest.param("# Total: 24 hours\n", "hosts", None, id="hours"),
        pytest.param("# Entries: 1.5\n", "hosts", None, id="fraction"),
        pytest.param("# Entries: " + "9" * 5000 + "\n", "hosts", None, id="absurd"),
        pytest.param("# Entries: \xff\n", "nonsense", None, id="nothing"),
    ],
)
def test_a_count_is_found_in_the_styles_lists_have(head: str, form: str, count: int | None) -> None:
    assert declared(head.encode(), form) == count


def test_bytes_of_any_kind_declare_nothing() -> None:
    assert declared(bytes(range(256)) * 50, "hosts") is None


@pytest.mark.parametrize("filling", [b"a ", b" ", b"a(", b"1,000", b"a:"])
def test_a_hostile_header_is_read_in_no_time(filling: bytes) -> None:
    assert declared(b"# a" + filling * 30_000 + b"x: 1 y\n", "hosts") is None
    short = b"# a" + filling * 90 + b"x: 1 y\n"
    assert declared(short[:200] + b"\n", "hosts") is None
