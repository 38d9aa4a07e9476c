"""Response policy zones."""

from __future__ import annotations

import pytest

from tests.core.rules.reading import read

HEAD = "$TTL 3600\n@ SOA localhost. root.localhost. 1 14400 3600 86400 3600\n  NS localhost.\n; a comment\n"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param("a.com CNAME .", ["a.com exact"], id="bare owner"),
        pytest.param("*.a.com CNAME .", ["a.com below"], id="star: below only"),
        pytest.param("a.com CNAME *.", ["a.com exact"], id="NODATA"),
        pytest.param("a.com 60 IN CNAME rpz-drop.", ["a.com exact"], id="TTL, class, drop"),
        pytest.param("a.com in 60 cname . ; why", ["a.com exact"], id="class first, lower case, comment"),
        pytest.param("a.com CNAME rpz-passthru.", ["-a.com exact"], id="passthru"),
        pytest.param("*.a.com CNAME rpz-passthru.", ["-a.com below"], id="passthru below"),
        pytest.param("a.com CNAME a.com.", ["-a.com exact"], id="passthru in its old form"),
        pytest.param("a.com A 0.0.0.0", ["a.com exact"], id="null address"),
        pytest.param("a.com A 127.0.0.1\n  AAAA ::1", ["a.com exact"] * 2, id="owner left out"),
        pytest.param("a.com. CNAME .", ["a.com exact"], id="trailing dot"),
        pytest.param("A.COM CNAME .", ["a.com exact"], id="upper case"),
    ],
)
def test_a_record_that_answers_nothing_blocks(record: str, expected: list[str]) -> None:
    rules, report = read(HEAD + record + "\n", "rpz")
    assert not report.refused
    assert rules == expected


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        pytest.param("a.com CNAME walled.garden.example.", "rewrite", id="another name"),
        pytest.param("a.com CNAME rpz-tcp-only.", "rewrite", id="TCP only"),
        pytest.param("a.com A 192.0.2.1", "rewrite", id="a real address"),
        pytest.param("a.com TXT x", "rewrite", id="other data"),
        pytest.param("24.0.2.0.192.rpz-ip CNAME .", "trigger", id="by answer address"),
        pytest.param("32.1.2.0.192.rpz-client-ip CNAME .", "trigger", id="by client"),
        pytest.param("ns.a.com.rpz-nsdname CNAME .", "trigger", id="by name server"),
        pytest.param("com CNAME .", "bare-tld", id="bare TLD"),
        pytest.param("*.github.io CNAME .", "public-suffix", id="below a suffix"),
        pytest.param("$INCLUDE other.zone", "directive", id="include"),
    ],
)
def test_other_triggers_and_answers_are_refused_and_counted(record: str, kind: str) -> None:
    rules, report = read(HEAD + record + "\n", "rpz")
    assert rules == []
    assert dict(report.refused) == {kind: 1}


@pytest.mark.parametrize(
    "zone",
    [
        pytest.param("$ORIGIN rpz.example.\n@ SOA . . 1 1 1 1 1\na.com CNAME .\n", id="origin"),
        pytest.param("rpz.example. IN SOA . . 1 1 1 1 1\na.com.rpz.example. CNAME .\n", id="absolute owner"),
        pytest.param("$ORIGIN rpz.example.\n@ SOA . . 1 1 1 1 1\n$ORIGIN com.rpz.example.\na CNAME .\n", id="two"),
        pytest.param("@ IN SOA localhost. root. (\n 1 ; serial\n 2\n 3 4 5 )\n  NS x.\na.com CNAME .\n", id="brackets"),
    ],
)
def test_the_zones_own_name_is_not_part_of_the_owners(zone: str) -> None:
    rules, report = read(zone, "rpz")
    assert not report.refused
    assert rules == ["a.com exact"]
