"""Server cookies as RFC 9018 makes them, so that any other server with the same secret would make the same."""

from __future__ import annotations

from ipaddress import ip_address

import dns.edns
import dns.message
import pytest

from filterd.core import wire
from filterd.core.cookies import MAX_AGE_S, MAX_AHEAD_S, RENEW_S, Cookies
from tests import schools

OLD = bytes.fromhex("dd3bdf9344b678b185a6f5cb60fca715")
SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
ROLLED = bytes.fromhex("445536bcd2513298075a5d379663c962")
CLIENT = b"\x24\x64\xc4\xab\xcf\x10\xc9\x57"
ADDRESS = ip_address("198.51.100.100").packed
NOW = 1559731985.0

# RFC 9018 appendix A: secrets, address, Unix time, the cookie that is asked with, the cookie that is answered
VECTORS = [
    pytest.param(
        (SECRET,), "198.51.100.100", 1559731985,
        "2464c4abcf10c957", "2464c4abcf10c957010000005cf79f111f8130c3eee29480", id="A.1 learning",
    ),
    pytest.param(
        (SECRET,), "198.51.100.100", 1559734385,
        "2464c4abcf10c957010000005cf79f111f8130c3eee29480", "2464c4abcf10c957010000005cf7a871d4a564a1442aca77",
        id="A.2 renewing",
    ),
    pytest.param(
        (SECRET,), "203.0.113.203", 1559734700,
        "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e",
        id="A.3 reserved bytes that are set",
    ),
    pytest.param(
        (ROLLED, OLD), "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961,
        "22681ab97d52c298010000005cf7c57926556bd0934c72f8", "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
        id="A.4 IPv6 and a rolled secret",
    ),
]  # fmt: skip


def data(option: bytes) -> bytes:
    assert option[:4] == b"\0\x0a\0\x18"
    return option[4:]


@pytest.mark.parametrize(("secrets", "address", "now", "asked", "answered"), VECTORS)
def test_the_cookies_of_the_standard_are_made_and_taken(secrets, address, now, asked, answered):
    cookies, client, asked = Cookies(secrets), ip_address(address).packed, bytes.fromhex(asked)
    if len(asked) > 8:
        # 3 of these are older than half an hour or of an old secret, none is older than an hour but that of A.3
        assert cookies.valid(asked, client, now) == (now - int.from_bytes(asked[12:16], "big") <= MAX_AGE_S)
    assert data(cookies.answer(asked, client, now)).hex() == answered
    assert cookies.valid(bytes.fromhex(answered), client, now)


def test_a_client_that_shows_its_cookie_keeps_it_for_half_an_hour():
    cookies = Cookies((SECRET,))
    cookie = data(cookies.answer(CLIENT, ADDRESS, NOW))
    assert data(cookies.answer(cookie, ADDRESS, NOW + RENEW_S - 1)) == cookie
    renewed = data(cookies.answer(cookie, ADDRESS, NOW + RENEW_S))
    assert renewed != cookie
    assert renewed[:8] == CLIENT
    assert (cookies.new, cookies.good, cookies.bad) == (1, 2, 0)


@pytest.mark.parametrize(
    ("later", "valid"),
    [
        (0, True), (MAX_AGE_S, True), (MAX_AGE_S + 1, False), (-MAX_AHEAD_S, True), (-MAX_AHEAD_S - 1, False),
        (2**31, False), (2**32, True),
    ],
)  # fmt: skip
def test_a_cookie_is_good_for_an_hour_and_five_minutes_ahead(later, valid):
    cookies = Cookies((SECRET,))
    cookie = data(cookies.answer(CLIENT, ADDRESS, NOW))
    assert cookies.valid(cookie, ADDRESS, NOW + later) == valid


@pytest.mark.parametrize("now", [0.0, 2.0**31 - 1, 2.0**32 - 1, 2.0**32, 2.0**33 + 0.5])
def test_the_clock_may_say_what_it_wants(now):
    cookies = Cookies((SECRET,))
    assert cookies.valid(data(cookies.answer(CLIENT, ADDRESS, now)), ADDRESS, now + 60)


