from __future__ import annotations

from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import local as module
from filterd.core import names, special, wire
from filterd.core.local import LEASE_TTL_S, LocalData, build, reverse_key
from filterd.core.policy import Leases, Local, LocalRecord
from tests import schools

DOMAIN = "thietbi.lan"
DEVICES = (
    ("may-in", "192.168.1.50"),
    ("laptop-an", "192.168.1.51"),
    ("laptop-an", "fd00::51"),
    ("www", "10.9.9.8"),
    ("bang", "10.9.9.9"),
)


def record(name: str, kind: str, text: str, ttl_s: int = 300) -> LocalRecord:
    data = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), text)
    return LocalRecord(name, int(data.rdtype), ttl_s, data.to_digestable().hex())


RECORDS = (
    record("www.truong.lan", "A", "192.168.1.2"),
    record("www.truong.lan", "A", "192.168.1.3", 120),
    record("www.truong.lan", "AAAA", "fd00::2"),
    record("intranet.truong.lan", "A", "192.168.1.2"),
    record("a.b.c.truong.lan", "TXT", '"xin chào" "hai"'),
    record("_ldap._tcp.truong.lan", "SRV", "0 100 389 dc.truong.lan."),
    record("dc.truong.lan", "A", "192.168.1.4"),
    record("4.1.168.192.in-addr.arpa", "PTR", "dieu-khien.truong.lan."),
    record("cua.truong.lan", "CNAME", "www.truong.lan.", 60),
    record("chuoi.truong.lan", "CNAME", "cua.truong.lan.", 90),
    record("mat.truong.lan", "CNAME", "khong-co.truong.lan."),
    record("ngoai.truong.lan", "CNAME", "www.example.org.", 200),
    record("xa.truong.lan", "CNAME", "ngoai.truong.lan.", 100),
    record("vong.truong.lan", "CNAME", "tron.truong.lan."),
    record("tron.truong.lan", "CNAME", "vong.truong.lan."),
    record("minh.truong.lan", "CNAME", "minh.truong.lan."),
    record("may.truong.lan", "CNAME", f"may-in.{DOMAIN}."),
    record("hoc.example.edu.vn", "A", "203.0.113.7"),
    record("router.home.arpa", "A", "192.168.1.1"),
    record(f"www.{DOMAIN}", "A", "192.168.1.2"),
    *(record(f"n{i}.truong.lan", "CNAME", f"n{i + 1}.truong.lan.") for i in range(1, 10)),
    record("n10.truong.lan", "A", "192.168.1.10"),
)
LOCAL = Local(("truong.lan", "168.192.in-addr.arpa"), RECORDS, Leases(DOMAIN, ("/x",), ("staff",)))
DATA = LocalData(LOCAL, DEVICES)


def ask(name: str, kind: str = "A", *, lan: bool = True, data: LocalData = DATA, **how: Any) -> Any:
    query = wire.read_query(schools.query(name, int(dns.rdatatype.from_text(kind)), **how))
    reply = data.reply(query, query.key, lan)
    return dns.message.from_wire(reply) if isinstance(reply, bytes) else reply


