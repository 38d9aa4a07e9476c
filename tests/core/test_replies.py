from __future__ import annotations

from dataclasses import replace

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from filterd.core import names, replies, wire
from filterd.core.policy import BlockAnswer
from filterd.core.replies import Synthetic
from filterd.core.verdict import Action, Reason, Verdict
from tests.schools import BOX, OPT, POLICY, address, query, question, reply, soa


def read(name: str = "www.example.org", qtype: int = 1, **how) -> wire.Query:
    return wire.read_query(query(name, qtype, **how))


def parsed(packet: bytes) -> dns.message.Message:
    return dns.message.from_wire(packet)


def blocked(category: str | None = None, reason: Reason = Reason.CATEGORY) -> Verdict:
    return Verdict(Action.BLOCK, reason, 9, 10, category)


def code_and_answers(packet: bytes) -> tuple[str, list[str]]:
    message = parsed(packet)
    return dns.rcode.to_text(message.rcode()), [str(r) for rrset in message.answer for r in rrset]


@pytest.mark.parametrize(
    ("mode", "qtype", "expected"),
    [
        pytest.param(BlockAnswer("zero"), 1, ("NOERROR", ["0.0.0.0"]), id="zero"),
        pytest.param(BlockAnswer("zero"), 28, ("NOERROR", ["::"]), id="zero, AAAA"),
        pytest.param(BlockAnswer("zero"), 65, ("NOERROR", []), id="zero, HTTPS"),
        pytest.param(BlockAnswer("nxdomain"), 1, ("NXDOMAIN", []), id="nxdomain"),
        pytest.param(BlockAnswer("gateway", "10.0.0.1", "fd00::1"), 1, ("NOERROR", ["10.0.0.1"]), id="gateway"),
        pytest.param(BlockAnswer("gateway", "10.0.0.1", "fd00::1"), 28, ("NOERROR", ["fd00::1"]), id="gateway, AAAA"),
        pytest.param(BlockAnswer("gateway", "10.0.0.1"), 28, ("NOERROR", []), id="gateway without IPv6"),
        pytest.param(BlockAnswer("gateway", "10.0.0.1"), 5, ("NOERROR", []), id="gateway, CNAME"),
    ],
)
def test_a_block_is_answered_as_the_school_says(mode, qtype, expected):
    synthetic = Synthetic(replace(POLICY, block_answer=mode))
    assert code_and_answers(synthetic.blocked(read(qtype=qtype), blocked(), 10)) == expected


@pytest.mark.parametrize(
    ("category", "expected"),
    [("malware", ("NXDOMAIN", [])), ("adult", ("NOERROR", ["0.0.0.0"])), ("games", ("NOERROR", ["10.0.0.1"]))],
    ids=["nxdomain", "zero", "the school's"],
)
def test_a_category_may_have_an_answer_of_its_own(category, expected):
    assert code_and_answers(Synthetic(POLICY).blocked(read(), blocked(category), 10)) == expected


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        pytest.param(blocked("games"), "filterd: Games / Games", id="the category in both languages"),
        pytest.param(
            blocked(None, Reason.SCHOOL_BLOCK),
            "filterd: Nhà trường đóng / Closed by the school",
            id="the reason in words without one",
        ),
        pytest.param(blocked("gone"), "filterd: category", id="the reason for a category nobody describes"),
    ],
)
def test_a_block_says_why_in_an_extended_error(verdict, text):
    (option,) = parsed(Synthetic(POLICY).blocked(read(), verdict, 10)).options
    assert isinstance(option, dns.edns.EDEOption)
    assert (option.code, option.text) == (15, text)


def test_every_reason_has_its_extended_error():
    for reason in Reason:
        assert parsed(Synthetic(POLICY).blocked(read(), blocked(None, reason), 10)).options


