"""The same questions through this filter, unbound and dnsmasq: where the others agree, it says the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import dns.rcode
import pytest

from tests.conformance import world
from tests.conformance.lab import laboratory
from tests.running import STAFF

QUESTIONS = 300
PEERS = ("unbound", "dnsmasq")


@pytest.mark.skipif(not all(map(world.available, PEERS)), reason="unbound and dnsmasq are not both installed")
def test_three_hundred_questions_are_answered_as_unbound_and_dnsmasq_answer_them(tmp_path: Path) -> None:
    with (
        laboratory(tmp_path, script=world.script) as lab,
        world.unbound(tmp_path, lab.upstream.port) as one,
        world.dnsmasq(lab.upstream.port) as two,
    ):
        asked = list(world.questions(QUESTIONS))
        for _ in ("new", "cached"):
            assert list(world.differences(lab.server.port, (one, two), asked, STAFF)) == []
        seen = Counter(world.told(lab.server.port, name, kind, STAFF)[0] for name, kind in asked)
    assert set(seen) == {dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL}, "the world has all of them"


def test_every_name_of_the_world_has_one_meaning() -> None:
    held = {world.records(number, "A")[0].split()[-1] if world.records(number, "A") else "" for number in range(50)}
    assert len(held) > 30
