"""Twenty seconds of packets nobody should send. `benchmarks/fuzz.py` does the same for as long as one likes."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import quantiles

import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterd.core import wire
from filterd.core.exchange import Exchange
from tests import schools
from tests.fuzz import packets
from tests.fuzz.inside import BrokenPromiseError, Inside, walk
from tests.fuzz.outside import Outside

INSIDE_S = 4.0
OUTSIDE_S = 6.0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_forwarder_survives_clients_and_upstreams_that_send_anything(seed: int) -> None:
    inside = Inside(seed)
    end = time.monotonic() + INSIDE_S
    inside.run(lambda: time.monotonic() > end)
    assert {"wrong", "bent", "cut", "silence", "rcode 0", "rcode 1", "rcode 2", "rcode 3"} <= set(inside.seen)
    assert inside.forwarder.cache_hits > 0


def test_a_running_server_survives_them_and_answers_others_meanwhile(tmp_path: Path) -> None:
    outside = Outside(tmp_path, seed=3)
    try:
        end = time.monotonic() + OUTSIDE_S
        outside.run(lambda: time.monotonic() > end)
        assert outside.faults() == 0
    finally:
        outside.close()
    assert outside.replies > 0
    assert quantiles(outside.controls_s, n=10)[4] < 0.05


_BYTES = st.binary(max_size=600)
_SNAPSHOT = schools.snapshot()


@given(_BYTES, st.sampled_from(["udp", "tcp"]), st.sampled_from(["3a", "9b", "staff-room"]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_of_a_client_get_a_reply_or_silence(packet: bytes, transport: str, place: str) -> None:
    forwarder = schools.forwarder(_SNAPSHOT, 1, lambda: schools.NOW)
    outcome = forwarder.query(packet, transport, schools.row(_SNAPSHOT, place), None, 0.0)
    if isinstance(outcome, bytes):
        walk(outcome)
        assert outcome[:2] == packet[:2]
    elif len(packet) < wire.HEADER_BYTES:
        assert outcome is None


@given(_BYTES, st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_bytes_of_an_upstream_behind_the_right_question_leave_a_forwarder_that_works(
    tail: bytes, headless: bool
) -> None:
    forwarder = schools.forwarder(_SNAPSHOT, 1, lambda: schools.NOW)
    exchange = forwarder.query(schools.query(), "udp", schools.row(_SNAPSHOT, "3a"), "client", 0.0)
    assert isinstance(exchange, Exchange)
    question = packets.question_of(exchange.packet)
    packet = tail if headless else tail[:2].ljust(2, b"\0") + b"\x81\x80\0\1" + tail[2:8].ljust(6, b"\0") + question
    outcome = forwarder.response(exchange, packet + tail[8:], 0.1, 0)
    if isinstance(outcome, list):
        for _, reply in outcome:
            walk(reply)
    assert forwarder.pending <= 1


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(bytes(12) + b"x", id="something behind"),
        pytest.param(b"\0\0\x81\x80\0\0\0\1\0\0\0\0", id="a record too few"),
        pytest.param(bytes(5) + b"\1" + bytes(6) + b"\xc0\x0c\0\1\0\1", id="a pointer to itself"),
    ],
)
def test_the_check_itself_sees_what_is_wrong(message: bytes) -> None:
    with pytest.raises((IndexError, ValueError)):
        walk(message)


def test_a_reply_that_lies_ends_the_run() -> None:
    inside = Inside(5)
    asked = schools.query()
    lie = asked[:2] + b"\x81" + asked[3:12] + packets.POISON
    with pytest.raises(BrokenPromiseError, match="a lie was told"):
        inside._check_reply(asked, "udp", lie)


def test_honest_answers_are_such_that_other_software_reads_them() -> None:
    maker = Inside(6).maker
    for kind in (1, 28, 65, 64, 16, 15, 2, 5, 6, 12, 33, 39):
        for i in range(20):
            dns.message.from_wire(maker.honest(schools.query(f"n{i}.example.org", kind)))
