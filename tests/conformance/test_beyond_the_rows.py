"""What this filter owes its clients beyond the 51 rows: routes, aliases of every kind, safe search, the school's names.

The school has everything switched on: `MORE` and the files below.
"""

from __future__ import annotations

from collections.abc import Iterator

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from tests.conformance.lab import RATES, Lab, addresses, ede, fresh, question, told
from tests.running import PUPIL, STAFF, Server, build_table, write_school
from tests.upstreams import ADDRESS, Question, Upstream, honest

BLOCKED = ["0.0.0.0"]
SAFE = """\
engines:
  google:
    name: {vi: Google, en: Google}
    hosts: [www.google.com]
    modes:
      "on": {cname: forcesafesearch.google.com}
    sources: [https://support.google.com/websearch/answer/186669]
"""
LOCAL = """\
zones: [truong.lan]
hosts: {may-in.truong.lan: [192.168.1.20, "fd00::20"]}
records:
  - {name: www.truong.lan, type: CNAME, value: may-in.truong.lan}
  - {name: ngoai.truong.lan, type: CNAME, value: outside.example.org}
  - {name: txt.truong.lan, type: TXT, value: "xin chao"}
  - {name: _ldap._tcp.truong.lan, type: SRV, value: 0 100 389 may-in.truong.lan}
leases: null
"""
CIDR = """\
  - id: bad-addresses
    name: Bad addresses
    url: file:curated/bad-addresses.txt
    format: cidr
    category: adult
    licence: MIT
"""


@pytest.fixture(scope="module")
def school_upstream() -> Iterator[Upstream]:
    with Upstream(told("{name} 60 IN A 192.168.7.7", flags="QR AA RD RA")) as found:
        yield found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, school_upstream: Upstream) -> Iterator[Lab]:
    config, state = write_school(tmp_path_factory.mktemp("lab"), safesearch=SAFE, local=LOCAL)
    school = config / "policies/school.yaml"
    more = f"limits: {{{RATES}}}\nconditional: {{ad.example.org: ['{school_upstream.url}']}}\n"
    school.write_text(school.read_text(encoding="utf-8") + more, encoding="utf-8")
    sources = config / "blocklists/sources.yaml"
    sources.write_text(sources.read_text(encoding="utf-8") + CIDR, encoding="utf-8")
    (config / "blocklists/curated/bad-addresses.txt").write_text("198.18.66.0/24\n2001:db8:66::/48\n")
    build_table(config, state)
    with Upstream() as upstream, Server(config, state, upstreams=(upstream.url,)) as server:
        yield Lab(server, upstream)


both = pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])


# -- aliases of every kind --------------------------------------------------------------------------------------------


@both
def test_a_dname_and_the_alias_it_makes_pass_together(lab: Lab, tcp: bool) -> None:
    name = fresh("dname")
    records = (
        "example.org. 60 IN DNAME example.net.",
        "{name} 60 IN CNAME x.example.net.",
        "x.example.net. 60 IN A 192.0.2.1",
    )
    lab.upstream.script = told(*records)
    reply = lab.ask(name, tcp=tcp)
    assert addresses(reply) == ["192.0.2.1"]
    assert dns.rdatatype.DNAME in [rrset.rdtype for rrset in reply.answer]


def test_a_blocked_name_behind_a_dname_is_blocked(lab: Lab) -> None:
    records = (
        "example.org. 60 IN DNAME adult.example.",
        "{name} 60 IN CNAME x.adult.example.",
        "x.adult.example. 60 IN A 192.0.2.1",
    )
    lab.upstream.script = told(*records)
    assert addresses(lab.ask(fresh("dname"))) == BLOCKED


def test_a_blocked_name_behind_a_dname_alone_is_blocked(lab: Lab) -> None:
    """Without the CNAME that a server owes: what DNAME leads to is worked out here."""
    lab.upstream.script = told("example.org. 60 IN DNAME adult.example.")
    assert addresses(lab.ask(fresh("dname"))) in ([], BLOCKED)
    assert "DNAME" not in lab.ask(fresh("dname")).to_text()


