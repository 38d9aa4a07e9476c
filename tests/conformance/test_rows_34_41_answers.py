"""Rows 34 to 41: options and flags on both sides, chains, names answered here, private addresses, TTLs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from tests.conformance.lab import Lab, addresses, ede, fresh, laboratory, reply_to, told
from tests.running import PUPIL, STAFF, until
from tests.upstreams import ADDRESS, Question

both = pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
BLOCKED = ["0.0.0.0"]
SOA = "example.org. {ttl} IN SOA ns.example.org. host.example.org. 1 2 3 4 {minimum}"
SIGNED = "{name} 60 IN RRSIG A 8 3 60 20380101000000 20260101000000 1 example.org. AAAA"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("lab"), more="rebinding: {allow: [intranet.example.org]}\n") as found:
        yield found


# -- 34 client subnets ------------------------------------------------------------------------------------------------


@both
def test_row_34_a_client_subnet_neither_travels_nor_says_who_asks(lab: Lab, tcp: bool) -> None:
    name = fresh("ecs")
    staff = dns.edns.ECSOption("127.0.200.0", 24)
    assert addresses(lab.ask(name, tcp=tcp, options=[staff])) == [ADDRESS]
    (up,) = [dns.message.from_wire(packet) for packet in lab.packets_up(name)]
    assert up.options == ()
    assert addresses(lab.ask("youtube.com", tcp=tcp, options=[staff])) == BLOCKED, "a pupil stays a pupil"


def test_row_34_a_client_subnet_of_an_upstream_does_not_come_back(lab: Lab) -> None:
    def scoped(asked: Question) -> list[bytes]:
        reply = reply_to(asked)
        reply.use_edns(0, options=[dns.edns.ECSOption("192.0.2.0", 24, 24)])
        return [reply.to_wire()]

    lab.upstream.script = scoped
    assert lab.ask(fresh("ecs")).options == ()


# -- 35 cookies -------------------------------------------------------------------------------------------------------


def cookie_of(reply: dns.message.Message) -> bytes:
    return b"".join(option.to_wire() for option in reply.options if option.otype == 10)


@both
def test_row_35_a_client_cookie_is_returned_with_a_server_cookie(lab: Lab, tcp: bool) -> None:
    mine = b"eightbyt"
    first = cookie_of(lab.ask(fresh("cookie"), tcp=tcp, options=[dns.edns.GenericOption(10, mine)]))
    assert first[:8] == mine
    assert len(first) == 24
    assert first[8] == 1, "version 1 of RFC 9018"
    again = cookie_of(lab.ask("adult.example", tcp=tcp, options=[dns.edns.GenericOption(10, first)]))
    assert again[:8] == mine
    assert len(again) == 24


def test_row_35_tools_take_the_cookie_for_good(lab: Lab) -> None:
    assert "(good)" in lab.dig("+cookie=0011223344556677", "adult.example")


@both
@pytest.mark.parametrize("size", [0, 1, 7, 9, 15, 41])
def test_row_35_a_cookie_of_impossible_length_is_formerr(lab: Lab, size: int, tcp: bool) -> None:
    name = fresh("cookie")
    assert lab.ask(name, tcp=tcp, options=[dns.edns.GenericOption(10, bytes(size))]).rcode() == dns.rcode.FORMERR
    assert not lab.packets_up(name)


def test_row_35_an_opt_with_a_hundred_options_is_formerr(lab: Lab) -> None:
    many = [dns.edns.GenericOption(65001, b"") for _ in range(100)]
    assert lab.ask(fresh("many"), options=many).rcode() == dns.rcode.FORMERR


# -- 36 AD, CD, DO ----------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("flags", "do", "ad_told"),
    [("RD", False, False), ("RD AD", False, True), ("RD", True, True), ("RD CD", False, False)],
    ids=["nothing asked", "AD asked", "DO asked", "CD asked"],
)
def test_row_36_ad_is_told_to_those_who_ask_for_it(lab: Lab, flags: str, do: bool, ad_told: bool, tcp: bool) -> None:
    lab.upstream.script = told("{name} 60 IN A 192.0.2.1", SIGNED, flags="QR RD RA AD")
    name = fresh("ad")
    reply = lab.ask(name, flags=flags, want_dnssec=do, tcp=tcp)
    assert bool(reply.flags & dns.flags.AD) is ad_told
    assert bool(reply.flags & dns.flags.CD) is ("CD" in flags)
    assert bool(reply.ednsflags & dns.flags.DO) is do
    (up,) = [dns.message.from_wire(packet) for packet in lab.packets_up(name)]
    assert bool(up.ednsflags & dns.flags.DO) is do
    assert bool(up.flags & dns.flags.CD) is ("CD" in flags)


def test_row_36_no_ad_where_the_upstream_gives_none(lab: Lab) -> None:
    lab.upstream.script = told("{name} 60 IN A 192.0.2.1")
    assert not lab.ask(fresh("noad"), flags="RD AD", want_dnssec=True).flags & dns.flags.AD


def test_row_36_signatures_pass_to_those_who_ask_for_them(lab: Lab) -> None:
    lab.upstream.script = told("{name} 60 IN A 192.0.2.1", SIGNED)
    kinds = [rrset.rdtype for rrset in lab.ask(fresh("signed"), want_dnssec=True).answer]
    assert dns.rdatatype.RRSIG in kinds


@pytest.mark.parametrize("name", ["adult.example", "localhost", "x.onion", "use-application-dns.net"])
def test_row_36_what_is_made_here_never_has_ad(lab: Lab, name: str) -> None:
    assert not lab.ask(name, flags="RD AD", want_dnssec=True).flags & dns.flags.AD


def test_row_36_an_answer_that_policy_blocks_at_its_alias_never_has_ad(lab: Lab) -> None:
    lab.upstream.script = told(
        "{name} 60 IN CNAME adult.example.", "adult.example. 60 IN A 192.0.2.1", flags="QR RD RA AD"
    )
    reply = lab.ask(fresh("alias"), flags="RD AD", want_dnssec=True)
    assert addresses(reply) == BLOCKED
    assert not reply.flags & dns.flags.AD


# -- 37 chains --------------------------------------------------------------------------------------------------------


def chain(length: int, end: str = "end.example.net.") -> tuple[str, ...]:
    """CNAMEs from the question's name over `length` hops, and an address at the end."""
    owners = ["{name}", *(f"hop{i}.example.net." for i in range(1, length)), end]
    links = [f"{owner} 60 IN CNAME {target}" for owner, target in pairwise(owners)]
    return (*links, f"{end} 60 IN A 192.0.2.1")


