"""Probes: a name only we know, the zone of a zone's server, and the root by turns while a resolver is down."""

from __future__ import annotations

import os

import pytest

from filterd.core import special, upstream_probe
from filterd.core.loops import KEY
from filterd.core.names import key_of_wire
from filterd.core.noise import Noise
from filterd.core.policy import Upstream as Server
from filterd.core.servers import Plan
from filterd.core.upstreams import Upstream

PLAN = Plan((Server("udp://192.0.2.1"), Server("udp://192.0.2.2")), {b"": (0,), b"vn.school.": (1,)}, (False, False))
ROOT, ZONE = special.soa_question(b""), special.soa_question(b"vn.school.")


def ask(index: int, *, down: bool = False, before: int = 1, secrets: tuple[bytes, ...] = ()) -> bytes:
    return upstream_probe.question(PLAN, index, Upstream(down=down, probes=before), secrets, Noise(os.urandom))


@pytest.mark.parametrize("secrets", [(), (b"s" * 16,)], ids=["without a secret", "with one"])
def test_a_resolver_is_asked_for_a_name_that_nobody_else_knows(secrets: tuple[bytes, ...]):
    first, second = (ask(0, secrets=secrets) for _ in range(2))
    assert key_of_wire(first[:-4]).startswith(KEY)
    assert first != second


def test_a_resolver_that_is_down_is_asked_for_the_root_by_turns():
    asked = [ask(0, down=True, before=before) for before in range(1, 5)]
    assert [each == ROOT for each in asked] == [False, True, False, True]


@pytest.mark.parametrize("down", [False, True], ids=["up", "down"])
def test_a_zones_own_server_is_asked_for_its_zone(down: bool):
    assert {ask(1, down=down, before=before) for before in (1, 2)} == {ZONE}
