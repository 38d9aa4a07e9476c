"""unbound settings."""

from __future__ import annotations

import pytest

from tests.core.rules.reading import read


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param('local-zone: "a.com" always_null', "a.com subtree", id="null"),
        pytest.param('  local-zone: "a.com." always_nxdomain', "a.com subtree", id="NXDOMAIN, indented, dot"),
        pytest.param("local-zone: a.com static # why", "a.com subtree", id="static, no quotes"),
        pytest.param('local-zone: "a.com" redirect', "a.com subtree", id="redirect"),
        pytest.param('local-data: "a.com A 0.0.0.0"', "a.com subtree", id="data, null"),
        pytest.param('local-data: "a.com 60 IN AAAA ::"', "a.com subtree", id="data with TTL"),
        pytest.param('local-zone: "a.com" always_transparent', "-a.com subtree", id="transparent"),
    ],
)
def test_a_zone_that_answers_nothing_blocks(line: str, expected: str) -> None:
    rules, report = read(f"server:\n{line}\n", "unbound")
    assert not report.refused
    assert rules == [expected]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        pytest.param('local-data: "a.com A 192.0.2.1"', "rewrite", id="a real address"),
        pytest.param('local-data: "a.com TXT x"', "rewrite", id="other data"),
        pytest.param('local-zone: "a.com" unheard_of', "directive", id="unknown kind"),
        pytest.param("include: other.conf", "directive", id="include"),
        pytest.param('local-zone: "vn" static', "bare-tld", id="bare TLD"),
        pytest.param("a.com", "malformed", id="plain name"),
        pytest.param("local-zone:", "malformed", id="no name"),
    ],
)
def test_other_settings_are_refused_and_counted(line: str, kind: str) -> None:
    good = "".join(f'local-zone: "ok{n}.com" static\n' for n in range(9))
    rules, report = read(f"{good}{line}\n", "unbound")
    assert len(rules) == 9
    assert dict(report.refused) == {kind: 1}