@both
@pytest.mark.parametrize("data", ["0 www.adult.example.", "1 www.adult.example. alpn=h2"], ids=["alias", "service"])
def test_an_https_record_that_leads_to_a_blocked_name_is_not_told(lab: Lab, data: str, tcp: bool) -> None:
    lab.upstream.script = told(f"{{name}} 60 IN HTTPS {data}")
    reply = lab.ask(fresh("alias"), "HTTPS", tcp=tcp)
    assert not reply.answer
    assert ede(reply) == 15


ECH = "ech=AEj+DQBEAQAgACAdd+scUi0IYFsXnUIU7ko2Nd9+F8M26pAGZVpz/KrWPgAEAAEAAWQVZWNoLXNpdGVzLmV4YW1wbGUubmV0AAA="


@both
def test_ech_and_h3_are_taken_out_of_a_pupils_answer_and_stay_in_a_teachers(lab: Lab, tcp: bool) -> None:
    lab.upstream.script = told(f"{{name}} 60 IN HTTPS 1 . alpn=h3,h2 ipv4hint=192.0.2.1 {ECH}", flags="QR RD RA AD")
    name = fresh("ech")
    pupil = lab.ask(name, "HTTPS", tcp=tcp, flags="RD AD")
    assert pupil.answer[0].to_text().endswith('IN HTTPS 1 . alpn="h2" ipv4hint="192.0.2.1"')
    assert not pupil.flags & dns.flags.AD, "it was changed, so nobody vouches for it"
    teacher = lab.ask(name, "HTTPS", source=STAFF, tcp=tcp, flags="RD AD")
    assert "ech=" in teacher.to_text()
    assert 'alpn="h3,h2"' in teacher.to_text()
    assert teacher.flags & dns.flags.AD


def test_a_record_that_needs_what_was_taken_out_is_dropped(lab: Lab) -> None:
    lab.upstream.script = told(f"{{name}} 60 IN HTTPS 1 . mandatory=ech alpn=h2 {ECH}")
    reply = lab.ask(fresh("ech"), "HTTPS")
    assert not reply.answer
    assert reply.rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize(("kind", "address"), [("A", "198.18.66.6"), ("AAAA", "2001:db8:66::6")])
def test_an_answer_with_an_address_on_a_list_is_blocked(lab: Lab, kind: str, address: str) -> None:
    lab.upstream.script = told(f"{{name}} 60 IN {kind} {address}")
    reply = lab.ask(fresh("listed"), kind)
    assert addresses(reply) in (BLOCKED, ["::"])
    assert ede(reply) == 15


# -- safe search ------------------------------------------------------------------------------------------------------


@both
def test_a_search_engine_answers_with_its_safe_host(lab: Lab, tcp: bool) -> None:
    reply = lab.ask("www.google.com", tcp=tcp)
    assert [rrset.rdtype for rrset in reply.answer] == [dns.rdatatype.CNAME, dns.rdatatype.A]
    assert str(reply.answer[0][0].target) == "forcesafesearch.google.com."
    assert addresses(reply) == [ADDRESS]
    assert lab.packets_up("www.google.com") == []


def test_its_https_record_leads_nowhere(lab: Lab) -> None:
    reply = lab.ask("www.google.com", "HTTPS")
    assert not reply.answer
    assert reply.rcode() == dns.rcode.NOERROR


def test_teachers_and_other_hosts_of_the_engine_are_left_alone(lab: Lab) -> None:
    assert lab.ask("www.google.com", source=STAFF).answer[0].rdtype == dns.rdatatype.A
    assert lab.ask("mail.google.com").answer[0].rdtype == dns.rdatatype.A


# -- the school's own names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("may-in.truong.lan", "A", ["192.168.1.20"]),
        ("may-in.truong.lan", "AAAA", ["fd00::20"]),
        ("MAY-IN.truong.lan", "A", ["192.168.1.20"]),
        ("20.1.168.192.in-addr.arpa", "PTR", ["may-in.truong.lan."]),
        ("txt.truong.lan", "TXT", ['"xin chao"']),
        ("_ldap._tcp.truong.lan", "SRV", ["0 100 389 may-in.truong.lan."]),
        ("www.truong.lan", "CNAME", ["may-in.truong.lan."]),
        ("www.truong.lan", "A", ["may-in.truong.lan.", "192.168.1.20"]),
    ],
)
@both
def test_names_of_local_yaml_are_answered_with_authority(
    lab: Lab, name: str, kind: str, expected: list[str], tcp: bool
) -> None:
    reply = lab.ask(name, kind, tcp=tcp)
    assert [rdata.to_text() for rrset in reply.answer for rdata in rrset] == expected
    assert reply.flags & dns.flags.AA
    assert not lab.packets_up(name.lower())


