"""Conversations: what clients and upstreams say, and what the forwarder answers. Time moves when a test says so."""

from __future__ import annotations

import gc
from dataclasses import replace
from struct import pack
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from filterd.core import wire
from filterd.core.asker import ATTEMPT_S, ATTEMPTS
from filterd.core.cache import Memo
from filterd.core.exchange import TCP, UDP, Exchange
from filterd.core.forwarder import MAX_WAITERS, MAX_WAITING
from filterd.core.overrides import Override
from filterd.core.policy import Rules
from tests import schools
from tests.core.story import START, Story, ede, parsed, rcode, ttls
from tests.schools import NOW, OPT, address, alias, query, question, record, reply, soa

# -- odd packets ------------------------------------------------------------------------------------------------------


ASKS_A = question("a.example")


def bare(flags: int = 0x0100, counts: tuple[int, int, int, int] = (1, 0, 0, 0), body: bytes = ASKS_A) -> bytes:
    return pack("!HHHHHH", 0x1234, flags, *counts) + body


def header(flags: int) -> bytes:
    return pack("!HHHHHH", 0x1234, flags, 0, 0, 0, 0)


def opt(size: int = 1232, ttl: int = 0, options: bytes = b"") -> bytes:
    return b"\0" + pack("!HHIH", 41, size, ttl, len(options)) + options


OPT1 = opt(ttl=1 << 16)
ECS = b"\0\x08\0\7\0\1\x18\0\xc0\0\2"


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        pytest.param(b"", None, id="nothing"),
        pytest.param(bare()[:11], None, id="shorter than a header"),
        pytest.param(bare(0x8180), None, id="a response"),
        pytest.param(bare(0x8180, (0, 0, 0, 0), b""), None, id="a response without question"),
        pytest.param(bare(0x8180, (1, 1, 0, 0), question("a.example") + address()), None, id="a whole answer"),
        pytest.param(bare(counts=(0, 0, 0, 0), body=b""), header(0x8181), id="no question"),
        pytest.param(bare(counts=(2, 0, 0, 0), body=question("a.example") * 2), header(0x8181), id="two questions"),
        pytest.param(bare(counts=(1, 65535, 0, 0)), header(0x8181), id="65535 answers"),
        pytest.param(bare(counts=(1, 0, 65535, 65535)), header(0x8181), id="65535 of the others"),
        pytest.param(bare(counts=(1, 1, 0, 0), body=question("a.example") + address()), header(0x8181), id="an answer"),
        pytest.param(bare(0x0100 | 1 << 11), header(0x8804), id="opcode 1"),
        pytest.param(bare(0x01F0 | 2 << 11), header(0x9004), id="opcode 2 with flags"),
        pytest.param(bare(0x0100 | 4 << 11), header(0xA004), id="NOTIFY"),
        pytest.param(bare(0x0000 | 5 << 11), header(0xA804), id="UPDATE"),
        pytest.param(bare(0x0100 | 15 << 11), header(0xF804), id="opcode 15"),
        pytest.param(bare(5 << 11, (0, 0, 0, 0), b""), header(0xA804), id="UPDATE without question"),
        pytest.param(bare(counts=(1, 0, 0, 2), body=question("a.example") + OPT * 2), header(0x8181), id="two OPTs"),
        pytest.param(bare(counts=(1, 0, 0, 1)), header(0x8181), id="an OPT that is not there"),
        pytest.param(bare(body=b"\xc0\x0c\0\1\0\1"), header(0x8181), id="a pointer to itself"),
        pytest.param(bare(body=b"\x40a\0\0\1\0\1"), header(0x8181), id="label type 0x40"),
        pytest.param(bare(body=b"\x3fa"), header(0x8181), id="a label over the end"),
        pytest.param(query("a.example", 41, edns=None), header(0x8181), id="type OPT"),
        pytest.param(query("a.example", 250), header(0x8181), id="type TSIG"),
        pytest.param(query("a.example", 0), header(0x8181), id="type 0"),
    ],
)
@pytest.mark.parametrize("transport", [UDP, TCP])
def test_a_malformed_packet_gets_its_header_or_silence(packet, expected, transport):
    story = Story()
    assert story.ask(packet, transport=transport) == expected
    assert story.sent == []


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        pytest.param(query("a.example", 252), "REFUSED", id="AXFR"),
        pytest.param(query("a.example", 251), "REFUSED", id="IXFR"),
        pytest.param(query("a.example", 253), "REFUSED", id="MAILB"),
        pytest.param(query("a.example", qclass=3), "REFUSED", id="class CH"),
        pytest.param(query("id.server", 16, qclass=3), "REFUSED", id="CH id.server"),
        pytest.param(query("a.example", qclass=65280), "REFUSED", id="class 65280"),
        pytest.param(query("a.example", qclass=255), "REFUSED", id="class ANY"),
        pytest.param(query("a.example", flags=0), "REFUSED", id="RD=0"),
        pytest.param(query("a.example", flags=0, edns=None), "REFUSED", id="RD=0 without EDNS"),
        pytest.param(query("a.example", edns=OPT1), "BADVERS", id="EDNS version 1"),
    ],
)
def test_what_a_forwarder_does_not_do_is_refused(packet, code):
    story = Story()
    heard = story.ask(packet)
    assert rcode(heard) == code
    assert heard[:2] == packet[:2]
    assert len(heard) <= len(packet)
    assert parsed(heard).question == parsed(packet).question
    assert story.sent == []


def test_any_is_answered_small_and_at_once():
    story = Story()
    heard = story.ask(query("a.example", 255, edns=None))
    assert [str(r) for r in parsed(heard).answer] == ['a.example. 3600 IN HINFO "RFC8482" ""']
    assert len(heard) <= 60


def test_a_client_in_no_class_is_refused_where_the_policy_says_so():
    heard = Story().ask(query(), "refused")
    assert (rcode(heard), ede(heard)) == ("REFUSED", [18])


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(query(edns=opt(options=ECS)), id="client subnet"),
        pytest.param(query(edns=opt(ttl=0x7FFF, options=b"\xff\xf0\0\0")), id="unknown option and flags"),
        pytest.param(query() + b"junk", id="trailing junk"),
        pytest.param(query(edns=None) + b"junk", id="trailing junk without EDNS"),
        pytest.param(query(flags=0x0140), id="a reserved flag"),
    ],
)
def test_what_a_client_adds_does_not_travel_on(packet):
    story = Story()
    exchange = story.ask(packet)
    assert exchange.packet == bytes(2) + b"\x01\x20\0\1\0\0\0\0\0\1" + question("www.example.org") + OPT
    ((_, heard),) = story.answer(exchange, reply(exchange.question, [address()]))
    assert parsed(heard).options == ()
    assert parsed(heard).ednsflags & 0x7FFF == 0


