"""From answers to replies: safe search, targets and addresses in answers, rebinding, HTTPS records, local names."""

from __future__ import annotations

import dataclasses
from typing import Any

import dns.flags
import dns.rdatatype
import dns.rrset
import pytest

from filterd.core import names
from filterd.core.exchange import Exchange
from filterd.core.policy import (
    Encrypted,
    Local,
    LocalRecord,
    Policy,
    Rebinding,
    Route,
    SafeChoice,
    SafeEngine,
    SafeMode,
    Upstream,
)
from filterd.core.verdict import Reason
from tests import schools
from tests.core.story import Story, ede, parsed, rcode, ttls
from tests.schools import AAAA, HTTPS, POLICY, A, address, alias, query, record, reply

ENGINES = (
    SafeEngine("finder", schools.text("Finder"), ("www.finder.example",), (SafeMode("on", "safe.finder.example"),)),
    SafeEngine("fixed", schools.text("Fixed"), ("fixed.example",), (SafeMode("on", None, ("192.0.2.9",)),)),
    SafeEngine(
        "videos",
        schools.text("Videos"),
        ("videos.example",),
        (SafeMode("strict", "strict.videos.example"), SafeMode("moderate", "moderate.videos.example")),
    ),
)
CHOICES = (SafeChoice("finder", "on"), SafeChoice("fixed", "on"), SafeChoice("videos", "moderate"))
SAFE = dataclasses.replace(
    POLICY,
    engines=ENGINES,
    tiers=tuple(dataclasses.replace(t, safe_search=CHOICES if t.pupils else ()) for t in POLICY.tiers),
)


def changed(**fields: Any) -> Policy:
    return dataclasses.replace(POLICY, **fields)


def stripping(policy: Policy = POLICY) -> Policy:
    tiers = (dataclasses.replace(t, strip_ech=t.pupils, refuse_quic=t.pupils) for t in policy.tiers)
    return dataclasses.replace(policy, tiers=tuple(tiers))


def sections(packet: bytes) -> list[str]:
    return [str(rrset) for rrset in parsed(packet).answer]


# -- safe search ------------------------------------------------------------------------------------------------------


def test_an_engine_is_rewritten_to_its_safe_host_and_the_cname_is_told():
    story = Story(SAFE)
    exchange = story.ask(query("www.finder.example"))
    assert exchange.question == schools.question("safe.finder.example")
    ((_, heard),) = story.answer(exchange, reply(exchange.question, [address(3600), address(30, b"\1\2\3\4")]))
    assert sections(heard) == [
        "www.finder.example. 10 IN CNAME safe.finder.example.",
        "safe.finder.example. 10 IN A 198.51.100.7\nsafe.finder.example. 10 IN A 1.2.3.4",
    ]
    assert story.forwarder.counters["udp", "thcs", "rewrite", Reason.SAFE_SEARCH] == [1]


def test_whoever_has_safe_search_off_gets_the_engine_itself():
    exchange = Story(SAFE).ask(query("www.finder.example"), "staff-room")
    assert exchange.question == schools.question("www.finder.example")


def test_only_the_host_itself_is_rewritten():
    for name in ("finder.example", "mail.finder.example", "x.www.finder.example"):
        assert Story(SAFE).ask(query(name)).question == schools.question(name)


def test_a_safe_host_without_ipv6_has_no_ipv6_instead_of_the_engines_own():
    story = Story(SAFE)
    exchange = story.ask(query("www.finder.example", AAAA))
    ((_, heard),) = story.answer(exchange, reply(exchange.question, [], [schools.soa()]))
    assert sections(heard) == ["www.finder.example. 10 IN CNAME safe.finder.example."]
    assert parsed(heard).authority


@pytest.mark.parametrize("qtype", [HTTPS, 64, 16, 15, 257])
def test_no_other_type_of_an_engine_leads_past_safe_search(qtype):
    heard = Story(SAFE).ask(query("www.finder.example", qtype))
    assert (rcode(heard), sections(heard), len(parsed(heard).authority)) == ("NOERROR", [], 1)


