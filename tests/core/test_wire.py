"""The reader of packets: nothing but WireError on any bytes, and the same reading as dnspython and dnslib."""

from __future__ import annotations

import time
from ipaddress import ip_address
from struct import pack, unpack_from

import dns.edns
import dns.flags
import dns.message
import dns.rdatatype
import pytest
from dnslib import AAAA, CNAME, RR, A, DNSHeader, DNSQuestion, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import names, wire
from filterd.errors import WireError
from tests import schools
from tests.schools import HERE, OPT, address, alias, question, record, reply, soa

WWW = question("www.example.org")
START = 12 + len(WWW)
label = st.binary(min_size=1, max_size=63)
labels = st.lists(label, max_size=6).filter(lambda parts: sum(map(len, parts)) + len(parts) < 255)


def wire_of(parts: list[bytes]) -> bytes:
    return b"".join(bytes((len(part),)) + part for part in parts) + b"\0"


def header(questions: int = 1, answers: int = 0, authorities: int = 0, additionals: int = 0) -> bytes:
    return pack("!HHHHHH", 7, 0x0100, questions, answers, authorities, additionals)


def name_of(size: int) -> bytes:
    """A wire name of exactly `size` bytes."""
    parts = [b"a" * 63] * ((size - 1) // 64)
    rest = size - 1 - 64 * len(parts)
    if rest == 0:
        return wire_of(parts)
    if rest == 1:
        return wire_of([*parts[:-1], b"a" * 62, b"a"])
    return wire_of([*parts, b"a" * (rest - 1)])


# -- any bytes --------------------------------------------------------------------------------------------------------

CORPUS = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"\0" * 11, id="one byte short of a header"),
    pytest.param(header(0), id="no question"),
    pytest.param(header(2) + WWW + WWW, id="two questions"),
    pytest.param(header(65535) + WWW, id="65535 questions"),
    pytest.param(header(1, 1) + WWW + address(), id="an answer in a query"),
    pytest.param(header(1, 65535) + WWW, id="65535 answers"),
    pytest.param(header() + b"\xc0\x0c\0\1\0\1", id="pointer to itself"),
    pytest.param(header() + b"\xc0\x00\0\1\0\1", id="pointer into the header"),
    pytest.param(header() + b"\xc0\xff\0\1\0\1", id="pointer over the end"),
    pytest.param(header() + b"\x01a\xc0\x0c\0\1\0\1", id="pointer loop behind a label"),
    pytest.param(header() + b"\x40a\0\0\1\0\1", id="label type 0x40"),
    pytest.param(header() + b"\x80a\0\0\1\0\1", id="label type 0x80"),
    pytest.param(header() + b"\x3fabc", id="label over the end"),
    pytest.param(header() + b"\x01a", id="name without end"),
    pytest.param(header() + b"\x01a\0", id="no type"),
    pytest.param(header() + b"\x01a\0\0\1\0", id="half a class"),
    pytest.param(header() + name_of(256) + b"\0\1\0\1", id="name of 256 bytes"),
    pytest.param(header() + b"\x01a" * 200 + b"\0\0\1\0\1", id="200 labels"),
]


@pytest.mark.parametrize("packet", CORPUS)
def test_a_question_that_cannot_be_read_is_a_wire_error(packet):
    with pytest.raises(WireError):
        wire.read_query(packet)


noise = st.binary(max_size=300)
counts = [(1,), (1, 1), (1, 0, 1), (1, 0, 0, 1), (1, 2, 1, 1)]
halves = st.tuples(st.sampled_from([header(*each) for each in counts]), noise)
mangled = st.tuples(
    st.sampled_from([
        reply(WWW, [alias("cdn.example.net"), address()], [soa()], [OPT]),
        reply(WWW, [address()] * 3, additionals=[OPT]),
        schools.query(),
    ]),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=6),
    st.integers(0, 160),
)  # fmt: skip


def mangle(packet: bytes, changes: list[tuple[int, int]], size: int) -> bytes:
    changed = bytearray(packet)
    for at, value in changes:
        changed[at % len(changed)] = value
    return bytes(changed[:size])