@pytest.mark.parametrize(("do", "cd"), [(False, False), (True, False), (False, True), (True, True)])
def test_do_and_cd_travel_and_make_questions_different(do, cd):
    story = Story()
    edns = opt(ttl=0x8000 * do)
    exchange = story.ask(query(flags=0x0110 if cd else 0x0100, edns=edns))
    sent = parsed(exchange.packet)
    assert (bool(sent.ednsflags & dns.flags.DO), bool(sent.flags & dns.flags.CD)) == (do, cd)
    others = [(d, c) for d in (False, True) for c in (False, True) if (d, c) != (do, cd)]
    for d, c in others:
        other = story.ask(query(flags=0x0110 if c else 0x0100, edns=opt(ttl=0x8000 * d)))
        assert isinstance(other, Exchange)
        assert other is not exchange


@pytest.mark.parametrize(
    ("flags", "do", "told"),
    [(0x0100, False, False), (0x0120, False, True), (0x0100, True, True)],
    ids=["did not ask", "asked with AD", "asked with DO"],
)
def test_ad_is_told_to_those_who_asked(flags, do, told):
    story = Story()
    exchange = story.ask(query(flags=flags, edns=opt(ttl=0x8000 * do)))
    ((_, heard),) = story.answer(exchange, reply(exchange.question, [address()], flags=0x81A0))
    assert bool(parsed(heard).flags & dns.flags.AD) is told


@pytest.mark.parametrize("name", ["adult.example", "bad.example", "localhost", schools.BOX])
def test_ad_is_never_set_on_our_own_answers(name):
    heard = Story().ask(query(name, flags=0x0120))
    assert not parsed(heard).flags & dns.flags.AD


@pytest.mark.parametrize("qtype", [16, 99, 65400])
def test_types_of_any_kind_pass_unchanged(qtype):
    story = Story()
    data = record(qtype, 20, b"\x00\x01any bytes\xc0\x0c")
    heard = story.cached(query(qtype=qtype, edns=None), data)
    assert heard.endswith(data)


def test_a_label_with_a_dot_is_another_name():
    story = Story()
    name = b"\x0dadult.example\0"
    outcome = story.ask(bare(body=name + b"\0\1\0\1"))
    assert isinstance(outcome, Exchange)
    assert outcome.question[:-4] == name


# -- a question and its answer ----------------------------------------------------------------------------------------


def test_an_answer_goes_to_who_asked_with_his_id_his_case_and_his_question():
    story = Story()
    mixed = query("www.example.org", ident=0xBEEF).replace(b"\3www\7example", b"\3wWw\7eXaMple")
    exchange = story.ask(mixed, who="someone")
    assert exchange.packet[:2] == b"\0\0"
    assert exchange.question == question("www.example.org")
    story.answer(exchange, reply(exchange.question, [address(30)]))
    (heard,) = story.heard["someone"]
    assert heard[:2] == b"\xbe\xef"
    assert heard[12 : 12 + len(exchange.question)] == mixed[12 : 12 + len(exchange.question)]
    assert (rcode(heard), ttls(heard)) == ("NOERROR", [30])
    assert story.forwarder.pending == 0


def test_a_second_question_is_answered_from_the_cache():
    story = Story()
    story.cached(query(), address(30))
    story.passes(12.5)
    heard = story.ask(query(ident=7), place="3a")
    assert (heard[:2], ttls(heard)) == (b"\0\7", [18])
    assert (story.forwarder.cache_hits, story.forwarder.cache_misses) == (1, 1)


def test_like_questions_share_one_question_upstream():
    story = Story()
    exchange = story.ask(query(ident=1), who=1)
    assert story.ask(query(ident=2), who=2, place="3a") is None
    assert story.ask(query(ident=3).replace(b"www", b"WWW"), who=3, transport=TCP) is None
    assert isinstance(story.ask(query(qtype=28), who=4), Exchange)
    story.answer(exchange, reply(exchange.question, [address()]))
    assert {who: packets[0][:2] for who, packets in story.heard.items()} == {1: b"\0\1", 2: b"\0\2", 3: b"\0\3"}
    assert story.forwarder.coalesced == 2


def test_a_question_takes_so_many_waiters_and_no_more():
    story = Story()
    exchange = story.ask(query(), who=0)
    for who in range(1, MAX_WAITERS + 100):
        assert story.ask(query(ident=who), who=who) is None
    assert rcode(story.ask(query(), transport=TCP)) == "SERVFAIL", "over a stream it is told so"
    assert len(story.answer(exchange, reply(exchange.question, [address()]))) == MAX_WAITERS


def test_no_client_has_more_than_so_many_questions_waiting():
    story = Story()
    policy = story.forwarder
    asked = [
        policy.query(query(f"n{n}.example"), UDP, schools.row(story.snapshot, "7-3"), n, story.now, b"c")
        for n in range(1100)
    ]
    exchanges = [outcome for outcome in asked if isinstance(outcome, Exchange)]
    assert (len(exchanges), policy.crowded) == (MAX_WAITING, 100)
    row = schools.row(story.snapshot, "7-3")
    assert isinstance(policy.query(query("other.example"), UDP, row, "other", story.now, b"d"), Exchange)
    assert rcode(policy.query(query("stream.example"), TCP, row, "stream", story.now, b"c")) == "SERVFAIL"
    story.answer(exchanges[0], reply(exchanges[0].question, [address()]))
    assert isinstance(policy.query(query("next.example"), UDP, row, "next", story.now, b"c"), Exchange)
    story.passes(5.0)
    assert not any(policy._waiting.values())


def test_questions_over_the_limit_of_pending_are_answered_with_an_error():
    story = Story(schools.with_limits(pending=3))
    for n in range(3):
        assert isinstance(story.ask(query(f"n{n}.example")), Exchange)
    assert rcode(story.ask(query("n3.example"))) == "SERVFAIL"
    assert rcode(story.ask(query("adult.example"))) == "NOERROR"
    assert story.forwarder.pending == 3


@pytest.mark.parametrize(
    ("place", "ttl_s", "told"),
    [("7-3", 86400, 60), ("7-3", 60, 60), ("7-3", 5, 5), ("7-3", 2**31, 0), ("staff-room", 86400, 300)],
)
def test_a_ttl_is_capped_and_never_raised(place, ttl_s, told):
    assert ttls(Story().cached(query(), address(ttl_s), place=place)) == [told]