@pytest.mark.parametrize("ttl_s", [1, 10])
@pytest.mark.parametrize("qtype", [1, 16])
def test_a_block_lives_as_long_as_it_is_told_to(ttl_s, qtype):
    message = parsed(Synthetic(POLICY).blocked(read(qtype=qtype), blocked("games"), ttl_s))
    assert [r.ttl for section in message.sections[1:] for r in section] == [ttl_s]


def test_a_block_without_records_lets_clients_cache_it():
    (rrset,) = parsed(Synthetic(POLICY).blocked(read(qtype=65), blocked("games"), 10)).authority
    assert (rrset.rdtype, rrset[0].minimum) == (6, 10)


@pytest.mark.parametrize(("ipv4", "qtype", "expected"), [("10.0.0.1", 1, ["10.0.0.1"]), (None, 1, []), (None, 28, [])])
def test_the_boxs_own_name_has_the_boxs_addresses(ipv4, qtype, expected):
    synthetic = Synthetic(replace(POLICY, block_answer=BlockAnswer("zero", ipv4, None, BOX)))
    verdict = Verdict(Action.REWRITE, Reason.SPECIAL_USE, 0, 10)
    packet = synthetic.reply(read(BOX, qtype), names.key_of_text(BOX), verdict)
    assert code_and_answers(packet) == ("NOERROR", expected)
    assert parsed(packet).flags & dns.flags.AA


@pytest.mark.parametrize(
    ("name", "code", "ede"),
    [("mask.icloud.com", "NXDOMAIN", [15]), ("a.onion", "NXDOMAIN", []), ("resolver.arpa", "NOERROR", [])],
)
def test_special_names_are_answered_by_kind(name, code, ede):
    reason = Reason.BYPASS if ede else Reason.SPECIAL_USE
    packet = Synthetic(POLICY).reply(read(name), names.key_of_text(name), Verdict(Action.BLOCK, reason, 0, 10))
    assert code_and_answers(packet) == (code, [])
    assert [o.code for o in parsed(packet).options] == ede


@pytest.mark.parametrize(
    ("flags", "edns", "expected"),
    [
        pytest.param(0x0100, OPT, 0x8180, id="RD"),
        pytest.param(0x0110, OPT, 0x8190, id="CD"),
        pytest.param(0x0120, OPT, 0x8180, id="AD is not echoed"),
        pytest.param(0x0140, OPT, 0x8180, id="nor is what is reserved"),
        pytest.param(0x0700, None, 0x8180, id="nor AA and TC"),
    ],
)
def test_a_reply_echoes_id_question_rd_and_cd(flags, edns, expected):
    packet = replies.error(read(ident=0xABCD, flags=flags, edns=edns), 0)
    assert packet[:2] == b"\xab\xcd"
    assert int.from_bytes(packet[2:4], "big") == expected
    assert packet[12:].startswith(question("www.example.org"))
    assert packet.endswith(OPT) is (edns is not None)


def test_only_a_client_with_edns_gets_an_opt_or_an_extended_error():
    bare = replies.error(read(edns=None), wire.SERVFAIL, replies.EDE_NETWORK, "why")
    assert parsed(bare).edns == -1
    told = replies.error(read(), wire.SERVFAIL, replies.EDE_NETWORK, "why")
    assert [(o.code, o.text) for o in parsed(told).options if isinstance(o, dns.edns.EDEOption)] == [(23, "why")]


CLIENT, SERVER = b"c" * 8, b"s" * 16


def with_cookie(cookie: bytes) -> tuple[wire.Query, bytes]:
    """A query, and its bytes, to which a reply carries a cookie of 24 bytes."""
    option = wire.cookie(cookie) if cookie else b""
    packet = query(edns=OPT[:-2] + len(option).to_bytes(2, "big") + option)
    asked = wire.read_query(packet)
    asked.echo = wire.cookie(CLIENT + SERVER) if cookie else b""
    return asked, packet