packets = noise | halves.map(b"".join) | mangled.map(lambda m: mangle(*m))


@given(packets)
def test_any_bytes_are_a_query_or_a_wire_error(packet):
    try:
        query = wire.read_query(packet)
    except WireError:
        return
    assert packet[12:].startswith(query.question)
    assert query.name == query.question[:-4].lower()
    assert query.key == names.key_of_wire(query.name)
    assert 512 <= query.udp_bytes <= 1232


@given(packets, st.integers(12, 60))
def test_any_bytes_are_an_answer_or_a_wire_error(packet, start):
    try:
        answer = wire.read_answer(packet, min(start, len(packet)))
    except WireError:
        return
    start = min(start, len(packet))
    assert len(answer.ttls) == sum(answer.counts)
    assert all(0 <= at <= len(answer.body) - 4 for at in answer.ttls)
    assert 0 <= answer.ttl_s < 2**31
    message = bytearray(packet[:start]) + answer.body
    wire.age(message, start, answer.ttls, 5, 60)
    assert len(message) == start + len(answer.body)


def pointers(count: int) -> bytes:
    """The root, then pointers that each point at the one before."""
    return b"\0" + b"".join(pack("!H", 0xC000 | (11 + 2 * i if i else 12)) for i in range(count))


def test_an_answer_of_long_pointer_chains_is_refused_at_once():
    chain = record(16, 60, pointers(6000))
    hostile = [record(5, 60, pack("!H", 0xC000 | 12 + 12000))] * 3000
    packet = reply(b"", [chain, *hostile])
    started = time.process_time()
    with pytest.raises(WireError):
        wire.read_answer(packet, 12)
    assert time.process_time() - started < 0.05


# -- queries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 64, 128, 254, 255])
def test_names_of_up_to_255_bytes_are_questions(size):
    name = name_of(size)
    assert len(name) == size
    query = wire.read_query(header() + name + b"\0\1\0\1")
    assert query.name == name


@given(labels, st.integers(0, 65535), st.integers(0, 65535), st.booleans())
def test_a_query_reads_as_it_was_written(parts, qtype, qclass, edns):
    name = wire_of(parts)
    packet = header(additionals=edns) + name + pack("!HH", qtype, qclass) + (OPT if edns else b"")
    query = wire.read_query(packet)
    assert (query.id, query.flags, query.qtype, query.qclass) == (7, 0x0100, qtype, qclass)
    assert (query.question, query.name) == (name + pack("!HH", qtype, qclass), name.lower())
    assert query.edns == (0 if edns else None)
    assert query.udp_bytes == (1232 if edns else 512)
    assert query.plain == (name == name.lower())
    assert not query.formerr


@given(labels, labels)
def test_names_with_dots_or_nul_in_labels_never_match_other_names(one, other):
    same = wire_of(one).lower() == wire_of(other).lower()
    keys = [wire.read_query(header() + wire_of(parts) + b"\0\1\0\1").key for parts in (one, other)]
    assert (keys[0] == keys[1]) == same


@pytest.mark.parametrize("name", ["example.com", "xn--trng-rib8295b.vn", "_sip._tcp.example.com", "."])
@pytest.mark.parametrize("rdtype", ["A", "HTTPS", "TYPE65400"])
def test_a_query_by_dnspython_reads_the_same(name, rdtype):
    message = dns.message.make_query(name, rdtype, use_edns=0, payload=4096, want_dnssec=True)
    message.flags |= dns.flags.CD
    query = wire.read_query(message.to_wire())
    assert query.id == message.id
    assert query.name == message.question[0].name.to_wire()
    assert query.qtype == dns.rdatatype.from_text(rdtype)
    assert (query.do, query.udp_bytes, bool(query.flags & wire.CD), query.plain) == (True, 1232, True, True)


def edns(options: bytes = b"", version: int = 0, size: int = 1232, owner: bytes = b"\0", more: int = 0) -> bytes:
    return owner + pack("!HHIH", 41, size, version << 16, len(options) + more) + options