def test_an_answer_without_life_is_not_kept():
    story = Story()
    story.cached(query(), address(0))
    assert isinstance(story.ask(query()), Exchange)


def test_an_answer_lives_as_long_as_the_limits_say():
    story = Story(schools.with_limits(max_ttl_s=100, min_ttl_s=20))
    story.cached(query("long.example"), address(86400))
    story.cached(query("short.example"), address(5))
    story.passes(19.0)
    assert ttls(story.ask(query("short.example"))) == [0]
    story.passes(80.0)
    assert isinstance(story.ask(query("long.example")), bytes)
    story.lose_prefetches()
    story.passes(2.0)
    assert isinstance(story.ask(query("long.example")), Exchange)


@pytest.mark.parametrize(
    ("code", "answers", "authorities", "kept_s"),
    [
        pytest.param(3, [], [soa(600, 300)], 300, id="NXDOMAIN: the SOA's minimum"),
        pytest.param(3, [], [soa(200, 300)], 200, id="NXDOMAIN: the SOA's TTL"),
        pytest.param(0, [], [soa(600, 300)], 300, id="no data"),
        pytest.param(3, [], [soa(90000, 90000)], 3600, id="an hour at most"),
        pytest.param(3, [], [], 0, id="NXDOMAIN without SOA"),
        pytest.param(0, [], [], 0, id="no data without SOA"),
        pytest.param(0, [alias("a.example", 90000)], [soa(90000, 90000)], 3600, id="no data behind a CNAME"),
        pytest.param(3, [alias("a.example", 50)], [soa(600, 300)], 50, id="NXDOMAIN behind a CNAME"),
    ],
)
def test_a_negative_answer_is_kept_as_long_as_its_soa_says(code, answers, authorities, kept_s):
    story = Story()
    heard = story.cached(query(), *answers, authorities=authorities, rcode=code)
    assert parsed(heard).rcode() == code
    if kept_s:
        story.passes(kept_s - 1)
        again = story.ask(query())
        assert (parsed(again).rcode(), min(ttls(again)) >= 1) == (code, True)
        story.lose_prefetches()
        story.passes(1)
    assert isinstance(story.ask(query()), Exchange)


@pytest.mark.parametrize("code", [0, 3])
def test_a_negative_answer_counts_down_whatever_the_ttl_of_its_soa(code):
    story = Story()
    assert ttls(story.cached(query(), authorities=[soa(600, 40)], rcode=code)) == [40]
    story.passes(35.0)
    assert ttls(story.as_shell(query())) == [5]
    story.passes(2.0)
    assert ttls(story.as_shell(query())) == [3]


def test_nxdomain_and_no_data_of_one_name_are_kept_apart_by_type():
    story = Story()
    story.cached(query(qtype=1), authorities=[soa()])
    story.cached(query(qtype=28), authorities=[soa()], rcode=3)
    assert [rcode(story.ask(query(qtype=t))) for t in (1, 28)] == ["NOERROR", "NXDOMAIN"]


@pytest.mark.parametrize(
    ("edns", "count", "whole"),
    [
        pytest.param(None, 30, True, id="507 bytes"),
        pytest.param(None, 31, False, id="over 512"),
        pytest.param(OPT, 74, True, id="1222 bytes"),
        pytest.param(OPT, 75, False, id="over 1232"),
        pytest.param(opt(4096), 75, False, id="over 1232 whatever the client takes"),
        pytest.param(opt(100), 29, True, id="a size below 512 is 512"),
        pytest.param(opt(100), 31, False, id="and no more"),
    ],
)
def test_what_does_not_fit_udp_is_cut_to_nothing_and_whole_over_tcp(edns, count, whole):
    story = Story()
    packet = query("a.example", edns=edns)
    heard = story.cached(packet, *[address()] * count)
    assert bool(parsed(heard).flags & dns.flags.TC) is not whole
    assert heard.count(address()[-4:]) == (count if whole else 0)
    assert whole or heard[6:10] == bytes(4)
    assert story.ask(packet, transport=TCP).count(address()[-4:]) == count


@pytest.mark.parametrize("after_s", [1, 100], ids=["fresh", "stale"])
def test_what_does_not_fit_udp_is_not_even_put_together(monkeypatch, after_s):
    story = Story()
    story.cached(query(), *[address(50)] * 1000)
    if after_s > 50:
        story.outage()
    story.now += after_s
    for builder in ("upstream", "stale"):
        monkeypatch.setattr(f"filterd.core.replies.{builder}", None)
    assert parsed(story.ask(query())).flags & dns.flags.TC


@pytest.mark.parametrize("after_s", [1, 100], ids=["fresh", "stale"])
def test_what_is_far_too_large_for_udp_is_judged_over_tcp_only(monkeypatch, after_s):
    story = Story()
    story.cached(query(), alias("cdn.tro-choi.example", 50), *[address(50)] * 1000)
    if after_s > 50:
        story.outage()
    story.now += after_s
    told = story.forwarder._told
    monkeypatch.setattr(story.forwarder, "_told", None)
    cut = parsed(story.ask(query()))
    assert cut.flags & dns.flags.TC
    assert not cut.answer
    monkeypatch.setattr(story.forwarder, "_told", told)
    assert not parsed(story.ask(query(), transport=TCP)).flags & dns.flags.TC


def test_61_kilobytes_pass_over_tcp():
    story = Story()
    exchange = story.ask(query("big.example", 16), transport=TCP)
    story.answer(exchange, reply(exchange.question, [], flags=0x8380))
    texts = [record(16, 60, b"\xff" + b"x" * 255) for _ in range(228)]
    ((_, heard),) = story.answer(exchange, reply(exchange.question, texts))
    assert len(heard) > 61000
    assert len(parsed(heard).answer[0]) == 1


@pytest.mark.parametrize(("cookie", "code"), [(b"", "NOERROR"), (b"\0\x0a\0\x08abcdefgh", "SERVFAIL")])
def test_an_answer_that_leaves_no_room_for_our_options_is_a_failure_and_no_message_too_long(cookie, code):
    story = Story()
    story.forwarder.use_secrets((b"k" * 16,))
    asked = query("big.example", 16, edns=OPT[:-2] + len(cookie).to_bytes(2, "big") + cookie)
    exchange = story.ask(asked, transport=TCP)
    room = wire.MAX_BYTES - len(reply(exchange.question)) - len(OPT) - 12
    data = bytes(room)
    ((_, heard),) = story.answer(exchange, reply(exchange.question, [record(99, 60, data)]), tcp=True)
    again = story.ask(asked, transport=TCP)
    assert (rcode(heard), rcode(again)) == (code, code)
    assert max(len(heard), len(again)) <= wire.MAX_BYTES


