"""dnsmasq settings."""

from __future__ import annotations

import pytest

from tests.core.rules.reading import read


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("local=/a.com/", ["a.com"], id="local"),
        pytest.param("address=/a.com/", ["a.com"], id="address, NXDOMAIN"),
        pytest.param("address=/a.com/#", ["a.com"], id="address, null"),
        pytest.param("address=/a.com/0.0.0.0", ["a.com"], id="address, unspecified"),
        pytest.param("address=/a.com/::", ["a.com"], id="address, IPv6"),
        pytest.param("server=/a.com/", ["a.com"], id="server without one"),
        pytest.param("local=/a.com/b.com/", ["a.com", "b.com"], id="several"),
        pytest.param("local=/.a.com/", ["a.com"], id="leading dot"),
        pytest.param("local=/*.a.com/", ["a.com"], id="star"),
        pytest.param("--address=/a.com/127.0.0.1 # why", ["a.com"], id="as an option, with comment"),
    ],
)
def test_a_name_without_an_answer_is_blocked_with_all_below(line: str, expected: list[str]) -> None:
    rules, report = read(line + "\n", "dnsmasq")
    assert not report.refused
    assert rules == [f"{name} subtree" for name in expected]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        pytest.param("server=/a.com/192.0.2.1", "rewrite", id="forwarded"),
        pytest.param("server=/a.com/#", "rewrite", id="standard servers"),
        pytest.param("address=/a.com/192.0.2.1", "rewrite", id="a real address"),
        pytest.param("no-resolv", "directive", id="flag"),
        pytest.param("server=9.9.9.9", "directive", id="upstream"),
        pytest.param("cname=a.com,b.com", "directive", id="cname"),
        pytest.param("address=/#/", "malformed", id="everything"),
        pytest.param("local=/com/", "bare-tld", id="bare TLD"),
    ],
)
def test_other_settings_are_refused_and_counted(line: str, kind: str) -> None:
    good = "".join(f"local=/ok{n}.com/\n" for n in range(9))
    rules, report = read(f"{good}{line}\n", "dnsmasq")
    assert len(rules) == 9
    assert dict(report.refused) == {kind: 1}