def shape(message: dns.message.Message) -> tuple[str, list[str], list[str]]:
    """(RCODE, answers, owners and types of the authority section)."""
    answers = [
        f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {data}"
        for rrset in message.answer
        for data in rrset
    ]
    authority = [f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)}" for rrset in message.authority]
    return dns.rcode.to_text(message.rcode()), answers, authority


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        pytest.param("intranet.truong.lan", "A", ["intranet.truong.lan. 300 A 192.168.1.2"], id="A"),
        pytest.param("www.truong.lan", "AAAA", ["www.truong.lan. 300 AAAA fd00::2"], id="AAAA"),
        pytest.param("a.b.c.truong.lan", "TXT", ['a.b.c.truong.lan. 300 TXT "xin ch\\195\\160o" "hai"'], id="TXT"),
        pytest.param(
            "_ldap._tcp.truong.lan", "SRV", ["_ldap._tcp.truong.lan. 300 SRV 0 100 389 dc.truong.lan."], id="SRV"
        ),
        pytest.param("cua.truong.lan", "CNAME", ["cua.truong.lan. 60 CNAME www.truong.lan."], id="CNAME itself"),
        pytest.param("xa.truong.lan", "CNAME", ["xa.truong.lan. 100 CNAME ngoai.truong.lan."], id="CNAME going out"),
        pytest.param(
            "2.1.168.192.in-addr.arpa", "PTR", ["2.1.168.192.in-addr.arpa. 300 PTR www.truong.lan."], id="PTR, first"
        ),
        pytest.param(
            "4.1.168.192.in-addr.arpa",
            "PTR",
            ["4.1.168.192.in-addr.arpa. 300 PTR dieu-khien.truong.lan."],
            id="PTR own",
        ),
        pytest.param(
            "7.113.0.203.in-addr.arpa", "PTR", ["7.113.0.203.in-addr.arpa. 300 PTR hoc.example.edu.vn."], id="PTR out"
        ),
        pytest.param("hoc.example.edu.vn", "A", ["hoc.example.edu.vn. 300 A 203.0.113.7"], id="outside every zone"),
        pytest.param("truong.lan", "NS", ["truong.lan. 60 NS truong.lan."], id="NS of a zone"),
        pytest.param(DOMAIN, "NS", [f"{DOMAIN}. 60 NS {DOMAIN}."], id="NS of the leases' domain"),
        pytest.param(f"may-in.{DOMAIN}", "A", [f"may-in.{DOMAIN}. 60 A 192.168.1.50"], id="lease"),
        pytest.param(f"laptop-an.{DOMAIN}", "AAAA", [f"laptop-an.{DOMAIN}. 60 AAAA fd00::51"], id="lease, AAAA"),
        pytest.param(
            "50.1.168.192.in-addr.arpa", "PTR", [f"50.1.168.192.in-addr.arpa. 60 PTR may-in.{DOMAIN}."], id="lease, PTR"
        ),
        pytest.param(f"www.{DOMAIN}", "A", [f"www.{DOMAIN}. 300 A 192.168.1.2"], id="a record wins over a lease"),
        pytest.param(
            "chuoi.truong.lan",
            "AAAA",
            [
                "chuoi.truong.lan. 90 CNAME cua.truong.lan.",
                "cua.truong.lan. 60 CNAME www.truong.lan.",
                "www.truong.lan. 300 AAAA fd00::2",
            ],
            id="a chain",
        ),
    ],
)
def test_what_is_there_is_answered_with_authority(name, kind, expected):
    message = ask(name, kind)
    assert shape(message) == ("NOERROR", expected, [])
    assert message.flags & (dns.flags.AA | dns.flags.RA) == dns.flags.AA | dns.flags.RA
    assert not message.flags & dns.flags.AD


def test_all_records_of_a_type_are_answered():
    (rrset,) = ask("www.truong.lan").answer
    assert sorted(map(str, rrset)) == ["192.168.1.2", "192.168.1.3"]


def test_the_top_of_a_zone_has_an_soa():
    (rrset,) = ask("truong.lan", "SOA").answer
    assert (str(rrset.name), rrset[0].minimum) == ("truong.lan.", module.NEGATIVE_TTL_S)


@pytest.mark.parametrize(
    ("name", "kind", "code", "owner"),
    [
        pytest.param("gi-do.truong.lan", "A", "NXDOMAIN", "truong.lan.", id="no such name"),
        pytest.param("x.www.truong.lan", "A", "NXDOMAIN", "truong.lan.", id="below a record"),
        pytest.param("*.truong.lan", "A", "NXDOMAIN", "truong.lan.", id="no wildcards"),
        pytest.param("www.truong.lan", "HTTPS", "NOERROR", "truong.lan.", id="no such type"),
        pytest.param("truong.lan", "A", "NOERROR", "truong.lan.", id="the top of a zone"),
        pytest.param("c.truong.lan", "A", "NOERROR", "truong.lan.", id="an empty non-terminal"),
        pytest.param("b.c.truong.lan", "TXT", "NOERROR", "truong.lan.", id="a deeper one"),
        pytest.param("_tcp.truong.lan", "SRV", "NOERROR", "truong.lan.", id="one with an underscore"),
        pytest.param("1.168.192.in-addr.arpa", "PTR", "NOERROR", "168.192.in-addr.arpa.", id="above a PTR"),
        pytest.param("9.9.168.192.in-addr.arpa", "PTR", "NXDOMAIN", "168.192.in-addr.arpa.", id="no such PTR"),
        pytest.param("hoc.example.edu.vn", "AAAA", "NOERROR", "hoc.example.edu.vn.", id="outside every zone"),
        pytest.param("router.home.arpa", "AAAA", "NOERROR", "router.home.arpa.", id="in a special zone"),
        pytest.param("home.arpa", "A", "NOERROR", "home.arpa.", id="above a record in a special zone"),
        pytest.param(f"gi-do.{DOMAIN}", "A", "NXDOMAIN", f"{DOMAIN}.", id="no such lease"),
        pytest.param(f"may-in.{DOMAIN}", "AAAA", "NOERROR", f"{DOMAIN}.", id="a lease's other family"),
    ],
)
def test_what_is_not_there_is_denied_with_an_soa(name, kind, code, owner):
    query = ask(name, kind)
    assert shape(query) == (code, [], [f"{owner} SOA"])
    assert query.flags & dns.flags.AA