def test_who_asks_for_the_cname_gets_it():
    heard = Story(SAFE).ask(query("www.finder.example", 5))
    assert sections(heard) == ["www.finder.example. 10 IN CNAME safe.finder.example."]


@pytest.mark.parametrize(("qtype", "found"), [(A, ["fixed.example. 10 IN A 192.0.2.9"]), (AAAA, []), (HTTPS, [])])
def test_an_engine_with_fixed_addresses_needs_no_upstream(qtype, found):
    assert sections(Story(SAFE).ask(query("fixed.example", qtype))) == found


def test_the_mode_is_the_tiers():
    assert Story(SAFE).ask(query("videos.example")).question == schools.question("moderate.videos.example")


def test_safe_search_of_a_blocked_engine_stays_blocked():
    policy = dataclasses.replace(SAFE, names=(schools.SchoolName("www.finder.example", False),))
    assert ede(Story(policy).ask(query("www.finder.example"))) == [15]


def test_the_safe_host_is_never_blocked_by_a_list():
    story = Story(SAFE, listed={"adult": ["safe.finder.example", "elsewhere.example"]})
    exchange = story.ask(query("www.finder.example"))
    ((_, heard),) = story.answer(exchange, reply(exchange.question, [alias("elsewhere.example"), address()]))
    assert "198.51.100.7" in sections(heard)[1]


def test_a_safe_host_that_cannot_be_had_is_a_failure_and_never_the_engine():
    story = Story(SAFE)
    exchange = story.ask(query("www.finder.example"))
    while isinstance(exchange, Exchange):
        outcome = story.answer(exchange, reply(exchange.question, rcode=2))
        exchange = outcome if isinstance(outcome, Exchange) else None
    assert rcode(story.heard["client"][0]) == "SERVFAIL"


def test_a_safe_answer_counts_down_and_is_asked_for_again():
    story = Story(SAFE)
    story.cached(query("www.finder.example"), address(25))
    story.passes(20.0)
    assert set(ttls(story.ask(query("www.finder.example")))) == {5}
    story.lose_prefetches()
    story.passes(5.5)
    assert isinstance(story.ask(query("www.finder.example")), Exchange)


def test_the_engine_and_the_safe_host_do_not_share_a_reply():
    story = Story(SAFE)
    story.cached(query("safe.finder.example"), address())
    assert len(sections(story.as_shell(query("www.finder.example")))) == 2
    assert len(sections(story.as_shell(query("safe.finder.example")))) == 1


# -- rebinding --------------------------------------------------------------------------------------------------------

INSIDE = b"\xc0\xa8\1\1"


def test_a_private_address_from_outside_is_not_told():
    heard = Story().cached(query("evil.example"), address(60, INSIDE))
    assert (rcode(heard), sections(heard), ede(heard)) == ("NOERROR", [], [15])


def test_one_private_address_among_others_hides_them_all():
    assert sections(Story().cached(query("evil.example"), address(), address(60, INSIDE))) == []


@pytest.mark.parametrize(
    "policy",
    [
        changed(rebinding=Rebinding(allow=("truong.example",))),
        changed(rebinding=Rebinding(protect=False)),
        changed(routes=(Route("truong.example", (Upstream("udp://10.0.0.5"),)),)),
    ],
    ids=["an exception", "switched off", "a zone with its own upstream"],
)
def test_the_schools_own_names_may_have_private_addresses(policy):
    heard = Story(policy).cached(query("may-in.truong.example"), address(60, INSIDE))
    assert "192.168.1.1" in sections(heard)[0]


def test_staff_are_protected_too():
    assert sections(Story().cached(query("evil.example"), address(60, INSIDE), place="staff-room")) == []