@pytest.mark.parametrize("length", [1, 2, 11])
def test_row_37_a_chain_of_up_to_eleven_passes(lab: Lab, length: int) -> None:
    lab.upstream.script = told(*chain(length))
    assert addresses(lab.ask(fresh("chain"))) == ["192.0.2.1"]


def test_row_37_a_longer_chain_is_servfail(lab: Lab) -> None:
    lab.upstream.script = told(*chain(12))
    assert lab.ask(fresh("chain")).rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize("length", [1, 2, 11])
def test_row_37_a_blocked_name_at_any_depth_blocks(lab: Lab, length: int) -> None:
    lab.upstream.script = told(*chain(length, "www.adult.example."))
    reply = lab.ask(fresh("deep"))
    assert addresses(reply) == BLOCKED
    assert ede(reply) == 15


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(("{name} 60 IN CNAME {name}",), id="to itself"),
        pytest.param(("{name} 60 IN CNAME a.example.net.", "a.example.net. 60 IN CNAME {name}"), id="of two"),
    ],
)
def test_row_37_a_loop_is_servfail(lab: Lab, records: tuple[str, ...]) -> None:
    lab.upstream.script = told(*records)
    assert lab.ask(fresh("loop")).rcode() == dns.rcode.SERVFAIL


# -- 38 names answered here -------------------------------------------------------------------------------------------

NOT_THERE = [
    "x.onion", "x.invalid", "x.test", "x.local", "x.alt", "x.home.arpa", "home.arpa",
    "1.0.0.10.in-addr.arpa", "1.0.16.172.in-addr.arpa", "1.0.31.172.in-addr.arpa", "1.1.168.192.in-addr.arpa",
    "1.0.64.100.in-addr.arpa", "1.0.127.100.in-addr.arpa", "1.0.254.169.in-addr.arpa", "1.2.0.192.in-addr.arpa",
    "1.100.51.198.in-addr.arpa", "1.113.0.203.in-addr.arpa", "255.255.255.255.in-addr.arpa", "1.0.0.127.in-addr.arpa",
    "1.0.0.0.in-addr.arpa", "1.d.f.ip6.arpa", "8.e.f.ip6.arpa", "b.e.f.ip6.arpa", "8.b.d.0.1.0.0.2.ip6.arpa",
    ".".join("0" * 32) + ".ip6.arpa", "1." + ".".join("0" * 31) + ".ip6.arpa",
]  # fmt: skip


