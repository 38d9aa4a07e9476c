"""HTTPS and SVCB answers without what leads past the filter, as dnspython reads the result."""

from __future__ import annotations

import time
from ipaddress import ip_address
from random import Random

import dns.flags
import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterd.core import svcb, wire
from filterd.errors import WireError
from tests.schools import HERE, question, record, reply

ECH = "ech=AATerb7v"
HEAD = "id 7\nopcode QUERY\nrcode NOERROR\nflags QR RD RA AD\n;QUESTION\nwww.example.org. IN HTTPS\n;ANSWER\n"
SIGNATURE = "300 IN RRSIG {} 13 3 300 20301231000000 20300101000000 1 example.org. AAAA"


def packet(answers: str, more: str = "") -> bytes:
    return dns.message.from_text(HEAD + answers + more).to_wire()


def question_of(message: bytes) -> bytes:
    at = wire.skip_name(message, 12)
    return message[12 : at + 4]


def raw(message: bytes) -> wire.Answer:
    return wire.read_answer(message, 12 + len(question_of(message)))


def shown(answer: wire.Answer, asked: bytes) -> list[str]:
    """The answer section as dnspython reads it behind a header and the question."""
    message = wire.pack_header(7, wire.QR | answer.flags, 1, *answer.counts) + asked + answer.body
    read = dns.message.from_wire(message)
    assert len(answer.ttls) == sum(answer.counts)
    return sorted(line for rrset in read.answer for line in rrset.to_text().splitlines())


def fields(answer: wire.Answer) -> list[object]:
    return [getattr(answer, name) for name in wire.Answer.__slots__]


def edited(
    answers: str, *, ech: bool = True, h3: bool = True, refuse: tuple[str, ...] = ()
) -> tuple[list[str], wire.Answer, wire.Answer]:
    message = packet(answers)
    before = raw(message)
    refused = {ip_address(text).packed for text in refuse}
    after = svcb.edited(before, question_of(message), ech, h3, refused.__contains__)
    return shown(after, question_of(message)), before, after


WWW = "www.example.org. 300 IN HTTPS"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(f"1 . alpn=h2 {ECH}", '1 . alpn="h2"', id="ech"),
        pytest.param("1 . alpn=h3,h2", '1 . alpn="h2"', id="h3"),
        pytest.param("1 . alpn=h3-29,h3,h2", '1 . alpn="h2"', id="drafts of h3"),
        pytest.param("1 . alpn=h3x,h2,h3", '1 . alpn="h3x,h2"', id="what only begins like h3 stays"),
        pytest.param("1 . alpn=h3 port=443", '1 . port="443"', id="h3 alone: the default protocol is left"),
        pytest.param("1 . alpn=h3 no-default-alpn", None, id="no protocol left"),
        pytest.param("1 . alpn=h3,h2 no-default-alpn", '1 . alpn="h2" no-default-alpn', id="a protocol left"),
        pytest.param(f"1 . mandatory=ech alpn=h2 {ECH}", None, id="ech is mandatory"),
        pytest.param("1 . mandatory=alpn alpn=h3", None, id="alpn is mandatory and empty"),
        pytest.param(
            f"1 . mandatory=alpn alpn=h3,h2 {ECH}", '1 . mandatory="alpn" alpn="h2"', id="alpn is mandatory and stays"
        ),
        pytest.param("1 . mandatory=ipv4hint ipv4hint=192.0.2.1", None, id="the hints are mandatory and gone"),
        pytest.param("1 . ipv4hint=192.0.2.1", "1 .", id="a refused hint alone"),
        pytest.param("1 . ipv4hint=192.0.2.2,192.0.2.1", '1 . ipv4hint="192.0.2.2"', id="a refused hint of two"),
        pytest.param(
            "1 . ipv4hint=192.0.2.1 ipv6hint=2001:db8::1,2001:db8::2", '1 . ipv6hint="2001:db8::2"', id="IPv6 hints"
        ),
        pytest.param(
            f"16 cdn.example.net. {ECH} key65000=x", '16 cdn.example.net. key65000="x"', id="unknown keys stay"
        ),
    ],
)
def test_what_is_taken_away(before, after):
    lines, _, answer = edited(f"{WWW} {before}", refuse=("192.0.2.1", "2001:db8::1"))
    assert lines == ([f"www.example.org. 300 IN HTTPS {after}"] if after else [])
    assert not answer.flags & wire.AD
    assert answer.negative == (after is None)


@pytest.mark.parametrize(
    "text",
    [
        "1 . alpn=h2",
        "0 cdn.example.net.",
        "1 . mandatory=alpn alpn=h2 ipv4hint=192.0.2.2",
        "1 . ipv6hint=2001:db8::2 key65000=x",
    ],
)
def test_an_answer_with_nothing_to_take_away_is_the_same_object(text):
    _, before, after = edited(f"{WWW} {text}", refuse=("192.0.2.1",))
    assert after is before
    assert after.flags & wire.AD