# -- blocked and special names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "qtype", "code", "answers"),
    [
        pytest.param("games.example", 1, "NOERROR", ["10.0.0.1"], id="gateway"),
        pytest.param("www.games.example", 28, "NOERROR", ["fd00::1"], id="gateway, IPv6"),
        pytest.param("games.example", 65, "NOERROR", [], id="HTTPS: no hint"),
        pytest.param("games.example", 64, "NOERROR", [], id="SVCB: no hint"),
        pytest.param("games.example", 16, "NOERROR", [], id="TXT"),
        pytest.param("adult.example", 1, "NOERROR", ["0.0.0.0"], id="zero"),
        pytest.param("adult.example", 28, "NOERROR", ["::"], id="zero, IPv6"),
        pytest.param("bad.example", 1, "NXDOMAIN", [], id="nxdomain"),
        pytest.param("tro-choi.example", 1, "NOERROR", ["10.0.0.1"], id="a school's name"),
    ],
)
def test_a_blocked_name_is_answered_by_policy_with_a_reason_and_no_upstream(name, qtype, code, answers):
    story = Story(upstreams=0)
    heard = story.ask(query(name, qtype))
    message = parsed(heard)
    assert (rcode(heard), [str(r[0]) for r in message.answer]) == (code, answers)
    assert ede(heard) == [15]
    assert all(ttl == 10 for ttl in ttls(heard))
    assert answers or [r.rdtype for r in message.authority] == [6]
    assert ede(story.ask(query(name, qtype, edns=None))) == []


@pytest.mark.parametrize(
    ("name", "qtype", "code", "answers"),
    [
        pytest.param("localhost", 1, "NOERROR", ["127.0.0.1"], id="localhost"),
        pytest.param("a.localhost", 28, "NOERROR", ["::1"], id="localhost, IPv6"),
        pytest.param("localhost", 65, "NOERROR", [], id="localhost, HTTPS"),
        pytest.param("printer.local", 1, "NXDOMAIN", [], id="local"),
        pytest.param("1.0.0.10.in-addr.arpa", 12, "NXDOMAIN", [], id="reverse of a private address"),
        pytest.param("_dns.resolver.arpa", 64, "NOERROR", [], id="resolver.arpa"),
        pytest.param(schools.BOX, 1, "NOERROR", ["10.0.0.1"], id="the box"),
        pytest.param(schools.BOX, 65, "NOERROR", [], id="the box, HTTPS"),
    ],
)
def test_special_names_are_answered_here_with_authority(name, qtype, code, answers):
    heard = Story(upstreams=0).ask(query(name, qtype))
    message = parsed(heard)
    assert (rcode(heard), [str(r[0]) for r in message.answer]) == (code, answers)
    assert message.flags & dns.flags.AA
    assert answers or [r.rdtype for r in message.authority] == [6]


@pytest.mark.parametrize(
    ("place", "name", "targets", "blocked"),
    [
        pytest.param("7-3", "cdn.example", ["games.example"], True, id="a target in a closed category"),
        pytest.param("7-3", "cdn.example", ["ok.example", "www.adult.example"], True, id="at the second hop"),
        pytest.param("staff-room", "cdn.example", ["games.example"], False, id="open for staff"),
        pytest.param("9b", "olm.vn", ["games.example"], False, id="an exam site behind a CDN"),
        pytest.param("9b", "olm.vn", ["unknown.example"], False, id="a target off the allow-list"),
        pytest.param("9b", "olm.vn", ["bad.example"], True, id="never the floor"),
        pytest.param("7-3", "moet.gov.vn", ["bad.example"], False, id="must-allow leads anywhere"),
    ],
)
def test_the_targets_of_an_answer_are_judged_for_the_class_that_asks(place, name, targets, blocked):
    story = Story()
    heard = story.cached(query(name), *map(alias, targets), address(), place=place)
    assert (ede(heard) == [15]) is blocked
    again = story.ask(query(name), place)
    assert (ede(again) == [15]) is blocked


def test_one_cached_answer_is_judged_for_each_class_anew():
    story = Story()
    assert ede(story.cached(query("cdn.example"), alias("games.example"), address())) == [15]
    assert ede(story.ask(query("cdn.example"), "staff-room")) == []


# -- upstreams that fail ----------------------------------------------------------------------------------------------


def test_silence_is_answered_by_asking_the_next_upstream():
    story = Story()
    exchange = story.ask(query())
    assert exchange.upstream == 0
    assert [e.upstream for e in story.passes(ATTEMPT_S)] == [1]
    story.answer(exchange, reply(exchange.question, [address()]))
    assert rcode(story.heard["client"][0]) == "NOERROR"


@pytest.mark.parametrize("upstreams", [1, 2, 3, 5])
def test_a_client_hears_within_two_seconds_and_costs_three_packets_at_most(upstreams):
    story = Story(upstreams=upstreams)
    story.ask(query())
    story.passes(2.0)
    assert len([exchange for exchange in story.sent if exchange.key]) <= ATTEMPTS
    (heard,) = story.heard["client"]
    assert (rcode(heard), story.forwarder.pending) == ("SERVFAIL", 0)


