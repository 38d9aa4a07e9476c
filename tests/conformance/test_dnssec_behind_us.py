"""A validating resolver behind this filter: what is not touched validates, what is blocked harms nothing else.

unbound forwards to the filter and has the key of one signed zone, which the scripted upstream serves with signatures
and denials of existence (RFC 4035 section 3.1).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import dns.dnssec
import dns.dnssectypes
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.zone
import pytest

from tests.conformance import world
from tests.conformance.lab import Lab, addresses, laboratory, reply_to
from tests.running import STAFF
from tests.upstreams import Question

ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec", reason="cryptography makes the keys")
pytestmark = pytest.mark.skipif(not world.available("unbound"), reason="unbound is not installed")

ORIGIN = dns.name.from_text("signed.example.")
RECORDS = """\
@ 300 IN SOA ns host 1 2 3 4 300
@ 300 IN NS ns
ns 300 IN A 192.0.2.53
www 300 IN A 192.0.2.1
www 300 IN HTTPS 1 . alpn=h3,h2
alias 300 IN CNAME www
text 300 IN TXT "signed"
deep 300 IN MX 10 www
"""


class Signed:
    """One signed zone, and a script that answers from it."""

    def __init__(self) -> None:
        secret = ec.generate_private_key(ec.SECP256R1())
        self.key = dns.dnssec.make_dnskey(secret.public_key(), dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags=257)
        self.zone = dns.zone.from_text(RECORDS, ORIGIN, relativize=False)
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        dns.dnssec.sign_zone(
            self.zone, keys=[(secret, self.key)], add_dnskey=True, dnskey_ttl=300, inception=now - day,
            expiration=now + 30 * day,
        )  # fmt: skip
        self._names = sorted(self.zone.nodes)

    @property
    def anchor(self) -> str:
        return f'trust-anchor: "{ORIGIN} DNSKEY {self.key.to_text()}"'

    def script(self, asked: Question) -> list[bytes]:
        query = dns.message.from_wire(asked.packet)
        reply = reply_to(asked)
        name, kind = query.question[0].name, query.question[0].rdtype
        name = dns.name.from_text(name.to_text().lower())
        if not name.is_subdomain(ORIGIN):
            reply.set_rcode(dns.rcode.NXDOMAIN)
            return [reply.to_wire()]
        if name in self.zone.nodes:
            alias = self.zone.get_rdataset(name, "CNAME")
            if alias is not None and kind != dns.rdatatype.CNAME:
                self._put(reply.answer, name, dns.rdatatype.CNAME)
                name = alias[0].target
            if not self._put(reply.answer, name, kind):
                self._deny(reply, name)
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN)
            self._deny(reply, name)
            self._deny(reply, dns.name.from_text("*", ORIGIN))
        return [reply.to_wire(max_size=4096)]

    def _deny(self, reply: dns.message.Message, name: dns.name.Name) -> None:
        """The SOA, and the NSEC of this name or of the one before it."""
        self._put(reply.authority, ORIGIN, dns.rdatatype.SOA)
        before = max(each for each in self._names if each <= name)
        self._put(reply.authority, before, dns.rdatatype.NSEC)

    def _put(self, section: list[dns.rrset.RRset], name: dns.name.Name, kind: dns.rdatatype.RdataType) -> bool:
        """The records and their signatures, once."""
        rdatas = self.zone.get_rdataset(name, kind)
        if rdatas is None:
            return False
        found = dns.rrset.from_rdata_list(name, rdatas.ttl, list(rdatas))
        if found not in section:
            section.append(found)
            signatures = self.zone.get_rdataset(name, dns.rdatatype.RRSIG, kind)
            section.append(dns.rrset.from_rdata_list(name, signatures.ttl, list(signatures)))
        return True


@pytest.fixture(scope="module")
def signed() -> Signed:
    return Signed()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, signed: Signed) -> Iterator[Lab]:
    directory = tmp_path_factory.mktemp("dnssec")
    with laboratory(directory, more="block_answer: {mode: nxdomain}\n", script=signed.script) as lab:
        names = directory / "config/policies/names.yaml"
        text = names.read_text(encoding="utf-8")
        names.write_text(f"{text}  - {{name: text.signed.example, tiers: [staff]}}\n", encoding="utf-8")
        lab.server.wait_log("is in force")
        yield lab


@pytest.fixture
def lab(running: Lab) -> Lab:
    return running


@pytest.fixture(scope="module")
def validating(running: Lab, signed: Signed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """unbound with the zone's key, asking the filter from the address of a teacher's machine."""
    more = f"  outgoing-interface: {STAFF}\n  {signed.anchor}"
    modules = "validator iterator"
    with world.unbound(tmp_path_factory.mktemp("unbound"), running.server.port, more, modules) as port:
        yield port


def ask(port: int, name: str, kind: str = "A", flags: str = "RD AD") -> dns.message.Message:
    query = dns.message.make_query(name, kind, want_dnssec=True)
    query.flags = dns.flags.from_text(flags)
    reply, _ = dns.query.udp_with_fallback(query, "127.0.0.1", 5, port)
    return reply


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("www.signed.example", "A"),
        ("alias.signed.example", "A"),
        ("deep.signed.example", "MX"),
        ("signed.example", "DNSKEY"),
        ("signed.example", "SOA"),
    ],
)
def test_what_is_not_touched_validates(validating: int, name: str, kind: str) -> None:
    reply = ask(validating, name, kind)
    assert reply.rcode() == dns.rcode.NOERROR
    assert reply.answer
    assert reply.flags & dns.flags.AD


@pytest.mark.parametrize(
    ("name", "kind", "rcode"),
    [
        ("nobody.signed.example", "A", dns.rcode.NXDOMAIN),
        ("www.signed.example", "TXT", dns.rcode.NOERROR),
    ],
    ids=["no such name", "no data"],
)
def test_that_something_does_not_exist_validates(validating: int, name: str, kind: str, rcode: int) -> None:
    reply = ask(validating, name, kind)
    assert reply.rcode() == rcode
    assert reply.flags & dns.flags.AD


def test_a_teachers_https_record_validates(validating: int) -> None:
    assert ask(validating, "www.signed.example", "HTTPS").flags & dns.flags.AD


def test_a_blocked_name_in_a_signed_zone_is_bogus_to_it_and_nothing_else_is(lab: Lab, validating: int) -> None:
    assert lab.ask("text.signed.example", "TXT", source=STAFF).rcode() == dns.rcode.NXDOMAIN
    blocked = ask(validating, "text.signed.example", "TXT")
    assert blocked.rcode() == dns.rcode.SERVFAIL, "a forged denial is what it has to take it for"
    assert ask(validating, "text.signed.example", "TXT", flags="RD CD").rcode() == dns.rcode.NXDOMAIN
    assert ask(validating, "www.signed.example").flags & dns.flags.AD
    assert lab.server.metrics()["filterd_dns_internal_errors_total"] == 0


def test_a_blocked_name_that_is_not_signed_is_blocked_behind_it_too(validating: int) -> None:
    reply = ask(validating, "adult.example")
    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert not reply.flags & dns.flags.AD


def test_the_check_itself_sees_a_broken_signature(signed: Signed, tmp_path: Path) -> None:
    with laboratory(tmp_path, script=lambda asked: [_broken(packet) for packet in signed.script(asked)]) as other:
        more = f"  outgoing-interface: {STAFF}\n  {signed.anchor}"
        with world.unbound(tmp_path, other.server.port, more, "validator iterator") as port:
            assert ask(port, "www.signed.example").rcode() == dns.rcode.SERVFAIL
        assert addresses(other.ask("www.signed.example", source=STAFF)) == ["192.0.2.66"]


def _broken(packet: bytes) -> bytes:
    return packet.replace(b"\xc0\0\2\1", b"\xc0\0\2\x42")