@pytest.mark.parametrize(
    ("ech", "h3", "hint", "left"),
    [
        (False, False, False, '1 . alpn="h3" ipv4hint="192.0.2.1" ech="AATerb7v"'),
        (True, False, False, '1 . alpn="h3" ipv4hint="192.0.2.1"'),
        (False, True, False, '1 . ipv4hint="192.0.2.1" ech="AATerb7v"'),
        (False, False, True, '1 . alpn="h3" ech="AATerb7v"'),
    ],
)
def test_only_what_is_wanted_is_taken_away(ech, h3, hint, left):
    lines, _, _ = edited(f"{WWW} 1 . alpn=h3 ipv4hint=192.0.2.1 {ECH}", ech=ech, h3=h3, refuse=("192.0.2.1",) * hint)
    assert lines == [f"{WWW.split()[0]} 300 IN HTTPS {left}"]


def test_an_empty_ech_goes_too():
    asked = question("a.vn", 65)
    answer = wire.read_answer(reply(asked, [record(65, 60, b"\0\1\0\0\5\0\0")]), 12 + len(asked))
    assert svcb.edited(answer, asked, True, False, None).body == record(65, 60, b"\0\1\0")


def test_without_any_wish_nothing_is_read():
    answer = raw(packet(f"{WWW} 1 . {ECH}"))
    assert svcb.edited(answer, b"", False, False, None) is answer


CHAIN = (
    f"www.example.org. 300 IN CNAME edge.example.net.\nwww.example.org. {SIGNATURE.format('CNAME')}\n"
    f"edge.example.net. 60 IN HTTPS 1 . alpn=h2 {ECH}\nedge.example.net. 60 IN HTTPS 2 b.example.net. alpn=h2\n"
    f"edge.example.net. {SIGNATURE.format('HTTPS')}\nedge.example.net. {SIGNATURE.format('SVCB')}\n"
)


def test_owners_and_targets_behind_a_cname_stay_right_and_signatures_over_what_changed_go():
    lines, before, after = edited(CHAIN)
    assert lines == sorted([
        "www.example.org. 300 IN CNAME edge.example.net.",
        *(
            f"{owner} 300 IN RRSIG {kind} 13 3 300 20301231000000 20300101000000 1 example.org. AAAA"
            for owner, kind in [("www.example.org.", "CNAME"), ("edge.example.net.", "SVCB")]
        ),
        'edge.example.net. 60 IN HTTPS 1 . alpn="h2"',
        'edge.example.net. 60 IN HTTPS 2 b.example.net. alpn="h2"',
    ])  # fmt: skip
    assert (after.ttl_s, after.targets) == (before.ttl_s, before.targets)
    assert len(after.body) < len(before.body)


def test_a_signature_over_a_set_of_the_same_type_and_another_owner_stays():
    other = f"other.example.net. 60 IN HTTPS 1 . alpn=h2\nother.example.net. {SIGNATURE.format('HTTPS')}\n"
    lines, _, _ = edited(CHAIN + other)
    assert [line.split()[0] for line in lines if "RRSIG HTTPS" in line] == ["other.example.net."]


def test_a_chain_that_leads_to_nothing_any_more_is_no_data():
    lines, _, answer = edited(f"www.example.org. 300 IN CNAME a.net.\na.net. 60 IN HTTPS 1 . mandatory=ech {ECH}\n")
    assert lines == ["www.example.org. 300 IN CNAME a.net."]
    assert (answer.negative, answer.targets, answer.marks) == (True, (b"\1a\3net\0",), 0)


def test_no_record_left_is_an_answer_without_sections():
    _, before, answer = edited(f"{WWW} 1 . mandatory=ech {ECH}")
    empty = wire.Answer(before.flags & ~wire.AD, (0, 1, 0), wire.soa(300), (6,), 300, (), True, 0)
    assert fields(answer) == fields(empty)


def test_marks_and_addresses_tell_of_what_is_left():
    _, before, after = edited(f"{WWW} 1 . alpn=h2 ipv4hint=192.168.0.1,192.0.2.2", refuse=("192.168.0.1",))
    assert before.marks == wire.SVCB_MARK | wire.PRIVATE
    assert after.marks == wire.SVCB_MARK
    assert wire.addresses(after) == [b"\xc0\0\2\2"]


def test_additional_records_are_dropped_since_they_may_hold_the_same():
    more = (
        ";AUTHORITY\nexample.org. 60 IN NS ns.example.org.\n"
        f";ADDITIONAL\ncdn.example.net. 60 IN HTTPS 1 . {ECH}\ncdn.example.net. 60 IN A 192.0.2.1\n"
    )
    message = packet(f"{WWW} 0 cdn.example.net.\n", more)
    before = raw(message)
    after = svcb.edited(before, question_of(message), True, False, None)
    assert (before.counts, after.counts) == ((1, 1, 2), (1, 1, 0))
    assert after.flags == before.flags
    assert shown(after, question_of(message)) == ["www.example.org. 300 IN HTTPS 0 cdn.example.net."]


def test_the_clients_own_spelling_may_stand_before_the_body():
    message = packet(CHAIN)
    asked = question_of(message).swapcase()[:-4] + question_of(message)[-4:]
    after = svcb.edited(raw(message), asked, True, True, None)
    owners = sorted(line.split()[0].lower() for line in shown(after, asked))
    assert owners == ["edge.example.net."] * 3 + ["www.example.org."] * 2


