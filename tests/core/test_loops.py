"""Loop probes: ours are known again, by the answer too, and nobody else can make one."""

from __future__ import annotations

import os

import pytest

from filterd.core import loops, names, wire

SECRET, OTHER = b"s" * 16, b"o" * 16


def key_of(question: bytes) -> bytes:
    return names.key_of_wire(question[:-4])


def reply(question: bytes, address: bytes | None) -> bytes:
    header = wire.pack_header(1, wire.QR, 1, int(address is not None), 0, 0)
    return header + question + (wire.record(wire.A, 0, address) if address else b"")


def test_a_probe_is_a_well_formed_question_under_its_own_zone():
    query = wire.read_query(wire.pack_header(1, wire.RD, 1, 0, 0, 0) + loops.question(SECRET, os.urandom(8)))
    assert query.key.startswith(loops.KEY)
    assert query.qtype == wire.A


def test_a_probe_that_comes_back_is_answered_so_that_its_sender_knows():
    question = loops.question(SECRET, os.urandom(8))
    address = loops.address((OTHER, SECRET), key_of(question))
    assert address is not None
    assert loops.came_back((OTHER, SECRET), question, reply(question, address))


def test_a_probe_in_mixed_case_is_still_ours():
    question = loops.in_mixed_case(loops.question(SECRET, os.urandom(8)), b"\xff" * 80)
    assert question != question.lower()
    address = loops.address((SECRET,), key_of(question))
    assert address is not None
    assert loops.came_back((SECRET,), question, reply(question, address))


@pytest.mark.parametrize("secrets", [(), (OTHER,)], ids=["no secret", "another box"])
def test_the_probe_of_another_box_is_an_ordinary_name(secrets):
    assert loops.address(secrets, key_of(loops.question(SECRET, os.urandom(8)))) is None


@pytest.mark.parametrize("label", ["", "x", "0" * 32, "0" * 16 + "f" * 47])
def test_what_nobody_made_here_is_not_ours(label):
    key = loops.KEY + (label.encode() + b"." if label else b"")
    assert loops.address((SECRET,), key) is None


@pytest.mark.parametrize("address", [None, bytes(4), b"\x7f\0\0\1"])
def test_no_other_answer_is_taken_for_a_loop(address):
    question = loops.question(SECRET, os.urandom(8))
    assert not loops.came_back((SECRET,), question, reply(question, address))