BAD = {
    "SERVFAIL": lambda q: reply(q, rcode=2),
    "REFUSED": lambda q: reply(q, rcode=5),
    "FORMERR": lambda q: reply(q, rcode=1),
    "malformed": lambda q: reply(q, [address()[:-1]]),
    "too many records announced": lambda q: pack("!HHHHHH", 0, 0x8180, 1, 9, 9, 9) + q,
    "a CNAME loop": lambda q: reply(q, [alias("www.example.org")]),
    "BADVERS": lambda q: reply(q, additionals=[b"\0" + pack("!HHIH", 41, 1232, 1 << 24, 0)]),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_answer_is_answered_by_asking_another_upstream_at_once(bad):
    story = Story()
    exchange = story.ask(query())
    assert story.answer(exchange, bad(exchange.question)) is exchange
    assert exchange.upstream == 1
    story.answer(exchange, reply(exchange.question, [address()]))
    assert rcode(story.heard["client"][0]) == "NOERROR"
    assert story.forwarder.upstreams.all[0].errors == 1


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_answers_from_all_upstreams_are_a_servfail_that_says_why(bad):
    story = Story()
    exchange = story.ask(query())
    story.answer(exchange, bad(exchange.question))
    story.answer(exchange, bad(exchange.question))
    (heard,) = story.heard["client"]
    assert (rcode(heard), ede(heard)) == ("SERVFAIL", [23])
    assert not story.forwarder.upstreams.all_down((0, 1))


def test_a_failed_question_is_not_asked_again_for_a_second():
    story = Story(upstreams=1)
    exchange = story.ask(query())
    story.answer(exchange, reply(exchange.question, rcode=2))
    assert rcode(story.ask(query())) == "SERVFAIL"
    assert isinstance(story.ask(query("other.example")), Exchange)
    story.passes(1.01)
    assert isinstance(story.ask(query()), Exchange)


def test_new_upstreams_are_asked_what_the_old_ones_failed_at():
    story = Story(upstreams=1)
    exchange = story.ask(query())
    story.answer(exchange, reply(exchange.question, rcode=2))
    story.forwarder.use_upstreams(schools.plan(1))
    assert isinstance(story.ask(query()), Exchange)


def test_a_closed_port_is_answered_by_asking_another_upstream_at_once():
    story = Story()
    exchange = story.ask(query())
    assert story.take(story.forwarder.unreachable(exchange, story.now)) is exchange
    assert exchange.upstream == 1
    story.take(story.forwarder.unreachable(exchange, story.now))
    assert rcode(story.heard["client"][0]) == "SERVFAIL"
    assert story.forwarder.unreachable(exchange, story.now) == []


def test_no_servfail_while_one_upstream_lives():
    story = Story(upstreams=3)
    for n in range(20):
        story.ask(query(f"n{n}.example"), who=n)
        for _ in range(4):
            for exchange in [e for e in story.sent if not e.done and e.key and e.upstream == 2]:
                story.answer(exchange, reply(exchange.question, [address()]))
            story.passes(ATTEMPT_S)
    assert [rcode(story.heard[n][0]) for n in range(20)] == ["NOERROR"] * 20


@pytest.mark.parametrize("upstreams", [1, 2])
@pytest.mark.parametrize("every_s", [0.02, 0.2, 0.5, 1.2])
def test_names_that_nobody_answers_for_do_not_close_the_internet_to_others(upstreams, every_s):
    story = Story(upstreams=upstreams)
    step_s, on_the_way = 0.02, []
    for step in range(400):
        for exchange in on_the_way:
            story.answer(exchange, reply(exchange.question, [address()]))
        on_the_way = []
        if step % 25 == 0:
            for i in range(20):
                story.ask(query(f"n{step}-{i}.dead.example"), who="attacker")
        if step % round(every_s / step_s) == 0:
            on_the_way.append(story.ask(query(f"n{step}.example.org"), who=step))
            assert isinstance(on_the_way[-1], Exchange), f"{step * step_s:.2f} s"
        on_the_way += [exchange for exchange in story.passes(step_s) if not exchange.key]  # probes


def test_with_all_upstreams_down_a_servfail_comes_at_once_and_nothing_is_sent():
    story = Story()
    story.outage()
    sent = len(story.sent)
    heard = story.ask(query())
    assert (rcode(heard), ede(heard)) == ("SERVFAIL", [22])
    assert len(story.sent) == sent


def test_blocked_special_and_cached_names_are_answered_in_an_outage():
    story = Story()
    story.cached(query("kept.example"), address(600))
    story.outage()
    for name in ("adult.example", "localhost", "kept.example"):
        assert rcode(story.ask(query(name))) == "NOERROR"


def test_after_an_outage_the_first_probe_that_is_answered_ends_it():
    story = Story()
    story.outage()
    probes = story.passes(1.0)
    assert {p.upstream for p in probes} == {0, 1}
    story.answer(probes[-1], reply(probes[-1].question, rcode=3))
    exchange = story.ask(query("outage0.example"))
    assert exchange.upstream == probes[-1].upstream


def test_an_outage_is_probed_for_as_long_as_it_lasts_and_no_faster():
    story = Story()
    story.outage()
    assert len(story.passes(60.0)) == pytest.approx(120, abs=2)


def test_a_probe_that_comes_to_nothing_is_forgotten():
    story = Story()
    story.outage()
    probe = story.passes(1.0)[0]
    assert story.forwarder.unreachable(probe, story.now) == []
    assert story.answer(probe, reply(probe.question)) is None
    assert story.forwarder.pending == 0


# -- stale answers ----------------------------------------------------------------------------------------------------


def test_an_expired_answer_is_better_than_none():
    story = Story()
    story.cached(query(), address(20))
    story.outage()
    story.passes(3600.0)
    heard = story.ask(query(), "staff-room")
    assert (rcode(heard), ede(heard), ttls(heard)) == ("NOERROR", [3], [30])
    assert ttls(story.ask(query(edns=None), "7-3")) == [30]
    assert story.forwarder.stale_answers == 2


def test_a_fresh_answer_is_tried_first():
    story = Story()
    story.cached(query(), address(20))
    story.passes(30.0)
    assert isinstance(story.ask(query()), Exchange)
    story.passes(2.0)
    assert ede(story.heard["client"][-1]) == [3]


def test_a_stale_answer_ends_after_the_limit():
    story = Story(schools.with_limits(stale_s=600))
    story.cached(query(), address(20))
    story.outage()
    story.passes(616.0 - (story.now - START))
    assert ede(story.ask(query())) == [3]
    story.passes(10.0)
    assert rcode(story.ask(query())) == "SERVFAIL"


def test_a_stale_answer_is_judged_by_the_policy_of_today():
    story = Story()
    story.cached(query("cdn.example"), alias("new.example", 20), address(20))
    story.outage()
    story.forwarder.use(schools.snapshot(listed={"adult": ["new.example"]}))
    story.passes(60.0)
    assert ede(story.ask(query("cdn.example"))) == [15]


def test_a_stale_answer_has_the_ttl_of_a_name_that_is_toggled():
    story = Story()
    story.cached(query("youtube.com"), address(5))
    story.outage()
    assert ttls(story.ask(query("youtube.com"))) == [10]


# -- replies that are not the answer ----------------------------------------------------------------------------------

STRAYS = {
    "another question": lambda q: reply(question("evil.example"), [address()]),
    "another type": lambda q: reply(q[:-4] + b"\0\x1c\0\1", [address()]),
    "a header alone": lambda q: pack("!HHHHHH", 0, 0x8180, 0, 0, 0, 0),
    "no header": lambda q: b"\0\0",
    "a question": lambda q: reply(q, flags=0x0100),
    "another opcode": lambda q: reply(q, [address()], flags=0x8980),
    "two questions": lambda q: pack("!HHHHHH", 0, 0x8180, 2, 0, 0, 0) + q + q,
}


@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
def test_a_packet_that_is_not_the_answer_is_ignored_and_the_answer_still_taken(stray):
    story = Story()
    exchange = story.ask(query())
    assert story.answer(exchange, stray(exchange.question)) is None
    assert story.forwarder.upstreams.all[0].answers == 0
    story.answer(exchange, reply(exchange.question, [address()]))
    assert rcode(story.heard["client"][0]) == "NOERROR"


@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
def test_three_such_packets_move_the_question_to_tcp_and_no_blame_to_the_upstream(stray):
    story = Story()
    exchange = story.ask(query())
    outcomes = [story.answer(exchange, stray(exchange.question)) for _ in range(5)]
    assert outcomes == [None, None, exchange, None, None]
    assert exchange.tcp
    assert story.forwarder.upstreams.all[0].timeouts == 0
    story.answer(exchange, reply(exchange.question, [address()]), tcp=True)
    assert rcode(story.heard["client"][0]) == "NOERROR"


def test_an_answer_that_comes_twice_is_taken_once():
    story = Story()
    exchange = story.ask(query())
    story.answer(exchange, reply(exchange.question, [address()]))
    assert story.answer(exchange, reply(exchange.question, [address()])) is None
    assert len(story.heard["client"]) == 1


# -- truncated answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [0x8182, 0x8380], ids=["servfail", "truncated"])
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_a_late_answer_that_is_no_use_does_not_end_what_another_upstream_was_asked(flags, tcp):
    story = Story()
    exchange = story.ask(query())
    story.passes(ATTEMPT_S)
    if tcp:
        story.answer(exchange, reply(exchange.question, [], flags=0x8380))
    assert story.forwarder.response(exchange, reply(exchange.question, [], flags=flags), story.now, 0) is None
    assert (exchange.done, exchange.upstream, exchange.tcp) == (False, 1, tcp)
    assert [u.errors for u in story.forwarder.upstreams.all] == [flags == 0x8182, 0]
    story.answer(exchange, reply(exchange.question, [address()]))
    assert rcode(story.heard["client"][0]) == "NOERROR"


def test_a_truncated_answer_is_asked_again_over_tcp_at_the_same_upstream():
    story = Story()
    exchange = story.ask(query())
    assert story.answer(exchange, reply(exchange.question, [address()], flags=0x8380)) is exchange
    assert (exchange.tcp, exchange.upstream, len(story.forwarder.cache)) == (True, 0, 0)
    story.answer(exchange, reply(exchange.question, [address()] * 2))
    assert story.heard["client"][0].count(b"\xc6\x33\x64\x07") == 2


def test_tcp_has_time_of_its_own():
    story = Story()
    exchange = story.ask(query())
    story.passes(0.5)
    story.answer(exchange, reply(exchange.question, [], flags=0x8380))
    assert story.passes(0.5) == []
    story.answer(exchange, reply(exchange.question, [address()]))
    assert rcode(story.heard["client"][0]) == "NOERROR"


@pytest.mark.parametrize("how", ["silence", "closed", "truncated again"])
def test_where_tcp_fails_the_next_upstream_is_asked_over_udp(how):
    story = Story()
    exchange = story.ask(query())
    story.answer(exchange, reply(exchange.question, [], flags=0x8380))
    if how == "silence":
        story.passes(ATTEMPT_S)
    elif how == "closed":
        story.take(story.forwarder.unreachable(exchange, story.now))
    else:
        story.answer(exchange, reply(exchange.question, [], flags=0x8380), tcp=True)
    assert (exchange.tcp, exchange.upstream) == (False, 1)


def test_a_truncated_answer_that_comes_twice_is_no_failure_of_tcp():
    story = Story(upstreams=1)
    exchange = story.ask(query())
    story.answer(exchange, reply(exchange.question, [], flags=0x8380))
    assert story.answer(exchange, reply(exchange.question, [], flags=0x8380)) is None
    story.answer(exchange, reply(exchange.question, [address()]), tcp=True)
    assert rcode(story.heard["client"][0]) == "NOERROR"


# -- swaps ------------------------------------------------------------------------------------------------------------


def test_a_swap_takes_effect_at_once_and_keeps_raw_answers():
    story = Story()
    story.cached(query("new.example"), address(600))
    assert isinstance(story.as_shell(query("new.example")), bytes)
    story.forwarder.use(schools.snapshot(listed={"adult": ["new.example"]}))
    assert ede(story.as_shell(query("new.example"))) == [15]
    story.forwarder.use(story.snapshot)
    heard = story.as_shell(query("new.example"))
    assert (ede(heard), ttls(heard)) == ([], [60])


def test_a_question_in_flight_is_answered_by_the_snapshot_it_was_asked_under_and_not_remembered():
    story = Story()
    exchange = story.ask(query("new.example"))
    story.forwarder.use(schools.snapshot(listed={"adult": ["new.example"]}))
    story.answer(exchange, reply(exchange.question, [address()]))
    assert ede(story.heard["client"][0]) == []
    assert story.forwarder.memo.size_bytes == 0
    assert ede(story.as_shell(query("new.example"))) == [15]


def test_no_class_hears_what_was_remembered_for_another():
    story = Story()
    for place, blocked in (("3a", True), ("staff-room", False), ("3a", True), ("staff-room", False)):
        heard = story.as_shell(query("games.example"), place)
        if isinstance(heard, Exchange):
            ((_, heard),) = story.answer(heard, reply(heard.question, [address()]))
        assert (ede(heard) == [15]) is blocked


@pytest.mark.parametrize("count", [0, 1, 5])
def test_upstreams_can_be_exchanged_while_questions_wait(count):
    story = Story(upstreams=3)
    exchange = story.ask(query())
    story.passes(ATTEMPT_S)
    assert exchange.upstream == 1
    story.forwarder.use_upstreams(schools.plan(count))
    exchanges = story.passes(ATTEMPT_S)
    assert [e.upstream for e in exchanges if e.key] == ([] if count == 0 else [0])
    if count:
        story.answer(exchange, reply(exchange.question, [address()]))
    assert rcode(story.heard["client"][0]) == ("NOERROR" if count else "SERVFAIL")


@pytest.mark.parametrize("count", [0, 1])
def test_what_the_old_upstreams_still_say_is_not_put_down_to_the_new(count):
    story = Story(upstreams=3)
    story.outage()
    probes = story.passes(1.0)
    late = story.sent[0]
    story.forwarder.use_upstreams(schools.plan(count))
    for probe in probes:
        assert story.answer(probe, reply(probe.question)) is None
    assert story.forwarder.unreachable(late, story.now) == []
    story.passes(0.5)  # the new ones' own probes have not timed out yet
    assert [u.timeouts for u in story.forwarder.upstreams.all] == [0] * count


@pytest.mark.parametrize("count", [0, 2])
def test_a_truncated_answer_of_an_old_upstream_goes_to_the_new_ones(count):
    story = Story()
    exchange = story.ask(query())
    story.forwarder.use_upstreams(schools.plan(count))
    story.answer(exchange, reply(exchange.question, flags=0x8380))
    assert (exchange.upstream, exchange.tcp) == ((0, False) if count else (-1, False))
    assert ("client" in story.heard) is (count == 0)


def test_without_upstreams_a_question_is_an_honest_servfail():
    heard = Story(upstreams=0).ask(query())
    assert (rcode(heard), ede(heard)) == ("SERVFAIL", [22])


# -- the timetable and TTLs -------------------------------------------------------------------------------------------

SOON = int(NOW) + 120


def lesson(**rules: Any) -> Story:
    """From SOON on class 7-3 is in another lesson; wide.example has been asked for before."""
    story = Story(overrides=[Override("7-3", SOON + 600, since=SOON, **rules)])
    story.cached(query("wide.example"), address(86400))
    return story


@pytest.mark.parametrize(
    ("after_s", "ttl_s"),
    [(0.0, 60), (59.0, 60), (60.0, 60), (60.5, 59), (110.0, 10), (118.5, 1), (119.5, 1), (120.5, 1)],
)
def test_a_ttl_ends_with_the_lesson_where_the_name_will_be_blocked(after_s, ttl_s):
    story = lesson(block=Rules(names=("wide.example",)))
    story.passes(after_s)
    assert ttls(story.ask(query("wide.example"))) == [ttl_s]


@pytest.mark.parametrize("after_s", [0.0, 60.5, 119.5])
def test_a_ttl_does_not_end_with_the_lesson_where_nothing_changes_for_the_name(after_s):
    story = lesson(block=Rules(names=("other.example",)))
    story.passes(after_s)
    assert ttls(story.ask(query("wide.example"))) == [60]


@pytest.mark.parametrize(("place", "ttl_s"), [("7-3", 5), ("staff-room", 300)])
def test_only_the_class_whose_lesson_ends_is_cut_short(place, ttl_s):
    story = lesson(profile="exam")
    story.passes(115.0)
    assert ttls(story.ask(query("wide.example"), place)) == [ttl_s]


def test_a_block_that_ends_with_the_lesson_is_not_told_for_longer():
    story = Story(overrides=[Override("7-3", SOON, block=Rules(names=("wide.example",)))])
    assert ttls(story.ask(query("wide.example"))) == [10]
    story.passes(114.0)
    assert ttls(story.ask(query("wide.example"))) == [6]


def test_a_target_that_will_be_blocked_cuts_the_ttl_too():
    games = Override("7-3", SOON + 600, since=SOON, block=Rules(categories=("streaming",)))
    story = Story(overrides=[games], listed={"streaming": ["films.example"]})
    story.cached(query("cdn.example"), alias("films.example"), address())
    story.passes(115.0)
    assert set(ttls(story.ask(query("cdn.example")))) == {5}


def test_the_memo_tells_no_ttl_that_outlives_the_lesson():
    story = lesson(profile="exam")
    for _ in range(119):
        story.passes(1.0)
        heard = story.as_shell(query("wide.example"))
        left_s = SOON - story.wall()
        assert ttls(heard)[0] <= max(left_s, 1) + 1


# -- the memo ---------------------------------------------------------------------------------------------------------

ASKED = ["www.example.org", "cdn.example", "adult.example", "youtube.com", "localhost", "wide.example", "none.example"]
UPSTREAM_SAYS: dict[str, tuple[list[bytes], list[bytes], int]] = {
    "www.example.org": ([address(86400)], [record(2, 20, b"\0")], 0),
    "cdn.example": ([alias("films.example", 90), address(45)], [], 0),
    "youtube.com": ([address(12)], [record(2, 7, b"\0")], 0),
    "wide.example": ([address(64), address(3000)], [], 0),
    "none.example": ([], [soa(70, 65)], 3),
}
moments = st.sampled_from([0.0, 0.3, 0.9, 1.0, 3.7, 11.0, 40.0, 59.5])
asked = st.tuples(st.sampled_from(ASKED), st.sampled_from(["3a", "7-3", "staff-room", None]), st.sampled_from([1, 28]))


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(moments, asked), min_size=4, max_size=60), st.sampled_from([400, 3000, 1 << 20]))
def test_a_remembered_reply_is_the_fresh_one_but_for_its_id_and_a_second_of_ttl(steps, memo_bytes):
    overrides = [
        Override("7-3", int(NOW) + 90, since=int(NOW) + 30, profile="exam"),
        Override("3a", int(NOW) + 150, since=int(NOW) + 100, block=Rules(names=("wide.example",))),
    ]
    story = Story(schools.with_limits(memo_bytes=memo_bytes), overrides=overrides)
    forwarder = story.forwarder
    for after_s, (name, place, qtype) in steps:
        story.passes(after_s)
        until = forwarder.snapshot.matrix.valid_until
        if until is not None and story.wall() >= until:
            forwarder.use(forwarder.snapshot.at(story.wall()))
        packet = query(name, qtype)
        story.lose_prefetches()
        heard = story.as_shell(packet, place)
        story.lose_prefetches()
        if isinstance(heard, Exchange):
            answers, authorities, code = UPSTREAM_SAYS[name]
            story.answer(heard, reply(heard.question, answers, authorities, rcode=code))
            continue
        memo, forwarder.memo = forwarder.memo, Memo(1 << 20)
        fresh = story.ask(query(name, qtype, ident=0x5678), place)
        forwarder.memo = memo
        assert isinstance(fresh, bytes), "a remembered reply outlived its answer"
        assert without_ttls(heard) == without_ttls(fresh)
        assert all(told - 1 <= now_told for told, now_told in zip(ttls(heard), ttls(fresh), strict=True))
        assert memo.size_bytes <= memo_bytes + 1000