ECS = b"\0\x08\0\x07\0\1\x18\0\xc0\0\2"
COOKIE = b"\0\x0a\0\x08" + bytes(8)


@pytest.mark.parametrize(
    ("record_", "count", "formerr", "plain"),
    [
        pytest.param(edns(), 1, False, True, id="an OPT"),
        pytest.param(edns(ECS), 1, False, False, id="client subnet: read over"),
        pytest.param(edns(COOKIE), 1, False, False, id="a cookie"),
        pytest.param(edns(b"\0\x0a\0\7" + bytes(7)), 1, True, False, id="a cookie of 7 bytes"),
        pytest.param(edns(b"\0\x0a\0\x0f" + bytes(15)), 1, True, False, id="a cookie of 15 bytes"),
        pytest.param(edns(b"\xff\xf0\0\0" * 32), 1, True, False, id="more options than any client sends"),
        pytest.param(edns(b"\xff\xf0\0\0" * 31), 1, False, False, id="31 unknown options"),
        pytest.param(edns(b"\0\x0a\0"), 1, True, False, id="half an option"),
        pytest.param(edns(b"\0\x03\0\x09" + bytes(8)), 1, True, False, id="an option over the end of the OPT"),
        pytest.param(edns(more=4), 1, True, True, id="an OPT over the end of the packet"),
        pytest.param(edns() + edns(), 2, True, True, id="two OPTs"),
        pytest.param(edns(owner=b"\1a\0"), 1, True, True, id="an OPT that is not of the root"),
        pytest.param(edns(owner=b"\xc0\x0c"), 1, True, True, id="an OPT with a pointer for its owner"),
        pytest.param(b"", 1, True, True, id="announced and not there"),
        pytest.param(edns(), 5, True, True, id="five records announced"),
        pytest.param(edns() + b"junk", 1, False, False, id="trailing junk"),
        pytest.param(b"junk", 0, False, False, id="trailing junk and no OPT"),
        pytest.param(record(250, 0, b"x", b"\0"), 1, False, False, id="a TSIG is not looked at"),
        pytest.param(edns() + record(250, 0, b"x", b"\0"), 2, False, False, id="OPT and TSIG"),
    ],
)
def test_what_stands_behind_the_question(record_, count, formerr, plain):
    query = wire.read_query(header(additionals=count) + WWW + record_)
    assert query.formerr is formerr
    assert formerr or query.plain is plain


def test_authority_records_are_for_ixfr_only():
    packet = header(authorities=1) + question("example.org", wire.IXFR) + soa()
    assert not wire.read_query(packet).formerr
    assert wire.read_query(header(authorities=1) + WWW + soa()).formerr


def test_an_opt_in_the_authority_section_is_malformed():
    assert wire.read_query(header(authorities=1) + question("example.org", wire.IXFR) + OPT).formerr


@pytest.mark.parametrize(("size", "taken"), [(0, 512), (100, 512), (512, 512), (700, 700), (1232, 1232), (65535, 1232)])
def test_the_udp_size_is_clamped(size, taken):
    assert wire.read_query(header(additionals=1) + WWW + edns(size=size)).udp_bytes == taken


@pytest.mark.parametrize("version", [1, 100, 255])
def test_the_edns_version_is_read(version):
    assert wire.read_query(header(additionals=1) + WWW + edns(version=version)).edns == version


# -- answers ----------------------------------------------------------------------------------------------------------


def read(answers=(), authorities=(), additionals=(), rcode=0, asked=WWW) -> wire.Answer:
    return wire.read_answer(reply(asked, answers, authorities, additionals, rcode=rcode), 12 + len(asked))