@pytest.mark.parametrize(
    ("name", "answers", "code", "owner"),
    [
        pytest.param("mat.truong.lan", ["khong-co.truong.lan."], "NXDOMAIN", "truong.lan.", id="no such name"),
        pytest.param("may.truong.lan", [f"may-in.{DOMAIN}."], "NOERROR", f"{DOMAIN}.", id="no such type"),
    ],
)
def test_a_chain_that_ends_in_nothing_says_so_for_its_end(name, answers, code, owner):
    message = ask(name, "AAAA")
    assert [str(rrset[0].target) for rrset in message.answer] == answers
    assert shape(message)[::2] == (code, [f"{owner} SOA"])


@pytest.mark.parametrize("name", ["vong.truong.lan", "tron.truong.lan", "minh.truong.lan", "n1.truong.lan"])
def test_a_loop_or_too_long_a_chain_fails(name):
    message = ask(name)
    assert shape(message) == ("SERVFAIL", [], [])
    assert [option.code for option in message.options] == [0]


def test_a_chain_may_have_eight_links():
    message = ask("n2.truong.lan")
    assert (message.rcode(), len(message.answer)) == (0, 9)


@pytest.mark.parametrize(("name", "ttl_s"), [("ngoai.truong.lan", 200), ("xa.truong.lan", 100)])
def test_a_chain_that_leaves_the_school_names_what_to_ask_and_its_least_ttl(name, ttl_s):
    assert ask(name) == (names.wire_of_text("www.example.org"), ttl_s)


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        pytest.param(f"may-in.{DOMAIN}", "A", "NXDOMAIN", id="name"),
        pytest.param("50.1.168.192.in-addr.arpa", "PTR", "NXDOMAIN", id="PTR"),
        pytest.param("1.5.0.0.f.f.ip6.arpa", "PTR", "NXDOMAIN", id="IPv6 tree"),
        pytest.param(DOMAIN, "A", "NOERROR", id="the domain itself is no secret"),
        pytest.param(f"www.{DOMAIN}", "A", "NOERROR", id="nor are records in it"),
        pytest.param("may.truong.lan", "A", "NXDOMAIN", id="an alias of a lease"),
    ],
)
def test_for_other_clients_no_lease_exists(name, kind, code):
    assert dns.rcode.to_text(ask(name, kind, lan=False).rcode()) == code
    assert LEASE_TTL_S not in [rrset.ttl for rrset in ask(name, kind, lan=False).answer]


def test_without_leases_the_domain_is_empty():
    assert shape(ask(f"may-in.{DOMAIN}", data=LocalData(LOCAL)))[0] == "NXDOMAIN"


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("www.truong.lan", True),
        ("gi-do.truong.lan", True),
        ("truong.lan", True),
        ("lan", False),
        ("lan.truong", False),
        ("hoc.example.edu.vn", True),
        ("x.hoc.example.edu.vn", False),
        ("example.edu.vn", False),
        ("vn", False),
        ("7.113.0.203.in-addr.arpa", True),
        ("113.0.203.in-addr.arpa", True),
        ("8.113.0.203.in-addr.arpa", False),
        ("in-addr.arpa", False),
        ("arpa", False),
        ("8.8.8.8.in-addr.arpa", False),
        ("9.9.9.10.in-addr.arpa", True),
        ("9.9.10.in-addr.arpa", True),
        ("8.9.9.10.in-addr.arpa", False),
        ("home.arpa", True),
        ("x.home.arpa", False),
    ],
)
def test_a_zone_covers_all_below_it_and_a_record_itself(name, covered):
    key = names.key_of_text(name)
    assert DATA.covers(key) is covered
    if covered:
        first = key[: key.find(b".") + 1]
        assert names.head(key) in DATA.heads or first in DATA.heads or names.head(key) in special.HEADS