def without_ttls(packet: bytes) -> str:
    message = parsed(packet)
    message.id = 0
    for section in message.sections[1:]:
        for rrset in section:
            rrset.ttl = 0
            if rrset.rdtype == 6 and "filterd" in str(rrset[0]):
                rrset.clear()
    return message.to_text()


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(query("adult.example").replace(b"adult", b"aDult"), id="mixed case"),
        pytest.param(query("adult.example") + b"x", id="trailing bytes"),
        pytest.param(query("adult.example", edns=opt(options=b"\xff\xf0\0\0")), id="an option"),
    ],
)
def test_what_is_random_is_not_remembered(packet):
    story = Story()
    assert isinstance(story.ask(packet), bytes)
    assert story.forwarder.memo.size_bytes == 0


def test_errors_stale_answers_and_tcp_are_not_remembered():
    story = Story()
    story.cached(query(), address(20))
    story.outage()
    story.passes(60.0)
    story.ask(query())
    story.ask(query("unknown.example"))
    story.ask(query("adult.example"), transport=TCP)
    assert story.forwarder.memo.size_bytes == 0


def test_what_is_remembered_is_counted_as_well():
    story = Story()
    story.forwarder.limits = replace(story.forwarder.limits)
    story.forwarder.memo = Memo(600)
    for n in range(10):
        story.as_shell(query(("adult.example", "games.example", "bad.example")[n % 3]))
    assert sum(cell[0] for cell in story.forwarder.counters.values()) == 10