@pytest.mark.parametrize(
    ("sections", "ttl_s", "negative"),
    [
        pytest.param(([address(300), address(60)],), 60, False, id="the least of the answers"),
        pytest.param(([address(300)], [soa(5)], [address(7)]), 300, False, id="other sections do not count"),
        pytest.param(([], [soa(600, 300)]), 300, True, id="no data: the SOA's minimum"),
        pytest.param(([], [soa(200, 300)]), 200, True, id="no data: the SOA's TTL"),
        pytest.param(([],), 0, True, id="no data without SOA"),
        pytest.param(([alias("a.example", 50)], [soa(600, 300)]), 50, True, id="no data behind a CNAME"),
        pytest.param(([alias("a.example", 900)], [soa(600, 300)]), 300, True, id="no data behind a long CNAME"),
        pytest.param(([alias("a.example")],), 0, True, id="a CNAME that leads nowhere"),
        pytest.param(([alias("a.example", 50), address(70)],), 50, False, id="CNAME and address"),
        pytest.param(([address(2**31)],), 0, False, id="a TTL with its top bit set is 0"),
        pytest.param(([address(2**31 - 1)],), 2**31 - 1, False, id="the largest TTL"),
    ],
)
def test_how_long_an_answer_lives(sections, ttl_s, negative):
    answer = read(*sections)
    assert (answer.ttl_s, answer.negative) == (ttl_s, negative)


def test_nxdomain_behind_a_cname_is_negative():
    answer = read([alias("a.example", 900)], [soa(600, 300)], rcode=wire.NXDOMAIN)
    assert (answer.ttl_s, answer.negative) == (300, True)


def test_a_cname_that_was_asked_for_is_an_answer():
    answer = read([alias("a.example", 900)], asked=question("www.example.org", wire.CNAME))
    assert (answer.ttl_s, answer.negative) == (900, False)


def test_ttls_over_the_limit_become_0_in_the_body_and_nothing_else_changes():
    packet = reply(WWW, [address(0xFFFFFFFF), address(5)])
    answer = wire.read_answer(packet, START)
    assert [unpack_from("!I", answer.body, at)[0] for at in answer.ttls] == [0, 5]
    assert answer.body == reply(WWW, [address(0), address(5)])[START:]


def test_targets_are_whole_names_in_lower_case_through_pointers():
    behind = 12 + 4  # example.org of the question
    first = record(5, 60, b"\3CdN" + pack("!H", 0xC000 | behind))
    owner = pack("!H", 0xC000 | START + 12)
    answer = read([first, alias("Edge.Example.NET".lower(), owner=owner), address(owner=b"\4edge\7example\3net\0")])
    assert answer.targets == (names.wire_of_text("cdn.example.org"), names.wire_of_text("edge.example.net"))


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        pytest.param([alias("www.example.org")], "loop", id="itself"),
        pytest.param([alias("a.example"), alias("www.example.org", owner=b"\1a\0")], "loop", id="back to the start"),
        pytest.param([alias("a.example"), alias("a.example", owner=b"\1a\7example\0")], "loop", id="in place"),
        pytest.param([alias(f"h{i}.example") for i in range(12)], "too long", id="twelve hops"),
        pytest.param([record(5, 60, b"\xc0\xff")], "backwards", id="target over the end"),
        pytest.param([record(5, 60, pack("!H", 0xC000 | START + 12))], "backwards", id="target is its own pointer"),
        pytest.param([record(5, 60, b"\1a\0\0")], "fill", id="bytes behind the target"),
        pytest.param([record(5, 60, b"")], "fill|over|data", id="empty target"),
        pytest.param([OPT], "OPT", id="OPT among the answers"),
        pytest.param([record(1, 60, b"abc")], "no address", id="an address of 3 bytes"),
        pytest.param([record(1, 60, b"")], "no address", id="an A record without an address"),
        pytest.param([record(28, 60, b"abcd")], "no address", id="an AAAA record of 4 bytes"),
        pytest.param([record(65, 60, b"\0\1\xc0\x0c")], "compressed", id="HTTPS with a compressed target"),
        pytest.param([record(64, 60, b"\0")], "over the end", id="SVCB of one byte"),
        pytest.param([record(39, 60, b"\1a\0\0")], "fill", id="bytes behind a DNAME's target"),
        pytest.param([b"\xc0\x0c\0\1\0\1\0\0\0\1\0\5abcd"], "over the end", id="data over the end"),
        pytest.param([b"\xc0\x0c\0\1\0\1\0"], "over the end", id="half a record"),
        pytest.param([b"\xc0\xff" + address()[2:]], "backwards", id="owner points forwards"),
        pytest.param([b"\x41" + address()], "label type", id="owner of an unknown label type"),
    ],
)
def test_an_answer_that_is_none_is_a_wire_error(answers, why):
    with pytest.raises(WireError, match=why):
        read(answers)


