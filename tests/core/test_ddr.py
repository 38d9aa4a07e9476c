"""Discovery of the encrypted resolver (RFC 9462), read back by dnspython."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rdatatype
import pytest

from filterd.core import names, wire
from filterd.core.ddr import DISCOVERY, Ddr
from filterd.core.policy import Encrypted
from tests import schools

NAME = "dns.school.example"
BOTH = Encrypted(
    NAME, "cert.pem", "key.pem",
    dot=("192.168.1.2:853", "[fd00::2]:853"), doh=("192.168.1.2:443", "192.168.1.3:8443"), path="/ask",
)  # fmt: skip


def ask(encrypted: Encrypted, name: str, kind: str) -> dns.message.Message | None:
    query = wire.read_query(schools.query(name, dns.rdatatype.from_text(kind)))
    reply = Ddr(encrypted).reply(query, names.key_of_text(name))
    return None if reply is None else dns.message.from_wire(reply)


@pytest.mark.parametrize("name", [DISCOVERY, f"_dns.{NAME}"])
def test_every_service_and_port_has_a_record(name: str) -> None:
    reply = ask(BOTH, name, "SVCB")
    assert reply is not None
    assert reply.flags & dns.flags.AA
    assert sorted(str(record).replace("key7", "dohpath") for record in reply.answer[0]) == [
        f'1 {NAME}. alpn="dot" port="853" ipv4hint="192.168.1.2" ipv6hint="fd00::2"',
        f'2 {NAME}. alpn="h2,http/1.1" port="443" ipv4hint="192.168.1.2" dohpath="/ask{{?dns}}"',
        f'2 {NAME}. alpn="h2,http/1.1" port="8443" ipv4hint="192.168.1.3" dohpath="/ask{{?dns}}"',
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("A", ["192.168.1.2", "192.168.1.3"]), ("AAAA", ["fd00::2"]), ("HTTPS", []), ("TXT", [])],
)
def test_the_name_has_the_addresses_that_are_listened_on(kind: str, expected: list[str]) -> None:
    reply = ask(BOTH, NAME, kind)
    assert reply is not None
    assert [str(record) for rrset in reply.answer for record in rrset] == expected
    assert bool(reply.authority) is not bool(expected)


@pytest.mark.parametrize("kind", ["A", "HTTPS"])
def test_discovery_has_no_other_type(kind: str) -> None:
    reply = ask(BOTH, DISCOVERY, kind)
    assert reply is not None
    assert not reply.answer
    assert reply.rcode() == 0


@pytest.mark.parametrize("name", ["resolver.arpa", "x._dns.resolver.arpa", "school.example", f"www.{NAME}"])
def test_other_names_are_not_its_own(name: str) -> None:
    assert ask(BOTH, name, "SVCB") is None


def test_a_service_on_all_addresses_has_no_hints_and_its_name_is_somebody_elses() -> None:
    everywhere = Encrypted(NAME, "c", "k", dot=("0.0.0.0:853", "[::]:853"))
    reply = ask(everywhere, DISCOVERY, "SVCB")
    assert reply is not None
    assert [str(record) for record in reply.answer[0]] == [f'1 {NAME}. alpn="dot" port="853"']
    assert ask(everywhere, NAME, "A") is None


def test_without_ddr_only_the_name_itself_is_answered() -> None:
    quiet = Encrypted(NAME, "c", "k", dot=("192.168.1.2:853",), ddr=False)
    assert ask(quiet, DISCOVERY, "SVCB") is None
    assert ask(quiet, NAME, "A") is not None
    assert Ddr(quiet).heads == {b"example.school."}


def test_heads_lead_to_every_name() -> None:
    assert Ddr(BOTH).heads == {b"arpa.resolver.", b"example.school."}