def test_after_a_roll_the_old_cookie_is_taken_once_more_and_replaced():
    cookie = data(Cookies((OLD,)).answer(CLIENT, ADDRESS, NOW))
    cookies = Cookies((SECRET, OLD))
    assert cookies.valid(cookie, ADDRESS, NOW + 1)
    renewed = data(cookies.answer(cookie, ADDRESS, NOW + 1))
    assert Cookies((SECRET,)).valid(renewed, ADDRESS, NOW + 1)
    assert not Cookies((ROLLED, SECRET)).valid(cookie, ADDRESS, NOW + 1)


GOOD = data(Cookies((SECRET,)).answer(CLIENT, ADDRESS, NOW))


@pytest.mark.parametrize(
    ("cookie", "client"),
    [
        pytest.param(CLIENT, ADDRESS, id="no server cookie"),
        pytest.param(GOOD, ip_address("198.51.100.101").packed, id="another address"),
        pytest.param(GOOD, ip_address("2001:db8::1").packed, id="another family"),
        pytest.param(b"x" + GOOD[1:], ADDRESS, id="another client cookie"),
        pytest.param(GOOD[:-1] + bytes((GOOD[-1] ^ 1,)), ADDRESS, id="one bit"),
        pytest.param(GOOD[:8] + b"\2" + GOOD[9:], ADDRESS, id="another version"),
        pytest.param(GOOD[:9] + b"\1" + GOOD[10:], ADDRESS, id="a reserved byte"),
        pytest.param(GOOD[:15] + b"\0" + GOOD[16:], ADDRESS, id="another time"),
        pytest.param(GOOD[:16], ADDRESS, id="too short"),
        pytest.param(GOOD + b"\0", ADDRESS, id="too long"),
        pytest.param(GOOD + bytes(16), ADDRESS, id="as long as can be"),
    ],
)
def test_a_cookie_that_is_not_this_clients_is_replaced(cookie, client):
    cookies = Cookies((SECRET,))
    assert not cookies.valid(cookie, client, NOW)
    assert cookies.valid(data(cookies.answer(cookie, client, NOW)), client, NOW)
    assert (cookies.new, cookies.bad) == ((1, 0) if cookie == CLIENT else (0, 1))


def test_the_scope_of_a_link_local_client_is_not_part_of_its_address():
    cookies, address = Cookies((SECRET,)), ip_address("fe80::1").packed
    cookie = data(cookies.answer(CLIENT, address + b"\2\0\0\0", NOW))
    assert cookies.valid(cookie, address, NOW)


def bare(options: bytes, flags: int = 0x0100, counts: bytes = b"\0\0\0\0\0\0\0\1") -> bytes:
    return (
        b"\x12\x34" + flags.to_bytes(2, "big") + counts + schools.OPT[:-2] + len(options).to_bytes(2, "big") + options
    )


def test_a_query_without_a_question_gets_its_cookie():
    reply = Cookies((SECRET,)).bare(bare(b"\0\x0a\0\x08" + CLIENT), ADDRESS, NOW)
    assert reply is not None
    message = dns.message.from_wire(reply)
    assert (message.id, message.rcode(), message.question) == (0x1234, 0, [])
    (option,) = message.options
    assert isinstance(option, dns.edns.CookieOption)
    assert option.client + option.server == GOOD


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(bare(b""), id="no cookie"),
        pytest.param(bare(b"\0\x0a\0\x07" + CLIENT[:7]), id="7 bytes"),
        pytest.param(bare(b"\0\x0a\0\x08" + CLIENT, 0x8100), id="a response"),
        pytest.param(bare(b"\0\x0a\0\x08" + CLIENT, 0x2800), id="an update"),
        pytest.param(bare(b"\0\x0a\0\x08" + CLIENT, counts=b"\0\0\0\1\0\0\0\1"), id="an answer counted"),
        pytest.param(bare(b"\0\x0a\0\x08" + CLIENT, counts=bytes(8)), id="nothing counted"),
        pytest.param(schools.query(), id="a question"),
        pytest.param(bare(b"\0\x0a\0\x08" + CLIENT)[:-1], id="cut"),
    ],
)
def test_other_packets_without_a_question_do_not(packet):
    cookies = Cookies((SECRET,))
    assert cookies.bare(packet, ADDRESS, NOW) is None
    assert wire.read_bare_cookie(packet) is None
    assert cookies.new == 0