@pytest.mark.parametrize(
    ("kind", "data", "marked"),
    [
        pytest.param(1, "198.51.100.7", False, id="a public address"),
        pytest.param(1, "192.168.0.1", True, id="a private one"),
        pytest.param(28, "2001:db8::1", False, id="2001::/16 is public"),
        pytest.param(28, "2002:c0a8:1::", True, id="6to4 of a private address"),
        pytest.param(28, "2606:4700::1", False, id="a public IPv6 address"),
        pytest.param(28, "fd00::1", True, id="a private IPv6 address"),
        pytest.param(28, "::1", True, id="loopback"),
    ],
)
def test_a_private_address_among_the_answers_is_marked(kind, data, marked):
    packed = ip_address(data).packed
    mine, public = record(kind, 60, packed), address()
    assert read([public, mine, public]).marks == (wire.PRIVATE if marked else 0)
    assert wire.addresses(read([public, mine])) == [b"\xc6\x33\x64\x07", packed]
    assert read([public], [mine], [mine]).marks == 0
    assert wire.addresses(read([public], [mine], [mine])) == [b"\xc6\x33\x64\x07"]


@pytest.mark.parametrize("kind", [64, 65], ids=["SVCB", "HTTPS"])
def test_a_service_record_gives_its_target_and_its_hints(kind):
    data = b"\0\1\3CdN\7example\0\0\4\0\4\xc0\xa8\0\1\0\6\0\x10" + ip_address("2001:db8::1").packed
    answer = read([alias("a.example"), record(kind, 60, data)], asked=question("www.example.org", kind))
    assert answer.targets == (names.wire_of_text("a.example"), names.wire_of_text("cdn.example"))
    assert answer.marks == wire.SVCB_MARK | wire.PRIVATE
    assert wire.addresses(answer) == [ip_address("192.168.0.1").packed, ip_address("2001:db8::1").packed]
    assert not answer.negative


def test_a_service_record_may_name_the_question_itself():
    data = b"\0\1" + names.wire_of_text("www.example.org")
    answer = read([record(65, 60, data)])
    assert (answer.targets, answer.marks) == ((names.wire_of_text("www.example.org"),), wire.SVCB_MARK)


def test_signatures_and_dnames_beside_a_cname_are_no_data():
    signed = [alias("b.example", 50), record(46, 50, bytes(30)), record(39, 50, b"\7example\0", b"\7example\3org\0")]
    answer = read(signed, [soa(600, 300)])
    assert (answer.ttl_s, answer.negative) == (50, True)
    assert not read([*signed, address()], [soa()]).negative
    assert not read(signed, [soa()], asked=question("www.example.org", 46)).negative


def test_eleven_hops_are_all_given_for_judgement():
    hops = [alias(f"h{i}.example") for i in range(11)]
    assert len(read([*hops, address()]).targets) == 11


@pytest.mark.parametrize(
    ("authorities", "additionals", "counts"),
    [
        pytest.param([], [OPT], (1, 0, 0), id="alone"),
        pytest.param([soa()], [address(), OPT], (1, 1, 1), id="last"),
        pytest.param([], [OPT, address(), address()], (1, 0, 0), id="first: what is behind it goes too"),
        pytest.param([], [address(), OPT, address()], (1, 0, 1), id="in the middle"),
        pytest.param([], [OPT, OPT], (1, 0, 0), id="twice"),
    ],
)
def test_an_upstreams_opt_goes_no_further(authorities, additionals, counts):
    answer = read([address()], authorities, additionals)
    assert answer.counts == counts
    assert OPT not in answer.body
    assert len(answer.ttls) == sum(counts)


@pytest.mark.parametrize("sections", [([OPT], []), ([], [OPT])], ids=["answer", "authority"])
def test_an_opt_elsewhere_is_a_wire_error(sections):
    with pytest.raises(WireError):
        read(*sections)