@pytest.mark.parametrize("name", NOT_THERE)
def test_row_38_special_names_and_private_reverse_zones_do_not_exist(lab: Lab, name: str) -> None:
    reply = lab.ask(name, "PTR" if name.endswith("arpa") else "A")
    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert dns.flags.to_text(reply.flags) == "QR AA RD RA"
    assert [rrset.rdtype for rrset in reply.authority] == [dns.rdatatype.SOA]
    assert not lab.packets_up(name)


@both
@pytest.mark.parametrize(("kind", "expected"), [("A", ["127.0.0.1"]), ("AAAA", ["::1"]), ("MX", [])])
def test_row_38_localhost_is_this_host(lab: Lab, kind: str, expected: list[str], tcp: bool) -> None:
    for name in ("localhost", "app.localhost"):
        reply = lab.ask(name, kind, tcp=tcp)
        assert addresses(reply) == expected
        assert reply.rcode() == dns.rcode.NOERROR
        assert reply.flags & dns.flags.AA


@pytest.mark.parametrize("name", ["use-application-dns.net", "mask.icloud.com", "mask-h2.icloud.com"])
def test_row_38_names_that_ask_whether_somebody_filters_do_not_exist(lab: Lab, name: str) -> None:
    for kind in ("A", "AAAA", "HTTPS"):
        assert lab.ask(name, kind).rcode() == dns.rcode.NXDOMAIN
    assert not lab.packets_up(name)


@pytest.mark.parametrize("name", ["1.0.32.172.in-addr.arpa", "1.0.128.100.in-addr.arpa", "xtest", "notlocalhost"])
def test_row_38_neighbours_of_special_names_are_ordinary(lab: Lab, name: str) -> None:
    lab.ask(name)
    assert len(lab.packets_up(name)) == 1


# -- 39 private addresses ---------------------------------------------------------------------------------------------

PRIVATE = [
    "10.1.2.3", "172.16.0.1", "172.31.255.254", "192.168.1.1", "127.0.0.1", "169.254.1.1", "0.0.0.1", "100.64.0.1",
    "::1", "::", "fc00::1", "fd12::1", "fe80::1", "::ffff:192.168.1.1", "::ffff:8.8.8.8",
]  # fmt: skip


def kind_of(address: str) -> str:
    return "AAAA" if ":" in address else "A"


@pytest.mark.parametrize("address", PRIVATE)
def test_row_39_a_private_address_from_outside_is_not_told(lab: Lab, address: str) -> None:
    kind = kind_of(address)
    lab.upstream.script = told(f"{{name}} 60 IN {kind} {address}", f"{{name}} 60 IN {kind} {public(kind)}")
    name = fresh("rebind")
    for source in (PUPIL, STAFF):
        reply = lab.ask(name, kind, source=source)
        assert addresses(reply) in ([], ["0.0.0.0"], ["::"])
        assert ede(reply) == 15


def public(kind: str) -> str:
    return "2001:db8::1" if kind == "AAAA" else "192.0.2.1"


@pytest.mark.parametrize(
    "address", ["172.32.0.1", "100.128.0.1", "192.169.0.1", "169.253.1.1", "11.0.0.1", "2001:db8::1"]
)
def test_row_39_neighbours_of_private_ranges_are_told(lab: Lab, address: str) -> None:
    lab.upstream.script = told(f"{{name}} 60 IN {kind_of(address)} {address}")
    assert addresses(lab.ask(fresh("public"), kind_of(address))) == [address]


def test_row_39_a_private_address_behind_an_alias_is_not_told(lab: Lab) -> None:
    lab.upstream.script = told("{name} 60 IN CNAME x.example.net.", "x.example.net. 60 IN A 192.168.1.1")
    assert "192.168.1.1" not in lab.ask(fresh("rebind")).to_text()


@pytest.mark.parametrize("hint", ["ipv4hint=192.168.1.1", "ipv6hint=fd00::1"])
def test_row_39_hints_are_addresses_too(lab: Lab, hint: str) -> None:
    lab.upstream.script = told(f"{{name}} 60 IN HTTPS 1 . alpn=h2 {hint}")
    assert hint.split("=")[1] not in lab.ask(fresh("hint"), "HTTPS").to_text()