def test_the_schools_own_public_addresses_are_not_to_be_had_from_outside():
    policy = changed(networks=(*POLICY.networks, "2001:db8:0:1::/64", "198.51.100.0/24", "8.8.8.0/24"))
    assert sections(Story(policy).cached(query("evil.example"), address(60, b"\x08\x08\x08\x08"))) == []
    assert sections(Story(policy).cached(query("plain.example"), address(60, b"\x08\x08\x09\x08")))
    inside = bytes.fromhex("2a00123400000001000000000000beef")
    policy = changed(networks=(*POLICY.networks, "2a00:1234:0:1::/64"))
    assert sections(Story(policy).cached(query("evil.example", AAAA), record(AAAA, 60, inside))) == []


@pytest.mark.parametrize("target", ["localhost", "x.localhost", "may-in.truong.lan", schools.BOX])
def test_no_name_outside_leads_to_one_of_ours(target):
    local = Local(("truong.lan",), (LocalRecord("may-in.truong.lan", A, 60, "c0a80109"),))
    heard = Story(changed(local=local)).cached(query("evil.example"), alias(target))
    assert (rcode(heard), sections(heard)) == ("NOERROR", [])


def test_an_alias_of_the_school_for_an_engine_is_safe_too():
    record_of_it = LocalRecord("tim.truong.lan", 5, 60, names.wire_of_text("www.finder.example").hex())
    story = Story(dataclasses.replace(SAFE, local=Local((), (record_of_it,))))
    assert story.ask(query("tim.truong.lan")).question == schools.question("safe.finder.example")


# -- HTTPS and SVCB ---------------------------------------------------------------------------------------------------


def https(target: str = "", priority: int = 1, **params: bytes) -> bytes:
    keys = {"mandatory": 0, "alpn": 1, "ipv4hint": 4, "ech": 5, "ipv6hint": 6}
    data = priority.to_bytes(2, "big") + names.wire_of_text(target)
    for name, value in sorted(params.items(), key=lambda item: keys[item[0]]):
        data += keys[name].to_bytes(2, "big") + len(value).to_bytes(2, "big") + value
    return record(HTTPS, 300, data)


ECH = b"\0\5\xfe\x0d\0\1x"
FULL = {"alpn": b"\2h2\2h3", "ech": ECH, "ipv4hint": b"\xc6\x33\x64\x07" + INSIDE}


def test_a_pupils_https_record_has_no_ech_no_h3_and_no_private_hint():
    heard = Story(stripping()).cached(query("www.example.org", HTTPS), https(**FULL))
    (record_text,) = sections(heard)
    assert "ech" not in record_text
    assert "h3" not in record_text
    assert 'alpn="h2"' in record_text
    assert 'ipv4hint="198.51.100.7"' in record_text


def test_an_https_answer_of_which_nothing_is_left_has_an_soa_to_live_by():
    heard = Story(stripping()).cached(query("www.example.org", HTTPS), https(mandatory=b"\0\5", alpn=b"\2h2", ech=ECH))
    assert (rcode(heard), sections(heard), len(parsed(heard).authority)) == ("NOERROR", [], 1)


def test_staff_keep_ech_and_h3():
    heard = Story(stripping()).cached(query("www.example.org", HTTPS), https(**FULL), place="staff-room")
    assert "ech" in sections(heard)[0]
    assert "h3" in sections(heard)[0]


def test_an_edited_answer_is_never_authentic():
    story = Story(stripping())
    for place, authentic in (("7-3", False), ("staff-room", True)):
        exchange = story.ask(query("www.example.org", HTTPS, flags=0x0120), place)
        if isinstance(exchange, Exchange):
            packet = reply(exchange.question, [https(alpn=b"\2h2", ech=ECH)], flags=0x81A0)
            ((_, heard),) = story.answer(exchange, packet)
        else:
            heard = exchange
        assert bool(parsed(heard).flags & dns.flags.AD) is authentic


@pytest.mark.parametrize("priority", [0, 1], ids=["alias", "service"])
def test_the_target_of_an_https_record_is_judged(priority):
    heard = Story().cached(query("www.example.org", HTTPS), https("adult.example", priority))
    assert (ede(heard), sections(heard)) == ([15], [])