# -- any bytes, any order ---------------------------------------------------------------------------------------------

client_packets = st.one_of(
    st.binary(max_size=80),
    st.builds(query, st.sampled_from(ASKED), st.sampled_from([1, 16, 28, 65, 252, 255])),
    st.builds(
        lambda at, value, size: bytes((*query()[:at], value, *query()[at + 1 :]))[:size],
        st.integers(0, 43), st.integers(0, 255), st.integers(0, 60),
    ),
)  # fmt: skip
upstream_packets = st.one_of(
    st.binary(max_size=80).map(lambda noise: lambda q: noise),
    st.binary(max_size=60).map(lambda noise: lambda q: pack("!HHHHHH", 0, 0x8180, 1, 1, 1, 1) + q + noise),
    st.builds(
        lambda flags, code, ttl: lambda q: reply(q, [address(ttl)], [soa()], flags=flags, rcode=code),
        st.sampled_from([0x8180, 0x8380, 0x0180, 0x81A0, 0x8980]),
        st.integers(0, 5),
        st.sampled_from([0, 1, 60, 2**31]),
    ),
    st.just(lambda q: reply(q, [alias("films.example"), address()])),
)  # fmt: skip


class AnyOrder(RuleBasedStateMachine):
    """Clients, upstreams, swaps and time in any order: nothing raises, nothing grows, and everybody is answered."""

    def __init__(self) -> None:
        super().__init__()
        policy = schools.with_limits(pending=6, memo_bytes=4000, cache_bytes=40_000)
        self.policies = [policy, replace(policy, unknown_client_tier=None)]
        self.story = Story(policy, overrides=[Override("7-3", int(NOW) + 20, since=int(NOW) + 5, profile="exam")])
        self.asked_at: dict[int, float] = {}
        self.number = 0

    @rule(packet=client_packets, place=st.sampled_from(["3a", "7-3", "refused"]), transport=st.sampled_from([UDP, TCP]))
    def a_client_says(self, packet, place, transport):
        self.number += 1
        outcome = self.story.ask(packet, place, transport, self.number)
        if isinstance(outcome, bytes):
            assert outcome[:2] == packet[:2]
            assert transport == TCP or len(outcome) <= 1232
        elif isinstance(outcome, Exchange):
            self.asked_at[self.number] = self.story.now

    @precondition(lambda self: self.story.sent)
    @rule(which=st.integers(0, 50), packet=upstream_packets)
    def an_upstream_says(self, which, packet):
        exchange = self.story.sent[-1 - which % len(self.story.sent)]
        self.story.answer(exchange, packet(exchange.question))

    @precondition(lambda self: self.story.sent)
    @rule(which=st.integers(0, 50))
    def a_port_is_closed(self, which):
        exchange = self.story.sent[-1 - which % len(self.story.sent)]
        self.story.take(self.story.forwarder.unreachable(exchange, self.story.now))

    @rule(seconds=st.sampled_from([0.01, 0.3, 0.6, 1.0, 7.0]))
    def time_passes(self, seconds):
        self.story.passes(seconds)

    @rule(count=st.sampled_from([0, 1, 2, 4]))
    def upstreams_change(self, count):
        self.story.forwarder.use_upstreams(schools.plan(count))

    @rule(which=st.integers(0, 1))
    def the_policy_changes(self, which):
        before = self.story.forwarder.snapshot
        self.story.forwarder.use(type(before)(self.policies[which], before.table, before.overrides, self.story.wall()))

    @invariant()
    def nothing_grows(self):
        forwarder = self.story.forwarder
        assert forwarder.pending <= 6
        assert forwarder.cache.size_bytes <= 40_000
        assert forwarder.memo.size_bytes <= 5000

    @invariant()
    def whoever_waits_is_waited_for(self):
        forwarder = self.story.forwarder
        assert not forwarder.pending or forwarder.deadline() is not None
        for exchange in self.story.sent:
            assert exchange.done or exchange.upstream < len(forwarder.upstreams.all)

    @invariant()
    def everybody_hears_in_time(self):
        for who, at in self.asked_at.items():
            if self.story.now > at + 2.7:
                assert len(self.story.heard.get(who, ())) == 1, f"{who} asked at {at}, now it is {self.story.now}"


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# -- memory -----------------------------------------------------------------------------------------------------------


def test_misses_leave_no_circles_for_a_collector():
    story = Story()
    gc.collect()
    gc.disable()
    try:
        for i in range(200):
            exchange = story.ask(query(f"new{i}.example"))
            if i % 3:
                story.answer(exchange, reply(exchange.question, [address()]))
        story.passes(3.0)
        story.sent.clear()
        del exchange
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_what_the_old_generation_of_the_memo_answers_counts_as_a_memo_hit() -> None:
    forwarder = schools.forwarder(schools.snapshot(schools.with_limits(memo_bytes=1 << 13)), 1, lambda: 0.0)
    row = schools.row(forwarder.snapshot, "3a")
    blocked = [schools.query(f"n{i}.localhost") for i in range(40)]
    for packet in blocked:
        assert forwarder.query(packet, UDP, row, None, 0.0)
    assert forwarder.memo.has_old
    before = forwarder.memo_recalls
    oldest = next(packet for packet in reversed(blocked) if packet[2:] not in forwarder.memo.young(row.index, UDP))
    assert forwarder.query(oldest, UDP, row, None, 0.0)
    assert forwarder.memo_recalls == before + 1