@pytest.mark.parametrize(
    ("name", "rcode"), [("khong-co.truong.lan", dns.rcode.NXDOMAIN), ("_tcp.truong.lan", dns.rcode.NOERROR)]
)
def test_what_local_yaml_does_not_have_is_told_apart(lab: Lab, name: str, rcode: int) -> None:
    reply = lab.ask(name)
    assert reply.rcode() == rcode
    assert [rrset.rdtype for rrset in reply.authority] == [dns.rdatatype.SOA]


def test_an_alias_out_of_the_school_is_looked_up(lab: Lab) -> None:
    assert addresses(lab.ask("ngoai.truong.lan")) == [ADDRESS]


# -- routes -----------------------------------------------------------------------------------------------------------


def test_a_zone_with_servers_of_its_own_is_asked_there_and_may_hold_private_addresses(
    lab: Lab, school_upstream: Upstream
) -> None:
    for name in ("ad.example.org", "dc1.ad.example.org"):
        assert addresses(lab.ask(name)) == ["192.168.7.7"]
        assert len([asked for asked in school_upstream.asked(name) if asked.kind == "A"]) == 1
        assert not lab.packets_up(name)
    name = fresh("notad")
    assert addresses(lab.ask(name)) == [ADDRESS]
    assert not school_upstream.asked(name)


# -- the rest ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["NS", "SOA", "DNSKEY", "A"])
def test_the_root_is_an_ordinary_name(lab: Lab, kind: str) -> None:
    lab.upstream.script = told(authority=[". 60 IN SOA a.root. b.root. 1 2 3 4 60"])
    assert lab.ask(".", kind).rcode() == dns.rcode.NOERROR


def test_a_public_reverse_name_is_asked_upstream(lab: Lab) -> None:
    lab.upstream.script = told("{name} 60 IN PTR dns.example.net.")
    assert lab.ask("9.9.9.9.in-addr.arpa", "PTR").answer[0][0].to_text() == "dns.example.net."


@pytest.mark.parametrize("kind", ["SVCB", "A", "HTTPS"])
def test_without_encrypted_listeners_nobody_is_told_of_any(lab: Lab, kind: str) -> None:
    for name in ("_dns.resolver.arpa", "resolver.arpa", "_8443._foo.resolver.arpa"):
        reply = lab.ask(name, kind)
        assert reply.rcode() == dns.rcode.NOERROR
        assert not reply.answer
        assert [rrset.rdtype for rrset in reply.authority] == [dns.rdatatype.SOA]


@pytest.mark.parametrize("source", [PUPIL, STAFF])
def test_an_extended_error_is_told_with_edns_only(lab: Lab, source: str) -> None:
    assert ede(lab.ask("adult.example", source=source)) == 15
    assert lab.ask("adult.example", source=source, use_edns=False).options == ()


def test_an_opt_of_the_upstream_stays_there(lab: Lab) -> None:
    def loud(asked: Question) -> list[bytes]:
        reply = dns.message.from_wire(honest(asked)[0])
        reply.use_edns(0, payload=4096, options=[dns.edns.GenericOption(65001, b"loud")])
        return [reply.to_wire()]

    lab.upstream.script = loud
    reply = lab.ask(fresh("loud"))
    assert reply.options == ()
    assert reply.payload == 1232


def test_dig_and_kdig_agree_on_a_blocked_name(lab: Lab) -> None:
    for tool in ("dig", "kdig"):
        assert "Blocked" in lab.dig("adult.example", "+edns", tool=tool)


def test_each_of_many_questions_from_one_socket_gets_its_own_reply(lab: Lab) -> None:
    with lab.server.udp() as sock:
        sent = [ident.to_bytes(2, "big") + question(fresh("many")).to_wire()[2:] for ident in range(50)]
        for packet in sent:
            sock.send(packet)
        replies = {packet[:2]: packet for packet in (sock.recv(4096) for _ in sent)}
    assert all(replies[packet[:2]][12:30] == packet[12:30] for packet in sent)