def test_the_root_is_not_covered():
    assert not DATA.covers(b"")


def test_the_clients_own_question_is_echoed_in_its_case():
    asked = schools.query("www.truong.lan").replace(b"truong", b"TRuonG")
    query = wire.read_query(asked)
    reply = DATA.reply(query, query.key, False)
    assert isinstance(reply, bytes)
    assert query.question in reply
    assert reply[12 + len(query.question) :].startswith(b"\xc0\x0c")


def test_a_label_with_a_dot_inside_is_another_name():
    packet = schools.query("x.lan").replace(b"\1x\3lan\0", b"\7x.truon\3lan\0")
    assert not DATA.covers(wire.read_query(packet).key)
    dotted = schools.query("www.truong.lan").replace(b"\3www\6truong", b"\x0awww.truong")
    assert not DATA.covers(wire.read_query(dotted).key)


@pytest.mark.parametrize("edns", [None, schools.OPT], ids=["plain", "EDNS"])
def test_only_a_client_with_edns_gets_an_opt(edns):
    assert ask("www.truong.lan", edns=edns).edns == (-1 if edns is None else 0)


def test_a_reverse_name_has_every_digit_of_the_address():
    assert names.text_of_key(reverse_key(bytes((192, 0, 2, 7)))) == "7.2.0.192.in-addr.arpa"
    text = names.text_of_key(reverse_key(bytes.fromhex("20010db8" + "0" * 23 + "a")))
    assert text == "a." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa"


LABELS = [
    "www",
    "truong",
    "lan",
    "thietbi",
    "may-in",
    "cua",
    "vong",
    "arpa",
    "in-addr",
    "192",
    "168",
    "1",
    "2",
    "\\046",
]


@given(
    labels=st.lists(st.sampled_from(LABELS), max_size=5),
    top=st.sampled_from([[], ["truong", "lan"], ["thietbi", "lan"], ["1", "168", "192", "in-addr", "arpa"]]),
    qtype=st.sampled_from([1, 2, 5, 6, 12, 16, 28, 33, 43, 46, 48, 64, 65, 257, 65400]),
    lan=st.booleans(),
)
def test_whatever_is_covered_gets_a_reply_that_anybody_can_read(labels, top, qtype, lan):
    wanted = dns.name.from_text(".".join([*labels, *top]) + ".")
    packet = b"ab\1\0\0\1\0\0\0\0\0\0" + wanted.to_wire() + qtype.to_bytes(2, "big") + b"\0\1"
    query = wire.read_query(packet)
    if not DATA.covers(query.key):
        return
    reply = DATA.reply(query, query.key, lan)
    if isinstance(reply, tuple):
        assert reply[0] == names.wire_of_text("www.example.org")
        return
    message = dns.message.from_wire(reply)
    assert message.question[0].name == wanted
    assert message.answer or message.authority or message.rcode() == dns.rcode.SERVFAIL


def test_nothing_of_its_own_is_no_data():
    assert build(Local()) is None


def test_the_same_again_is_the_same_object():
    first = build(LOCAL, DEVICES)
    assert build(LOCAL, DEVICES, first) is first
    assert build(LOCAL, DEVICES[:1], first) is not first
    assert build(Local(("x.lan",)), DEVICES, first) is not first


@pytest.mark.parametrize(("qtype", "data"), [(5, "0377"), (5, ""), (1, "0a0000"), (28, "0a000001ff")])
def test_data_that_are_no_rdata_of_their_type_are_refused(qtype, data):
    with pytest.raises(ValueError):
        LocalData(Local((), (LocalRecord("x.lan", qtype, 60, data),)))