# -- addresses on lists -----------------------------------------------------------------------------------------------


class Addresses:
    """A table that also lists one address as adult."""

    has_addresses = True

    def __init__(self, table: Any) -> None:
        self._table = table

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def address_mask(self, packed: bytes) -> int:
        return 1 << self._table.categories.index("adult") if packed == b"\xc6\x33\x64\x07" else 0


def with_addresses(story: Story) -> Story:
    story.snapshot.table = Addresses(story.snapshot.table)  # type: ignore[assignment]
    story.snapshot.judges_addresses = True
    return story


def test_an_answer_with_a_listed_address_is_blocked_for_whom_the_category_is_closed():
    heard = with_addresses(Story()).cached(query("plain.example"), address())
    assert ede(heard) == [15]


def test_a_listed_address_says_nothing_about_what_a_school_allows_by_name():
    assert sections(with_addresses(Story()).cached(query("vi-du.edu.vn"), address()))
    assert sections(with_addresses(Story()).cached(query("moet.gov.vn"), address()))


def test_more_addresses_than_anybody_has_are_not_judged_but_blocked():
    packet = query("plain.example")
    many = [address(data=bytes((203, 0, 114 + n // 250, n % 250))) for n in range(501)]
    for count, codes in ((500, []), (501, [15])):
        story = with_addresses(Story())
        exchange = story.ask(packet, transport="tcp")
        ((_, heard),) = story.answer(exchange, reply(exchange.question, many[:count]))
        assert ede(heard) == codes


# -- the school's own names -------------------------------------------------------------------------------------------


def test_a_record_of_the_school_is_answered_here():
    local = Local(("truong.lan",), (LocalRecord("may-in.truong.lan", A, 60, "c0a80109"),))
    story = Story(changed(local=local))
    assert sections(story.ask(query("may-in.truong.lan"))) == ["may-in.truong.lan. 60 IN A 192.168.1.9"]
    assert rcode(story.ask(query("khong-co.truong.lan"))) == "NXDOMAIN"


def test_a_record_of_the_school_cannot_lift_the_floor():
    local = Local((), (LocalRecord("bad.example", A, 60, "c0a80109"), LocalRecord("adult.example", A, 60, "c0a80109")))
    story = Story(changed(local=local))
    assert rcode(story.ask(query("bad.example"))) == "NXDOMAIN"
    assert sections(story.ask(query("adult.example"))) == ["adult.example. 60 IN A 192.168.1.9"]


def test_an_alias_that_leads_outside_is_followed_and_judged():
    def to(target: str) -> LocalRecord:
        return LocalRecord("www.truong.lan", 5, 60, names.wire_of_text(target).hex())

    story = Story(changed(local=Local((), (to("host.example"),))))
    exchange = story.ask(query("www.truong.lan"))
    assert exchange.question == schools.question("host.example")
    ((_, heard),) = story.answer(exchange, reply(exchange.question, [address()]))
    assert len(sections(heard)) == 2
    story = Story(changed(local=Local((), (to("adult.example"),))))
    assert ede(story.ask(query("www.truong.lan"))) == [15]


# -- discovery --------------------------------------------------------------------------------------------------------


def test_without_encrypted_listeners_nothing_is_discovered():
    heard = Story().ask(query("_dns.resolver.arpa", 64))
    assert (rcode(heard), sections(heard)) == ("NOERROR", [])


def test_encrypted_listeners_are_discovered():
    encrypted = Encrypted("dns.truong.example", "cert.pem", "key.pem", ("10.0.0.1:853",), ("10.0.0.1:443",))
    story = Story(changed(encrypted=encrypted))
    heard = parsed(story.ask(query("_dns.resolver.arpa", 64)))
    assert {str(rdata.target) for rdata in heard.answer[0]} == {"dns.truong.example."}
    assert sections(story.ask(query("dns.truong.example")))[0].endswith("IN A 10.0.0.1")
