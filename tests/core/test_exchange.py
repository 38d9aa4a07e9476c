from __future__ import annotations

import dns.flags
import dns.message
import pytest

from filterd.core import names, wire
from filterd.core.exchange import cache_key, exchange_for, probe_of
from filterd.core.matrix import Safe
from tests.schools import OPT, query, question

OPT_DO = OPT[:7] + b"\x80\0" + OPT[9:]


def read(name: str = "www.example.org", **how) -> wire.Query:
    return wire.read_query(query(name, **how))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param({"ident": 9}, True, id="another id"),
        pytest.param({"edns": None}, True, id="no EDNS"),
        pytest.param({"flags": 0x0120}, True, id="AD"),
        pytest.param({"qtype": 28}, False, id="another type"),
        pytest.param({"name": "ww.example.org"}, False, id="another name"),
        pytest.param({"edns": OPT_DO}, False, id="DO"),
        pytest.param({"flags": 0x0110}, False, id="CD"),
        pytest.param({"flags": 0x0110, "edns": OPT_DO}, False, id="DO and CD"),
    ],
)
def test_what_makes_two_questions_the_same_for_an_upstream(other, same):
    assert (cache_key(read()) == cache_key(read(**other))) is same


def test_case_does_not_make_a_question_different():
    mixed = wire.read_query(query().replace(b"www", b"wWw"))
    assert cache_key(mixed) == cache_key(read())


def test_no_name_of_one_question_is_the_key_of_another():
    keys = {cache_key(read(n, qtype=t)) for n in ("a", "a.b", "b") for t in (1, 256, 257)}
    assert len(keys) == 9


@pytest.mark.parametrize(("flags", "edns", "do", "cd"), [(0x0100, None, False, False), (0x0130, OPT_DO, True, True)])
def test_the_packet_for_an_upstream_is_our_own(flags, edns, do, cd):
    asked = read(flags=flags, edns=edns)
    exchange = exchange_for(cache_key(asked), 1, 5.0, (0, 1))
    sent = dns.message.from_wire(exchange.packet)
    assert (sent.id, sent.edns, sent.payload, sent.options) == (0, 0, 1232, ())
    assert sent.flags == dns.flags.RD | dns.flags.AD | (dns.flags.CD if cd else 0)
    assert bool(sent.ednsflags & dns.flags.DO) is do
    assert exchange.question == question("www.example.org")
    assert (exchange.upstream, exchange.tried, exchange.since, exchange.sent) == (1, [1], 5.0, 5.0)
    assert not (exchange.done or exchange.tcp)


def test_a_rewritten_question_asks_for_the_target_without_the_clients_do_and_cd():
    safe = Safe(names.wire_of_text("safe.example"), (), (), "")
    exchange = exchange_for(cache_key(read(flags=0x0110, edns=OPT_DO), safe), 1, 5.0, (0, 1))
    sent = dns.message.from_wire(exchange.packet)
    assert exchange.question == question("safe.example")
    assert (sent.flags, sent.ednsflags) == (dns.flags.RD | dns.flags.AD, 0)


def test_a_name_in_random_case_is_the_same_in_packet_and_question():
    exchange = exchange_for(cache_key(read()), 0, 5.0, (0,), b"\xff" * 17)
    assert exchange.question == question("www.example.org").replace(b"www", b"WWW").replace(
        b"example", b"EXAMPLE"
    ).replace(b"org", b"ORG")
    assert exchange.packet[12:].startswith(exchange.question)
    assert exchange.mixed


def test_a_probe_is_a_question_like_any_other_with_an_empty_key():
    probe = probe_of(2, 5.0, question("probe.example"))
    sent = dns.message.from_wire(probe.packet)
    assert [str(q) for q in sent.question] == ["probe.example. IN A"]
    assert (probe.key, probe.upstream, probe.route) == (b"", 2, (2,))