@pytest.mark.parametrize(
    ("cookie", "ede", "text", "udp", "options"),
    [
        pytest.param(b"", 23, "why", True, wire.ede(23, "why"), id="a short text"),
        pytest.param(b"", 23, "a long reason", True, wire.ede(23), id="a text that is too long"),
        pytest.param(b"", 23, "a long reason", False, wire.ede(23, "a long reason"), id="a text over TCP"),
        pytest.param(CLIENT, None, "", True, b"", id="a first cookie"),
        pytest.param(CLIENT, None, "", False, wire.cookie(CLIENT + SERVER), id="a first cookie over TCP"),
        pytest.param(CLIENT, 23, "a long reason", True, wire.ede(23), id="a first cookie and a text"),
        pytest.param(CLIENT + SERVER, None, "", True, wire.cookie(CLIENT + SERVER), id="a cookie of ours"),
        pytest.param(
            CLIENT + SERVER, 23, "a long reason", True, wire.ede(23) + wire.cookie(CLIENT + SERVER),
            id="a cookie of ours and a text",
        ),
    ],
)  # fmt: skip
def test_an_error_over_udp_is_hardly_longer_than_its_query(cookie, ede, text, udp, options):
    asked, packet = with_cookie(cookie)
    told = replies.error(asked, wire.REFUSED, ede, text, udp)
    assert told == replies.reply(with_cookie(b"")[0], wire.REFUSED, (0, 0, 0), b"", options)
    assert not udp or len(told) <= len(packet) + 11


def test_badvers_has_version_0():
    message = parsed(replies.bad_version(read(edns=OPT[:6] + b"\1" + OPT[7:])))
    assert (message.rcode(), message.edns) == (dns.rcode.BADVERS, 0)


def test_a_truncated_reply_is_empty():
    packet = replies.truncated(read())
    message = parsed(packet)
    assert message.flags & dns.flags.TC
    assert [len(section) for section in message.sections] == [1, 0, 0, 0]


def answer(*records: bytes, authorities: tuple[bytes, ...] = (), flags: int = 0x8180, rcode: int = 0) -> wire.Answer:
    asked = question("www.example.org")
    return wire.read_answer(reply(asked, records, authorities, flags=flags, rcode=rcode), 12 + len(asked))


@pytest.mark.parametrize(
    ("elapsed_s", "cap_s", "ttls"),
    [(0, 300, [300, 50]), (0, 60, [60, 50]), (20, 300, [300, 30]), (55, 300, [300, 0])],
)
def test_an_upstreams_answer_is_aged_and_capped(elapsed_s, cap_s, ttls):
    packet = replies.upstream(read(), answer(address(3600), address(50, b"\xc6\x33\x64\x08")), elapsed_s, cap_s)
    assert packet[-11:] == OPT
    read_back = wire.read_answer(packet, 12 + len(question("www.example.org")))
    assert [int.from_bytes(read_back.body[at : at + 4], "big") for at in read_back.ttls] == ttls


def test_an_upstreams_rcode_and_soa_go_on_and_its_aa_does_not():
    packet = replies.upstream(read(), answer(authorities=(soa(),), flags=0x8580, rcode=3), 0, 60)
    message = parsed(packet)
    assert (message.rcode(), len(message.authority)) == (dns.rcode.NXDOMAIN, 1)
    assert not message.flags & dns.flags.AA


@pytest.mark.parametrize("ttl_s", [0, 5, 3600])
def test_a_stale_answer_has_one_short_ttl_and_says_that_it_is_stale(ttl_s):
    message = parsed(replies.stale(read(), answer(address(ttl_s)), 30))
    assert [r.ttl for r in message.answer] == [30]
    assert [o.code for o in message.options] == [3]


@pytest.mark.parametrize("reason", ["authority", "school_block", "override", "profile", "allow_list_only", "bypass"])
def test_a_block_without_a_category_is_told_in_two_languages(reason: str) -> None:
    told = replies._SAID[Reason(reason)]
    assert " / " in told
    assert "_" not in told
    assert len(told.encode()) < 120  # a reply stays far below 1232 bytes