@pytest.mark.parametrize("name", ["intranet.example.org", "nas.intranet.example.org"])
def test_row_39_the_schools_own_names_may_have_them(lab: Lab, name: str) -> None:
    lab.upstream.script = told("{name} 60 IN A 192.168.1.1")
    assert addresses(lab.ask(name)) == ["192.168.1.1"]


# -- 40 negative answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rcode", [dns.rcode.NXDOMAIN, dns.rcode.NOERROR], ids=["NXDOMAIN", "NODATA"])
def test_row_40_a_negative_answer_is_kept_with_its_soa(lab: Lab, rcode: int) -> None:
    lab.upstream.script = told(authority=[SOA.format(ttl=60, minimum=60)], rcode=rcode)
    name = fresh("negative")
    for _ in range(2):
        reply = lab.ask(name)
        assert reply.rcode() == rcode
        assert reply.authority[0].rdtype == dns.rdatatype.SOA
        assert reply.authority[0].ttl <= 60
    assert len(lab.packets_up(name)) == 1


@pytest.mark.parametrize(("ttl_s", "minimum_s"), [(1, 3600), (3600, 1)], ids=["its TTL is less", "its minimum is less"])
def test_row_40_it_is_kept_for_the_lesser_of_ttl_and_minimum(lab: Lab, ttl_s: int, minimum_s: int) -> None:
    lab.upstream.script = told(authority=[SOA.format(ttl=ttl_s, minimum=minimum_s)], rcode=dns.rcode.NXDOMAIN)
    name = fresh("brief")
    started = time.monotonic()
    until(lambda: lab.ask(name) and len(lab.packets_up(name)) == 2, "it runs out", within_s=4)
    assert time.monotonic() - started > 0.9


def test_row_40_without_an_soa_it_is_not_kept(lab: Lab) -> None:
    lab.upstream.script = told(rcode=dns.rcode.NXDOMAIN)
    name = fresh("nosoa")
    for _ in range(2):
        assert lab.ask(name).rcode() == dns.rcode.NXDOMAIN
    assert len(lab.packets_up(name)) == 2


def test_row_40_no_data_for_one_type_says_nothing_of_another(lab: Lab) -> None:
    name = fresh("nodata")
    lab.upstream.script = told(authority=[SOA.format(ttl=60, minimum=60)])
    assert lab.ask(name, "AAAA").rcode() == dns.rcode.NOERROR
    lab.upstream.script = told("{name} 60 IN A 192.0.2.1")
    assert addresses(lab.ask(name, "A")) == ["192.0.2.1"]


# -- 41 TTLs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "source", "most"),
    [(2**31 - 1, STAFF, 300), (86400, STAFF, 300), (86400, PUPIL, 60), (45, PUPIL, 45), (7, STAFF, 7), (0, STAFF, 0)],
)
def test_row_41_a_ttl_is_capped_and_never_raised(lab: Lab, given: int, source: str, most: int) -> None:
    lab.upstream.script = told(f"{{name}} {given} IN A 192.0.2.1")
    reply = lab.ask(fresh("ttl"), source=source)
    assert most - 1 <= reply.answer[0].ttl <= most


def test_row_41_a_ttl_with_the_highest_bit_is_0(lab: Lab) -> None:
    def negative(asked: Question) -> list[bytes]:
        (reply,) = told("{name} 1 IN A 192.0.2.1")(asked)
        return [reply.replace(b"\0\1\0\1\0\0\0\1\0\4", b"\0\1\0\1\xff\xff\xff\xff\0\4")]

    lab.upstream.script = negative
    assert lab.ask(fresh("ttl")).answer[0].ttl == 0


def test_row_41_a_ttl_counts_down(lab: Lab) -> None:
    lab.upstream.script = told("{name} 20 IN A 192.0.2.1")
    name = fresh("count")
    first = lab.ask(name).answer[0].ttl
    until(lambda: lab.ask(name).answer[0].ttl <= first - 2, "two seconds less", within_s=4)
    assert len(lab.packets_up(name)) == 1


def test_row_41_blocked_answers_end_soon_so_that_opening_is_felt(lab: Lab) -> None:
    assert 2 <= lab.ask("adult.example").answer[0].ttl <= 60