@pytest.mark.parametrize("upper_bits", [1, 2, 255])
def test_an_extended_rcode_is_no_answer(upper_bits):
    with pytest.raises(WireError, match="RCODE"):
        read([address()], additionals=[b"\0" + pack("!HHIH", 41, 1232, upper_bits << 24, 0)])


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(b"\0\0\x10\0\1" + b"\xff\xff\xff\xff" + b"\0\0", id="smallest records, TTLs to correct"),
        pytest.param(HERE + b"\0\x10\0\1\0\0\0\1\0\0", id="pointers"),
        pytest.param(address(), id="addresses"),
        pytest.param(address(data=b"\xc0\xa8\0\1"), id="private addresses"),
        pytest.param(record(65, 60, b"\0\0\0"), id="HTTPS"),
    ],
)
def test_as_many_records_as_fit_are_read_in_50_ms(one):
    count = (65535 - START) // len(one)
    packet = reply(WWW, [one] * count)
    spent = []
    for _ in range(3):
        started = time.process_time()
        answer = wire.read_answer(packet, START)
        spent.append(time.process_time() - started)
    assert answer.counts == (count, 0, 0)
    assert min(spent) < 0.05


def test_more_records_than_can_fit_are_refused_unread():
    with pytest.raises(WireError, match="too many"):
        wire.read_answer(pack("!HHHHHH", 0, 0x8180, 1, 65535, 65535, 65535) + WWW, START)


def test_an_answer_by_dnslib_goes_through_unchanged():
    record_ = DNSRecord(DNSHeader(qr=1, aa=0, ra=1), q=DNSQuestion("www.example.org"))
    record_.add_answer(RR("www.example.org", 5, rdata=CNAME("edge.example.net"), ttl=300))
    record_.add_answer(RR("edge.example.net", 1, rdata=A("198.51.100.7"), ttl=60))
    record_.add_answer(RR("edge.example.net", 28, rdata=AAAA("2001:db8::7"), ttl=60))
    packet = bytes(record_.pack())
    answer = wire.read_answer(packet, START)
    assert packet[:START] + answer.body == packet
    assert (answer.ttl_s, answer.targets) == (60, (names.wire_of_text("edge.example.net"),))


ZONE = """\
id 7
opcode QUERY
rcode NOERROR
flags QR RD RA
edns 0
payload 1232
;QUESTION
www.example.org. IN A
;ANSWER
www.example.org. 300 IN CNAME edge.example.net.
edge.example.net. 60 IN A 198.51.100.7
;AUTHORITY
example.net. 900 IN NS ns1.example.net.
example.net. 900 IN SOA ns1.example.net. host.example.net. 1 2 3 4 5
;ADDITIONAL
ns1.example.net. 900 IN A 198.51.100.8
ns1.example.net. 900 IN TXT "a text" "another"
"""


def test_an_aged_answer_parses_in_dnspython_to_the_same_records():
    packet = dns.message.from_text(ZONE).to_wire()
    answer = wire.read_answer(packet, START)
    message = bytearray(pack("!HHHHHH", 7, 0x8180, 1, *answer.counts) + WWW + answer.body)
    wire.age(message, START, answer.ttls, 40, 100)
    parsed = dns.message.from_wire(bytes(message))
    expected = ZONE.replace("edns 0\n", "").replace("payload 1232\n", "")
    for old, new in ((" 300 ", " 100 "), (" 60 ", " 20 "), (" 900 ", " 100 ")):
        expected = expected.replace(old, new)
    assert parsed == dns.message.from_text(expected)
    assert [r.ttl for s in parsed.sections[1:] for r in s] == [100, 20, 100, 100, 100, 100]


@given(st.lists(st.integers(0, 2**31 - 1), max_size=5), st.integers(-30, 2**31), st.integers(0, 2**31))
def test_ageing_never_raises_a_ttl_over_its_cap_or_below_zero(ttls, elapsed_s, cap_s):
    packet = reply(WWW, [address(ttl) for ttl in ttls])
    answer = wire.read_answer(packet, START)
    message = bytearray(packet)
    wire.age(message, START, answer.ttls, elapsed_s, cap_s)
    aged = [unpack_from("!I", message, START + at)[0] for at in answer.ttls]
    assert aged == [min(max(ttl - elapsed_s, 0), cap_s) for ttl in ttls]