def test_the_cached_answer_is_left_alone():
    message = packet(CHAIN)
    answer = raw(message)
    svcb.edited(answer, question_of(message), True, True, lambda packed: True)
    assert fields(answer) == fields(raw(message))


@pytest.mark.parametrize(
    ("records", "why"),
    [
        pytest.param([record(65, 60, b"\0\1\0\0\5\0\0")] * 33, "too many", id="33 records"),
        pytest.param(
            [record(65, 60, b"\0\1\0\0\5\0\0"), record(46, 60, bytes(18) + HERE + bytes(63_200))],
            "too large",
            id="a signature that fills the message",
        ),
        pytest.param(
            [record(65, 60, b"\0\1\0\0\5\0\0"), *[record(46, 60, bytes(18) + HERE + bytes(1900))] * 31],
            "too large",
            id="signers that are compressed",
        ),
        pytest.param([record(65, 60, b"\0\1\0\0\5\0\0"), record(46, 60, bytes(17))], "over", id="half a signature"),
        pytest.param([record(65, 60, b"\0\1\0\0\5\0\0"), record(46, 60, bytes(18))], "over", id="no signer"),
    ],
)
def test_what_cannot_be_edited_is_a_wire_error(records, why):
    asked = question("www." + ".".join(["a" * 60] * 3), 65)
    message = reply(asked, records)
    with pytest.raises(WireError, match=why):
        svcb.edited(wire.read_answer(message, 12 + len(asked)), asked, True, True, None)


def test_editing_takes_well_under_a_millisecond():
    message = packet(CHAIN)
    answer, asked = raw(message), question_of(message)
    started = time.process_time()
    for _ in range(50):
        svcb.edited(answer, asked, True, True, None)
    assert time.process_time() - started < 0.05


# -- any bytes --------------------------------------------------------------------------------------------------------

MORE = (
    ";AUTHORITY\nexample.org. 60 IN SOA ns.example.org. h.example.org. 1 2 3 4 5\n"
    ";ADDITIONAL\ncdn.example.net. 60 IN AAAA ::1\n"
)
REAL = [
    packet(CHAIN, MORE),
    packet(f"{WWW} 1 . mandatory=alpn,ipv4hint alpn=h3,h2 no-default-alpn ipv4hint=192.0.2.1,10.0.0.1 {ECH}\n"),
    packet(f"{WWW} 0 a.example.net.\n{WWW} 1 b.example.net. alpn=h2 ipv6hint=2001:db8::1,::1 key65000=x\n", MORE),
    packet("example.org. 300 IN DNAME example.net.\nwww.example.org. 300 IN CNAME www.example.net.\n"
           "www.example.net. 60 IN A 192.168.0.1\nwww.example.net. 60 IN AAAA 2001:db8::1\n"),
]  # fmt: skip
VALUES = [0, 1, 2, 5, 12, 39, 63, 64, 65, 0xC0, 255]


@settings(max_examples=10_000, deadline=None)
@given(st.integers(0, 2**64))
def test_any_answer_is_edited_or_a_wire_error(seed):
    chance = Random(seed)
    message = chance.choice(REAL)
    asked = question_of(message)
    start = 12 + len(asked)
    changed = bytearray(message)
    for _ in range(chance.randrange(5)):
        value = chance.choice(VALUES) if chance.random() < 0.7 else chance.randrange(256)
        changed[chance.randrange(start, len(changed))] = value
    cut = chance.randrange(40) if chance.random() < 0.1 else 0
    ech, h3, refused = chance.choice([False, True]), chance.choice([False, True]), chance.choice([None, 0, 1, 255])
    refuse = None if refused is None else lambda packed: packed[-1] <= refused
    try:
        answer = wire.read_answer(bytes(changed[: len(changed) - cut]), start)
        found = wire.addresses(answer)
        after = svcb.edited(answer, asked, ech, h3, refuse)
    except WireError:
        return
    assert all(len(packed) in (4, 16) for packed in found)
    header = wire.pack_header(0, after.flags, 1, *after.counts)
    again = wire.read_answer(header + asked + after.body, start)
    assert (again.counts, again.body, again.ttls) == (after.counts, after.body, after.ttls)
    assert again.targets == after.targets
    assert set(after.targets) <= set(answer.targets)
    left = wire.addresses(after)
    assert set(left) <= set(found)
    if refuse is not None:
        hints = [h for data in services(after) for h in wire.svcparams.hints(data)]
        assert not any(map(refuse, hints))
    assert not (ech and any(key == 5 for params in services(after) for key, _ in params))
    assert svcb.edited(after, asked, ech, h3, refuse) is after


def services(answer: wire.Answer) -> list[wire.svcparams.Params]:
    found = []
    for at in answer.ttls[: answer.counts[0]]:
        kind, _, _, length = wire.read_record(answer.body, at - 4)
        if kind in (64, 65):
            found.append(wire.svcparams.read(answer.body, at + 6, at + 6 + length)[2])
    return found