# -- writers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("do", [False, True])
@pytest.mark.parametrize("rcode", [0, wire.BADVERS])
def test_our_opt_reads_in_dnspython(do, rcode):
    packet = pack("!HHHHHH", 7, 0x8180, 1, 0, 0, 1) + WWW + wire.opt(do, rcode, wire.ede(15, "vì thế"))
    message = dns.message.from_wire(packet)
    assert (message.edns, message.payload, bool(message.ednsflags & dns.flags.DO)) == (0, 1232, do)
    assert message.rcode() == rcode
    (option,) = message.options
    assert isinstance(option, dns.edns.EDEOption)
    assert (option.code, option.text) == (15, "vì thế")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.integers(0, 65535))
def test_an_extended_error_holds_whole_characters_of_at_most_100_bytes(text, code):
    option = wire.ede(code, text)
    kind, length, info = unpack_from("!HHH", option)
    assert (kind, length, info) == (15, len(option) - 4, code)
    assert text.startswith(option[6:].decode())
    assert len(option) <= 106


def test_a_synthetic_soa_reads_in_dnspython():
    packet = pack("!HHHHHH", 7, 0x8183, 1, 0, 1, 0) + WWW + wire.soa(10)
    (rrset,) = dns.message.from_wire(packet).authority
    assert rrset.ttl == rrset[0].minimum == 10
    assert str(rrset.name) == "www.example.org."


@pytest.mark.parametrize(
    ("flags", "rcode", "expected"),
    [
        pytest.param(0x0100, wire.FORMERR, 0x8181, id="a query keeps RD"),
        pytest.param(0x0110, wire.FORMERR, 0x8191, id="and CD"),
        pytest.param(0x07F0, wire.FORMERR, 0x8191, id="and nothing else"),
        pytest.param(0x0800 | 0x07F0, wire.NOTIMP, 0x8804, id="opcode 1: opcode alone"),
        pytest.param(0x2800, wire.NOTIMP, 0xA804, id="update"),
        pytest.param(0x7800, wire.NOTIMP, 0xF804, id="opcode 15"),
    ],
)
def test_a_reply_of_a_header_alone_echoes_only_what_it_must(flags, rcode, expected):
    assert wire.header_only(7, flags, rcode) == pack("!HHHHHH", 7, expected, 0, 0, 0, 0)


# -- cookies ----------------------------------------------------------------------------------------------------------


def cookie(size: int) -> bytes:
    return pack("!HH", 10, size) + b"c" * size


@pytest.mark.parametrize(
    ("options", "found"),
    [
        pytest.param(b"", None, id="none"),
        pytest.param(b"\0\3\0\0", None, id="another option"),
        pytest.param(cookie(8), b"c" * 8, id="the client's"),
        pytest.param(cookie(24), b"c" * 24, id="the client's and the server's"),
        pytest.param(b"\0\3\0\0" + cookie(16) + b"\0\3\0\0", b"c" * 16, id="between others"),
        pytest.param(cookie(40) + cookie(8), b"c" * 40, id="the first of two"),
    ],
)
def test_the_cookie_of_a_query_is_found(options, found):
    query = wire.read_query(schools.query(edns=OPT[:-2] + pack("!H", len(options)) + options))
    assert not query.formerr
    assert query.cookie == found
    assert query.echo == b""


@pytest.mark.parametrize("size", [0, 1, 7, 9, 15, 41, 100])
def test_a_cookie_of_another_length_is_malformed(size):
    options = cookie(size)
    query = wire.read_query(schools.query(edns=OPT[:-2] + pack("!H", len(options)) + options))
    assert query.formerr
    options = cookie(8) + cookie(size)
    assert wire.read_query(schools.query(edns=OPT[:-2] + pack("!H", len(options)) + options)).formerr
